"""A layered layout of a graph, after Sugiyama: columns from left to right, and as few crossings as are quickly found.

The steps are the usual ones. Every edge that passes a column gets a place of its own there, a *lane*, so that no edge
runs through a name; edges of one kind from the same node share their lanes. The order in each column comes from
barycentres, swept to and fro, and from exchanging neighbours. The heights are those that make the edges shortest, which
for a column in a given order is isotonic regression. Nothing is random.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["Column", "Drawing", "Edge", "Point", "columns_by_year", "layered"]

Point: TypeAlias = tuple[float, float]

Edge: TypeAlias = tuple[str, str, str]
"""From where, to where, and of what kind."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a drawing."""

    x: float
    width: float
    nodes: tuple[str, ...]
    """From the top down."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Where everything is, in pixels from the upper left corner."""

    columns: tuple[Column, ...]
    positions: Mapping[str, Point]
    """The middle of the left end of each node."""
    routes: Mapping[Edge, tuple[Point, ...]]
    """The corners of each edge, from the right end of its first node to the left end of its second: it is level within
    a column and changes its height between two."""
    width: float
    height: float
    crossings: int
    """How often edges cross between two columns."""


def columns_by_year(years: Mapping[str, int], edges: Iterable[Edge], most: int) -> list[list[str]]:
    """Nodes in columns, the oldest first: no year lies right of a later one, and no edge within a column.

    Args:
        years: of the nodes.
        edges: of a graph without cycles.
        most: how many nodes a column should have at most. Where years have few, one begins in the column in which the
            last ended.
    """
    of_year: dict[int, list[str]] = defaultdict(list)
    for node, year in years.items():
        of_year[year].append(node)
    before: dict[str, list[str]] = defaultdict(list)
    for source, target, _ in edges:
        first, last = (source, target) if years[source] <= years[target] else (target, source)
        before[last].append(first)
    columns: list[list[str]] = [[]]
    place: dict[str, int] = {}

    def put(node: str, start: int) -> None:
        """Put a node right of those that lead to it, into a column that has room."""
        if node in place:
            return
        for other in before[node]:
            put(other, start)
        at = max([start, *(place[other] + 1 for other in before[node])])
        while at < len(columns) and len(columns[at]) >= most:
            at += 1
        columns.extend([] for _ in range(at + 1 - len(columns)))
        columns[at].append(node)
        place[node] = at

    for _, nodes in sorted(of_year.items()):
        start = len(columns) - 1 if len(columns[-1]) + len(nodes) <= most else len(columns)
        for node in nodes:
            put(node, start)
    return [column for column in columns if column]


def layered(
    columns: Sequence[Sequence[str]],
    edges: Iterable[Edge],
    *,
    widths: Mapping[str, float],
    group: Callable[[str], str] = str,
    pitch: float = 24,
    lane: float = 5,
    gap: float = 60,
) -> Drawing:
    """Lay out a graph whose nodes have their columns already.

    Args:
        columns: the nodes of each, in any order.
        edges: those within a column are left out.
        widths: of the nodes, in pixels.
        group: what orders nodes, and so keeps together those that have it in common, where that costs no crossing.
        pitch: distance between the middles of two nodes, one below the other.
        lane: distance between two edges that pass a column.
        gap: distance between columns.
    """
    nodes = {node: (widths[node], group(node)) for column in columns for node in column}
    return _laid_out(tuple(map(tuple, columns)), tuple(edges), tuple(nodes.items()), pitch, lane, gap)


