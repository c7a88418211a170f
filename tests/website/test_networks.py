"""What networks cost, on the pages of papers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from catalog.verify.ledger import Ledger, Network, Networks
from catalog.website import pages
from catalog.website.content import Catalogue
from catalog.website.networks import Alike, alike, brief, main_first, stage_table

if TYPE_CHECKING:
    from catalog import Library


def stage(name: str, parameters: int, macs: int, *outputs: list[int], kind: str = "Sequential") -> dict[str, Any]:
    return {"name": name, "kind": kind, "parameters": parameters, "macs": macs, "outputs": list(outputs)}


def network(variant: str, *stages: dict[str, Any], side: int = 8) -> Network:
    totals = {name: sum(stage[name] for stage in stages) for name in ("parameters", "macs")}
    fields = {"variant": variant, "bytes": 4 * totals["parameters"], "input": [3, side, side], "stages": list(stages)}
    return Network.model_validate(fields | totals)


TWO = (stage("stem", 250, 300, [4, 8, 8]), stage("1", 750, 100, [4, 1, 1], [2, 4, 4], kind="Linear"))


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1000, "1.00 k"),
        (60_000, "60.0 k"),
        (999_499, "999 k"),
        (999_500, "1.00 M"),
        (22_855_952, "22.9 M"),
        (8_357_403_496, "8.36 G"),
        (747_513_053_184, "748 G"),
        (2 * 10**16, "20000 T"),
    ],
)
def test_three_digits(count: int, shown: str) -> None:
    assert brief(count) == shown


def test_the_bars_of_stages_are_their_shares() -> None:
    table = stage_table(Alike(["small", "alike"], network("small", *TWO)))
    assert re.findall(r'<rect width="([\d.]+)"', table) == ["25", "75", "75", "25"]
    text = re.sub(r"<[^>]+>", " ", table)
    for shown in ("small, alike", "3 × 8 × 8", "25.0 %", "750", "4 × 1 × 1, 2 × 4 × 4", "1  Linear"):
        assert shown in text, shown
    assert table.count('scope="row"') == 2


def test_a_stage_is_shown_as_text_and_may_cost_nothing() -> None:
    nothing = stage("<script>alert(1)</script>", 0, 0)
    table = stage_table(Alike(['"><b>'], network("small", nothing)))
    assert "<script" not in table
    assert "<b>" not in table
    assert "not run outside training" in table
    assert "0.0 %" in table


def test_networks_that_cost_the_same_are_shown_once() -> None:
    larger, unknown = network("larger", *TWO, side=16), network("unknown")
    other = network("other", stage("stem", 1, 1, [4, 8, 8]))
    found = alike([network("one", *TWO), network("one", *TWO, side=16), network("two", *TWO), larger, other, unknown])
    # Of a network with two inputs only the first; one that was not run has no stages.
    assert [(each.variants, each.network.input) for each in found] == [
        (["one", "two"], [3, 8, 8]),
        (["larger"], [3, 16, 16]),
        (["other"], [3, 8, 8]),
    ]


def test_the_main_network_comes_first() -> None:
    names = ("plain18", "resnet18", "resnet50", "resnet101")
    shown = main_first("resnet", [network(name) for name in names])
    assert [each.variant for each in shown] == ["resnet50", "plain18", "resnet18", "resnet101"]
    assert [each.variant for each in main_first("nobody", [network(name) for name in names])] == list(names)


# --- The pages of papers ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(library: Library) -> dict[str, bytes]:
    return pages.files(library)


def page(written: dict[str, bytes], paper: str) -> str:
    return written[f"papers/{paper}/index.md"].decode()


def test_every_network_that_was_counted_is_on_the_page_of_its_paper(
    library: Library, written: dict[str, bytes]
) -> None:
    site = Catalogue(library)
    for paper in site.papers:
        text = page(written, paper.id)
        networks = site.networks(paper)
        assert ("## Networks" in text) == bool(networks), paper.id
        for each in networks:
            size = " × ".join(map(str, each.input)) if each.macs is not None and each.input else "–"
            macs = f"{each.macs:,}" if each.macs is not None else "–"
            assert f"| `{each.variant}` | {size} | {each.parameters:,} | {macs} |" in text


def test_a_paper_with_many_networks_stays_calm(written: dict[str, bytes]) -> None:
    text = page(written, "polynet")
    before, folded = text[text.index("## Networks") :].split("<details", 1)
    assert before.count("| `") == 1
    assert "All 22 networks" in folded
    shown = text[text.index("### Where the cost is") :].split("<details", 1)[0]
    assert shown.count("<table") == 1


def test_what_was_not_run_is_said(written: dict[str, bytes]) -> None:
    text = page(written, "inception-v2")
    assert "Not run: `mnist-mlp-bn`, `mnist-mlp` (no claim says what size of input it takes)." in text
    assert "Where the cost is" not in page(written, "hornn")


def test_what_is_stale_is_said(small: Library, monkeypatch: pytest.MonkeyPatch, written: dict[str, bytes]) -> None:
    stale = "have changed since"
    assert stale not in page(written, "xception")
    counted = Networks(
        date="2026-01-01", fingerprints={"code": "old", "claims": "old"}, counted=[network("xception", *TWO)]
    )
    monkeypatch.setattr(Ledger, "load", classmethod(lambda cls, paper: cls(paper, networks=counted)))
    assert stale in page(pages.files(small), "xception")
