"""GraphML and GEXF, as Gephi, Cytoscape, yEd and networkx read them.

Nodes are works with name, title, date, year and, if they have one, family. Edges lead from a work to what it names, and
say by their kind whether it builds on it, compares itself with it, or says something of it. networkx writes both.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from catalog.library import Library

__all__ = ["gexf", "graphml"]


def graphml(library: Library, works: Collection[str]) -> str:
    """The graph of some works and of what is between them."""
    import networkx

    return "\n".join(networkx.generate_graphml(_graph(library, works), prettyprint=True)) + "\n"


def gexf(library: Library, works: Collection[str]) -> str:
    """The graph of some works and of what is between them."""
    import networkx

    stream = BytesIO()
    graph = _graph(library, works)
    for _, node in graph.nodes(data=True):
        node["label"] = node["name"]
    networkx.write_gexf(graph, stream, prettyprint=True)
    return stream.getvalue().decode() + "\n"


def _graph(library: Library, works: Collection[str]) -> Any:
    import networkx

    from catalog.graph import citation_graph

    part: Any = networkx.MultiDiGraph()
    whole = citation_graph(library)
    part.add_nodes_from((work, dict(whole.nodes[work])) for work in works)
    part.add_edges_from(
        (start, end, dict(data)) for start, end, data in whole.edges(data=True) if start in part and end in part
    )
    return part