@lru_cache(maxsize=2048)  # most pictures stay as they are from one build to the next
def _laid_out(
    columns: tuple[tuple[str, ...], ...],
    edges: tuple[Edge, ...],
    nodes: tuple[tuple[str, tuple[float, str]], ...],
    pitch: float,
    lane: float,
    gap: float,
) -> Drawing:
    widths = {node: width for node, (width, _) in nodes}
    groups = {node: group for node, (_, group) in nodes}
    graph = _Graph(columns, edges, groups.__getitem__)
    graph.order()
    heights = graph.heights(pitch, lane)
    top = min(heights, default=0.0) - pitch / 2
    ys = [height - top for height in heights]
    wide = [max((widths[node] for node in column), default=0.0) for column in columns]
    lefts = [sum(wide[:number]) + gap * number for number in range(len(wide))]
    places = {node: (lefts[graph.column[number]], ys[number]) for node, number in graph.numbers.items()}
    routes = {}
    for edge, (first, *lanes, last) in graph.chains.items():
        start = lefts[graph.column[first]]
        points = [(start + width, ys[first]) for width in (widths[graph.nodes[first]], wide[graph.column[first]])]
        for number in lanes:
            left = lefts[graph.column[number]]
            points += [(left, ys[number]), (left + wide[graph.column[number]], ys[number])]
        points.append((lefts[graph.column[last]], ys[last]))
        routes[edge] = tuple(points if graph.nodes[first] == edge[0] else reversed(points))
    return Drawing(
        tuple(
            Column(left, width, tuple(graph.nodes[number] for number in layer if number < len(graph.nodes)))
            for left, width, layer in zip(lefts, wide, graph.layers, strict=True)
        ),
        places,
        routes,
        width=lefts[-1] + wide[-1] if lefts else 0.0,
        height=max(ys, default=0.0) + pitch / 2 if ys else 0.0,
        crossings=graph.crossings(),
    )


