"""Which works are given away, and in which format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catalog.library import Library
    from catalog.records import Paper, Work

__all__ = ["FORMATS", "select", "write"]

FORMATS = (
    "bibtex",
    "ris",
    "csl-json",
    "json-ld",
    "graphml",
    "gexf",
    "dot",
    "mermaid",
    "json",
    "csv",
    "model-index",
)


def select(
    library: Library, names: Sequence[str] = (), *, topic: str | None = None, of_lineage: str | None = None
) -> list[Work]:
    """The works that are meant, oldest first: those named, of a lineage, or all papers; of these those on a topic.

    Args:
        library: the catalogue.
        names: what people call papers, families and works outside.
        topic: only papers on it and on those under it.
        of_lineage: a paper or a family, with what came of it.

    Raises:
        CatalogError: there is nothing of such a name.
    """
    ids = [work for name in names for work in library.ids(name)]
    if of_lineage is not None:
        from catalog.graph import lineage

        ids += [step.id for step in lineage(library, [of_lineage]).papers]
    if not names and of_lineage is None:
        ids = [paper.id for paper in library.papers]
    if topic is not None:
        from catalog.names import find_topic

        on_topic = {paper.id for paper in library.papers_on(find_topic(topic, library.topic_names.values()))}
        ids = [work for work in ids if work in on_topic]
    works = [library.work(work) for work in dict.fromkeys(ids)]
    return sorted(works, key=lambda work: (work.published, work.id))


def write(library: Library, to: str, works: Sequence[Work], recorded: Callable[[Paper], Mapping[str, str]]) -> str:
    """Works in a format.

    Args:
        library: the catalogue they are from.
        to: one of :data:`FORMATS`.
        works: the works.
        recorded: gives the newest recorded verdict on each claim of a paper.

    Raises:
        CatalogError: there is no such format.
    """
    ids = [work.id for work in works]
    match to:
        case "bibtex":
            from catalog.formats.bibtex import bibtex

            return bibtex(works)
        case "ris":
            from catalog.formats.ris import ris

            return ris(works)
        case "csl-json":
            from catalog.formats.csl_json import csl_json

            return csl_json(works)
        case "json-ld":
            from catalog.formats.json_ld import json_ld

            return json_ld(works, library)
        case "graphml" | "gexf":
            from catalog.formats import graphs

            return (graphs.graphml if to == "graphml" else graphs.gexf)(library, ids)
        case "dot" | "mermaid":
            from catalog.formats import arrows_among, dot, mermaid

            outlines = [library.outlines[work] for work in ids]
            draw = dot.graph if to == "dot" else mermaid.graph
            return draw(outlines, arrows_among(outlines))
        case "json" | "csv":
            from catalog.formats.tables import table, whole

            return (whole if to == "json" else table)(works, library, recorded)
        case "model-index":
            from catalog.formats.model_index import model_index

            return model_index(works)
        case _:
            raise CatalogError(f"there is no format '{to}'; there are {', '.join(FORMATS)}")
