"""Who builds on whom.

Lineage answers from the outlines of the records. :func:`citation_graph` is the same and more for whoever wants to ask
networkx.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from catalog.text import counted, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import networkx

    from catalog.library import Library
    from catalog.outline import Edge
    from catalog.relations import Relation

__all__ = ["Lineage", "Link", "Step", "citation_graph", "lineage"]

Direction = Literal["descendants", "ancestors"]


@dataclass(frozen=True, slots=True)
class Link:
    """How a work comes into a lineage: from which of its works, and by which relation."""

    parent: str
    relation: Relation
    what: str
    part: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A work in a lineage, at the one place where it is shown."""

    id: str
    name: str
    year: int
    published: str
    depth: int
    parent: str | None
    """The work under which it is shown; none for the works that were asked about and hang under no other."""
    relation: Relation | None
    what: str | None
    part: str | None
    external: bool
    """Whether it is a work outside the catalogue."""
    also: tuple[Link, ...]
    """The other ways by which it is reached."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """The works that come from some works, or from which these come: a tree with references across."""

    of: tuple[str, ...]
    """The works that were asked about; of a family its members."""
    direction: Direction
    papers: tuple[Step, ...]
    """Each work once, those that were asked about included; a work is followed by what is shown under it."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"of": list(self.of), "direction": self.direction, "papers": [asdict(step) for step in self.papers]}

    @property
    def summary(self) -> str:
        """In a few words, for a person."""
        whose = "its" if len(self.of) == 1 else "their"
        return f"{listed(self.of)} and {whose} {self.direction}, {counted(len(self.papers), 'work')} in all"

    def __repr__(self) -> str:
        return f"<Lineage: {self.summary}>"

    def _repr_html_(self) -> str:
        from catalog import notebook

        return notebook.lineage(self)


def lineage(
    library: Library,
    of: Sequence[str],
    *,
    ancestors: bool = False,
    depth: int | None = None,
    all_relations: bool = False,
) -> Lineage:
    """The works that build on some works, or on which these build, directly or through others.

    Relations of descent are followed on and on. What only combines, applies or analyses a work is shown, not followed:
    through batch normalisation and residual connections nearly everything after 2016 comes from everything before.

    Each work is shown once: where descent reaches it in the fewest steps, otherwise where another relation does; of
    several such places under the oldest work. A member of a family that descends from another is shown under it.

    Args:
        library: the catalogue.
        of: what people call the papers, families or outside works.
        ancestors: look back instead of forward.
        depth: largest number of steps from any of the works asked about; unlimited if omitted.
        all_relations: follow every relation.

    Raises:
        AmbiguousName: a name stands for several papers that are not one family.
        UnknownName: nothing is called so.
    """
    starts = tuple(dict.fromkeys(work for name in of for work in library.ids(name)))
    edges = _Edges(library, ancestors=ancestors)

    def age(work: str) -> tuple[str, str]:
        return library.outlines[work].published, work

    def followed(work: str) -> Iterator[str]:
        return (other for other, edge in edges[work] if all_relations or edge.relation.is_descent)

    distance = _distances(starts, followed)
    # The works under which others hang.
    inner = {work for work, steps in distance.items() if depth is None or steps < depth}

    def onwards(work: str) -> Iterator[str]:
        return followed(work) if work in inner else iter(())

    below = {work for start in starts for work in _distances([start], onwards) if work != start}
    roots = [start for start in starts if start not in below]
    depths = _distances(roots, onwards)
    ways: dict[str, list[Link]] = defaultdict(list)
    for parent in sorted(inner, key=age):
        for other, edge in sorted(edges[parent], key=lambda pair: pair[1].relation.rank):
            ways[other].append(Link(parent, edge.relation, edge.what, edge.part))

    steps: dict[str, Step] = {}
    for work in (*depths, *(work for work in ways if work not in depths)):
        links = ways[work]
        if work in depths:
            places = [
                link
                for link in links
                if (all_relations or link.relation.is_descent) and depths[link.parent] == depths[work] - 1
            ]
        else:
            nearest = min(depths[link.parent] for link in links)
            places = [link for link in links if depths[link.parent] == nearest]
        place = places[0] if places else None
        outline = library.outlines[work]
        steps[work] = Step(
            id=work,
            name=outline.name,
            year=outline.year,
            published=outline.published,
            depth=depths[place.parent] + 1 if place else 0,
            parent=place.parent if place else None,
            relation=place.relation if place else None,
            what=place.what if place else None,
            part=place.part if place else None,
            external=outline.external,
            also=tuple(link for link in links if link is not place),
        )
    return Lineage(starts, "ancestors" if ancestors else "descendants", tuple(_in_order(steps.values())))


class _Edges(dict[str, list[tuple[str, "Edge"]]]):
    """From each work to those that build on it, or on which it builds; looked up when they are asked for."""

    def __init__(self, library: Library, *, ancestors: bool) -> None:
        super().__init__()
        self._library, self._ancestors = library, ancestors

    def __missing__(self, work: str) -> list[tuple[str, Edge]]:
        if self._ancestors:
            found = [(edge.paper, edge) for edge in self._library.outlines[work].builds_on]
        else:
            found = [(outline.id, edge) for outline, edge in self._library.led_to(work)]
        self[work] = found
        return found


def _distances(starts: Iterable[str], neighbours: Callable[[str], Iterable[str]]) -> dict[str, int]:
    """The number of steps to each work that can be reached."""
    distances = dict.fromkeys(starts, 0)
    queue = deque(distances)
    while queue:
        work = queue.popleft()
        for other in neighbours(work):
            if other not in distances:
                distances[other] = distances[work] + 1
                queue.append(other)
    return distances


def _in_order(steps: Iterable[Step]) -> Iterator[Step]:
    """Every work followed by what is shown under it, the oldest first."""
    below: dict[str | None, list[Step]] = defaultdict(list)
    # The newest first, because what is put on the stack last is taken from it first.
    for step in sorted(steps, key=lambda step: (step.published, step.id), reverse=True):
        below[step.parent].append(step)
    stack = below[None]
    while stack:
        step = stack.pop()
        yield step
        stack += below[step.id]


def citation_graph(library: Library) -> networkx.MultiDiGraph[str]:
    """Papers and outside works as nodes; an edge from each work to every work that it names.

    The attributes of a node are kind ("paper" or "external"), name, title, published, year and, if it has one, family.
    The attribute kind of an edge is

    * "builds_on": with relation, what and, where one is meant, part;
    * "compares_with": with what;
    * "comment": with text and quotation, from the work that says something to the paper of which it says it.
    """
    import networkx

    graph: networkx.MultiDiGraph[str] = networkx.MultiDiGraph()
    for outline in library.outlines.values():
        attributes = {"kind": "external" if outline.external else "paper", "name": outline.name, "title": outline.title}
        attributes |= {"family": outline.family} if outline.family else {}
        graph.add_node(outline.id, **attributes, published=outline.published, year=outline.year)
    for paper in library.papers:
        for edge in paper.builds_on:
            part = {"part": edge.part} if edge.part else {}
            graph.add_edge(paper.id, edge.paper, kind="builds_on", relation=str(edge.relation), what=edge.what, **part)
        for other in paper.compares_with:
            graph.add_edge(paper.id, other.paper, kind="compares_with", what=other.what)
        for comment in paper.comments:
            graph.add_edge(comment.source, paper.id, kind="comment", text=comment.text, quotation=comment.quotation)
    return graph
