"""Who builds on whom.

Lineage, paths, common ancestors and influence are answered from the outlines of the records. :func:`citation_graph` is
the same and more for whoever wants to ask networkx.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal

from catalog.errors import CatalogError
from catalog.text import counted, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    import networkx

    from catalog.library import Library
    from catalog.outline import Edge
    from catalog.relations import Relation

__all__ = [
    "Common",
    "CommonAncestor",
    "Derivation",
    "Influence",
    "Lineage",
    "Link",
    "Path",
    "Step",
    "Waypoint",
    "citation_graph",
    "common",
    "influence",
    "lineage",
    "path",
]

Direction = Literal["descendants", "ancestors"]


@dataclass(frozen=True, slots=True)
class Link:
    """How a work builds on another: by which relation, and what it changes."""

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
    for parent in sorted(inner, key=lambda work: _age(library, work)):
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


# --- Paths -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waypoint:
    """A work on the way from one to another."""

    id: str
    name: str
    year: int
    published: str
    external: bool
    """Whether it is a work outside the catalogue."""
    links: tuple[Link, ...]
    """How it builds on the work before it, the strongest relation first; nothing for the first work of a path."""


Path = tuple[Waypoint, ...]
"""Works each of which builds on the one before it."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """How one work, or family, led to another."""

    start: tuple[str, ...]
    """The works from which a way was looked for."""
    goal: tuple[str, ...]
    """Those to which."""
    direction: Literal["forward", "backward"] | None
    """Backward where it is the goal that led to the start; none where neither led to the other."""
    all_relations: bool
    """Whether the paths follow every relation; otherwise they are descent."""
    count: int
    """How many paths are as short."""
    paths: tuple[Path, ...]
    """Shortest paths, each from the older work to the younger, that by the strongest relations first."""
    common: Common | None
    """Where neither led to the other, what both come from."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "from": list(self.start),
            "to": list(self.goal),
            "direction": self.direction,
            "all_relations": self.all_relations,
            "steps": len(self.paths[0]) - 1 if self.paths else None,
            "count": self.count,
            "paths": [[asdict(point) for point in path] for path in self.paths],
            "common": self.common and self.common.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class CommonAncestor:
    """A work that several others come from."""

    id: str
    name: str
    year: int
    published: str
    external: bool
    paths: tuple[Path, ...]
    """A shortest path to each of the others; where it is itself one of them, that alone."""


@dataclass(frozen=True, slots=True)
class Common:
    """What several works, or families, come from."""

    of: tuple[tuple[str, ...], ...]
    """The works of each that was asked about."""
    all_relations: bool
    """Whether every relation was followed; otherwise only descent."""
    ancestors: tuple[CommonAncestor, ...]
    """The common ancestors that lead to no other of them; those with the fewest steps to all works first."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def path(library: Library, start: str, goal: str, *, all_relations: bool = False, limit: int = 1) -> Derivation:
    """How one work led to another: the shortest paths along which each work builds on the one before it.

    The shortest paths of descent are looked for first, then those by any relation; if there are none, the same the
    other way round, and at last the nearest common ancestors. A family is all its members at once.

    Args:
        library: the catalogue.
        start: what people call the paper, family or outside work from which to go.
        goal: the one to which.
        all_relations: follow every relation from the beginning.
        limit: largest number of paths that are returned; all are counted.

    Raises:
        AmbiguousName: a name stands for several papers that are not one family.
        UnknownName: nothing is called so.
        CatalogError: both are the same.
    """
    first, last = _apart(library, (start, goal))
    directions: tuple[tuple[Literal["forward", "backward"], tuple[str, ...], tuple[str, ...]], ...] = (
        ("forward", first, last),
        ("backward", last, first),
    )
    for direction, old, new in directions:
        for every in (True,) if all_relations else (False, True):
            ways = _Ways(library, new, all_relations=every, until=old)
            nearest = ways.nearest(old)
            if nearest:
                paths = chain.from_iterable(map(ways.paths, nearest))
                count = sum(ways.count[work] for work in nearest)
                return Derivation(first, last, direction, every, count, tuple(islice(paths, limit)), None)
    shared = common(library, (start, goal), all_relations=all_relations)
    return Derivation(first, last, None, shared.all_relations, 0, (), shared)


def common(library: Library, names: Sequence[str], *, all_relations: bool = False) -> Common:
    """The nearest common ancestors of several works: those of which no other common ancestor comes.

    Common descent is looked for first, then what all build on by any relation. A work counts among its own ancestors,
    so that what led to all others is their common ancestor. A family has the ancestors of all its members.

    Args:
        library: the catalogue.
        names: what people call the papers, families or outside works; at least two.
        all_relations: follow every relation from the beginning.

    Raises:
        AmbiguousName: a name stands for several papers that are not one family.
        UnknownName: nothing is called so.
        CatalogError: two of them are the same.
    """
    sets = _apart(library, names)
    for every in (True,) if all_relations else (False, True):
        ways = [_Ways(library, works, all_relations=every) for works in sets]
        shared = set(ways[0].distance).intersection(*(way.distance for way in ways[1:]))
        # Whatever comes before a common ancestor is one too, so that the direct ancestors of them are all to leave out.
        nearest = shared - {parent for work in shared for parent in _parents(library, work, every)}
        if nearest:
            break

    def remote(work: str) -> tuple[int, str, str]:
        return sum(way.distance[work] for way in ways), *_age(library, work)

    found = []
    for work in sorted(nearest, key=remote):
        point = _waypoint(library, work)
        paths = tuple(next(way.paths(work)) for way in ways)
        found.append(CommonAncestor(point.id, point.name, point.year, point.published, point.external, paths))
    return Common(sets, every, tuple(found))


def _apart(library: Library, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The works of each name. A family is without those of its members that are named beside it."""
    if len(set(names)) < 2:
        raise CatalogError("name two different papers or families")
    found = {name: library.ids(name) for name in names}
    apart: dict[tuple[str, ...], str] = {}
    for name, works in found.items():
        members = {work for others in found.values() if len(others) < len(works) for work in others}
        rest = tuple(work for work in works if work not in members)
        if not rest:
            raise CatalogError(f"all papers of '{name}' are named beside it; leave it out, or them")
        if rest in apart:
            raise CatalogError(f"'{apart[rest]}' and '{name}' are the same; name different papers")
        apart[rest] = name
    return tuple(apart)


