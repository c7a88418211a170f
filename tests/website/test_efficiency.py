"""The efficiency page: reported accuracy against counted cost."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from catalog.records import Measure, Status
from catalog.verify.ledger import Entry
from catalog.website import efficiency, pages
from catalog.website.content import Catalogue, Result
from catalog.website.efficiency import Point, points
from catalog.website.page import Page

if TYPE_CHECKING:
    from catalog import Library


@pytest.fixture(scope="module")
def site(library: Library) -> Catalogue:
    return Catalogue(library)


@pytest.fixture(scope="module")
def found(site: Catalogue) -> list[Point]:
    return points(site)


@pytest.fixture(scope="module")
def written(library: Library) -> dict[str, bytes]:
    return pages.files(library)


@pytest.fixture(scope="module")
def page(written: dict[str, bytes]) -> str:
    return written["efficiency/index.md"].decode()


def point(found: list[Point], paper: str, claim: str) -> Point:
    (one,) = (one for one in found if (one.paper.id, one.claim.id) == (paper, claim))
    return one


def macs(site: Catalogue, variant: str, side: int) -> int | None:
    (cost,) = (
        network.macs
        for paper in site.papers
        for network in site.networks(paper)
        if (network.variant, network.input) == (variant, [3, side, side])
    )
    return cost


def test_accuracy_as_it_is_reported(found: list[Point]) -> None:
    xception = point(found, "xception", "imagenet-top-1")
    assert (xception.accuracy, xception.network.macs, xception.crops) == (0.79, 8357403496, "one")
    assert xception.measured is None
    # An error is turned into an accuracy.
    assert point(found, "densenet", "imagenet-top-1-error-densenet121").accuracy == pytest.approx(0.75)
    assert point(found, "resnet", "imagenet-top-1-error-resnet50").crops == "several"
    assert point(found, "polynet", "imagenet-top-1-error-multi-crop").crops == "several"
    assert point(found, "deep-roots", "imagenet-top-1-resnet50-orig").crops == "unknown"


def test_the_cost_is_that_of_the_crop(site: Catalogue, found: list[Point]) -> None:
    for side in (224, 320):
        one = point(found, "sknet", f"imagenet-top-1-error-sknet50-{side}")
        assert one.network.macs == macs(site, "sknet50", side)
    assert macs(site, "sknet50", 320) != macs(site, "sknet50", 224)


def test_what_is_no_accuracy_of_one_counted_network_on_all_images(found: list[Point]) -> None:
    claims = {(one.paper.id, one.claim.id) for one in found}
    assert ("inception-v2", "imagenet-top-1-error-single-crop") in claims
    assert ("inception-v2", "imagenet-top-1-error-ensemble") not in claims
    assert ("inception-v3", "imagenet-top-1-error") not in claims  # without the images that are blacklisted
    assert ("inception-v4", "imagenet-top-1-error-inception-v4-12-crops") not in claims  # with an option
    assert not any("top-5" in claim for _, claim in claims)


def with_result(site: Catalogue, paper: str, changed: Result) -> Catalogue:
    """The same catalogue, where something else is known of one claim."""
    other = Catalogue(site.library)
    known = [changed if each.claim.id == changed.claim.id else each for each in site.results[paper]]
    vars(other)["results"] = {**site.results, paper: known}
    return other


def result(site: Catalogue, paper: str, claim: str) -> Result:
    (one,) = (each for each in site.results[paper] if each.claim.id == claim)
    return one


def test_an_accuracy_of_several_networks_is_none_of_one(site: Catalogue, found: list[Point]) -> None:
    ensemble = result(site, "inception-v2", "imagenet-top-1-error-ensemble").claim
    assert ensemble.subject is not None
    assert ensemble.subject.protocol == "six networks, 144 crops"
    measured = ensemble.model_copy(update={"measure": Measure.model_validate("top-1-error")})
    assert len(points(with_result(site, "inception-v2", Result(measured, "not run")))) == len(found)
    alone = ensemble.subject.model_copy(update={"protocol": "144 crops"})
    measured = measured.model_copy(update={"subject": alone})
    assert len(points(with_result(site, "inception-v2", Result(measured, "not run")))) == len(found) + 1


def test_a_measured_accuracy_is_said_to_be(site: Catalogue) -> None:
    claim = result(site, "xception", "imagenet-top-1").claim
    fields = {"environment": "cpu", "status": Status.VERIFIED, "reason": "", "measured": 0.7898, "date": "2026-01-01"}
    entry = Entry.model_validate(
        fields | {"claim": claim.id, "seconds": 1.0, "versions": {}, "device": "CPU", "fingerprints": {}}
    )
    other = with_result(site, "xception", Result(claim, entry.status, entry))
    assert [(one.claim.id, one.measured) for one in points(other) if one.measured is not None] == [(claim.id, 0.7898)]
    (made,) = efficiency.area(other)
    assert isinstance(made, Page)
    assert "measured 78.98 %" in made.values["table"]


def test_the_page_says_that_nothing_was_measured(page: str, found: list[Point]) -> None:
    assert f"none of these {len(found)} accuracies has been measured here" in page


def test_a_catalogue_without_accuracies(small: Library) -> None:
    text = pages.files(small)["efficiency/index.md"].decode()
    assert "No paper of the catalogue reports an accuracy" in text
    assert "<table" not in text


class _Parts(HTMLParser):
    """The rows of the table, and where the marks of the picture begin."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows = 0
        self.marks: list[tuple[float, float]] = []
        self._in_point = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.rows += tag == "tr" and "data-crops" in dict(attrs)
        self._in_point |= tag == "a" and "tabindex" in dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        self._in_point &= tag != "a"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        begins = re.match(r"M([\d.]+) ([\d.]+)", dict(attrs).get("d") or "")
        if self._in_point and begins:
            self.marks.append((float(begins[1]), float(begins[2])))


def test_the_table_has_every_point_and_the_picture_those_with_one_crop(page: str, found: list[Point]) -> None:
    parts = _Parts(page)
    assert parts.rows == len(found)
    single = [one for one in found if one.crops == "one"]
    assert len(single) > 50
    drawn = list(zip(single, parts.marks, strict=True))
    # To the right is what costs more, and above it what is more accurate; marks of one shape begin at the same corner.
    for family in {one.family for one in single}:
        mine = [(one, x, y) for one, (x, y) in drawn if one.family == family]
        across = [one.network.macs or 0 for one, x, _ in sorted(mine, key=lambda each: (each[1], each[0].network.macs))]
        assert across == sorted(across)
        upwards = [one.accuracy for one, _, y in sorted(mine, key=lambda each: (-each[2], each[0].accuracy))]
        assert upwards == sorted(upwards)


def test_points_lead_to_their_claims(page: str, found: list[Point], written: dict[str, bytes]) -> None:
    for one in found:
        assert f'href="../papers/{one.paper.id}/#claim-{one.claim.id}"' in page
        assert f"#claim-{one.claim.id}" in written[f"papers/{one.paper.id}/index.md"].decode()


def test_families_differ_by_shape_and_colour(page: str, found: list[Point]) -> None:
    cell = r'class="mark topic-(\d)"><path d="([^"]+)"/></svg> ([^<]+)</td>'
    marks = {family: (colour, shape) for colour, shape, family in re.findall(cell, page)}
    assert marks.keys() == {one.family for one in found}
    assert len({colour for colour, _ in marks.values()}) == len({shape for _, shape in marks.values()}) == len(marks)
