"""Where papers and their numbers part: every deviation, how large it is, and a picture of all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.figures import Figure
from catalog.records import DeviationCause, Status
from catalog.text import measurement, number
from catalog.website.svg import element, figure, picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.records import Paper
    from catalog.website.content import Catalogue, Result
    from catalog.website.markdown import Markdown

__all__ = ["MEANINGS", "Part", "Parting", "drawn", "failures", "partings"]

MEANINGS: dict[DeviationCause, str] = {
    DeviationCause.MISPRINT: "The paper contradicts itself, and what it prints elsewhere shows which figure is meant.",
    DeviationCause.OTHER_COUNTING: (
        "The paper counts something else than the convention that the claim names, or counts it in a way that it does "
        "not state."
    ),
    DeviationCause.RELEASED_CODE_DIFFERS: (
        "What the authors released is another network than the text describes; the figure belongs to one of the two."
    ),
    DeviationCause.MISSING_DETAIL: "The paper leaves out something on which the figure depends.",
    DeviationCause.SUBSTITUTE_DATA: "The paper's data cannot be had, and others stand in for them.",
    DeviationCause.UNKNOWN: "The difference is measured and pinned, and nobody has found out where it comes from.",
}
"""What each cause means."""


@dataclass(frozen=True, slots=True)
class Part:
    """One number of a claim, as printed and as measured."""

    name: str
    """Empty where the claim has only one."""
    printed: str
    measured: str
    difference: float | None
    """Of the measured value, relative to the printed one; none where that cannot be said."""
    agrees: bool
    """Whether the measured value rounds to the printed one."""

    @property
    def relative(self) -> str:
        """``+1.4 %``, to two digits."""
        if self.difference is None:
            return ""
        percent = 100 * self.difference
        digits = max(0, 1 - math.floor(math.log10(abs(percent)))) if percent else 0
        return f"{percent:+.{min(digits, 4)}f} %".replace("-", "−")


@dataclass(frozen=True, slots=True)
class Parting:
    """A claim whose measured value is not the paper's."""

    paper: Paper
    result: Result
    parts: tuple[Part, ...]
    """The numbers that differ; where the paper prints none, those that were measured."""
    agreeing: int
    """How many other numbers of the claim agree."""


def partings(site: Catalogue) -> dict[DeviationCause, list[Parting]]:
    """Every deviation of every paper by its cause: the causes with most first, their papers oldest first."""
    found: dict[DeviationCause, list[Parting]] = {cause: [] for cause in DeviationCause}
    for paper in site.with_claims:
        for result in site.results[paper.id]:
            if result.claim.deviation is not None:
                found[result.claim.deviation.cause].append(_parting(paper, result))
    return dict(sorted(((cause, all_) for cause, all_ in found.items() if all_), key=lambda item: -len(item[1])))


def failures(site: Catalogue) -> list[Parting]:
    """Every claim that failed, oldest paper first."""
    results = ((paper, result) for paper in site.with_claims for result in site.results[paper.id])
    return [_parting(paper, result) for paper, result in results if result.status == Status.FAILED]


def _parting(paper: Paper, result: Result) -> Parting:
    measured = result.entry.measured if result.entry else None
    parts = list(_parts(result.claim.printed, measured))
    differing = tuple(part for part in parts if not part.agrees)
    return Parting(paper, result, differing, len(parts) - len(differing))


def _parts(printed: Any, measured: Any) -> Iterator[Part]:
    figures = printed if isinstance(printed, Mapping) else {"": printed} if printed is not None else {}
    values = measured if isinstance(measured, Mapping) else {"": measured}
    for name in figures or values:
        value = values.get(name)
        (_, shown) = measurement(value)[0] if value is not None and not isinstance(value, Mapping) else ("", "")
        if name not in figures:
            yield Part(name, "", shown, None, agrees=False)
            continue
        read = Figure.read(figures[name])
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            if figures[name].endswith("%"):
                shown = f"{number(100 * float(value))} %"
            difference = value / float(read.value) - 1 if read.value else None
            yield Part(name, figures[name], shown, difference, agrees=read.admits(value))
        else:
            yield Part(name, figures[name], shown, None, agrees=False)


# --- The picture -----------------------------------------------------------------------------------------------------

_LEFT, _WIDTH, _ROW, _HEAD = 8.0, 720.0, 44.0, 32.0
_LEAST = 0.0005  # relative difference at which the logarithmic axis begins on either side
_TICKS = (0.001, 0.01, 0.1, 1.0)


def drawn(found: Mapping[DeviationCause, list[Parting]]) -> Markdown:
    """Every number that differs, by how much and why: less than printed on the left, more on the right."""
    differences = [difference for all_ in found.values() for _, _, difference in _numbers(all_)]
    largest = max([10 * _LEAST, *map(abs, differences)])
    bottom = _HEAD + _ROW * len(found) + 4
    parts = list(_axis(largest, bottom))
    for row, (cause, all_) in enumerate(found.items()):
        top = _HEAD + _ROW * row
        parts.append(element("text", f"{cause}, {len(all_)}", x=_LEFT, y=top + 13, class_="name"))
        for parting, part, difference in _numbers(all_):
            named = f"{parting.paper.name}, {parting.result.claim.id}{' ' + part.name if part.name else ''}"
            said = element("title", f"{named}: {part.printed} printed, {part.measured} measured ({part.relative})")
            where = _place(difference, largest)
            parts.append(element("circle", said, cx=where, cy=top + 28.0, r=4.5, class_="deviates"))
    label = "The numbers that differ, by how much, on a logarithmic scale, and why; the text below has each of them"
    return figure(
        picture(_WIDTH, bottom + 22, parts, label=label, class_="differences"),
        "Each ring is a number that differs: less than the paper prints on the left, more on the right.",
    )


def _numbers(all_: list[Parting]) -> Iterator[tuple[Parting, Part, float]]:
    for parting in all_:
        for part in parting.parts:
            if part.difference is not None:
                yield parting, part, part.difference


def _place(difference: float, largest: float) -> float:
    """Where a relative difference stands on the axis, from the left."""
    size = math.log(max(abs(difference), _LEAST) / _LEAST) / math.log(largest / _LEAST)
    return _WIDTH / 2 + math.copysign(size, difference) * (_WIDTH / 2 - 30)


def _axis(largest: float, bottom: float) -> Iterator[Markdown]:
    middle = _WIDTH / 2
    yield element("line", x1=middle, x2=middle, y1=_HEAD - 8, y2=bottom, class_="middle")
    yield element("text", "as printed", x=middle, y=bottom + 16, text_anchor="middle")
    for tick in (sign * size for size in _TICKS if size <= largest for sign in (-1, 1)):
        where = _place(tick, largest)
        yield element("line", x1=where, x2=where, y1=_HEAD - 8, y2=bottom)
        label = f"{100 * tick:+g} %".replace("-", "−")
        class_ = "least" if abs(tick) == _TICKS[0] else None  # left out where there is little room
        yield element("text", label, x=where, y=17, text_anchor="middle", class_=class_)