class _Ways:
    """The shortest ways to some works from those that they build on, directly or through others.

    Args:
        library: the catalogue.
        goals: the works to which the ways lead.
        all_relations: follow every relation, not only descent.
        until: where one of these is reached, no longer ways are looked for.
    """

    def __init__(
        self, library: Library, goals: Iterable[str], *, all_relations: bool, until: Collection[str] = ()
    ) -> None:
        self._library = library
        self.distance = dict.fromkeys(goals, 0)
        """Steps from each work from which a way leads to a goal."""
        self.count = dict.fromkeys(self.distance, 1)
        """How many shortest ways there are from it."""
        self._merit = {goal: (0, *_age(library, goal)) for goal in self.distance}
        """What orders works at the same distance: the ranks of the relations on the best way together, then age."""
        self._onward: dict[str, list[str]] = {goal: [] for goal in self.distance}
        """The works next to it on these ways, the best first."""
        level, steps = list(self.distance), 0
        while level and not any(work in self.distance for work in until):
            above: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
            for work in level:
                weakness, published, _ = self._merit[work]
                for parent, rank in _parents(library, work, all_relations).items():
                    if parent not in self.distance:
                        above[parent].append((weakness + rank, published, work))
            steps += 1
            for parent, onward in above.items():
                onward.sort()
                self.distance[parent] = steps
                self.count[parent] = sum(self.count[work] for *_, work in onward)
                self._merit[parent] = (onward[0][0], *_age(library, parent))
                self._onward[parent] = [work for *_, work in onward]
            level = list(above)

    def nearest(self, works: Iterable[str]) -> list[str]:
        """Those of the works from which the ways are shortest, that by the strongest relations first."""
        reached = [work for work in works if work in self.distance]
        steps = min((self.distance[work] for work in reached), default=0)
        return sorted((work for work in reached if self.distance[work] == steps), key=self._merit.__getitem__)

    def paths(self, start: str) -> Iterator[Path]:
        """Every shortest way from a work to a goal; at a fork the better branch goes first."""
        stack: list[Path] = [(_waypoint(self._library, start),)]
        while stack:
            way = stack.pop()
            onward = self._onward[way[-1].id]
            if not onward:
                yield way
            stack += [(*way, _waypoint(self._library, work, after=way[-1].id)) for work in reversed(onward)]


def _parents(library: Library, work: str, all_relations: bool) -> dict[str, int]:
    """The works on which one builds, or from which it descends, with the rank of the strongest relation to each."""
    ranks: dict[str, int] = {}
    for edge in library.outlines[work].builds_on:
        if all_relations or edge.relation.is_descent:
            ranks[edge.paper] = min(edge.relation.rank, ranks.get(edge.paper, edge.relation.rank))
    return ranks


def _waypoint(library: Library, work: str, after: str | None = None) -> Waypoint:
    outline = library.outlines[work]
    edges = sorted((edge for edge in outline.builds_on if edge.paper == after), key=lambda edge: edge.relation.rank)
    links = tuple(Link(edge.paper, edge.relation, edge.what, edge.part) for edge in edges)
    return Waypoint(work, outline.name, outline.year, outline.published, outline.external, links)


def _age(library: Library, work: str) -> tuple[str, str]:
    return library.outlines[work].published, work


# --- Influence -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Influence:
    """How many papers of the catalogue come of one."""

    id: str
    name: str
    year: int
    published: str
    directly: int
    """Papers that build on it themselves, by whatever relation."""
    in_all: int
    """Papers of its :func:`lineage`."""


def influence(library: Library, works: Iterable[str]) -> tuple[Influence, ...]:
    """How many papers of the catalogue come of each of some works; the most influential first.

    That is the one on which most build directly: those that come of a work through others are the more the older it is.
    """
    edges = _Edges(library, ancestors=False)
    found = []
    for work in works:
        descent = _distances([work], lambda one: (other for other, edge in edges[one] if edge.relation.is_descent))
        reached = {other for one in descent for other, _ in edges[one]}
        outline = library.outlines[work]
        directly = len({other for other, _ in edges[work]})
        found.append(Influence(work, outline.name, outline.year, outline.published, directly, len(reached)))
    return tuple(sorted(found, key=lambda one: (-one.directly, -one.in_all, one.published, one.id)))


# --- For networkx ----------------------------------------------------------------------------------------------------


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
