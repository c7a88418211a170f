"""Loading a folder of records: what is valid, and what is said of what is not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import reproductions
from catalog import Library, layout, paths, validation
from catalog.errors import CatalogError, NoRecords
from catalog.names import UnknownName
from catalog.records import ExternalWork, Family, Paper, Topic
from catalog.source import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Records

# --- What is valid ---------------------------------------------------------------------------------------------------


def test_papers_and_works(small: Library) -> None:
    assert [paper.id for paper in small.papers] == [
        "inception-v1",
        "inception-v3",
        "mobilenet-v1",
        "resnet",
        "xception",
    ]
    assert [paper.id for paper in small] == [paper.id for paper in small.papers]
    assert len(small) == 5
    assert [work.id for work in small.external] == ["network-in-network"]
    assert isinstance(small["xception"], Paper)
    assert small["xception"] is small["xception"]
    assert small["xception"].published == "2016-10-07"
    assert small["xception"].claims[0].printed == "22,855,952"
    assert isinstance(small.work("network-in-network"), ExternalWork)
    assert small.work("resnet") is small["resnet"]
    assert "xception" in small
    assert "network-in-network" not in small
    assert 7 not in small


def test_topics_and_families(small: Library) -> None:
    assert [topic.id for topic in small.topics] == ["kernels", "kernels/dilated", "inception", "residual"]
    assert isinstance(small.topic("inception"), Topic)
    assert small.topic("inception").comments[0].source == "xception"
    assert small.topic("kernels/dilated").parent == "kernels"
    assert isinstance(small.family("inception-family"), Family)
    assert [paper.id for paper in small.members("inception-family")] == ["inception-v1", "inception-v3", "xception"]
    assert [paper.id for paper in small.papers_on("kernels")] == ["xception", "mobilenet-v1"]
    assert [paper.id for paper in small.papers_on("kernels", subtopics=False)] == ["xception"]


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda library: library["xceptoin"], "no paper is called 'xceptoin'; did you mean 'xception'?"),
        (lambda library: library["network-in-network"], "no paper is called 'network-in-network'"),
        (lambda library: library.work("nin"), "no paper is called 'nin'"),
        (lambda library: library.topic("kernel"), "no topic is called 'kernel'; did you mean 'kernels'?"),
        (lambda library: library.papers_on("x"), "no topic is called 'x'"),
        (lambda library: library.family("resnet"), "no family is called 'resnet'"),
        (lambda library: library.members("x"), "no family is called 'x'"),
    ],
)
def test_what_is_not_there(small: Library, ask: Any, says: str) -> None:
    with pytest.raises(UnknownName) as raised:
        ask(small)
    assert str(raised.value).startswith(says)
    assert isinstance(raised.value, KeyError)
    assert isinstance(raised.value, CatalogError)


def test_a_folder_without_families_and_outside_works(records: Records) -> None:
    for name in ("inception-v1", "inception-v3", "xception", "mobilenet-v1", "external/network-in-network", "families"):
        (records.folder / f"{name}.yaml").unlink()
    records.change("resnet.yaml", "family: residual-family\n", "")
    records.change("taxonomy.yaml", "source: xception", "source: resnet")
    assert [paper.id for paper in records.load().papers] == ["resnet"]


# --- What is not -----------------------------------------------------------------------------------------------------


def line(records: Records, name: str, piece: str) -> int:
    before, found, _ = (records.folder / name).read_text().partition(piece)
    assert found
    return before.count("\n") + 1


# By file: what stands in the small folder, what is written instead, and what is said of it.
SLIPS = r"""
=== xception.yaml

- paper: inception-v3
+ paper: inceptionv3
> builds_on[0].paper: no paper 'inceptionv3'; did you mean 'inception-v3'?

- paper: inception-v3
+ paper: completely-different
> builds_on[0].paper: no paper 'completely-different'; a work outside the catalogue gets a record in external/

