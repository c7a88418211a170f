"""The pages that show many papers at once: that everything is there, in its place, and says how it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from catalog import Library, paths
from catalog.records import Claim, Status, Tier
from catalog.verify.ledger import Ledger
from catalog.verify.runner import ClaimReport, PaperReport
from catalog.website import build
from catalog.website.content import Catalogue, Result, place
from catalog.website.page import served
from catalog.website.partings import Part, _parting, drawn, partings
from catalog.website.progress import bar, extent
from catalog.website.timeline import _columns

if TYPE_CHECKING:
    from tests.conftest import Records

CLAIMS = """
claims:
  - id: parameters
    statement: it has 23 million parameters
    basis: printed
    tier: structure
    subject: {variant: xception}
    measure: parameters
    printed: "23,000,000"
    expect: {equals: 22855952}
    deviation: {cause: misprint, explanation: A digit is wrong.}
  - id: rows
    statement: its rows are as printed
    source: Table 9
    basis: printed
    tier: structure
    check: rows
    printed: {a: "10", b: "25 %", c: "3"}
    expect: {a: {equals: 20}, b: {equals: 0.5}, c: {equals: 3}}
    deviation: {cause: other counting, explanation: They count twice.}
  - id: effect
    statement: it works
    basis: derived
    tier: property
    check: effect
    expect: {at_least: 1}
  - id: accuracy
    statement: it is accurate
    basis: printed
    tier: headline
    printed: "79.0 %"
    not_checkable: the data are private
"""


@pytest.fixture
def measured(records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Records:
    """The small catalogue, in which Xception has claims of three tiers, measured all but one."""
    results = tmp_path / "results"
    results.mkdir()
    (results / "xception.yaml").write_text("paper: xception\nentries: []\n")
    monkeypatch.setattr(paths, "results_folder", lambda: results)
    path = records.folder / "xception.yaml"
    path.write_text(path.read_text().split("claims:")[0] + CLAIMS.lstrip())
    record(records, [("parameters", Status.DEVIATES, 22855952)])
    record(records, [("rows", Status.DEVIATES, {"a": 20, "b": 0.5, "c": 3})])
    return records


def record(records: Records, found: list[tuple[str, Status, Any]]) -> None:
    paper = records.load()["xception"]
    claims = {claim.id: claim for claim in paper.claims}
    reports = tuple(ClaimReport(claims[claim], status, "because", value, 0.1) for claim, status, value in found)
    Ledger.load("xception").record(PaperReport(paper, reports), device="an abacus")


def docs(records: Records) -> Path:
    return build(records.load(), records.folder.parent / "build", render=False)


def page(records: Records, name: str) -> str:
    return (docs(records) / name / "index.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, library: Library) -> Path:
    """The Markdown of the project's own records."""
    return build(library, tmp_path_factory.mktemp("overviews"), render=False)