class _Graph:
    """Nodes and lanes by number, and the order in which they stand in their layers."""

    def __init__(self, columns: Sequence[Sequence[str]], edges: Iterable[Edge], group: Callable[[str], str]) -> None:
        self.nodes = [node for column in columns for node in column]
        """By number; the numbers that follow are of lanes."""
        self.numbers = {node: number for number, node in enumerate(self.nodes)}
        self.column = [index for index, column in enumerate(columns) for _ in column]
        self.group = [group(node) for node in self.nodes]
        self.left: list[list[int]] = [[] for _ in self.nodes]
        """The neighbours of each in the layer before."""
        self.right: list[list[int]] = [[] for _ in self.nodes]
        self.chains: dict[Edge, list[int]] = {}
        """What each edge goes through, from left to right."""
        lanes: dict[tuple[int, str, int], int] = {}
        for edge in edges:
            ends = (self.numbers[edge[0]], self.numbers[edge[1]])
            first, last = sorted(ends, key=self.column.__getitem__)
            if self.column[first] == self.column[last]:
                continue
            chain = [first]
            for index in range(self.column[first] + 1, self.column[last]):
                lane = lanes.get((first, edge[2], index))
                if lane is None:
                    lane = lanes[first, edge[2], index] = self._lane(first, index)
                    self._join(chain[-1], lane)
                chain.append(lane)
            self._join(chain[-1], last)
            self.chains[edge] = [*chain, last]
        self.layers: list[list[int]] = [[] for _ in columns]
        for number in sorted(range(len(self.column)), key=lambda number: (self.group[number], number)):
            self.layers[self.column[number]].append(number)

    def _lane(self, source: int, column: int) -> int:
        self.column.append(column)
        self.group.append(self.group[source])
        self.left.append([])
        self.right.append([])
        return len(self.column) - 1

    def _join(self, one: int, other: int) -> None:
        self.right[one].append(other)
        self.left[other].append(one)

    # --- Order ---

    def order(self, sweeps: int = 24, patience: int = 6) -> None:
        """Find an order of each layer in which few edges cross.

        Args:
            sweeps: largest number of times to go through all layers.
            patience: how many of them in a row may find nothing better.
        """
        best, fewest, in_vain = self.layers, self.crossings(), 0
        for sweep in range(sweeps):
            forwards = sweep % 2 == 1  # from right to left first: works from outside have nothing to their left
            self.layers = [list(layer) for layer in self.layers]
            self._sweep(forwards=forwards)
            self._exchange()
            found = self.crossings()
            in_vain = 0 if found < fewest else in_vain + 1
            if found < fewest:
                best, fewest = self.layers, found
            if in_vain == patience:
                break
        self.layers = best

    def crossings(self) -> int:
        """How often edges cross between two layers."""
        total = 0
        for one, other in pairwise(self.layers):
            place = {number: index for index, number in enumerate(other)}
            ends: list[int] = []
            for number in one:
                own = [place[neighbour] for neighbour in self.right[number]]
                total += sum(len(ends) - bisect_right(ends, end) for end in own)
                for end in own:
                    insort(ends, end)
        return total

    def _sweep(self, *, forwards: bool) -> None:
        """Put every layer in the order of the barycentres of its neighbours in the one before."""
        neighbours = self.left if forwards else self.right
        order = range(1, len(self.layers)) if forwards else range(len(self.layers) - 2, -1, -1)
        for index in order:
            fixed = self.layers[index - 1 if forwards else index + 1]
            place = {number: position for position, number in enumerate(fixed)}
            layer = self.layers[index]
            centre = {
                number: sum(place[one] for one in neighbours[number]) / len(neighbours[number])
                for number in layer
                if neighbours[number]
            }
            moved = iter(sorted(centre, key=lambda number: (centre[number], self.group[number], number)))
            # What has no neighbours there keeps its place.
            self.layers[index] = [next(moved) if number in centre else number for number in layer]

    def _exchange(self, rounds: int = 8) -> None:
        """Exchange neighbours in a layer as long as that takes away crossings, or puts groups in order at no cost."""
        place = [0] * len(self.column)
        for layer in self.layers:
            for position, number in enumerate(layer):
                place[number] = position
        stirred = set(range(len(self.layers)))
        for _ in range(rounds):
            todo, stirred = sorted(stirred), set()
            for index in todo:
                layer = self.layers[index]
                left = {number: sorted([place[other] for other in self.left[number]]) for number in layer}
                right = {number: sorted([place[other] for other in self.right[number]]) for number in layer}
                for position in range(len(layer) - 1):
                    upper, lower = layer[position], layer[position + 1]
                    gain = _gain(left[upper], left[lower]) + _gain(right[upper], right[lower])
                    if gain > 0 or (gain == 0 and self.group[upper] > self.group[lower]):
                        layer[position], layer[position + 1] = lower, upper
                        place[upper], place[lower] = position + 1, position
                        if gain > 0:
                            stirred |= {index - 1, index, index + 1}
            stirred &= set(range(len(self.layers)))

    # --- Coordinates ---

    def heights(self, pitch: float, lane: float, sweeps: int = 24) -> list[float]:
        """How far down each node and lane is: edges as short, and lanes as straight, as the distances allow."""
        room = [pitch if number < len(self.nodes) else lane for number in range(len(self.column))]
        offsets = [0.0] * len(room)  # of each from the first in its layer, when all stand as close as they may
        for layer in self.layers:
            for upper, lower in pairwise(layer):
                offsets[lower] = offsets[upper] + (room[upper] + room[lower]) / 2
        heights = [0.0] * len(room)
        for layer in self.layers:
            for number in layer:
                heights[number] = offsets[number] - offsets[layer[-1]] / 2
        for sweep in range(sweeps):
            for layer in self.layers if sweep % 2 == 0 else reversed(self.layers):
                wanted, weights = [], []
                for number in layer:
                    pulls = [
                        (4.0 if number >= len(self.nodes) <= other else 1.0, heights[other])
                        for side in (self.left, self.right)
                        for other in side[number]
                    ]
                    weight = sum(pull for pull, _ in pulls)
                    height = sum(pull * at for pull, at in pulls) / weight if pulls else heights[number]
                    wanted.append(height - offsets[number])
                    weights.append(weight or 0.01)
                for number, height in zip(layer, _isotonic(wanted, weights), strict=True):
                    heights[number] = height + offsets[number]
        return heights


def _gain(upper: Sequence[int], lower: Sequence[int]) -> int:
    """How many crossings fewer there are when two neighbours in a layer change places.

    Args:
        upper: where the edges of the upper one end in the next layer, in order.
        lower: the same of the lower one.
    """
    if len(upper) == 1 == len(lower):  # lanes, which most are
        return (upper[0] > lower[0]) - (upper[0] < lower[0])
    return sum(bisect_left(lower, end) - len(lower) + bisect_right(lower, end) for end in upper)


def _isotonic(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The values that never fall and are nearest to the wanted ones, by weighted least squares.

    Neighbours that would fall are pooled into their mean, again and again.
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight, number of values
    for value, weight in zip(wanted, weights, strict=True):
        mean, total, count = value, weight, 1
        while pools and pools[-1][0] > mean:
            before, heavy, many = pools.pop()
            mean = (before * heavy + mean * total) / (heavy + total)
            total, count = heavy + total, many + count
        pools.append((mean, total, count))
    return [mean for mean, _, count in pools for _ in range(count)]
