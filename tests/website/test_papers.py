"""The pages of papers: claims in their order, code with addresses, training curves, and what is missing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from catalog import Library, paths
from catalog.errors import CatalogError
from catalog.formats import export
from catalog.records import Status
from catalog.verify.ledger import Ledger
from catalog.verify.runner import ClaimReport, PaperReport
from catalog.website import build, curves, pages
from catalog.website.listing import numbered
from tests.website.test_website import rendered

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Records


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of results, in the place of what comes with the project."""
    folder = tmp_path / "results"
    folder.mkdir()
    monkeypatch.setattr(paths, "results_folders", lambda: (folder,))
    monkeypatch.setattr(paths, "results_folder", lambda: folder)
    return folder


def page(records: Records, paper: str = "xception") -> str:
    docs = build(records.load(), records.folder.parent / "build", render=False)
    return (docs / "papers" / paper / "index.md").read_text(encoding="utf-8")


def measured(records: Records, **statuses: Status) -> None:
    """Record these verdicts on claims of Xception."""
    paper = records.load()["xception"]
    reports = [
        ClaimReport(claim, statuses[claim.id], f"{claim.id} it is", 1, 0.1)
        for claim in paper.claims
        if claim.id in statuses
    ]
    Ledger.load("xception").record(PaperReport(paper, tuple(reports)), device="an abacus")


def more_claims(records: Records, *claims: str) -> None:
    records.write("xception.yaml", (records.folder / "xception.yaml").read_text() + "".join(claims))


LAYERS = """
  - id: layers
    statement: it has 36 layers
    basis: derived
    tier: structure
    check: layers
    expect: {equals: 36}
"""
WRONG = """
  - id: wrong
    statement: it has 40 modules
    basis: printed
    tier: property
    check: modules
    printed: "40"
    expect: {equals: 14}
    deviation: {cause: misprint, explanation: There are 14.}
"""
IMAGENET = """
  - id: imagenet
    statement: 79.0 % top-1
    basis: printed
    tier: headline
    subject: {variant: xception, data: imagenet, protocol: single crop 299}
    measure: top-1
    printed: "79.0 %"
"""
PRIVATE = """
  - id: private
    statement: better on JFT
    basis: printed
    tier: headline
    printed: "6.70"
    not_checkable: JFT is not public
"""
TRAINING = """
  - id: converges
    statement: it converges
    basis: analogue
    tier: training
    check: converges
    training: {scale: quick, data: digits, seeds: [1, 2], minutes: 1, protocol: two arms}
    expect: {at_least: 0.5}
"""


# --- Claims ----------------------------------------------------------------------------------------------------------


def test_failures_come_first_then_deviations_then_the_rest_by_tier(records: Records) -> None:
    more_claims(records, LAYERS, WRONG, IMAGENET)
    measured(records, parameters=Status.VERIFIED, layers=Status.FAILED, wrong=Status.DEVIATES)
    shown = page(records)
    found = re.findall(r"^### (.*)|\{ #claim-([a-z-]+) \.claim \}", shown, re.MULTILINE)
    assert [heading or claim for heading, claim in found if heading != "What it is compared with"][-8:] == [
        *("Failed", "layers"),
        *("Where the paper and its network part", "wrong"),
        *("Structure", "parameters"),
        *("Headline", "imagenet"),
    ]
    assert "| it has 36 layers<br>layers it is<br>" in shown
    assert "| it has 40 modules<br>*misprint*: There are 14.<br>" in shown
    assert re.search(r"\.claim \} · property · printed", shown), "the tier is said where the heading does not"
    assert "2 stale" not in shown


def test_a_claim_says_when_and_where_it_was_measured_and_whether_that_is_old(records: Records) -> None:
    measured(records, parameters=Status.VERIFIED)
    date = Ledger.load("xception").entries[0].date
    assert re.search(rf'<small class="when"[^>]*>{date}, cpu</small>', page(records))
    records.change("xception.yaml", "expect: {equals: 22855952}", "expect: {at_least: 22855952}")
    shown = page(records)
    assert "verification/status/index.md#stale): measured before its code or the claim last changed" in shown
    assert "[1 stale](#claims)" in shown


