"""Training curves: what ``repro verify --record`` kept of training runs, drawn as small charts.

A claim has one chart for each quantity that was recorded. An *arm* is one of the networks that the experiment compares;
it was trained once for each seed.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from statistics import fmean
from typing import TYPE_CHECKING, TypeAlias

from catalog import paths
from catalog.errors import CatalogError
from catalog.text import counted, number
from catalog.website import svg

if TYPE_CHECKING:
    from catalog.website.markdown import Markdown

__all__ = ["Arm", "Chart", "charts", "recorded"]

Points: TypeAlias = Sequence[tuple[float, float | None]]
"""Steps with a value each; none where it was no finite number."""

POINTS = 60
"""Of a line, at most: each stands for as many recorded values as fall to it."""

WIDTH, HEIGHT = 380.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 112.0, 24.0, 40.0
LINE = 13.0
"""Height of a line of text."""

_SPREAD_OF_LOGARITHMS = 30
"""From this ratio of the largest value to the smallest one the axis is logarithmic."""


def recorded(paper: str, claim: str) -> bytes | None:
    """The file of curves of a training claim, if there is one: measured here, or else what came with the project."""
    for folder in paths.results_folders():
        path = folder / "curves" / paper / f"{claim}.json"
        if path.is_file():
            return path.read_bytes()
    return None


@dataclass(frozen=True, slots=True)
class Arm:
    """What was recorded of one arm: a line for each seed, all of them at the same steps."""

    name: str
    seeds: Mapping[str, Points]

    @property
    def mean(self) -> Points:
        """Over the seeds; none where it is not finite for one of them."""
        steps = max(self.seeds.values(), key=len)
        values = zip_longest(*([value for _, value in points] for points in self.seeds.values()))
        return [(step, _mean(at)) for (step, _), at in zip(steps, values, strict=True)]

    def after(self, share: float) -> list[float | None]:
        """The value for each seed when this share of the training was done."""
        return [points[max(math.ceil(share * len(points)) - 1, 0)][1] for points in self.seeds.values()]


@dataclass(frozen=True, slots=True)
class Chart:
    """One quantity of all arms that have it."""

    quantity: str
    arms: tuple[Arm, ...]

    @property
    def values(self) -> list[float]:
        """All that is drawn."""
        return [value for arm in self.arms for points in arm.seeds.values() for _, value in points if value is not None]

    @property
    def description(self) -> str:
        """What it shows, for those who cannot see it."""
        ends = ", ".join(f"{arm.name} ends at {_shown(arm.mean[-1][1])}" for arm in self.arms)
        seeds = counted(max(len(arm.seeds) for arm in self.arms), "seed")
        return f"{self.quantity} by training step, mean over {seeds}: {ends}"

    @property
    def numbers(self) -> list[tuple[str, list[str]]]:
        """For each arm, the mean and the range over the seeds after a quarter, half, three quarters and all steps."""
        return [(arm.name, [_in_short(arm.after(quarter / 4)) for quarter in range(1, 5)]) for arm in self.arms]

    def drawn(self) -> Markdown:
        """The chart as a picture."""
        return svg.picture(WIDTH, HEIGHT, self._parts(), label=self.description, class_="curves")

    def _parts(self) -> Iterator[Markdown]:
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        last = max(arm.mean[-1][0] for arm in self.arms)
        x = _Scale(_ticks(0, last, 4), 0, last, LEFT, right)
        y = _vertical(self.values, bottom, TOP)
        for at in y.ticks:
            yield svg.element("path", d=f"M{LEFT:g} {y(at):.1f}H{right:g}", class_="grid")
            yield svg.element("text", _tick(at), x=LEFT - 6, y=y(at) + 3.5, text_anchor="end")
        yield svg.element("path", d=f"M{LEFT:g} {bottom:g}H{right:g}", class_="axis")
        for at in x.ticks:
            yield svg.element("path", d=f"M{x(at):.1f} {bottom:g}v4", class_="axis")
            yield svg.element("text", _tick(at), x=x(at), y=bottom + 16, text_anchor="middle")
        yield svg.element("text", "step", x=(LEFT + right) / 2, y=bottom + 31, text_anchor="middle", class_="of")
        unit = f"{self.quantity}, logarithmic" if y.logarithmic else self.quantity
        yield svg.element("text", unit, x=LEFT, y=12.0, class_="of")
        for place, arm in enumerate(self.arms):
            for points in arm.seeds.values():
                yield svg.element("path", d=_path(points, x, y), class_=f"seed arm-{place % 6}")
        for place, arm in enumerate(self.arms):
            yield svg.element("path", d=_path(arm.mean, x, y), class_=f"mean arm-{place % 6}")
        yield from self._labels(y, right + 8)

    def _labels(self, y: _Scale, left: float) -> Iterator[Markdown]:
        """The name of each arm at the end of its line, with a piece of it, for those who see no colours."""
        ends = [next((v for _, v in reversed(arm.mean) if v is not None), y.high) for arm in self.arms]
        names = [textwrap.wrap(arm.name, 18) or [""] for arm in self.arms]
        order = sorted(range(len(ends)), key=lambda place: y(ends[place]))
        tops = _apart([y(ends[place]) for place in order], [LINE * len(names[place]) + 8 for place in order])
        for place, top in zip(order, tops, strict=True):
            yield svg.element("path", d=f"M{left:g} {top:.1f}h22", class_=f"mean arm-{place % 6}")
            for row, line in enumerate(names[place], 1):
                yield svg.element("text", line, x=left, y=top + LINE * row, class_=f"name arm-{place % 6}")


def charts(content: bytes, name: str) -> list[Chart]:
    """The charts of a file of curves: the loss first, the others in the order in which they were recorded.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        CatalogError: it is not what ``repro verify --record`` writes.
    """
    try:
        lines: dict[str, dict[str, dict[str, Points]]] = {}
        for seed, of_seed in json.loads(content)["seeds"].items():
            for arm, of_arm in of_seed.items():
                for quantity, points in of_arm.items():
                    lines.setdefault(quantity, {}).setdefault(arm, {})[seed] = _thinned(points)
        return [
            Chart(quantity, tuple(Arm(arm, seeds) for arm, seeds in lines[quantity].items()))
            for quantity in sorted(lines, key=lambda quantity: quantity != "loss")
        ]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise CatalogError(f"{name} holds no curves; repro verify --record writes them") from None


def _thinned(points: Points) -> Points:
    """At most :data:`POINTS` of a line, each the mean of the values up to its step."""
    parts = min(POINTS, len(points))
    bounds = [len(points) * part // parts for part in range(parts + 1)]
    return [(points[end - 1][0], _mean([value for _, value in points[start:end]])) for start, end in pairwise(bounds)]


def _mean(values: Sequence[float | None]) -> float | None:
    """Of values that are all finite; otherwise none."""
    finite = [value for value in values if value is not None]
    return fmean(finite) if len(finite) == len(values) else None


def _shown(value: float | None) -> str:
    """To three digits, which is more than a chart shows."""
    return "no finite value" if value is None else number(float(f"{value:.3g}"))


def _tick(value: float) -> str:
    """A round number in the room that an axis has for it: ``0.01``, ``2,000``, ``1e28``."""
    return f"{value:,g}" if 1e-3 <= abs(value) < 1e5 or not value else re.sub(r"e\+?(-?)0*", r"e\1", f"{value:.0e}")


def _in_short(values: Sequence[float | None]) -> str:
    mean = _mean(values)
    if mean is None:
        return _shown(None)
    finite = [value for value in values if value is not None]
    return f"{_shown(mean)} ({_shown(min(finite))} to {_shown(max(finite))})" if len(finite) > 1 else _shown(mean)


# --- Axes ------------------------------------------------------------------------------------------------------------


class _Scale:
    """From values to places on the page."""

    def __init__(
        self, ticks: Sequence[float], low: float, high: float, start: float, end: float, *, logarithmic: bool = False
    ) -> None:
        self.ticks, self.high, self.logarithmic = ticks, high, logarithmic
        self._low, self._high = self._of(low), self._of(high)
        self._start, self._end = start, end

    def _of(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value

    def __call__(self, value: float) -> float:
        share = (self._of(value) - self._low) / ((self._high - self._low) or 1)
        return self._start + share * (self._end - self._start)


def _vertical(values: Sequence[float], start: float, end: float) -> _Scale:
    """The axis of the values: logarithmic where they differ by orders of magnitude, from 0 where they come near it."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low > 0 and high / low > _SPREAD_OF_LOGARITHMS:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        every = math.ceil((last - first) / 5)
        ticks = [10.0**power for power in range(first, last + 1, every)]
        return _Scale(ticks, 10.0**first, max(high, ticks[-1]), start, end, logarithmic=True)
    if 0 < low < high / 2:
        low = 0.0
    ticks = _ticks(low, high, 5)
    return _Scale(ticks, min(low, ticks[0]), max(high, ticks[-1]), start, end)


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round values from a little below the lowest to the highest, about so many of them."""
    if high <= low:
        return [low]
    raw = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw)
    first, last = math.floor(low / step + 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{step * place:.6g}") for place in range(first, last + 1)]


def _path(points: Points, x: _Scale, y: _Scale) -> str:
    """A line, interrupted where a value is missing."""
    pieces, pen = [], "M"
    for step, value in points:
        if value is None:
            pen = "M"
        else:
            pieces.append(f"{pen}{x(step):.1f} {y(value):.1f}")
            pen = "L"
    return "".join(pieces)


def _apart(wanted: Iterable[float], heights: Sequence[float]) -> list[float]:
    """Where labels begin so that none lies on the next and the last ends above the bottom; they are in order."""
    tops: list[float] = []
    below = TOP
    for top, height in zip(wanted, heights, strict=True):
        tops.append(max(top, below))
        below = tops[-1] + height
    limit = HEIGHT - 4
    for place in reversed(range(len(tops))):
        tops[place] = min(tops[place], limit - heights[place])
        limit = tops[place]
    return tops
