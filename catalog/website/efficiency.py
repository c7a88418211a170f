"""The efficiency page: what accuracy on ImageNet, as papers report it, costs, as it was counted here."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog import protocols
from catalog.figures import Figure
from catalog.website import glyphs
from catalog.website.content import place
from catalog.website.libraries import libraries
from catalog.website.markdown import Markdown
from catalog.website.networks import brief, sides
from catalog.website.page import Page, served
from catalog.website.svg import element

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from catalog.records import Claim, Paper
    from catalog.verify.ledger import Network
    from catalog.website.content import Catalogue, Result
    from catalog.website.page import File

__all__ = ["Point", "area", "points"]

_HERE = "efficiency/index.md"
_NONE = "no family"
_QUANTITIES = ("top-1", "top-1-error")
_WIDTH, _HEIGHT = 960, 540
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 14, 46


@dataclass(frozen=True, slots=True)
class Point:
    """A reported accuracy and what the network costs."""

    paper: Paper
    family: str
    """Its name."""
    claim: Claim
    network: Network
    accuracy: float
    """Top-1, as a share; 1 less the error where the paper prints that."""
    measured: float | None
    """The same as it was measured here with published weights; none where it was not."""
    digits: int
    """Of the printed figure, behind the point of a percentage."""
    crops: str
    """Whose outputs are averaged, of each image: ``one``, ``several``, or ``unknown`` where the paper does not say."""

    @property
    def address(self) -> str:
        """Of the claim, as the page links to it."""
        file, _ = place(self.paper)
        return served(_HERE, file, f"claim-{self.claim.id}")


def points(site: Catalogue) -> list[Point]:
    """Every top-1 accuracy of a single network on ImageNet whose network was counted, at the size of its crop."""
    results = ((paper, result) for paper in site.papers for result in site.results[paper.id])
    found = [point for paper, result in results if (point := _point(site, paper, result))]
    return sorted(found, key=lambda point: (-point.accuracy, point.paper.id, point.claim.id))


def _point(site: Catalogue, paper: Paper, result: Result) -> Point | None:
    claim = result.claim
    subject, measure, printed = claim.subject, claim.measure, claim.printed
    if subject is None or measure is None or measure.quantity not in _QUANTITIES or not isinstance(printed, str):
        return None
    protocol = protocols.read(subject.protocol)
    network = _network(site.networks(paper), subject.variant, protocol.side)
    if subject.data != "imagenet" or subject.options or protocol.networks > 1 or network is None:
        return None
    measured = result.entry.measured if result.entry else None
    figure = Figure.read(printed)
    return Point(
        paper,
        site.library.family(paper.family).name if paper.family else _NONE,
        claim,
        network,
        _accuracy(measure.quantity, float(figure.value)),
        _accuracy(measure.quantity, measured) if isinstance(measured, float) else None,
        max(0, -(200 * figure.half_unit).adjusted()),
        {True: "several", False: "one", None: "unknown"}[protocol.many_crops],
    )


def _accuracy(quantity: str, value: float) -> float:
    return value if quantity == "top-1" else 1 - value


def _network(networks: Sequence[Network], variant: str, side: int | None) -> Network | None:
    """What was counted of a variant: with crops of a side, or with its usual input where none is said."""
    mine = (one for one in networks if one.variant == variant)
    return next((one for one in mine if side is None or one.input == [3, side, side]), None)


def area(site: Catalogue) -> Iterator[Page | File]:
    """The page."""
    found = points(site)
    marks = _marks(found)
    single = [point for point in found if point.crops == "one" and point.network.macs]
    values = {
        "points": found,
        "picture": _picture(single, marks) if single else None,
        "legend": element("p", *_legend(marks), class_="legend"),
        "choices": element("fieldset", element("legend", "Families"), *_choices(marks)),
        "table": _table(found, marks),
    }
    scripts = ("assets/scripts/sort.js", *(["assets/scripts/efficiency.js"] if libraries() else []))
    yield Page(_HERE, "efficiency", values=values, scripts=scripts if found else (), hide=("toc", "navigation"))


def _marks(found: Sequence[Point]) -> dict[str, int]:
    """The number of the mark of each family; those with the most points have one of their own."""
    often = Counter(point.family for point in found)
    families = sorted(often, key=lambda family: (family == _NONE, -often[family], family))
    own = len(glyphs.MARKS) - 1
    return {name: number if number <= own and name != _NONE else 0 for number, name in enumerate(families, 1)}


def _mark(number: int) -> Markdown:
    """A mark in a line of text."""
    shape = element("path", d=glyphs.mark(number, -glyphs.RADIUS, 0))
    return element("svg", shape, viewBox="-6 -6 12 12", aria_hidden="true", class_=f"mark topic-{number}")


def _legend(marks: Mapping[str, int]) -> Iterator[Markdown]:
    for family, number in marks.items():
        yield element("span", _mark(number), f" {family} ")


def _choices(marks: Mapping[str, int]) -> Iterator[Markdown]:
    for family, number in marks.items():
        box = element("input", type="checkbox", name="family", value=family, checked="")
        yield element("label", box, " ", _mark(number), f" {family}")


# --- The table -------------------------------------------------------------------------------------------------------

_COLUMNS = ("Network", "Family", "Top-1", "As printed", "Protocol", "Input", "Parameters", "Multiply-accumulates")


def _table(found: Sequence[Point], marks: Mapping[str, int]) -> Markdown:
    """Every point. The script reads from it what it draws."""
    head = element("tr", *(element("th", name, scope="col") for name in _COLUMNS))
    rows = (_row(point, marks[point.family]) for point in found)
    return element(
        "table",
        element("thead", head),
        element("tbody", *rows),
        class_="costs",
        id="efficiency-table",
        data_sortable="",
    )


def _row(point: Point, mark: int) -> Markdown:
    network, subject, claim = point.network, point.claim.subject, point.claim
    assert subject is not None  # otherwise there is no point
    assert claim.measure is not None
    measured = (
        element("small", f"measured {_percent(point.measured, 2)}") if point.measured is not None else Markdown("")
    )
    name = element("a", network.variant, href=point.address)
    cells = [
        element("th", name, " ", element("small", f"{point.paper.name}, {point.paper.year}"), scope="row"),
        element("td", _mark(mark), f" {point.family}", data_value=point.family),
        element("td", _percent(point.accuracy, point.digits), measured, data_value=f"{point.accuracy:.5f}"),
        element("td", f"{claim.printed} {'error' if claim.measure.quantity == 'top-1-error' else 'accuracy'}"),
        element("td", subject.protocol or "not said"),
        element("td", sides(network.input) if network.input else "–", data_value=math.prod(network.input or [0])),
        element("td", brief(network.parameters), data_value=network.parameters),
        element("td", brief(network.macs) if network.macs is not None else "–", data_value=network.macs or 0),
    ]
    return element("tr", *cells, data_crops=point.crops, data_mark=mark)


def _percent(share: float, digits: int) -> str:
    return f"{100 * share:.{digits}f} %"


# --- The picture -----------------------------------------------------------------------------------------------------


def _picture(found: Sequence[Point], marks: Mapping[str, int]) -> Markdown:
    """Points by multiply-accumulates, on a logarithmic axis, and accuracy; each leads to its claim."""
    costs = [point.network.macs or 0 for point in found]
    low, high = math.log10(min(costs)) - 0.4, math.log10(max(costs)) + 0.1
    floor, ceiling = _multiple(min(point.accuracy for point in found), -1), _multiple(max(p.accuracy for p in found), 1)

    def x(cost: float) -> float:
        return _LEFT + (math.log10(cost) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(accuracy: float) -> float:
        return _TOP + (ceiling - accuracy) / (ceiling - floor) * (_HEIGHT - _TOP - _BOTTOM)

    best = _frontier(found)
    return element(
        "svg",
        *_axes(x, y, (low, high), (floor, ceiling)),
        *(
            element(
                "a",
                element("title", _said(point)),
                element(
                    "path",
                    d=glyphs.mark(marks[point.family], x(point.network.macs or 1) - glyphs.RADIUS, y(point.accuracy)),
                ),
                href=point.address,
                tabindex=-1,  # the table below has the same links
                class_=f"mark topic-{marks[point.family]}",
            )
            for point in found
        ),
        *(
            element("text", point.network.variant, x=x(point.network.macs or 1) - 8, y=y(point.accuracy) - 6)
            for point in best
        ),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        width=_WIDTH,
        data_search_exclude="true",
        height=_HEIGHT,
        role="group",
        aria_label=f"Top-1 accuracy with one crop of {len(found)} networks against multiply-accumulates, from "
        f"{brief(min(costs))} to {brief(max(costs))}; the table has all of them",
        class_="scatter",
    )


def _multiple(share: float, way: int) -> float:
    """The next multiple of 5 % below (-1) or above (1)."""
    return way * math.ceil(way * share * 20 + 0.1) / 20


def _axes(
    x: Callable[[float], float], y: Callable[[float], float], costs: tuple[float, float], shares: tuple[float, float]
) -> Iterator[Markdown]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for twentieth in range(round(20 * shares[0]), round(20 * shares[1]) + 1):
        at = y(twentieth / 20)
        yield element("path", d=f"M{_LEFT} {at:.1f}H{right}", class_="grid")
        yield element("text", f"{5 * twentieth} %", x=_LEFT - 8, y=at + 4, class_="right")
    for power in range(math.floor(costs[0]), math.ceil(costs[1])):
        for cost in (10**power, 3 * 10**power):
            if costs[0] <= math.log10(cost) <= costs[1]:
                yield element("path", d=f"M{x(cost):.1f} {_TOP}V{bottom}", class_="grid")
                yield element("text", _round(cost), x=x(cost), y=bottom + 18, class_="middle")
    yield element("text", "Multiply-accumulates for one crop", x=(_LEFT + right) / 2, y=_HEIGHT - 8, class_="middle")
    yield element("text", "Top-1 accuracy as reported", x=_LEFT + 8, y=_TOP + 18, class_="left")


def _round(cost: int) -> str:
    """``30 M`` and not ``30.0 M``."""
    number, _, unit = brief(cost).partition(" ")
    return f"{float(number):g} {unit}"


def _frontier(found: Sequence[Point]) -> list[Point]:
    """The points than which none is more accurate at the same cost or a lower one, far enough apart to be named."""
    named: list[Point] = []
    for point in sorted(found, key=lambda point: (point.network.macs or 0, -point.accuracy)):
        if not named or point.accuracy > named[-1].accuracy + 0.012:
            named.append(point)
    return named


def _said(point: Point) -> str:
    cost = f"{brief(point.network.macs or 0)} multiply-accumulates, {brief(point.network.parameters)} parameters"
    whose = f"{point.network.variant} ({point.paper.name}, {point.paper.year})"
    return f"{whose}: {_percent(point.accuracy, point.digits)}, {cost}"