def words(html: str) -> str:
    """What a reader sees of a piece of HTML."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


# --- Status ----------------------------------------------------------------------------------------------------------


def row(table: str, paper: str) -> list[str]:
    found = re.search(rf'<tr><th scope="row"><a href="\.\./papers/{paper}/">.*?</tr>', table)
    assert found, paper
    return re.findall(r"<t[hd]\b.*?</t[hd]>", found[0])


def test_a_cell_counts_the_verdicts_of_a_tier_and_leads_to_the_first_of_them(measured: Records) -> None:
    _, structure, property_, parity, training, headline, errors = row(page(measured, "status"), "xception")
    assert words(structure) == "2 deviates"
    assert 'href="../papers/xception/#claim-parameters" class="count deviates"' in structure
    assert words(property_) == "1 not measured yet"
    assert 'href="../papers/xception/#claim-effect" class="count not-measured-yet"' in property_
    assert words(headline) == "1 not checkable"
    assert words(parity + training + errors) == ""
    record(measured, [("effect", Status.DEVIATES, 0.5)])
    assert "xception/#claim-effect" in row(page(measured, "status"), "xception")[2]


def test_what_is_older_than_its_claim_is_marked(measured: Records) -> None:
    shown = page(measured, "status")
    assert "stale</small>" not in shown
    assert "No measurement is older" in shown
    measured.change("xception.yaml", "statement: its rows are as printed", "statement: its rows are like this")
    measured.change("xception.yaml", "c: {equals: 3}}", "c: {at_most: 3}}")
    shown = page(measured, "status")
    assert words(row(shown, "xception")[1]) == "2 deviates 1 stale"
    assert "1 measurement is older" in shown


def test_what_is_not_reproduced_is_said(measured: Records) -> None:
    assert words(row(page(measured, "status"), "resnet")[1]) == "not reproduced yet"
    measured.change("resnet.yaml", "summary: Shortcuts.", "summary: Shortcuts.\nreproduction: partial")
    assert words(row(page(measured, "status"), "resnet")[1]) == "not reproduced yet; other modules use parts of it"


def test_groups_and_the_whole_are_summed_up(measured: Records) -> None:
    measured.change("taxonomy.yaml", "topics:", "topics:\n  - {id: empty, name: Without papers}")
    groups = [words(found) for found in re.findall(r'<tr class="group">(.*?)</tr>', page(measured, "status"))]
    of_xception = "2 deviates 1 not measured yet 1 not checkable"
    assert groups == [
        f"All papers 1 of 5 reproduced {of_xception}",
        "Convolutional Kernels 0 of 1 reproduced",
        f"InceptionNet Series 1 of 3 reproduced {of_xception}",
        "Residual Networks Family 0 of 1 reproduced",
    ]


def test_every_paper_has_its_row_and_every_claim_is_counted(whole: Path, library: Library) -> None:
    table = (whole / "status/index.md").read_text(encoding="utf-8")
    assert table.count('scope="row"') == len(library.papers)
    counted = 0
    for paper in library.papers:
        counted += sum(map(int, re.findall(r'class="count [a-z-]+">(\d+)', "".join(row(table, paper.id)))))
    assert counted == library.claims


def test_the_share_of_errors_caught_is_that_of_the_results(whole: Path, library: Library) -> None:
    table = (whole / "status/index.md").read_text(encoding="utf-8")
    scores = {paper.id: Ledger.load(paper.id).mutation for paper in library.papers}
    known = {paper: found.score for paper, found in scores.items() if found and found.score is not None}
    assert known
    for paper, score in known.items():
        assert words(row(table, paper)[-1]).startswith(f"{100 * score:.0f} %"), paper


# --- Bars and marks --------------------------------------------------------------------------------------------------


def test_a_bar_is_as_long_as_its_parts_and_says_them() -> None:
    shown = bar({"verified": 30, "not measured yet": 10}, "Claims")
    places = [tuple(map(float, found)) for found in re.findall(r'x="([\d.]+)" y="0" width="([\d.]+)"', shown)]
    assert places == [(0, 748), (750, 248)]
    assert 'aria-label="Claims: 30 verified, 10 not measured yet"' in shown
    assert 'class="not-measured-yet"' in shown
    assert "<title>30 verified</title>" in shown


def test_even_the_smallest_part_is_seen_and_nothing_makes_no_bar() -> None:
    assert 'width="0.5"' in bar({"verified": 100_000, "failed": 1}, "Claims")
    assert "rect" not in bar({}, "Claims")


def test_how_far_a_paper_is_reproduced(measured: Records) -> None:
    site = Catalogue(measured.load())
    assert extent(site, site.library["resnet"]) == (0, "not reproduced yet")
    assert extent(site, site.library["xception"]) == (2, "3 of 4 claims judged")
    with (measured.folder / "xception.yaml").open("a") as file:
        for number in range(3):
            claim = f"{{id: more-{number}, statement: it works, basis: derived, tier: property, check: more"
            file.write(f"  - {claim}, expect: {{at_least: 1}}}}\n")
    site = Catalogue(measured.load())
    assert extent(site, site.library["xception"]) == (1, "3 of 7 claims judged")


# --- Timeline --------------------------------------------------------------------------------------------------------


def test_the_sparse_beginning_shares_a_column() -> None:
    years = {1989: [1], 1998: [1], 2012: [1] * 4, 2013: [1], 2014: [1] * 9}
    assert _columns(years) == [[1989, 1998], [2012], [2013], [2014]]  # type: ignore[arg-type]
    assert _columns({2012: [1] * 4, 2013: [1]}) == [[2012], [2013]]  # type: ignore[arg-type]
    assert _columns({1989: [1], 2013: [1]}) == [[1989], [2013]]  # type: ignore[arg-type]


def test_a_paper_stands_in_its_year_and_its_first_topic(measured: Records) -> None:
    table = page(measured, "timeline")
    rows = [re.findall(r"<t[hd]\b.*?</t[hd]>", found) for found in re.findall(r"<tr>.*?</tr>", table)]
    assert [words(cell) for cell in rows[0]] == ["Topic", "2014", "2015", "2016", "2017"]
    cells = {words(name): [words(cell) for cell in cells] for name, *cells in rows[1:]}
    assert cells == {
        "Convolutional Kernels": ["", "", "", "MobileNet"],
        "InceptionNet Series": ["GoogLeNet", "Inception-v3", "Xception", ""],
        "Residual Networks Family": ["", "ResNet", "", ""],
    }
    assert 'title="3 of 4 claims judged, 2 deviates" class="extent of-2 deviates">Xception</a>' in table
    assert 'title="not reproduced yet" class="extent of-0">ResNet</a>' in table


def test_a_failure_is_marked_before_a_deviation(measured: Records) -> None:
    record(measured, [("parameters", Status.FAILED, 7)])
    assert 'class="extent of-2 failed">Xception</a>' in page(measured, "timeline")


def test_every_paper_is_in_the_timeline_once(whole: Path, library: Library) -> None:
    table = (whole / "timeline/index.md").read_text(encoding="utf-8")
    links = re.findall(r'href="\.\./papers/([\w-]+)/"', table)
    assert sorted(links) == sorted(paper.id for paper in library.papers)


# --- Where papers and their numbers part -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("difference", "shown"),
    [
        (0.013, "+1.3 %"),
        (-0.1859, "−19 %"),
        (0.00081, "+0.081 %"),
        (1.5, "+150 %"),
        (-0.0000004, "−0.0000 %"),
        (0.0, "+0 %"),
        (None, ""),
    ],
)
def test_a_difference_has_two_digits(difference: float | None, shown: str) -> None:
    assert Part("", "1", "1", difference, agrees=False).relative == shown


def test_numbers_that_differ_are_told_from_those_that_agree(measured: Records) -> None:
    found = partings(Catalogue(measured.load()))
    assert [(cause, [item.result.claim.id for item in all_]) for cause, all_ in found.items()] == [
        ("misprint", ["parameters"]),
        ("other counting", ["rows"]),
    ]
    (rows,) = found["other counting"]  # type: ignore[index]
    assert [(part.name, part.printed, part.measured, part.relative) for part in rows.parts] == [
        ("a", "10", "20", "+100 %"),
        ("b", "25 %", "50 %", "+100 %"),
    ]
    assert rows.agreeing == 1


def test_a_statement_without_a_figure_shows_what_was_measured(measured: Records) -> None:
    paper = measured.load()["xception"]
    effect: Claim = paper.claims[2]
    record(measured, [("effect", Status.FAILED, 0.5)])
    entry = Ledger.load("xception").entry("effect")
    assert _parting(paper, Result(effect, "failed", entry)).parts == (Part("", "", "0.5", None, agrees=False),)
    assert [part.measured for part in _parting(paper, Result(paper.claims[0], "failed")).parts] == [""]


def test_nothing_is_so_many_per_cent_more_than_zero(measured: Records) -> None:
    measured.change("xception.yaml", 'a: "10"', 'a: "0"')
    found = partings(Catalogue(measured.load()))
    assert [part.relative for part in found["other counting"][0].parts] == ["", "+100 %"]  # type: ignore[index]


def test_deviations_are_grouped_by_cause(measured: Records) -> None:
    shown = page(measured, "deviations")
    assert "No claim fails." in shown
    assert "2 claims differ" in shown
    assert "[misprint](#misprint) 1 · [other counting](#other-counting) 1\n" in shown
    assert "## Other counting { #other-counting " in shown
    assert (
        "- **[Xception](../papers/xception/index.md)** (2016), [rows](../papers/xception/index.md#claim-rows), Table 9"
        in shown
    )
    assert (
        "    a **10** printed, **20** measured (+100 %); b **25 %** printed, **50 %** measured (+100 %)"
        "; 1 other number of the claim agrees\n    { .figures }\n"
    ) in shown
    assert "\n    They count twice.\n" in shown
    assert shown.count("<circle") == 3


def test_failures_come_first(measured: Records) -> None:
    record(measured, [("effect", Status.FAILED, 0.5)])
    shown = page(measured, "deviations")
    assert "1 claim fails" in shown
    assert shown.index("## Failed") < shown.index("## Misprint")
    assert "    **0.5** measured\n" in shown
    assert "\n    because\n" in shown


def test_where_nothing_deviates_the_page_says_so(small: Library, tmp_path: Path) -> None:
    shown = (build(small, tmp_path / "build", render=False) / "deviations/index.md").read_text(encoding="utf-8")
    assert "No claim differs from what the paper says" in shown
    assert "svg" not in shown


def test_no_deviation_is_left_out(whole: Path, library: Library) -> None:
    shown = (whole / "deviations/index.md").read_text(encoding="utf-8")
    deviating = {(paper.id, claim.id) for paper in library.papers for claim in paper.claims if claim.deviation}
    assert set(re.findall(r"\(\.\./papers/([\w-]+)/index\.md#claim-([\w-]+)\)", shown)) == deviating


def test_rings_stay_in_the_picture(library: Library) -> None:
    found = partings(Catalogue(library))
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawn(found))]
    assert len(places) > 50
    assert all(20 < x < 700 for x in places)


# --- Authors ---------------------------------------------------------------------------------------------------------


def test_authors_are_filed_by_their_family_names(records: Records) -> None:
    records.change(
        "resnet.yaml",
        "[Kaiming He, Xiangyu Zhang]",
        "[Laurens van der Maaten, Émile Zola, 何恺明, Zoë Liu, Andrew Liu, Dan Çelik]",
    )
    shown = page(records, "authors")
    names = re.findall(r'- <span id="([\w-]+)"></span>(.*?):', shown)
    assert names == [
        ("author-dan-celik", "Çelik, Dan"),
        ("author-francois-chollet", "Chollet, François"),
        ("author-andrew-howard", "Howard, Andrew"),
        ("author-andrew-liu", "Liu, Andrew"),
        ("author-wei-liu", "Liu, Wei"),
        ("author-zoe-liu", "Liu, Zoë"),
        ("author-laurens-van-der-maaten", "Maaten, Laurens van der"),
        ("author-christian-szegedy", "Szegedy, Christian (2)"),
        ("author-emile-zola", "Zola, Émile"),
        ("author-unnamed", "何恺明"),
    ]
    assert re.findall(r"^## (.*)$", shown, re.MULTILINE) == [
        *(f"{letter} {{ #{letter.lower()} }}" for letter in "CHLMSZ"),
        "Other { #other }",
    ]
    assert "Szegedy, Christian (2): [GoogLeNet](../papers/inception-v1/index.md) 2014, [Inception-v3]" in shown


def test_names_that_differ_in_accents_only_have_anchors_of_their_own(records: Records) -> None:
    records.change("resnet.yaml", "[Kaiming He, Xiangyu Zhang]", "[Francois Chollet, Kaiming He]")
    anchors = Catalogue(records.load()).author_anchors
    assert anchors["Francois Chollet"] == "author-francois-chollet"
    assert anchors["François Chollet"] == "author-francois-chollet--2"


def test_every_author_of_every_paper_is_there(whole: Path, library: Library) -> None:
    shown = (whole / "authors/index.md").read_text(encoding="utf-8")
    site = Catalogue(library)
    assert len(set(site.author_anchors.values())) == len({name for paper in library.papers for name in paper.authors})
    for paper in library.papers:
        for author in paper.authors:
            (line,) = re.findall(rf'^- <span id="{site.author_anchors[author]}"></span>.*$', shown, re.MULTILINE)
            assert f"](../{place(paper)[0]})" in line
    assert len(shown) < 100_000


# --- Years, topics and families --------------------------------------------------------------------------------------


def test_the_page_of_a_year(records: Records) -> None:
    records.change("inception-v3.yaml", "published: 2015-12-02", "published: 2015-12-02\nvenue: CVPR 2016")
    shown = page(records, "years/2016")
    assert "[← 2015](../2015/index.md){ rel=prev } · [all papers](../../papers/index.md#2016) · [2017 →]" in shown
    assert "1 paper appeared, and 1 earlier one was published." in shown
    assert "    - *extends* [Inception-v3](../../papers/inception-v3/index.md) (2015): one tower per channel" in shown
    assert "- [Inception-v3](../../papers/inception-v3/index.md) (2015), CVPR 2016" in shown
    assert "- [Xception](../../papers/xception/index.md) is quoted on [InceptionNet Series]" in shown
    first, last = (page(records, f"years/{year}") for year in (2014, 2017))
    assert "←" not in first
    assert "→" not in last
    assert "## Published this year" not in first


def test_papers_lead_to_their_years(whole: Path, library: Library) -> None:
    shown = (whole / "papers/index.md").read_text(encoding="utf-8")
    years = {paper.year for paper in library.papers}
    assert [int(year) for year in re.findall(r"^## \[(\d+)\]", shown, re.MULTILINE)] == sorted(years)
    assert all((whole / f"years/{year}/index.md").is_file() for year in years)


def test_a_topic_shows_who_builds_on_whom_in_it(records: Records) -> None:
    shown = page(records, "topics/inception")
    within = shown[shown.index("## Within the topic") :]
    assert "- [Xception](../../papers/xception/index.md) (2016)\n    - *extends* [Inception-v3]" in within
    assert "ResNet" not in within  # of another topic
    assert "A [topic](../index.md) of the survey · 3 papers, 1 reproduced\n" in shown
    assert "## Within the topic" not in page(records, "topics/residual")
    assert "those of its subtopics included" in page(records, "topics/kernels")


def test_status_at_a_glance(measured: Records) -> None:
    shown = page(measured, "topics/inception")
    assert (
        '[2<span class="unseen"> deviates</span>](../../papers/xception/index.md#claims){ .count .deviates }' in shown
    )
    assert "[2 deviates](../../verification/status/index.md#deviates){ .verdict .deviates }" in shown
    assert '<small class="open">not reproduced yet</small>' in shown
    family = page(measured, "families/inception-family")
    assert "of 3 papers, 1 reproduced" in family
    assert "[1 not checkable](../../verification/status/index.md#not-checkable)" in family


# --- Home ------------------------------------------------------------------------------------------------------------


def test_home_says_how_much_is_verified(measured: Records) -> None:
    shown = page(measured, ".")
    assert "**4 claims** [2 deviates](verification/status/index.md#deviates)" in shown
    assert 'aria-label="Papers: 1 reproduced, 4 not reproduced yet"' in shown
    assert "[misprint](deviations/index.md#misprint) 1" in shown
    assert "repro verify xception" in shown
    assert "| [GoogLeNet](papers/inception-v1/index.md) <small>2014</small> | 1 |" in shown


def test_home_of_a_catalogue_without_claims_and_lineage(records: Records) -> None:
    for name in ("xception", "mobilenet-v1", "inception-v3", "inception-v1", "external/network-in-network"):
        (records.folder / f"{name}.yaml").unlink()
    records.write("taxonomy.yaml", "topics: [{id: residual, name: Residual Networks}]\n")
    (records.folder / "families.yaml").unlink()
    records.change("resnet.yaml", "family: residual-family\n", "")
    build(records.load(), records.folder.parent / "build")
    shown = page(records, ".")
    assert "repro verify --all" in shown
    assert "repro lineage resnet" in shown
    assert "1 paper" in shown
    assert "What most build on" not in shown


def test_another_catalogue_has_all_overviews(tmp_path: Path) -> None:
    other = Path(__file__).parents[1] / "other_catalogue" / "papers"
    site = build(Library.load(other), tmp_path / "build")
    for name in ("", "status", "deviations", "timeline", "authors", "papers", "topics", "families"):
        assert (site / name / "index.html").is_file(), name


# --- All of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "file", "anchor", "address"),
    [
        ("status/index.md", "papers/xception/index.md", "claim-a", "../papers/xception/#claim-a"),
        ("status/index.md", "index.md", "", "../"),
        ("index.md", "papers/xception/index.md", "", "papers/xception/"),
        ("index.md", "index.md", "", "./"),
        ("status/index.md", "status/index.md", "papers", "./#papers"),
    ],
)
def test_addresses_in_html_are_those_of_rendered_pages(here: str, file: str, anchor: str, address: str) -> None:
    assert served(here, file, anchor) == address


def test_hostile_names_show_as_text(measured: Records, tmp_path: Path) -> None:
    hostile = '</td></table><script>alert(1)</script> {{ 7*7 }} *a* " onclick=x'
    measured.change("xception.yaml", "name: Xception", f"name: '{hostile}'")
    measured.change("xception.yaml", "[François Chollet]", "['<b onclick=x>Chollet']")
    measured.change("taxonomy.yaml", "name: InceptionNet Series", f"name: '{hostile}'")
    measured.change("xception.yaml", "explanation: A digit is wrong.", f"explanation: '{hostile}'")
    site = build(measured.load(), tmp_path / "hostile")
    for name in (".", "status", "timeline", "deviations", "authors", "papers", "years/2016", "topics/inception"):
        shown = (site / name / "index.html").read_text(encoding="utf-8")
        assert "<script>alert" not in shown, name
        assert "<b onclick" not in shown, name
        assert not re.search(r'<\w[^>]*" onclick=x', shown), name
    for name in ("status", "timeline", "deviations", "papers"):
        shown = (site / name / "index.html").read_text(encoding="utf-8")
        assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }} *a*" in shown, name


def test_every_tier_has_its_bar_in_the_status(whole: Path) -> None:
    shown = (whole / "status/index.md").read_text(encoding="utf-8")
    assert re.findall(r"^\*\*(\w+)\*\* \[", shown, re.MULTILINE) == [tier.capitalize() for tier in Tier]


def test_wide_tables_are_regions_that_the_keyboard_reaches(whole: Path) -> None:
    for name in ("status", "timeline"):
        shown = (whole / name / "index.md").read_text(encoding="utf-8")
        assert re.search(r'<div class="wide" role="region" aria-label="[^"]+" tabindex="0"', shown), name
