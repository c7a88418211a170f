"""The import of a survey: every quirk of its dialect, nothing lost, nothing invented, nothing overwritten."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from types import ModuleType

TOOL = Path(__file__).parents[1] / "tools" / "import_survey.py"


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("import_survey", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["import_survey"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


tool = _tool()

SURVEY = """\
# Networks of Apples <!-- omit in toc -->

count=8

## Table of Contents <!-- omit in toc -->

- [Fruit](#fruit)
  - [Pips (count=2+1)](#pips)

----------------------------------------

## Fruit

> Apples are round [3]. (Pear-v2, 2016)

> Apples are red
> and green. (2018, Quince)

* [[Pear-v1/PearNet](https://arxiv.org/abs/1409.4842)] <!-- printed -->
    [[pdf](https://arxiv.org/pdf/1409.4842.pdf)]
    [[vanity](https://www.arxiv-vanity.com/papers/1409.4842/)]
    * Title: Going Rounder with Pears
    * Year: 17 Sep `2014`
    * Authors: Ada Lovelace, Émilie du Châtelet, and Mary Somerville
    * Institution: [Orchard Inc.], [Garden]
    * Abstract: Pears are round. We make them rounder, and show that this helps.
    * Comments:
        * > (2018, Quince) Pears [7] are "round": $1 \\times 1$.
        * > Rounder pears are better (Appleseed, 2012). (PEAR-v2, 2016)
        * (2017, Transformer) round windows.
* [[Pear-v2](https://arxiv.org/abs/1512.00567)]
    [vanity]
    * Title: Rethinking the Pear
    * Year: December `2016`
    * Author: Ada Lovelace
* [[Quince Networks (Quince)](https://proceedings.example.org/quince.html)]
    [[pdf](https://proceedings.example.org/quince.pdf)]
    * Title: Quince: Deep Learning with Quinces
    * Year: `2018`
    * Authors: G. Bell; J. Watt
    * Institusion: [Orchard]

### Pips (count=2+1)

* [Dropout](https://arxiv.org/abs/1207.0580)
    * Title: Improving apples by preventing pips
    * Year: 03 Jul 2012
    * Authors: Apples have pips. It is shown that fewer pips suffice, and that no more than one is needed in practice.
* [Dropout](https://doi.example.org/doi/10.1000/xyz123)
    * Title: Dropout: a simple way to prevent pips
    * Year: 01 Jan `2014`
    * Authors: Nina Srivastava
    * Comments:
        * > As in [1], pips drop out. (2014, Dropout)
* Pear-V1, Pear-v2.

### (2018, Quince) Stalks

> Stalks are long.

* [Stalks](https://doi.example.org/doi/10.5555/2283516.2283603)
* [Stalks without any detail]
* NIN, see `mlp.md`.
* Rethinking the pear

### Pears (Pear-v2, 2016) (1) + (Quince, 2018)

* Going Rounder with Pears (PearNet)

### Unread (see later)

* [Exemplar Apples](http://example.org/a_(b))
    * Title: Exemplar Apples
    * Comments:
"""


def run(
    capsys: pytest.CaptureFixture[str], folder: Path, survey: str = SURVEY, *, expect: int = 0
) -> tuple[str, list[str]]:
    """What the program prints: its report, and the lines left over."""
    path = folder / "survey.md"
    path.write_text(survey, encoding="utf-8")
    status = tool.main([str(path), "--into", str(folder / "papers")])
    out, err = capsys.readouterr()
    assert status == expect, out + err
    return out, [line.removeprefix(f"{path}:") for line in err.splitlines()]


def record(folder: Path, name: str) -> dict[str, Any]:
    """A record, its dates as text."""
    data: dict[str, Any] = yaml.load((folder / "papers" / f"{name}.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)
    return data


def topics(folder: Path) -> dict[str, dict[str, Any]]:
    """The topics by their ids."""
    return {topic["id"]: topic for topic in record(folder, "taxonomy")["topics"]}


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """All files: what they hold, and when they were written."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted((folder / "papers").rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    run(capsys, tmp_path)
    return tmp_path


# --- What is read ----------------------------------------------------------------------------------------------------


def test_the_report_counts_what_was_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, leftovers = run(capsys, tmp_path)
    assert leftovers == []
    assert report.splitlines()[:2] == [
        "8 papers, 5 topics, 4 comments (and 3 on topics), 4 cross-references, nothing left over",
        f"11 files new, 0 changed, 0 unchanged in {tmp_path / 'papers'}",
    ]


def test_a_paper_has_what_the_survey_says(imported: Path) -> None:
    assert record(imported, "pear-v1-pearnet") == {
        "id": "pear-v1-pearnet",
        "name": "Pear-v1/PearNet",
        "title": "Going Rounder with Pears",
        "authors": ["Ada Lovelace", "Émilie du Châtelet", "Mary Somerville"],
        "published": "2014-09-17",
        "links": {"arxiv": "1409.4842"},
        "taxonomy": ["fruit", "fruit/pips", "fruit/pears"],
        "comments": [
            {"source": "quince-networks", "text": 'Pears [7] are "round": $1 \\times 1$.'},
            {"source": "pear-v2", "text": "Rounder pears are better (Appleseed, 2012)."},
            {"source": "transformer", "text": "round windows.", "quotation": "false"},
        ],
    }


def test_links_that_say_more_than_arxiv_are_kept(imported: Path) -> None:
    assert record(imported, "quince-networks")["links"] == {
        "url": "https://proceedings.example.org/quince.html",
        "pdf": "https://proceedings.example.org/quince.pdf",
    }
    assert record(imported, "dropout-a-simple-way-to-prevent-pips")["links"] == {
        "doi": "10.1000/xyz123",
        "url": "https://doi.example.org/doi/10.1000/xyz123",
    }
    # 10.5555 is no prefix that doi.org resolves.
    assert record(imported, "stalks")["links"] == {"url": "https://doi.example.org/doi/10.5555/2283516.2283603"}
    assert record(imported, "exemplar-apples")["links"] == {"url": "http://example.org/a_(b)"}


@pytest.mark.parametrize(
    ("name", "published"),
    [("pear-v1-pearnet", "2014-09-17"), ("pear-v2", "2016-12"), ("quince-networks", "2018"), ("dropout", "2012-07-03")],
)
def test_dates_are_as_exact_as_the_survey(imported: Path, name: str, published: str) -> None:
    assert record(imported, name)["published"] == published


def test_papers_of_one_name_stay_apart(imported: Path) -> None:
    assert record(imported, "dropout")["title"] == "Improving apples by preventing pips"
    second = record(imported, "dropout-a-simple-way-to-prevent-pips")
    assert second["published"] == "2014-01-01"
    # The year tells which of them says it.
    assert second["comments"][0]["source"] == "dropout-a-simple-way-to-prevent-pips"


def test_authors_are_not_invented(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, _ = run(capsys, tmp_path)
    for name in ("pear-v2", "dropout", "stalks-without-any-detail"):
        assert "authors" not in record(tmp_path, name)
    assert record(tmp_path, "quince-networks")["authors"] == ["G. Bell", "J. Watt"]
    assert record(tmp_path, "dropout-a-simple-way-to-prevent-pips")["authors"] == ["Nina Srivastava"]
    assert report.split("does not say:\n")[1].splitlines() == [
        "  pear-v2.yaml (entry on line 31): authors (line 35 names Ada Lovelace alone)",
        "  dropout.yaml (entry on line 45): authors (line 48 has an abstract in their place)",
        "  stalks.yaml (entry on line 61): authors, published",
        "  stalks-without-any-detail.yaml (entry on line 62): authors, published",
        "  exemplar-apples.yaml (entry on line 72): authors, published",
        "  external/network-in-network.yaml: title, authors, published",
        "  external/transformer.yaml: title, authors",
        "  8 records: summary",
    ]


def test_abstracts_are_not_stored(imported: Path) -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in (imported / "papers").rglob("*.yaml"))
    assert "Pears are round." not in texts
    assert "no more than one" not in texts


def test_topics_are_nested_and_have_their_quotations(imported: Path) -> None:
    assert topics(imported) == {
        "fruit": {
            "id": "fruit",
            "name": "Fruit",
            "comments": [
                {"source": "pear-v2", "text": "Apples are round [3]."},
                {"source": "quince-networks", "text": "Apples are red and green."},
            ],
        },
        "fruit/pips": {"id": "fruit/pips", "name": "Pips"},
        # What the heading names is the source of what is quoted below it.
        "fruit/stalks": {
            "id": "fruit/stalks",
            "name": "Stalks (2018, Quince)",
            "comments": [{"source": "quince-networks", "text": "Stalks are long."}],
        },
        "fruit/pears": {
            "id": "fruit/pears",
            "name": "Pears (2016, Pear-v2; 2018, Quince)",
        },
        "fruit/unread": {"id": "fruit/unread", "name": "Unread (see later)"},
    }


def test_cross_references_place_papers_under_further_topics(imported: Path) -> None:
    assert record(imported, "pear-v2")["taxonomy"] == ["fruit", "fruit/pips", "fruit/stalks"]


def test_works_outside_the_survey_keep_what_it_says_of_them(imported: Path) -> None:
    assert record(imported, "external/network-in-network") == {
        "id": "network-in-network",
        "name": "NIN",
        "taxonomy": ["fruit/stalks"],
    }
    assert record(imported, "external/transformer") == {"id": "transformer", "name": "Transformer", "published": "2017"}


def test_curated_names_are_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    survey = """\
## Research on Network Topology
### InceptionNet Series
* [[Inception-v1/GoogLeNet](https://arxiv.org/abs/1409.4842)]
    * Title: Going Deeper with Convolutions
* [[Inception-v3](https://arxiv.org/abs/1512.00567)]
    * Title: Rethinking the Inception Architecture for Computer Vision
### Grouped Convolutions
* Inception Networks.
## Low-Rank Approximations
### Low-Rank Approximations
* Inception Networks
## Sparsity
### (2018, MobileNetV2) (count=1)
* [Learning Separable Filters](https://example.org)
    * Comments:
        * > [24] demonstrates that it is possible to relax the rank-1 constraint and more.
"""
    run(capsys, tmp_path, survey)
    assert list(topics(tmp_path)) == [
        *("topology", "topology/inception", "topology/grouped-convolutions", "low-rank", "low-rank/approximations"),
        *("sparsity", "sparsity/mobilenet-v2"),
    ]
    assert topics(tmp_path)["sparsity/mobilenet-v2"]["name"] == "Sparsity (2018, MobileNetV2)"
    for name in ("inception-v1", "inception-v3"):
        assert record(tmp_path, name)["taxonomy"] == [
            *("topology/inception", "topology/grouped-convolutions", "low-rank/approximations")
        ]
    (comment,) = record(tmp_path, "learning-separable-filters")["comments"]
    assert comment["source"] == "erfnet"


def test_line_ends_and_byte_order_marks_make_no_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    run(capsys, tmp_path / "a")
    path = tmp_path / "b" / "survey.md"
    path.write_bytes(b"\xef\xbb\xbf" + SURVEY.replace("\n", "\r\n").encode())
    assert tool.main([str(path), "--into", str(tmp_path / "b" / "papers")]) == 0
    contents = [{name: text for name, (text, _) in snapshot(tmp_path / side).items()} for side in "ab"]
    assert contents[0] == contents[1]


def test_a_paper_listed_twice_is_one_paper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    survey = """\
## A
* [[Pear](https://arxiv.org/abs/1409.4842)]
    * Title: Pears
## B
* [[Pear](https://arxiv.org/abs/1409.4842v3)]
    * Title: Pears
    * Year: 2014
    * Comments:
        * > Pears. (Pear, 2014)
"""
    report, _ = run(capsys, tmp_path, survey)
    assert report.startswith("1 papers, 2 topics, 1 comments")
    assert record(tmp_path, "pear")["taxonomy"] == ["a", "b"]
    assert record(tmp_path, "pear")["published"] == "2014"
    _, leftovers = run(
        capsys, tmp_path, survey.replace("B\n", "B\n\n").replace("Pears\n    * Year", "Peers\n    * Year"), expect=1
    )
    assert leftovers == ["6: is pear as on line 2, but says another title: Peers"]


# --- What is left over -----------------------------------------------------------------------------------------------

ENTRY = "## Fruit\n* [[Pear](https://arxiv.org/abs/1409.4842)]\n    * Title: Pears\n"


@pytest.mark.parametrize(
    ("survey", "leftovers"),
    [
        ("An orphan.\n## Fruit\n", ["1: stands under no topic: An orphan."]),
        ("## Fruit\nAn orphan.\n", ["2: is neither heading, entry, field nor comment: An orphan."]),
        ("## Fruit\n    * Title: Pears\n", ["2: belongs to no entry: Title: Pears"]),
        (f"{ENTRY}    * Colour: green\n", ["4: is no known field, or says nothing that can be read: Colour: green"]),
        (f"{ENTRY}    * green\n", ["4: is no known field, or says nothing that can be read: green"]),
        (f"{ENTRY}    * Title: Pears\n", ["4: says title once more: Pears"]),
        (f"{ENTRY}    * Authors:\n", ["4: is no known field, or says nothing that can be read: Authors:"]),
        (f"{ENTRY}    * Comments: good\n", ["4: is no known field, or says nothing that can be read: Comments: good"]),
        (f"{ENTRY}    and more\n", ["4: is neither heading, entry, field nor comment: and more"]),
        (f"{ENTRY}    [[poster](http://a.b)]\n", ["4: is a link of no known kind: [[poster](http://a.b)]"]),
        (f"{ENTRY}    [[code](a.b)]\n", ["4: is no web address: a.b"]),
        (f"{ENTRY}    [[code](http://a)]\n    [[code](http://b)]\n", ["5: is a second code: http://b"]),
        (
            f"{ENTRY}    * Year: 31 Feb 2014\n",
            ["4: is no known field, or says nothing that can be read: Year: 31 Feb 2014"],
        ),
        (f"{ENTRY}    * Year: recently\n", ["4: is no known field, or says nothing that can be read: Year: recently"]),
        (f"{ENTRY}* Plums\n", ["4: names no work that is known: Plums"]),
        (f"{ENTRY}* Pear, Plums\n", ["4: names no work that is known: Pear, Plums"]),
        (
            f"{ENTRY}* [[Plum](http://a.b)] and more\n",
            ["4: names no work that is known: [[Plum](http://a.b)] and more"],
        ),
        (f"{ENTRY}    * Comments:\n        * > Tasty.\n", ["5: has no source: Tasty."]),
        (
            f"{ENTRY}    * Comments:\n        * > Tasty. (Plum, 2014)\n",
            ["5: source 'Plum' is no work that is known: Tasty."],
        ),
        (f"{ENTRY}> Tasty.\n", ["4: has no source: Tasty."]),
        ("## Fruit (Pear, 2014) (Plum, 2015)\n> Tasty.\n", ["2: has no source: Tasty."]),
        (f"{ENTRY}## Fruit\n", ["4: makes the same topic as line 1, fruit: Fruit"]),
        (f"{ENTRY}### Pips (count=2)\n* Pear\n", ["4: announces 2 lines and has 1"]),
        (f"# Title\ncount=2\n{ENTRY}", ["2: announces 2 papers, and there are 1"]),
        (f"{ENTRY}    * Year: 2014 <!-- or 2015 -->\n", ["4: holds a remark: or 2015"]),
        (
            "## A\n* [Drop](http://a)\n    * Title: One\n* [Drop](http://b)\n    * Title: Two\n## B\n* Drop\n",
            ["7: may mean drop or two: Drop"],
        ),
    ],
)
def test_a_line_without_a_place_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], survey: str, leftovers: list[str]
) -> None:
    report, reported = run(capsys, tmp_path, survey, expect=1)
    assert reported == leftovers
    assert f"{len(leftovers)} left over" in report
    assert (tmp_path / "papers" / "taxonomy.yaml").exists()  # what has its place is written


def test_no_line_of_a_survey_can_be_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A made-up line, put anywhere, is reported, or ends up in a record."""
    lines = SURVEY.splitlines()
    for number in range(len(lines) + 1):
        if lines[number : number + 1] == ["> and green. (2018, Quince)"]:
            continue  # two lines are reported there: the first half of a quotation has lost its source
        survey = "\n".join([*lines[:number], "Zzyzx.", *lines[number:]]) + "\n"
        folder = tmp_path / str(number)
        folder.mkdir()
        _, leftovers = run(capsys, folder, survey, expect=1)
        assert [line.partition(":")[0] for line in leftovers] == [str(number + 1)]
        assert leftovers[0].endswith("Zzyzx.")


# --- Once more -------------------------------------------------------------------------------------------------------


def test_a_second_import_writes_nothing(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(imported)
    report, _ = run(capsys, imported)
    assert "0 files new, 0 changed, 11 unchanged" in report
    assert snapshot(imported) == before


def test_what_people_changed_stays(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = imported / "papers" / "pear-v1-pearnet.yaml"
    path.write_text(
        """\
# Reviewed by hand.
id: pear-v1-pearnet
name: PearNet   # as everybody says
title: Going rounder with pears
authors:
  - Ada Lovelace

published: 2014-09
links: {arxiv: '1409.4842'}
taxonomy: [fruit, fruit/pips, fruit/pears, other]
summary: Ours.
comments:
  # shortened
  - {source: quince-networks, text: 'Pears are "round": 1 × 1.'}
  # its source was wrong
  - source: somebody-else
    text: Rounder pears are better (Appleseed, 2012).
  - source: transformer
    text: round windows.
    quotation: false
  - {source: quince-networks, text: One that we found ourselves.}
""",
        encoding="utf-8",
    )
    taxonomy = imported / "papers" / "taxonomy.yaml"
    taxonomy.write_text(taxonomy.read_text(encoding="utf-8").replace("name: Pips", "name: Seeds  # nicer"))
    before = snapshot(imported)
    report, _ = run(capsys, imported)
    assert "0 files new, 0 changed, 11 unchanged" in report
    assert snapshot(imported) == before


def test_similar_comments_are_told_apart_and_shortened_ones_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    similar = [f"Pears of the {kind} kind are round, sweet, and better than apples." for kind in ("first", "second")]
    survey = f"""\
## Fruit
* [Pear](http://a.b)
    * Comments:
        * > (2014, Pear) {similar[0]}
        * > (2014, Pear) {similar[1]}
        * > (2014, Pear) A quotation of which only the first half, up to its comma, is of interest, so the rest goes.
"""
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "pear.yaml").write_text(
        f"""\
id: pear
title: Pear
taxonomy: [fruit]
comments:
  - {{source: pear, text: "{similar[0]}"}}
  - {{source: pear, text: "A quotation of which only the first half"}}
"""
    )
    run(capsys, tmp_path, survey)
    assert [comment["text"] for comment in record(tmp_path, "pear")["comments"]] == [
        *(similar[0], "A quotation of which only the first half", similar[1])
    ]


def test_only_what_is_missing_is_added(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = imported / "papers" / "pear-v1-pearnet.yaml"
    edited = """\
# Reviewed by hand.
id: pear-v1-pearnet
title: Going Rounder with Pears   # sic
taxonomy:
- fruit     # first

# What others say
comments:
  - source: quince-networks
    text: 'Pears [7] are "round": $1 \\times 1$.'   # verbatim

# the end
"""
    path.write_text(edited, encoding="utf-8")
    before = snapshot(imported)
    report, _ = run(capsys, imported)
    assert "0 files new, 1 changed, 10 unchanged" in report
    assert "  changed: pear-v1-pearnet.yaml\n" in report
    assert path.read_text(encoding="utf-8") == edited.replace(
        "# first\n", "# first\n- fruit/pips\n- fruit/pears\n"
    ).replace(
        "# verbatim\n",
        """\
# verbatim
  - source: pear-v2
    text: Rounder pears are better (Appleseed, 2012).
  - source: transformer
    text: round windows.
    quotation: false
""",
    )
    after = snapshot(imported)
    assert {name for name in after if after[name] != before[name]} == {"papers/pear-v1-pearnet.yaml"}
    assert "0 changed" in run(capsys, imported)[0]


def test_missing_topics_and_quotations_get_their_place(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = imported / "papers" / "taxonomy.yaml"
    complete = record(imported, "taxonomy")
    edited = """\
# Ours
topics:
  - id: vegetables
    name: Vegetables
  - id: fruit
    name: Fruit and nuts   # widened
    comments:
      - source: pear-v2
        text: Apples are round.

  # the rest
  - {id: fruit/pips, name: Pips}
"""
    path.write_text(edited, encoding="utf-8")
    run(capsys, imported)
    assert list(topics(imported)) == ["vegetables", *(topic["id"] for topic in complete["topics"])]
    text = path.read_text(encoding="utf-8")
    assert text.startswith(
        edited.replace(
            "Apples are round.\n",
            "Apples are round.\n      - source: quince-networks\n        text: Apples are red and green.\n",
        )
    )
    assert topics(imported)["fruit/stalks"] == complete["topics"][2]


def test_a_renamed_record_is_found_by_its_links(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = (imported / "papers" / f"{name}.yaml" for name in ("pear-v1-pearnet", "pearnet"))
    new.write_text(
        old.read_text(encoding="utf-8")
        .replace("id: pear-v1-pearnet", "id: pearnet")
        .replace("title: Going Rounder with Pears", "title: Another title altogether"),
        encoding="utf-8",
    )
    old.unlink()
    before = snapshot(imported)
    run(capsys, imported)
    assert snapshot(imported) == before


def test_records_of_the_catalogue_are_known_to_another_survey(
    imported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    survey = """\
## Nuts
* [[Pear](https://example.org/another-pear)]
    * Title: Another pear
    * Comments:
        * > Nutty. (Pear-v2, 2016)
        * > Very nutty. (Quince, 2018)
* PearNet
* NIN
"""
    run(capsys, imported, survey)
    assert [comment["source"] for comment in record(imported, "pear")["comments"]] == ["pear-v2", "quince-networks"]
    assert record(imported, "pear-v1-pearnet")["taxonomy"][-1] == "nuts"
    assert record(imported, "external/network-in-network")["taxonomy"] == ["fruit/stalks", "nuts"]
    assert next(iter(topics(imported))) == "nuts"


def test_an_external_work_does_not_become_a_paper_by_itself(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, (leftover,) = run(capsys, imported, "## Nuts\n* [[Transformer](http://a.b)]\n", expect=1)
    assert leftover.startswith("2: is an external work here,")
    assert not (imported / "papers" / "transformer.yaml").exists()


# --- Bad files -------------------------------------------------------------------------------------------------------


def failure(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The one line that the program prints when it cannot begin."""
    assert tool.main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.strip()


def test_a_survey_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, latin, empty = (tmp_path / f"{name}.md" for name in ("missing", "latin", "empty"))
    latin.write_bytes("## Fruit\n\nÄpfel\n".encode("latin-1"))
    empty.write_text("Nothing but text.\n")
    into = tmp_path / "papers"
    assert failure(capsys, missing, "--into", into) == f"error: {missing} cannot be read: No such file or directory"
    assert failure(capsys, tmp_path, "--into", into) == f"error: {tmp_path} cannot be read: Is a directory"
    assert failure(capsys, latin, "--into", into) == f"error: {latin}:3: is not UTF-8; please save the file as UTF-8"
    assert failure(capsys, empty, "--into", into) == f"error: {empty} is no survey: it has no topics (## Basics)"
    assert not into.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pear-v2.yaml", b"id: [x\n", ":2: is no YAML: "),
        ("pear-v2.yaml", b"", ": is no record: a mapping of fields is needed"),
        ("pear-v2.yaml", b"id: x\nname: \xff\n", ":2: is not UTF-8"),
        ("pear-v2.yaml", b"title: Rethinking the Pear\ntaxonomy: fruit\n", ": taxonomy is no list"),
        (
            "pear-v2.yaml",
            b"title: Rethinking the Pear\nother: &a [fruit]\ntaxonomy: *a\n",
            ": taxonomy is written in a way",
        ),
        ("taxonomy.yaml", b"topics: [fruit]\n", ": topics is no list of topics with an id"),
        ("taxonomy.yaml", b"topics:\n- id: fruit\n  comments: none\n", ": comments is no list"),
        ("external/transformer.yaml", b"- a\n", ": is no record"),
        ("external/network-in-network.yaml", b"taxonomy: {a: b}\n", ": taxonomy is no list"),
    ],
)
def test_a_record_that_cannot_be_read_stops_everything(
    imported: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, message: str
) -> None:
    path = imported / "papers" / name
    path.write_bytes(content)
    (imported / "papers" / "quince-networks.yaml").unlink()  # would be written otherwise
    before = snapshot(imported)
    error = failure(capsys, imported / "survey.md", "--into", imported / "papers")
    assert error.startswith(f"error: {path}{message}")
    assert snapshot(imported) == before


def test_a_folder_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "survey.md").write_text(SURVEY, encoding="utf-8")
    (tmp_path / "papers").write_text("")
    message = failure(capsys, tmp_path / "survey.md", "--into", tmp_path / "papers")
    assert message == f"error: {tmp_path / 'papers'} is no folder"
    (tmp_path / "other" / "pear.yaml").mkdir(parents=True)
    message = failure(capsys, tmp_path / "survey.md", "--into", tmp_path / "other")
    assert message == f"error: {tmp_path / 'other' / 'pear.yaml'} cannot be read: Is a directory"


def test_the_program_runs_by_itself(tmp_path: Path) -> None:
    (tmp_path / "survey.md").write_text(SURVEY, encoding="utf-8")
    command = [sys.executable, str(TOOL), "survey.md", "--into", "papers"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "nothing left over" in result.stdout
    assert subprocess.run([*command, "--bogus"], cwd=tmp_path, capture_output=True, check=False).returncode == 2


# --- The project's own names -----------------------------------------------------------------------------------------


def test_curated_names_lead_to_works_of_the_catalogue() -> None:
    curated = yaml.safe_load(tool.NAMES.read_text(encoding="utf-8"))
    papers = {path.stem for path in tool.RECORDS.glob("*.yaml")}
    external = {path.stem for path in (tool.RECORDS / "external").glob("*.yaml")}
    known = {topic["id"] for topic in yaml.safe_load((tool.RECORDS / "taxonomy.yaml").read_text("utf-8"))["topics"]}
    assert set(curated["papers"].values()) <= papers
    assert len(set(curated["papers"].values())) == len(curated["papers"])
    assert set(curated["names"].values()) <= papers | external
    assert {said["source"] for said in curated["comments"].values()} <= papers | external
    assert set(curated["groups"].values()) <= known
    assert set(curated["topics"].values()) <= {id_.rpartition("/")[2] for id_ in known}