- source: mobilenet-v1
+ source: mobilenet
> comments[0].source: no paper 'mobilenet'; did you mean 'mobilenet-v1'?

- {paper: network-in-network, what
+ {paper: nin, what
> compares_with[0].paper: no paper 'nin'

- paper: inception-v3
+ paper: xception
> builds_on[0].paper: is the paper itself

- inception, kernels
+ inception, kernel
> taxonomy[1]: no topic 'kernel'; did you mean 'kernels'?

- inception, kernels
+ inception, inception
> taxonomy[1]: 'inception' is there twice

- family: inception-family
+ family: inception
> family: no family 'inception'; did you mean 'inception-family'?

- id: xception
+ id: exception
> id: 'exception' is not the name of the file, 'xception'

- authors:
+ authros:
> authros: unknown field 'authros'; did you mean 'authors'?

- relation: extends
+ relation: extend
> builds_on[0].relation: 'extend' is none of 'extends',

- paper: inception-v3, relation: extends
+ paper: inception-v3
> builds_on[0].relation: is missing

- title:
+ venue: CVPR\nheadline:
> headline: unknown field 'headline'

- summary: Depthwise separable convolutions.
+ # nothing
> summary: is missing

- arxiv: "1610.02357"
+ arxiv: 1610.02357
> links.arxiv: is read as a number; put it in quotes: "1610.02357"

- arxiv: "1610.02357"
+ arxiv: "1610.02357v3"
> links.arxiv: '1610.02357v3' is no arXiv number, such as '1610.02357' (without version)

- arxiv: "1610.02357"
+ doi: https://doi.org/10.1109/x
> links.doi: 'https://doi.org/10.1109/x' is no DOI

- arxiv: "1610.02357"
+ pdf: arxiv.org/pdf/1610.02357
> links.pdf: 'arxiv.org/pdf/1610.02357' is no web address

- arxiv: "1610.02357"
+ arxiv: "1512.00567"
> links.arxiv: '1512.00567' is the arXiv number of papers/inception-v3.yaml too

- arxiv: "1610.02357"
+ doi: 10.1109/cvpr.2015.7298594
> links.doi: '10.1109/cvpr.2015.7298594' is the DOI of papers/inception-v1.yaml too

- name: Xception
+ name: googlenet
> name: 'googlenet' is the name of papers/inception-v1.yaml too

- aliases: [Xcéption Network]
+ aliases: [NiN]
> papers/external/network-in-network.yaml:3: aliases[0]: 'NiN' is the name of papers/xception.yaml too

- aliases: [Xcéption Network]
+ aliases: [ResNet]
> aliases[0]: 'ResNet' is the name of papers/resnet.yaml too

- aliases: [Xcéption Network]
+ aliases: [inceptionnet]
> aliases[0]: 'inceptionnet' is the name of the family 'inception-family' too

- aliases: [Xcéption Network]
+ aliases: Xcéption Network
> aliases: expected a list, not 'Xcéption Network'

- "Xception: Deep Learning with Depthwise Separable Convolutions"
+ Going deeper with Convolutions
> title: 'Going deeper with Convolutions' is the title of papers/inception-v1.yaml too

- published: 2016-10-07
+ published: October 2016
> published: 'October 2016' is no date; write a year, a month or a day

- published: 2016-10-07
+ published: 2016-02-31
> published: there is no day 2016-02-31

- published: 2016-10-07
+ published: 2015-12-01
> papers/xception.yaml:12: builds_on[0].paper: 'inception-v3' (2015-12-02) is younger than this paper (2015-12-01);

- what: one tower per channel
+ what: x, younger_because: of a draft
> builds_on[0].younger_because: 'inception-v3' (2015-12-02) is not younger; delete this

- paper: resnet, relation: applies, part: shortcut
+ paper: inception-v3, relation: extends
> builds_on[1]: says the same as builds_on[0]

- authors: [François Chollet]
+ authors: []
> authors: needs at least one entry

- authors: [François Chollet]
+ authors: [true]
> authors[0]: is read as true or false; put it in quotes: "true"

- summary: Depthwise separable convolutions.
+ summary:
> summary: is empty; expected a text

- summary: Depthwise separable convolutions.
+ summary: ' '
> summary: is empty

- expect: {equals: 22855952}
+ expect: {equal: 22855952}
> claims[0].expect.equal: expected fields (equals, within

- expect: {equals: 22855952}
+ expect: {a: {atmost: 3}}
> claims[0].expect.a.atmost: unknown field 'atmost'; did you mean 'at_most'?

- expect: {equals: 22855952}
+ expect: {equals: '7'}
> claims[0].expect.equals: expected a number or a list, not '7'

- expect: {equals: 22855952}
+ expect: {within: [1]}
> claims[0].expect.within: has too few entries

- expect: {equals: 22855952}
+ expect: {increasing: false}
> claims[0].expect.increasing: 'False' is none of true

- expect: {equals: 22855952}
+ source: again
> claims[0].source: is there twice; the first is in line

- printed: "22,855,952"
+ printed: 22855952
> claims[0].printed: write the figure as the paper prints it, in quotes

- printed: "22,855,952"
+ printed: "1e999999999"
> claims[0].printed: cannot read a figure in '1e999999999'

- measure: parameters
+ measure: {macs: [x]}
> claims[0].measure: macs has no convention

- measure: parameters
+ measure: weight
> claims[0].measure: no measure 'weight'; there are parameters

- subject: {variant: xception}
+ peer: timm
> claims[0].peer: expected fields (library, model, options, set), not 'timm'

- authors: [François Chollet]
+ authors: [François Chollet et al.]
> authors: 'François Chollet et al.' is no single name; write every author as an entry, given name first

- authors: [François Chollet]
+ authors: [François Chollet and Google]
> authors: 'François Chollet and Google' is no single name

- authors: [François Chollet]
+ authors: ["Chollet, François"]
> authors: 'Chollet, François' is no single name

- authors: [François Chollet]
+ authors: [François Chollet, François Chollet]
> authors: 'François Chollet' is there twice

- summary: Depthwise separable convolutions.
+ summary: Here we propose separable convolutions.
> summary: says 'we', as an abstract does; say in words of our own what the paper does

- summary: Depthwise separable convolutions.
+ summary: Our networks are small.
> summary: says 'Our', as an abstract does

- arxiv: "1610.02357"
+ arxiv: "1613.02357"
> links.arxiv: '1613.02357' is no arXiv number

- arxiv: "1610.02357"
+ arxiv: "1610.2357"
> links.arxiv: '1610.2357' is no arXiv number

- arxiv: "1610.02357"
+ url: https://arxiv.org/abs/1610.02357v2
> links.url: is the address of a number; write it as arxiv: 1610.02357

- arxiv: "1610.02357"
+ pdf: https://doi.org/10.1109/cvpr.2017.195
> links.pdf: is the address of a number; write it as doi: 10.1109/cvpr.2017.195

- arxiv: "1610.02357"
+ url: http://localhost/xception
> links.url: 'http://localhost/xception' names no server that everybody can reach

- arxiv: "1610.02357"
+ url: https://me:secret@example.org/
> links.url: 'https://me:secret@example.org/' names no server that everybody can reach

- published: 2016-10-07
+ published: 2016-11-01
> published: arXiv number 1610.02357 is of 2016-10, before 2016-11-01; published is the day on which it first appeared

- source: mobilenet-v1
+ source: xception
> comments[0].source: is the paper itself; comments are what others say

- source: mobilenet-v1
+ source: inception-v3
> comments[0].source: 'inception-v3' (2015-12-02) is older than this paper (2016-10-07), so it says nothing of it

=== mobilenet-v1.yaml

- published: 2017-04
+ published: 2016-09
> papers/mobilenet-v1.yaml:9: builds_on[0].paper: 'xception' (2016-10-07) is younger than this paper (2016-09)

- taxonomy: [kernels/dilated]
+ taxonomy: [Kernels]
> taxonomy[0]: 'Kernels' is no topic; a topic is a path of ids

=== taxonomy.yaml

- source: xception
+ source: xceptio
> topics[2].comments[0].source: no paper 'xceptio'; did you mean 'xception'?

- {id: kernels, name
+ {id: residual, name
> topics[3].id: 'residual' is there twice; the first is in line 2

- id: kernels/dilated
+ id: kernel/dilated
> topics[1].id: lies under 'kernel', which is no topic; list that topic too

=== families.yaml

- id: residual-family
+ id: resnet
> families[1].id: 'resnet' is the name of papers/resnet.yaml too

- name: ResNets
+ name: Inception
> families[1].name: 'Inception' is the name of the family 'inception-family' too

=== external/network-in-network.yaml

- published: 2013-12
+ published: 2015
> papers/inception-v1.yaml:12: builds_on[0].paper: 'network-in-network' (2015) is younger than this paper

- id: network-in-network
+ # nothing
> papers/external/network-in-network.yaml:2: id: is missing
"""
SLIP = re.compile(r"- (?P<old>.*)\n\+ (?P<new>.*)\n> (?P<says>.*)")


def slips() -> list[tuple[str, str, str, str]]:
    return [
        (name, old, new.replace(r"\n", "\n"), says)
        for part in SLIPS.split("=== ")[1:]
        for name, *_ in [part.split("\n")]
        for old, new, says in SLIP.findall(part)
    ]


def test_all_of_them_are_tried() -> None:
    assert len(slips()) == SLIPS.count("\n> ") > 50


@pytest.mark.parametrize(("name", "old", "new", "says"), slips(), ids=[f"{slip[0]} {slip[2]}"[:60] for slip in slips()])
def test_every_slip_is_named_with_file_and_line(records: Records, name: str, old: str, new: str, says: str) -> None:
    changed = line(records, name, old)
    records.change(name, old, new)
    problems = records.problems()
    if says.startswith("papers/"):
        assert any(problem.startswith(says) for problem in problems), problems
    else:
        mine = [problem for problem in problems if problem.partition(": ")[2].startswith(says)]
        assert mine, problems
        where = mine[0].partition(": ")[0]
        # What is missing, and the second of two, stand elsewhere.
        if not any(sign in says for sign in ("is missing", "there twice", "headline")):
            assert where == f"papers/{name}:{changed}"
        assert where.startswith(f"papers/{name}:")


def test_a_summary_is_no_abstract_without_a_speaker_either(records: Records) -> None:
    records.change("xception.yaml", "summary: Depthwise separable convolutions.", f"summary: {'Large. ' * 151}")
    assert records.problems() == [
        "papers/xception.yaml:10: summary: has 151 words, as many as an abstract; two to four sentences of our own are "
        "enough"
    ]


def test_numbers_of_arxiv_as_they_were_before_2007(records: Records) -> None:
    records.change("xception.yaml", 'arxiv: "1610.02357"', "arxiv: cs.CV/9811001")
    records.change("xception.yaml", "published: 2016-10-07", "published: 1998-12")
    assert any("cs.CV/9811001 is of 1998-11, before 1998-12" in problem for problem in records.problems())


def test_a_date_is_compared_with_a_number_as_far_as_it_is_known(records: Records) -> None:
    records.change("mobilenet-v1.yaml", "taxonomy:", 'links: {arxiv: "1704.04861"}\ntaxonomy:')
    assert records.problems() == []
    records.change("mobilenet-v1.yaml", "published: 2017-04", "published: 2017")
    assert records.problems() == []


def test_the_problem_of_the_documentation(records: Records) -> None:
    records.change("xception.yaml", "paper: inception-v3", "paper: inceptionv3")
    assert records.problems() == [
        "papers/xception.yaml:12: builds_on[0].paper: no paper 'inceptionv3'; did you mean 'inception-v3'?"
    ]


def test_everything_is_said_at_once(records: Records) -> None:
    records.change("xception.yaml", "relation: extends", "relation: extend")
    records.change("xception.yaml", "paper: resnet", "paper: resnets")
    records.change("xception.yaml", "summary: Depth", "summry: Depth")
    records.change("resnet.yaml", "family: residual-family", "family: residual-familie")
    records.change("taxonomy.yaml", "source: xception", "source: nobody")
    records.write("broken.yaml", "id: [")
    records.write("empty.yaml", "")
    (records.folder / "folder.yaml").mkdir()
    problems = records.problems()
    assert [problem.split(": ")[0] for problem in problems] == [
        "papers/broken.yaml:1",
        "papers/empty.yaml",
        "papers/folder.yaml",
        "papers/resnet.yaml:7",
        "papers/taxonomy.yaml:7",
        "papers/xception.yaml:1",
        "papers/xception.yaml:10",
        "papers/xception.yaml:12",
        "papers/xception.yaml:13",
    ]


def test_a_broken_record_does_not_break_what_refers_to_it(records: Records) -> None:
    records.change("resnet.yaml", "published: 2015-12-10", "published: some day")
    records.write("inception-v1.yaml", "id: [")
    assert [problem.partition(":")[0] for problem in records.problems()] == [
        "papers/inception-v1.yaml",
        "papers/resnet.yaml",
    ]


def test_a_broken_list_of_topics_does_not_break_the_papers(records: Records) -> None:
    records.write("taxonomy.yaml", "topics: [")
    records.write("families.yaml", "families: [")
    assert [problem.partition(":")[0] for problem in records.problems()] == [
        "papers/families.yaml",
        "papers/taxonomy.yaml",
    ]


def test_topics_are_needed(records: Records) -> None:
    (records.folder / "taxonomy.yaml").unlink()
    assert records.problems() == [
        "papers/taxonomy.yaml: is missing; it lists the topics: topics: [{id: kernels, name: Convolutional Kernels}]"
    ]


def test_one_id_for_a_paper_and_an_outside_work(records: Records) -> None:
    content = (records.folder / "external/network-in-network.yaml").read_text()
    records.write("external/resnet.yaml", content.replace("network-in-network", "resnet"))
    assert "papers/external/resnet.yaml:1: id: papers/resnet.yaml has this id too" in records.problems()


def test_a_reason_is_enough_for_a_younger_ancestor(records: Records) -> None:
    records.change("xception.yaml", "published: 2016-10-07", "published: 2015-12-01")
    records.change("xception.yaml", "what: one tower per channel", "what: x, younger_because: they shared a draft")
    (problem,) = records.problems()
    assert "builds_on[1].paper: 'resnet' (2015-12-10) is younger" in problem


@pytest.mark.parametrize("published", ["2015", "2015-12"])
def test_dates_are_compared_as_far_as_both_are_known(records: Records, published: str) -> None:
    records.change("xception.yaml", "published: 2016-10-07", f"published: {published}")
    assert records.problems() == []


def test_circles(records: Records) -> None:
    records.change("resnet.yaml", "published: 2015-12-10", "published: 2016-10-07")
    records.change("resnet.yaml", "1512.03385", "1610.03385")
    records.change(
        "resnet.yaml", "summary: Shortcuts.", "summary: x\nbuilds_on: [{paper: xception, relation: extends, what: x}]"
    )
    (problem,) = records.problems()
    assert "build on one another in a circle" in problem
    assert "'xception'" in problem
    assert "'resnet'" in problem


def test_part_tells_two_edges_to_one_paper_apart(records: Records) -> None:
    records.change(
        "xception.yaml",
        "paper: resnet, relation: applies, part: shortcut",
        "paper: inception-v3, relation: extends, part: stem",
    )
    assert records.problems() == []


def test_a_thousand_slips_in_one_file_are_cut_short(records: Records) -> None:
    records.write("resnet.yaml", "".join(f"field{number}: x\n" for number in range(1000)))
    mine = [problem for problem in records.problems() if problem.startswith("papers/resnet.yaml")]
    assert len(mine) == validation.MOST_PROBLEMS + 1
    assert any("problems more than those shown" in problem for problem in mine)


def test_a_large_hostile_file_takes_no_long_time(records: Records) -> None:
    records.write("resnet.yaml", "".join(f"f{number}: 1\n" for number in range(60_000)))
    start = time.perf_counter()
    assert records.problems()
    assert time.perf_counter() - start < 10


def test_control_characters_of_a_record_never_reach_the_terminal(records: Records) -> None:
    records.change("xception.yaml", "relation: extends", 'relation: "\\e[31mred"')
    (problem,) = records.problems()
    assert "\x1b" not in problem
    assert "invisible character U+001B" in problem


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(NoRecords, match=r"no records in .*nowhere: there is no such folder"):
        Library.load(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(NoRecords, match="no records"):
        Library.load(tmp_path / "file")


def test_a_folder_without_a_paper(tmp_path: Path) -> None:
    (tmp_path / "taxonomy.yaml").write_text("topics: []")
    with pytest.raises(NoRecords, match="a paper is a file there such as"):
        Library.load(tmp_path)


@pytest.mark.parametrize(
    "value", ["", "null", "5", "-1.5", "x", "[]", "{}", "[1]", "{a: 1}", "true", "[[x]]", "{'': {}}", "1e99"]
)
def test_any_value_in_any_field_is_an_error_and_never_a_crash(records: Records, value: str) -> None:
    text = (records.folder / "xception.yaml").read_text()
    for place in parse(text.encode()).lines:
        document = parse(text.encode())
        inner: Any = document.data
        for step in place[:-1]:
            inner = inner[step]
        if place:
            inner[place[-1]] = parse(f"value: {value}".encode()).data["value"]
        records.write("xception.yaml", layout.dump(document.data))
        for problem in records.problems():
            assert problem.startswith("papers/")
            assert "\n" not in problem


# --- What a record says of a module ----------------------------------------------------------------------------------


@pytest.fixture
def project(records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Records]:
    """The small folder in place of the project's own records, with a module for Xception."""
    monkeypatch.setattr(paths, "RECORDS", records.folder.resolve())
    modules = tmp_path / "reproductions"
    (modules / "checks").mkdir(parents=True)
    (modules / "xception.py").write_text('VARIANTS = {"xception": 1, "xception-nores": 2}\n')
    (modules / "checks" / "xception.py").write_text("def extreme_inception():\n    return {}\n")
    monkeypatch.setattr(paths, "REPRODUCTIONS", modules)
    reproductions._variants.cache_clear()
    records.change("xception.yaml", "claims:", "reproduction: complete\nclaims:")
    yield records
    reproductions._variants.cache_clear()


def test_a_true_record(project: Records) -> None:
    assert project.problems() == []


def test_a_module_that_no_record_mentions_yet(project: Records) -> None:
    """Nobody who writes a module should be kept from asking questions meanwhile."""
    project.change("xception.yaml", "reproduction: complete\n", "")
    assert project.problems() == []


def test_a_record_that_mentions_no_module(project: Records) -> None:
    (paths.REPRODUCTIONS / "xception.py").unlink()
    assert project.problems() == ["papers/xception.yaml:18: reproduction: there is no reproductions/xception.py"]


def test_a_variant_that_the_module_does_not_offer(project: Records) -> None:
    project.change("xception.yaml", "variant: xception", "variant: xception-xl")
    assert project.problems() == [
        "papers/xception.yaml:25: claims[0].subject.variant: no variant 'xception-xl'; reproductions/xception.py has "
        "xception, xception-nores"
    ]


def test_a_check_that_is_not_there(project: Records) -> None:
    project.change("xception.yaml", "measure: parameters", "check: extrem_inception")
    assert project.problems() == [
        "papers/xception.yaml:26: claims[0].check: no function 'extrem_inception' in reproductions/checks/xception.py; "
        "did you mean 'extreme_inception'?"
    ]


def test_a_module_that_is_no_python(project: Records) -> None:
    (paths.REPRODUCTIONS / "checks" / "xception.py").write_text("def (\n")
    (problem,) = project.problems()
    assert "is not Python" in problem


def test_other_folders_may_claim_what_they_like(records: Records) -> None:
    records.change("xception.yaml", "variant: xception", "variant: xception-xl")
    records.change("xception.yaml", "claims:", "reproduction: complete\nclaims:")
    assert records.problems() == []


# --- As a user starts it ---------------------------------------------------------------------------------------------

HEAVY = {"torch", "pydantic", "yaml", "networkx", "rapidfuzz", "rich", "numpy"}


def modules_after(statement: str, cwd: Path | None = None) -> set[str]:
    """The packages that are imported in a fresh process by then."""
    code = (
        f"import sys, json; {statement}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=cwd)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_costs_nothing() -> None:
    assert not HEAVY & modules_after("import catalog")
    assert not HEAVY & modules_after("from catalog import Library")


def test_questions_need_no_heavy_package(library: Library) -> None:
    statement = (
        "from catalog import Library; from catalog.graph import lineage; library = Library.load(); "
        "lineage(library, ['Inception']); lineage(library, ['xception'], ancestors=True)"
    )
    assert not HEAVY & modules_after(statement)


def test_questions_never_import_torch(library: Library) -> None:
    statement = (
        "from catalog import Library, questions; library = Library.load(); "
        "[questions.ask(library, example) for example in questions.EXAMPLES]; library.papers, library.external"
    )
    assert "torch" not in modules_after(statement)


def test_validation_never_imports_torch(tmp_path: Path) -> None:
    statement = (
        f"import os; os.environ['XDG_CACHE_HOME'] = {str(tmp_path)!r}; from catalog import Library; Library.load()"
    )
    modules = modules_after(statement)
    assert "torch" not in modules
    assert "pydantic" in modules, "this was to be a real validation"


def test_unknown_attribute_of_the_package() -> None:
    import catalog

    with pytest.raises(AttributeError, match="no attribute 'Libary'"):
        catalog.Libary  # noqa: B018


def test_paths_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.CHECKOUT is not None
    assert paths.RECORDS == paths.CHECKOUT / "papers"
    assert paths.output_folder() == paths.CHECKOUT / "build"
    assert paths.results_folder() == paths.CHECKOUT / "reproductions" / "results"
    monkeypatch.setattr(paths, "CHECKOUT", None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert paths.output_folder() == tmp_path / "build"
    assert paths.results_folder() == tmp_path / "data" / "repro" / "results"


def test_an_installed_copy_finds_its_data(tmp_path: Path) -> None:
    site_packages = tmp_path / "site-packages"
    for package in (Path(paths.__file__).parent, paths.REPRODUCTIONS):
        shutil.copytree(package, site_packages / package.name, ignore=shutil.ignore_patterns("__pycache__", "_data"))
    shutil.copytree(paths.RECORDS, site_packages / "catalog" / "_data" / "papers")
    statement = (
        f"sys.path.insert(0, {str(site_packages)!r}); from catalog import paths, Library; "
        "assert paths.CHECKOUT is None; assert len(Library.load()) > 0; print(paths.RECORDS)"
    )
    code = f"import sys; {statement}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == str(site_packages / "catalog" / "_data" / "papers")