def test_what_is_not_measured_says_what_it_needs(records: Records) -> None:
    more_claims(records, IMAGENET, PRIVATE, TRAINING)
    shown = page(records)
    needs = r" · needs the data set imagenet \(single crop 299\) and trained weights, and none are named · "
    assert re.search(needs.replace(r" \(", r" \("), shown)
    assert shown.count("single crop 299") == 1, "what it needs says the protocol already"
    assert "JFT is not public" in shown
    assert "a training run of about 1 minute: repro verify xception --tier training" in shown


def test_a_report_names_the_claim(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = page(records)
    assert " · [report an error](#found-an-error)</small>" in shown
    assert "A report names the claim by its address" in shown
    monkeypatch.setenv("REPRO_ISSUES_URL", "https://example.org/new?labels=claim")
    records.change("xception.yaml", "it has 22.86 million parameters", '"it has *22.86* & <b>more</b> (#1)"')
    form = re.search(r" · \[report an error\]\((\S+)\)", page(records))
    assert form
    parts = urlsplit(form[1].replace("&amp;", "&"))
    fields = parse_qs(parts.query)
    assert (parts.netloc, fields["labels"], fields["title"]) == ("example.org", ["claim"], ["Xception: parameters"])
    assert "/papers/xception/#claim-parameters" in fields["body"][0]
    assert "> it has *22.86* & <b>more</b> (#1)" in fields["body"][0]
    assert "repro verify xception --claim parameters" in fields["body"][0]


# --- Code ------------------------------------------------------------------------------------------------------------


class _Lines(HTMLParser):
    """The lines of a listing by their ids, and where its numbers lead."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.lines: dict[str, str] = {}
        self.numbers: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "span":
            self.open.append(known.get("id") or "")
            if known.get("id"):
                assert known["id"] not in self.lines
                self.lines[self.open[-1]] = ""
        elif tag == "a":
            self.numbers.append(known)

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if place := next(filter(None, self.open), ""):
            self.lines[place] += data


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        '"""One.\n\n\n    two\n"""\n\nx = "<b>&amp;</b>"  # {{ x }} `y` *z*\n',
        "a\n\n\n# ```\n    - b\n</pre></div><script>alert(1)</script>\n",
    ],
)
def test_every_line_of_code_has_its_address(source: str) -> None:
    html = rendered_html(f"before\n\n{numbered(source, 'x.py')}\n\nafter")
    found = _Lines(html)
    assert "".join(found.lines.values()).rstrip("\n") == source.rstrip("\n")
    assert list(found.lines) == [f"code-{number}" for number in range(1, source.rstrip("\n").count("\n") + 2)]
    assert [number["href"] for number in found.numbers] == [f"#{line}" for line in found.lines]
    assert {number["tabindex"] for number in found.numbers} == {"-1"}
    assert "<script" not in html
    assert "<p>after</p>" in html


def rendered_html(source: str) -> str:
    from tests.website.test_website import _renderer

    return str(_renderer().reset().convert(source))


def test_the_module_is_shown_as_it_stands(records: Records) -> None:
    source = (paths.REPRODUCTIONS / "xception.py").read_text(encoding="utf-8")
    assert "".join(_Lines(page(records)).lines.values()) == source


def test_what_is_taken_from_an_ancestor_links_to_its_lines(records: Records) -> None:
    shown = page(records)
    resnet, xception = (
        (paths.REPRODUCTIONS / f"{name}.py").read_text().splitlines() for name in ("resnet", "xception")
    )
    assert "<summary>From ResNet: projection</summary>" in shown
    link = re.search(r"- \[`projection`\]\(\.\./resnet/index\.md#code-(\d+)\) in \[`Module`\]\(#code-(\d+)\)", shown)
    assert link
    assert resnet[int(link[1]) - 1].startswith("def projection(")
    assert xception[int(link[2]) - 1].startswith("class Module(")


def test_ancestors_without_code_have_no_place_to_link_to(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.PAPERS_VARIABLE, str(records.folder))
    shown = page(records)
    assert "### In code" not in shown
    assert "code-" not in shown


# --- Curves ----------------------------------------------------------------------------------------------------------


def file_of(**arms: list[list[list[float | None]]]) -> bytes:
    """Curves of a loss, for each arm a line for each seed."""
    number = len(next(iter(arms.values())))
    seeds = {str(seed): {arm: {"loss": lines[seed]} for arm, lines in arms.items()} for seed in range(number)}
    return json.dumps({"seeds": seeds}).encode()


def line(*values: float | None) -> list[list[float | None]]:
    return [[step, value] for step, value in enumerate(values, start=1)]


def only(content: bytes) -> curves.Chart:
    (chart,) = curves.charts(content, "x.json")
    return chart


def test_the_mean_over_the_seeds() -> None:
    chart = only(file_of(a=[line(4, 2, 0, 0), line(2, 2, 2, 0)]))
    assert chart.arms[0].mean == [(1, 3), (2, 2), (3, 1), (4, 0)]
    assert chart.numbers == [("a", ["3 (2 to 4)", "2 (2 to 2)", "1 (0 to 2)", "0 (0 to 0)"])]
    assert chart.description == "loss by training step, mean over 2 seeds: a ends at 0"


def test_a_line_that_diverges_breaks_off() -> None:
    chart = only(file_of(a=[line(1, None, None, 2), line(1, 2, 3, 4)]))
    assert [value for _, value in chart.arms[0].mean] == [1, None, None, 3]
    assert chart.numbers[0][1][1] == "no finite value"
    drawn = re.findall(r'<path d="([^"]*)" class="(seed|mean) arm-0"', chart.drawn())
    assert [path.count("M") for path, _ in drawn[:3]] == [2, 1, 2]


def test_a_seed_that_ended_early_ends_the_mean() -> None:
    chart = only(file_of(a=[line(1, 2), line(1, 2, 3)]))
    assert chart.arms[0].mean == [(1, 1), (2, 2), (3, None)]
    assert chart.drawn()


def test_long_lines_are_thinned_to_means() -> None:
    (step, value), *rest = only(file_of(a=[line(*range(300))])).arms[0].mean
    assert len(rest) == curves.POINTS - 1
    assert (step, value) == (5, 2)
    assert rest[-1][0] == 300


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [([1, 2, 3], False), ([0, 1000], False), ([-1, 1000], False), ([0.001, 2], True), ([2, 5e27], True)],
)
def test_axes_are_logarithmic_over_orders_of_magnitude(values: list[float], logarithmic: bool) -> None:
    drawn = only(file_of(a=[line(*values)])).drawn()
    assert ("loss, logarithmic" in drawn) is logarithmic
    assert 2 <= drawn.count('class="grid"') <= 8
    assert max(map(len, re.findall(r'text-anchor="end">([^<]*)<', drawn))) <= 6


@pytest.mark.parametrize(
    "values",
    [[0.0], [1.0, 1.0], [0.0, 0.0], [None, None], [5e27, None], [1e-12, 1e-12], [0.1 + 0.2, 0.3], [-3.0, -3.0]],
)
def test_any_values_stay_inside_the_picture(values: list[float | None]) -> None:
    drawn = only(file_of(a=[line(*values)], b=[line(*values)])).drawn()
    for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", drawn):
        assert 0 <= float(x) <= curves.WIDTH
        assert 0 <= float(y) <= curves.HEIGHT
    assert "nan" not in drawn
    assert "inf" not in drawn


@pytest.mark.parametrize("first", [3, 1], ids=["at the bottom", "at the top"])
def test_names_of_arms_lie_apart_and_are_text(first: float) -> None:
    arms = {f"<b>arm</b> {name} of a long name": [line(first, 2 + name / 1000)] for name in range(5)}
    drawn = only(file_of(**arms)).drawn()
    assert "<b>" not in drawn
    rows = [float(y) for y in re.findall(r'<text x="[\d.]+" y="([\d.]+)" class="name', drawn)]
    assert len(rows) >= 10
    assert min(later - earlier for earlier, later in zip(sorted(rows), sorted(rows)[1:], strict=False)) >= 12
    assert max(rows) <= curves.HEIGHT


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"seeds": [1]}', b'{"seeds": {"1": {"a": {"loss": [3]}}}}'])
def test_a_file_that_holds_no_curves(content: bytes) -> None:
    with pytest.raises(CatalogError, match=r"x\.json holds no curves"):
        curves.charts(content, "x.json")


def test_curves_stand_below_their_claim(records: Records, results: Path) -> None:
    more_claims(records, TRAINING)
    assert "Thin lines" not in page(records)
    content = file_of(**{"with | shortcuts": [line(2, 1), line(3, 1)], "without": [line(2, 2), line(3, 3)]})
    (results / "curves" / "xception").mkdir(parents=True)
    (results / "curves" / "xception" / "converges.json").write_bytes(content)
    shown = page(records)
    assert shown.index("#claim-converges .claim") < shown.index('class="picture curves"') < shown.index("## Code")
    assert "Thin lines are the seeds 0 and 1, thick ones their mean." in shown
    cells = re.sub(r"</?span[^>]*>", "", shown)  # which say that the search passes over numbers
    assert "| with &#124; shortcuts, loss | 2.5 (2 to 3) | 2.5 (2 to 3) | 1 (1 to 1) | 1 (1 to 1) |" in cells
    assert "[converges.json](curves/converges.json)" in shown
    docs = records.folder.parent / "build" / "docs"
    assert (docs / "papers/xception/curves/converges.json").read_bytes() == content
    assert build(records.load(), records.folder.parent / "build")


def test_the_recorded_curves_can_be_drawn(library: Library) -> None:
    found = sorted((paths.REPRODUCTIONS / "results" / "curves").glob("*/*.json"))
    assert found
    for path in found:
        for chart in curves.charts(path.read_bytes(), path.name):
            assert len(chart.drawn()) < 40_000, path


# --- The rest --------------------------------------------------------------------------------------------------------


def test_a_paper_can_be_cited(records: Records) -> None:
    library = records.load()
    shown = page(records)
    for name in ("bibtex", "ris", "csl-json", "json-ld"):
        assert export.write(library, name, [library["xception"]], lambda _: {}).strip() in shown, name


def test_what_nobody_has_written_is_said(records: Records) -> None:
    text = (records.folder / "mobilenet-v1.yaml").read_text()
    records.write("no-such-module.yaml", text.replace("mobilenet-v1", "no-such-module").replace("MobileNet", "Other"))
    shown = page(records, "no-such-module")
    assert (
        "None of its claims has been written down yet. They belong into its record, `papers/no-such-module.yaml`."
        in shown
    )
    assert "Its module would be `reproductions/no_such_module.py`" in shown
    assert "## Run it" not in shown
    assert "## What is missing" not in page(records)
    assert "## What is missing" in page(records, "resnet"), "it has a module, but no claims here"


def test_a_partial_reproduction_says_so(records: Records) -> None:
    records.change("xception.yaml", "summary: Depthwise", "reproduction: partial\nsummary: Depthwise")
    shown = page(records)
    assert "`reproductions/xception.py` holds only what the modules of other papers import from it so far." in shown
    assert "[partial](#code)" in shown


def test_no_heading_is_empty(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # with what was measured
    empty: list[Any] = []
    for name, content in pages.files(library).items():
        if re.fullmatch(r"papers/[^/]+/index\.md", name):
            text = re.sub(r"^(`{3,}).*?^\1", "text", content.decode(), flags=re.DOTALL | re.MULTILINE)
            text = re.sub(r"<pre>.*?</pre>", "text", text, flags=re.DOTALL)
            headings = list(re.finditer(r"^(#+) .*$", text, re.MULTILINE))
            for heading, following in zip(headings, [*headings[1:], None], strict=True):
                between = text[heading.end() : following.start() if following else None]
                if not between.strip() and not (following and len(following[1]) > len(heading[1])):
                    empty.append((name, heading[0]))
    assert empty == []


def test_rendering_leaves_the_page_whole(records: Records) -> None:
    shown = rendered(page(records).split("---\n", 2)[2])
    assert shown.tags.count("h1") == 1
    assert shown.tags.count("details") == 5  # four formats, and ResNet's code
    assert "{" not in re.sub(r"(?s)class Xception.*|@misc.*", "", shown.text).split("reproductions/xception.py")[0]
