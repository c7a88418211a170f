"""`repro`, the command line."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from catalog import Library, cli, completion, paths, show
from catalog.datasets import MissingData, Source
from catalog.errors import CatalogError
from catalog.graph import common, lineage, path
from catalog.names import UnknownName
from catalog.questions import EXAMPLES
from catalog.records import Comparator, Paper, Status
from catalog.schema import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Records

REPRO = [sys.executable, "-c", "from catalog.cli import main; main()"]


def repro(*arguments: str, status: int = 0) -> Result:
    """Run a command in this process; what it prints is as if into a pipe."""
    result = CliRunner().invoke(cli.app, arguments, prog_name="repro")
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), "no traceback, whatever happens"
    return result


def data(*arguments: str, status: int = 0) -> Any:
    """What a command prints as JSON, and nothing else may stand beside it."""
    return json.loads(repro(*arguments, "--json", status=status).stdout)


def complaint(*arguments: str) -> str:
    """What a command says of bad input: on standard error, and nothing on standard output."""
    result = repro(*arguments, status=2)
    assert not result.stdout
    return result.stderr


# --- Source ----------------------------------------------------------------------------------------------------------


def test_source_prints_a_module_or_one_file_or_writes_it(tmp_path: Path) -> None:
    assert repro("source", "SENet").stdout == (paths.REPRODUCTIONS / "senet.py").read_text("utf-8")
    text = repro("source", "senet", "--standalone").stdout
    assert "# --- Deep Residual Learning for Image Recognition (2015) ---" in text
    assert "# --- What several papers use ---" in text
    repro("source", "senet", "--standalone", "--output", str(tmp_path / "senet.py"))
    assert (tmp_path / "senet.py").read_text("utf-8") == text


def test_source_of_what_has_none(tmp_path: Path) -> None:
    assert "'inception' is a family; name one of its papers" in complaint("source", "inception")
    assert "did you mean 'senet'" in complaint("source", "sennet").casefold()
    assert "cannot be written" in complaint("source", "senet", "--output", str(tmp_path / "none" / "senet.py"))


# --- Lineage ---------------------------------------------------------------------------------------------------------


def test_lineage_is_a_tree_by_year_in_which_each_paper_stands_once(library: Library) -> None:
    lines = repro("lineage", "inception").stdout.splitlines()
    found = lineage(library, ["inception"])
    shown = [match[1] for line in lines if (match := re.match(r"[│├└─ ]*((?:19|20)\d\d .+)", line))]
    assert len(shown) == len(found.papers)
    assert all(
        line.startswith(f"{step.year} {step.name.split()[0]}") for line, step in zip(shown, found.papers, strict=True)
    )


def test_a_branch_says_the_relation_and_what_changed(library: Library) -> None:
    words = re.sub(r"[│├└─\s]+", " ", repro("lineage", "inception").stdout)
    step = next(step for step in lineage(library, ["inception"]).papers if step.id == "xception")
    assert step.parent == "inception-v3"
    assert f"2016 Xception extends: {step.what} also applies" in words


def test_lineage_says_how_many_and_how_to_see_more(library: Library) -> None:
    text = repro("lineage", "Inception").stdout
    others = [
        step
        for step in lineage(library, ["inception"]).papers
        if step.id not in {p.id for p in library.members("inception")}
    ]
    descend = sum(bool(step.relation and step.relation.is_descent) for step in others)
    assert text.startswith("Inception, 6 papers of the family: ")
    assert f" {descend} papers descend from them; {len(others) - descend} more combine, apply or analyse" in " ".join(
        text.split("\n\n")[0].split()
    )
    assert "--all-relations" in text.split("\n\n")[-1]
    assert "every relation" in repro("lineage", "inception", "--all-relations").stdout


def test_lineage_fits_the_page_and_has_no_colour_in_a_pipe() -> None:
    for columns in (60, 100):
        result = CliRunner(env={"COLUMNS": str(columns)}).invoke(cli.app, ["lineage", "inception"])
        assert "\x1b" not in result.stdout
        assert max(map(len, result.stdout.splitlines())) <= columns


@pytest.mark.parametrize("arguments", [["inception"], ["xception", "--ancestors"]])
def test_no_line_of_the_tree_is_interrupted(arguments: list[str]) -> None:
    result = CliRunner(env={"COLUMNS": "70"}).invoke(cli.app, ["lineage", *arguments])
    tree = result.stdout.split("\n\n")[1].splitlines()
    for above, below in pairwise(tree):
        begin = len(above) - len(above.lstrip("│├└─ "))
        for column, character in enumerate(below):
            if character in "│├└":
                assert column == begin or above[column] in "│├", f"{above}\n{below}"


def test_ancestors_are_told_from_the_side_of_what_builds_on_them() -> None:
    text = repro("lineage", "xception", "--ancestors", "--depth", "1").stdout
    assert "extends 2015 Inception-v3: " in text
    assert "Xception: " in text.splitlines()[0]
    assert "within 1 step" in text.splitlines()[0]


def test_lineage_of_what_nothing_builds_on() -> None:
    assert repro("lineage", "xception", "--depth", "0").stdout.startswith(
        "Xception: no paper descends from it within 0 steps."
    )


def test_lineage_as_json(library: Library) -> None:
    found = data("lineage", "GoogLeNet")
    assert set(found) == {"of", "direction", "papers"}
    assert found["of"] == ["inception-v1"]
    assert found["direction"] == "descendants"
    assert found == json.loads(json.dumps(lineage(library, ["inception-v1"]).as_dict()))
    for step in found["papers"]:
        assert {"id", "name", "year", "depth", "parent", "relation", "what"} <= set(step)
    assert data("lineage", "GoogLeNet", "--format", "json") == found
    assert data("lineage", "xception", "--ancestors")["direction"] == "ancestors"
    assert max(step["depth"] for step in data("lineage", "resnet", "--depth", "2")["papers"]) == 2
    assert len(data("lineage", "inception", "--all-relations")["papers"]) > len(data("lineage", "inception")["papers"])


def test_lineage_in_other_formats() -> None:
    assert repro("lineage", "inception", "--format", "mermaid").stdout.startswith("flowchart LR\n")
    assert repro("lineage", "inception", "--format", "dot").stdout.endswith("}\n")


# --- Other questions -------------------------------------------------------------------------------------------------


def test_ask_answers_like_the_command() -> None:
    asked = repro("ask", "what builds on Inception?")
    assert asked.stdout == repro("lineage", "Inception").stdout
    assert "lineage inception" in asked.stderr
    assert repro("ask", "what", "builds", "on", "Inception").stdout == asked.stdout
    assert data("ask", "what builds on Inception")["result"] == data("lineage", "inception")


def test_ask_for_remarks(library: Library) -> None:
    text = " ".join(repro("ask", "what is said about Xception").stdout.split())
    for comment in library["xception"].comments:
        assert " ".join(comment.text.split()) in text
        assert library.outlines[comment.source].name in text
    assert len(data("ask", "what is said about Xception")["result"]) == len(library["xception"].comments)


def test_ask_for_papers() -> None:
    assert "xception" in repro("ask", "papers by Chollet").stdout.split()
    assert [paper["id"] for paper in data("ask", "papers by Chollet")["result"]] == ["xception"]
    assert "no paper" in repro("ask", "papers by Chollet before 1990").stdout


def test_ask_for_a_record() -> None:
    assert repro("ask", "what is Xception").stdout == repro("show", "xception").stdout


def test_a_question_that_is_not_understood_says_what_is() -> None:
    assert "what builds on Inception" in complaint("ask", "why")


def plain(text: str) -> str:
    """What a command prints, without line breaks."""
    return " ".join(text.split())


def test_path_says_what_changed_at_every_step(library: Library) -> None:
    text = repro("path", "AlexNet", "Xception").stdout
    assert text.startswith("AlexNet led to Xception in 3 steps, by descent.\n\n2012 AlexNet\n→ 2014 VGG ")
    for point in path(library, "alexnet", "xception").paths[0][1:]:
        (link,) = point.links
        assert f"→ {point.year} {point.name} {link.relation}: {link.what}" in plain(text)
    assert repro("ask", "how did AlexNet lead to Xception?").stdout == text
    found = data("path", "alexnet", "xception")
    assert set(found) == {"from", "to", "direction", "all_relations", "steps", "count", "paths", "common"}
    assert (found["from"], found["direction"], found["steps"]) == (["alexnet"], "forward", 3)
    assert found == data("ask", "how did AlexNet lead to Xception")["result"]


def test_all_paths_that_are_as_short(library: Library) -> None:
    assert path(library, "lenet", "xception").count == 2
    assert "1 other way is as short; repro path --all shows them." in plain(repro("path", "lenet", "xception").stdout)
    text = repro("path", "lenet", "xception", "--all").stdout
    assert "There are 2 such ways." in plain(text)
    assert text.count("\n1998 LeNet-5\n") == 2
    assert len(data("path", "lenet", "xception", "--all")["paths"]) == 2


def test_a_path_by_any_relation_or_the_other_way_round() -> None:
    assert "by any relation" in repro("path", "LeNet", "MobileNetV3").stdout
    assert data("path", "ResNet", "Xception", "--all-relations")["all_relations"]
    assert "in 1 step, by descent." in repro("path", "ResNet", "ResNeXt", "--all-relations").stdout, "as it happens"
    backward = repro("path", "Xception", "AlexNet").stdout
    assert plain(backward).startswith(
        "Xception did not lead to AlexNet, but the other way round: AlexNet led to Xception in 3 steps, by descent."
    )
    assert data("path", "Xception", "AlexNet")["direction"] == "backward"


def test_where_there_is_no_path_common_ancestors_are_shown() -> None:
    text = repro("path", "ResNet", "Inception-v3").stdout
    first, _, rest = text.partition("\n\n")
    assert first == "ResNet did not lead to Inception-v3, nor the other way round."
    assert rest == repro("common", "ResNet", "Inception-v3").stdout


def test_common_ancestors_and_the_path_from_each(library: Library) -> None:
    text = repro("common", "Xception", "ResNeXt").stdout
    found = common(library, ["xception", "resnext"])
    assert text.startswith(
        f"Xception and ResNeXt have {len(found.ancestors)} nearest common ancestors, by descent.\n\n"
    )
    for ancestor in found.ancestors:
        assert f"\n{ancestor.year} {ancestor.name}\n  to Xception\n  → " in text
        for steps in ancestor.paths:
            assert all(f"→ {one.year} {one.name} {one.links[0].relation}: " in plain(text) for one in steps[1:])
    assert repro("ask", "what do Xception and ResNeXt have in common").stdout == text
    assert data("common", "Xception", "ResNeXt") == json.loads(json.dumps(found.as_dict()))
    assert "to Xception" in repro("common", "Xception", "Inception-v3").stdout
    assert "to Inception-v3" not in repro("common", "Xception", "Inception-v3").stdout, "it is the ancestor itself"


def test_many_common_ancestors_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog.show_answers.MOST", 1)
    assert repro("common", "Xception", "ResNeXt").stdout.endswith("\n\nand 1 more (--json lists them)\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["path", "xception", "Xception"], "'xception' and 'Xception' are the same; name different papers"),
        (["path", "xceptoin", "resnet"], "did you mean 'xception'"),
        (["common", "xception"], "name two different papers or families"),
        (["diff", "inception", "resnet"], "'inception' is a family; name one of its papers: inception-v1, "),
        (
            ["diff", "resnet", "resnext", "--variant", "resnxt50"],
            "no variant of resnet or resnext is called 'resnxt50'",
        ),
        (["diff", "resnet", "resnext", "--input", "big"], "'big' is no size of an input"),
        (["diff", "lenet", "resnet", "--input", "3,8"], "forward pass with an input of 3x8 failed"),
        (["diff", "resnet", "alexnet", "--input", "3,8,8"], "no module reproduces alexnet yet"),
    ],
)
def test_what_cannot_be_related(arguments: list[str], says: str) -> None:
    message = complaint(*arguments)
    assert says in message
    assert message.startswith("repro: ")
    assert message.count("\n") == 1


def test_diff_shows_records_networks_and_code() -> None:
    text = repro("diff", "resnet", "ResNeXt").stdout
    assert text.startswith(repro("path", "resnet", "resnext").stdout)
    assert "From resnet50 to resnext50-32x4d, with an input of 3x224x224" in text
    assert re.search(r"^1/4 +56x56 +56x56 +215,808 +271,872 +667,942,912 +839,745,536$", text, re.MULTILINE)
    assert re.search(r"^in all +25,557,032 +25,028,904 +3,857,973,248 +4,230,479,872$", text, re.MULTILINE)
    assert re.search(r"32 groups( |$)", text, re.MULTILINE)
    assert re.search(r"^together +-528,128 +\+372,506,624$", text, re.MULTILINE)
    assert "ResNeXt takes from ResNet: Block, ResNet, cifar_stem, imagenet_stem and option_b" in text
    assert "\n--- reproductions/resnet.py\n+++ reproductions/resnext.py\n@@ " in text
    assert "\n+class ResNeXtBlock(Block):\n" in text
    assert not [line for line in text.splitlines() if line != line.rstrip() and line[:1] not in "+- "]


def test_diff_as_json() -> None:
    found = data("diff", "resnet", "resnext", "--variant", "ResNet-101", "--variant", "resnext101-32x4d")
    assert set(found) == {"from", "to", "records", "networks", "remark", "code"}
    assert found["records"] == data("ask", "what changed from resnet to resnext")["result"]
    networks = found["networks"]
    assert [networks[side]["variant"] for side in ("old", "new")] == ["resnet101", "resnext101-32x4d"]
    assert networks["old"]["macs"] == sum(stage["old"]["macs"] for stage in networks["stages"])
    assert found["code"]["imports"] == [
        {
            "paper": "resnext",
            "other": "resnet",
            "names": ["Block", "ResNet", "cifar_stem", "imagenet_stem", "option_b"],
        }
    ]
    assert found["code"]["diff"].startswith("--- reproductions/resnet.py\n")


def test_diff_of_papers_without_modules_still_has_what_the_records_say() -> None:
    result = repro("diff", "AlexNet", "ResNet")
    assert result.stdout.startswith(repro("path", "AlexNet", "ResNet").stdout)
    assert result.stdout.endswith("No networks are compared: no module reproduces alexnet yet.\n")
    found = data("diff", "AlexNet", "ResNet")
    assert (found["networks"], found["code"], found["remark"]) == (None, None, "no module reproduces alexnet yet")
    # Where there are modules without networks, the code can still be compared.
    assert data("diff", "VGG", "ResNet")["code"]


def test_ask_for_what_somebody_says_for_influence_and_for_verdicts(library: Library) -> None:
    text = repro("ask", "which papers say something about Xception").stdout
    assert all(re.search(rf"^{comment.source} ", text, re.MULTILINE) for comment in library["xception"].comments)
    text = repro("ask", "most influential papers on topology").stdout
    assert re.search(r"^resnet +2015 +ResNet +\d+ +\d+$", text, re.MULTILINE)
    assert "Influence is how many papers of this catalogue build on one" in text
    assert "of which these are the first 10" in text
    assert "no paper" in repro("ask", "most influential papers before 1950").stdout
    text = repro("ask", "which reproductions are not run").stdout
    assert re.search(r"^resnet +2015 +\d+ of \d+  ", text, re.MULTILINE)
    assert "no remark" in repro("ask", "what did LeNet say about Xception").stdout
    assert "no work says something" in repro("ask", "who says something about LeNet").stdout


def test_compared_papers_show_what_each_says_of_the_other(library: Library) -> None:
    (contrast,) = [one for one in library["resnet"].compares_with if one.paper == "inception-v1"]
    text = plain(repro("ask", "compare ResNet with GoogLeNet").stdout)
    assert f"ResNet compares itself with GoogLeNet: {contrast.what}" in text


@pytest.mark.parametrize("columns", ["80", "120"])
def test_answers_fit_the_page(columns: str) -> None:
    for question in (
        "how did LeNet lead to MobileNetV3",
        "what do Xception, ResNeXt and DenseNet have in common",
        "compare Xception with MobileNet",
        "most influential papers",
    ):
        result = CliRunner(env={"COLUMNS": columns}).invoke(cli.app, ["ask", question])
        assert "\x1b" not in result.stdout
        assert max(map(len, result.stdout.splitlines())) <= int(columns), question


def test_the_help_of_ask_has_an_example_of_each_form() -> None:
    text = repro("ask", "--help").stdout
    assert all(f"  repro ask {example}\n" in text for example in EXAMPLES)


def test_show_tells_everything(library: Library) -> None:
    paper = library["xception"]
    text = " ".join(repro("show", "Xception").stdout.split())
    for part in (
        paper.title,
        *paper.authors,
        paper.published,
        paper.summary,
        "arxiv.org/abs/1610.02357",
        "(inception)",
    ):
        assert " ".join(part.split()) in text
    for edge in paper.builds_on:
        assert f"{edge.relation} {library.outlines[edge.paper].year} {library.outlines[edge.paper].name}" in text
        assert " ".join(edge.what.split()) in text
    for comment in paper.comments:
        assert " ".join(comment.text.split()) in text
    for claim in paper.claims:
        assert f"{claim.id}: {' '.join(claim.statement.split())}" in text
    descendants = {
        outline.id for outline in library.outlines.values() for edge in outline.builds_on if edge.paper == "xception"
    }
    assert descendants
    for work in descendants:
        assert library.outlines[work].name in text.split("Led to")[1]
    assert "repro verify xception" in text
    assert "xception-midrelu" in text


def test_show_as_json(library: Library) -> None:
    found = data("show", "1610.02357")
    assert found["id"] == "xception"
    assert [claim["id"] for claim in found["claims"]] == [claim.id for claim in library["xception"].claims]
    for claim in found["claims"]:
        assert (claim["status"] == "not checkable") == ("not_checkable" in claim)
    assert "mobilenet-v1" in [edge["paper"] for edge in found["led_to"]]
    members = [paper.id for paper in library.members("inception")]
    assert data("show", "Inception")["papers"] == members


def test_show_of_a_family_and_of_a_work_outside(library: Library) -> None:
    text = repro("show", "Inception").stdout
    assert all(paper.id in text.split() for paper in library.members("inception"))
    outside = library.external[0]
    text = repro("show", outside.id).stdout
    assert outside.authors[0] in text
    assert "outside the catalogue" in text


def test_show_of_a_paper_that_nothing_reproduces(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    import reproductions

    def unknown(paper: str) -> list[str]:
        raise reproductions.UnknownReproduction(paper)

    monkeypatch.setattr(reproductions, "variants", unknown)
    assert repro("show", "xception").stdout.endswith("How to run it\n  repro verify xception\n")
    without_claims = library["xception"].model_copy(update={"claims": []})
    assert list(show.paper_view(library, without_claims, {}, 100))[-1].strip() == "Nothing reproduces this paper yet."


def test_list_has_every_paper_by_date_and_cuts_no_id_short(library: Library) -> None:
    head, *rows, blank, total = repro("list").stdout.splitlines()
    assert head.split() == ["id", "year", "name", "family", "claims", "verified"]
    assert (blank, total) == ("", f"{len(library)} papers")
    by_date = sorted(library, key=lambda paper: (paper.published, paper.id))
    assert [row.split()[:2] for row in rows] == [[paper.id, str(paper.year)] for paper in by_date]
    for row, paper in zip(rows, by_date, strict=True):
        assert row.index(f" {paper.name}") + 1 == head.index("name")
        if paper.claims:
            assert row.split()[-2] == str(len(paper.claims))


def test_list_of_some(library: Library) -> None:
    papers = data("list", "--topic", "topology", "--family", "Inception", "--since", "2015", "--before", "2016")[
        "papers"
    ]
    chosen = {paper.id for paper in library.papers_on("topology") if paper.family == "inception" and paper.year == 2015}
    assert chosen
    assert {paper["id"] for paper in papers} == chosen
    assert set(papers[0]) == {"id", "name", "title", "published", "year", "family", "taxonomy", "claims", "verified"}
    assert repro("list", "--before", "1900").stdout == "no paper\n"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["lineage", "incepton"], "'inception'"),
        (["show", "xceptoin"], "'xception'"),
        (["verify", "xceptoin"], "'xception'"),
        (["ask", "what builds on Incepton"], "'inception'"),
        (["list", "--family", "incepton"], "'inception'"),
        (["list", "--topic", "kernel/dilatd"], "'kernels/dilated'"),
    ],
)
def test_an_unknown_name_comes_with_suggestions(arguments: list[str], hint: str) -> None:
    message = complaint(*arguments)
    assert message.startswith("repro: no ")
    assert message.count("\n") == 1
    assert "did you mean" in message
    assert hint in message


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["lineage"],
        ["lineage", "inception", "--depth", "many"],
        ["lineage", "inception", "--format", "svg"],
        ["list", "--since", "once"],
    ],
)
def test_a_usage_error_ends_with_status_2(arguments: list[str]) -> None:
    assert "Usage: repro" in complaint(*arguments)


def test_garbage_is_collected_while_a_command_runs() -> None:
    code = (
        "import gc; from catalog import cli; cli._print_json = lambda data: print(gc.isenabled()); "
        "print(gc.isenabled()); cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "lineage", "lenet", "--json"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True"]


@pytest.mark.parametrize("arguments", [["lineage", "--help"], ["site", "build", "--help"], ["lineag"]])
def test_the_program_is_the_same_as_the_app(arguments: list[str]) -> None:
    """It makes only the command that is asked for, which nobody is to notice."""
    # Typer's runner has lines of 80 columns, and the program two fewer than a terminal of 80.
    whole = CliRunner().invoke(cli.app, arguments, prog_name="repro", terminal_width=78)
    done = subprocess.run([*REPRO, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (whole.exit_code, whole.stdout, whole.stderr)


def test_version_and_help() -> None:
    assert re.fullmatch(r"repro \d+\.\d+\.\d+\n", repro("--version").stdout)
    for command in ("lineage", "path", "common", "diff", "ask", "show", "list", "validate", "verify", "site"):
        assert command in repro("-h").stdout
        assert "Usage: repro" in repro(command, "--help").stdout


# --- Validation ------------------------------------------------------------------------------------------------------


def test_validate_counts_what_is_fine(library: Library) -> None:
    first, *more = repro("validate").stdout.splitlines()
    assert first.startswith(f"{len(library)} papers, ")
    assert first.endswith("no problem")
    assert not more or re.match(r"\d+ stale results?, of ", more[0])


def test_validate_prints_every_problem_with_its_line(records: Records) -> None:
    records.change("xception.yaml", "paper: resnet", "paper: resnett")
    records.change("inception-v3.yaml", "authors: [Christian Szegedy]", "authers: [Christian Szegedy]")
    *problems, last = repro("validate", str(records.folder), status=2).stdout.splitlines()
    assert problems == records.problems()
    assert len(problems) > 1
    assert all(re.match(r"papers/[\w-]+\.yaml:\d+: ", problem) for problem in problems)
    assert last == f"{len(problems)} problems in 2 files"


def test_validate_of_what_is_no_folder(tmp_path: Path) -> None:
    assert "nothing: there is no such folder" in complaint("validate", str(tmp_path / "nothing"))
    assert "a paper is a file there such as" in complaint("validate", str(tmp_path))


def test_questions_of_broken_records_show_the_problems(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    records.change("xception.yaml", "paper: resnet", "paper: resnett")
    monkeypatch.setattr(paths, "RECORDS", records.folder)
    message = complaint("lineage", "inception")
    assert records.problems()[0] in message.splitlines()
    assert "repro: " in message.splitlines()[-1]


# --- Extending -------------------------------------------------------------------------------------------------------


def test_fmt_says_what_it_changes(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "RECORDS", records.folder)
    records.change("resnet.yaml", "name: ResNet", "name:   'ResNet'")
    path = records.folder / "resnet.yaml"
    text = path.read_text()
    checked = repro("fmt", "--check", "resnet", "mobilenet-v1", status=1)
    assert checked.stdout == "papers/resnet.yaml: +1 −1\n1 file would change, 1 in the canonical layout already\n"
    assert "'repro fmt'" in checked.stderr
    assert path.read_text() == text
    assert repro("fmt", "resnet").stdout.endswith("1 file changed, 0 in the canonical layout already\n")
    assert path.read_text() != text
    assert repro("fmt", "--check", "resnet").stdout == "no file would change, 1 in the canonical layout already\n"
    assert "did you mean 'resnet'?" in complaint("fmt", "resnt")


def test_fmt_of_what_is_no_yaml(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "RECORDS", records.folder)
    records.write("resnet.yaml", "id: [\n")
    assert complaint("fmt").startswith("papers/resnet.yaml:1: is not YAML: ")


def test_schemas_are_printed_and_written(tmp_path: Path) -> None:
    assert json.loads(repro("schema").stdout)["description"] == "A paper of the catalogue."
    folder = tmp_path / "my" / "schema"
    repro("schema", "--output", str(folder))
    for kind in Kind:
        assert (folder / f"{kind}.json").read_text() == repro("schema", kind).stdout
    assert "is no folder" in complaint("schema", "--output", str(folder / "paper.json"))
    assert "papr" in complaint("schema", "papr")


# --- Verification ----------------------------------------------------------------------------------------------------


@pytest.fixture
def _results_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "results_folder", lambda: tmp_path / "results")
    (tmp_path / "results").mkdir()
    # Otherwise what comes with the project would be read.
    (tmp_path / "results" / "xception.yaml").write_text("paper: xception\nentries: []\n")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[Paper], None]:
    """Lets the commands see this paper, whatever is asked for."""
    return lambda paper: monkeypatch.setattr(cli, "_library", lambda: SimpleNamespace(resolve=lambda name: (paper,)))


@pytest.fixture
def wrong(library: Library) -> Paper:
    """Xception, with a record that expects one parameter too many."""
    paper = library["xception"]
    return paper.model_copy(
        update={
            "claims": [
                claim.model_copy(update={"expect": Comparator(equals=22855953)}) if claim.id == "parameters" else claim
                for claim in paper.claims
            ]
        }
    )


def test_verify_measures_and_says_what_the_paper_prints(library: Library) -> None:
    text = repro("verify", "Xception", "--tier", "structure").stdout
    structure = [claim for claim in library["xception"].claims if claim.tier == "structure"]
    (row,) = [line for line in text.splitlines() if re.match(r"\w+ +parameters ", line)]
    assert row.split() == ["verified", "parameters", "22,855,952", "22,855,952", "Table", "3"]
    counts = re.search(r"xception: (.+), in [\d.]+ s", text)
    assert counts
    assert sum(map(int, re.findall(r"\d+", counts[1]))) == len(structure)


def test_verify_as_json(library: Library) -> None:
    report = data("verify", "xception", "--claim", "parameters", "--claim", "imagenet-top-1")
    assert set(report) == {"paper", "claims", "summary"}
    assert report["paper"] == "xception"
    fields = [
        "id",
        "tier",
        "basis",
        "statement",
        "source",
        "status",
        "printed",
        "expected",
        "measured",
        "reason",
        "seconds",
    ]
    assert [list(claim) for claim in report["claims"]] == [fields, fields]
    assert [claim["status"] for claim in report["claims"]] == ["verified", "not run"]
    assert report["claims"][0]["measured"] == 22855952
    assert {status: n for status, n in report["summary"].items() if n} == {"verified": 1, "not run": 1}


def test_verify_of_several_papers() -> None:
    *papers, total = repro("verify", "xception", "lenet", "xception", "--claim", "parameters").stdout.splitlines()
    assert sorted(re.sub(r" +[\d.]+ s +[\d,]+ MB +", ": ", line) for line in papers) == [
        "lenet: 1 verified",
        "xception: 1 verified",
    ]
    assert total == "2 papers: 2 verified"
    report = data("verify", "xception", "lenet", "--claim", "parameters")
    assert [paper["paper"] for paper in report["papers"]] == ["xception", "lenet"]
    assert report["summary"]["verified"] == 2
    assert set(report) == {"papers", "summary"}
    # Each is asked for what it claims, and who claims nothing of the kind is left out.
    report = data("verify", "xception", "lenet", "--claim", "lenet1-parameters")
    assert [[claim["id"] for claim in paper["claims"]] for paper in report["papers"]] == [["lenet1-parameters"]]


def test_verify_of_all_papers_takes_those_that_claim_something(library: Library) -> None:
    report = data("verify", "--all", "--tier", "headline")
    claiming = [paper for paper in library.papers if any(claim.tier == "headline" for claim in paper.claims)]
    assert [paper["paper"] for paper in report["papers"]] == [paper.id for paper in claiming]
    assert report["summary"]["not run"] > 0


def test_verify_of_a_topic_and_of_a_family() -> None:
    arguments = ("verify", "--tier", "headline")
    papers = {paper["paper"] for paper in data(*arguments, "--topic", "cross-channel correlations")["papers"]}
    assert "xception" in papers
    assert "resnet" not in papers
    papers = {paper["paper"] for paper in data(*arguments, "--family", "residual")["papers"]}
    assert "resnet" in papers
    assert "xception" not in papers
    assert "no family but a paper" in complaint("verify", "--family", "xception")


@pytest.mark.usefixtures("_results_of_nobody")
def test_verify_by_what_the_results_say() -> None:
    assert repro("verify", "xception", "--only", "failed").stdout == "nothing to verify\n"
    assert data("verify", "xception", "--only", "failed") == {"papers": [], "summary": dict.fromkeys(Status, 0)}
    repro("verify", "xception", "--claim", "parameters", "--record")
    report = data("verify", "xception", "--only", "verified")
    assert [claim["id"] for claim in report["claims"]] == ["parameters"]
    left = {claim["id"] for claim in data("verify", "xception", "--only", "nothing", "--tier", "structure")["claims"]}
    assert "macs" in left
    assert "parameters" not in left


@pytest.mark.parametrize("arguments", [(), ("--all", "xception")])
def test_verify_wants_papers_or_all(arguments: tuple[str, ...]) -> None:
    assert complaint("verify", *arguments) == (
        "repro: name the papers to verify, or say --all for every paper that has claims\n"
    )


def test_verify_of_a_family_takes_the_members_that_claim_something(library: Library) -> None:
    text = repro("verify", "Inception", "--claim", "parameters").stdout
    for paper in library.members("inception"):
        assert (paper.id in text.split()) == ("parameters" in {claim.id for claim in paper.claims})


def test_verify_ends_with_status_1_when_a_claim_failed(seen: Callable[[Paper], None], wrong: Paper) -> None:
    seen(wrong)
    text = repro("verify", "xception", "--claim", "parameters", status=1).stdout
    assert re.search(r"^failed +parameters +22,855,952", text, re.MULTILINE)
    assert "22,855,953" in text, "the reason stands beneath"
    report = data("verify", "xception", "--claim", "parameters", status=1)
    assert report["summary"]["failed"] == 1


def test_verify_of_a_paper_without_claims(library: Library, seen: Callable[[Paper], None]) -> None:
    seen(library["xception"].model_copy(update={"claims": []}))
    assert repro("verify", "xception").stdout == "xception: no claims are recorded yet\n"
    report = data("verify", "xception")
    assert report["claims"] == []
    assert not any(report["summary"].values())


def test_a_claim_or_tier_that_does_not_exist() -> None:
    assert "did you mean 'parameters'?" in complaint("verify", "xception", "--claim", "parametres")
    assert "did you mean 'parameters'?" in complaint("verify", "xception", "lenet", "--claim", "parametres")
    assert "did you mean 'structure'?" in complaint("verify", "xception", "--tier", "structur")


@pytest.mark.usefixtures("_results_of_nobody")
def test_recording_and_what_changed_since(tmp_path: Path, seen: Callable[[Paper], None], wrong: Paper) -> None:
    arguments = ("verify", "xception", "--claim", "parameters")
    result = repro(*arguments, "--record")
    assert str(tmp_path / "results" / "xception.yaml") in result.stderr
    assert "22855952" in (tmp_path / "results" / "xception.yaml").read_text()
    assert "says the same already" in repro(*arguments, "--record").stderr
    assert "otherwise than recorded" not in repro(*arguments).stdout
    assert re.search(r"verified +parameters", repro("show", "xception").stdout)
    assert next(p for p in data("list")["papers"] if p["id"] == "xception")["verified"] == 1

    seen(wrong)
    text = repro(*arguments, status=1).stdout
    assert "parameters: failed instead of verified" in text.split("otherwise than recorded:")[1]
    # A claim that says something else now has not been verified yet.
    assert cli._recorded(wrong)["parameters"] == "verified, stale"


# --- The process as a whole ------------------------------------------------------------------------------------------

QUESTIONS = [
    ["lineage", "inception"],
    ["lineage", "inception", "--format", "mermaid"],
    ["path", "alexnet", "xception"],
    ["common", "xception", "resnext"],
    *(["ask", example] for example in EXAMPLES),
    ["show", "xception"],
    ["list"],
    ["validate"],
    ["--version"],
]


def test_questions_import_neither_torch_nor_other_heavy_packages() -> None:
    program = f"""
import sys
from catalog.cli import app
for question in {QUESTIONS!r}:
    try:
        app(question)
    except SystemExit as end:
        assert not end.code, question
    heavy = {{"torch", "numpy", "mkdocs", "requests", "networkx", "rich"}} & set(sys.modules)
    assert not heavy, (question, heavy)
    if question in (["lineage", "inception"], ["path", "alexnet", "xception"], ["common", "xception", "resnext"]):
        # Once the records have been read, questions of lineage do not even need the record types.
        heavy = {{"catalog.records", "yaml", "rapidfuzz"}} & set(sys.modules)
        assert not heavy, heavy
"""
    Library.load()
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["lineage", "inception"]])
def test_a_reader_that_has_seen_enough_is_no_error(arguments: list[str]) -> None:
    with subprocess.Popen([*REPRO, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        # Long before anything is written.
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait()
    assert process.returncode == 0


def test_an_interrupt_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_library", interrupted)
    assert repro("show", "xception", status=130).stderr == "repro: interrupted\n"


def test_an_output_that_cannot_show_a_tree_shows_question_marks() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    result = subprocess.run([*REPRO, "lineage", "inception"], capture_output=True, env=environment, check=True)
    assert b"?? 2016 Xception" in result.stdout


def _on_a_terminal(*arguments: str, **environment: str) -> str:
    """What somebody at a terminal sees."""
    controller, terminal = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | environment
    process = subprocess.Popen([*REPRO, *arguments], stdout=terminal, stderr=terminal, env=variables)
    os.close(terminal)
    return "".join(_read(controller, process))


def _read(controller: int, process: subprocess.Popen[bytes]) -> Iterator[str]:
    while True:
        try:
            piece = os.read(controller, 65536)
        except OSError:  # the other end is closed
            piece = b""
        if not piece:
            os.close(controller)
            process.wait()
            return
        yield piece.decode(errors="replace")


def test_colour_on_a_terminal_unless_somebody_objects() -> None:
    assert "\x1b[1mXception\x1b[0m" in _on_a_terminal("lineage", "xception")
    changed = _on_a_terminal("diff", "resnet", "resnext")
    assert "\x1b[31m-from torch.nn import functional as F\x1b[0m" in changed
    assert "\x1b[32m+import torch\x1b[0m" in changed
    assert "\x1b" not in _on_a_terminal("lineage", "xception", NO_COLOR="1")


def test_progress_on_a_terminal_is_gone_afterwards() -> None:
    seen = _on_a_terminal("verify", "xception", "lenet", "--tier", "structure", NO_COLOR="1", TERM="xterm")
    assert re.search(r"xception +\d+ of \d+ +\d+ s +\w+", seen), "a table"
    assert "1 of 2 papers" in seen
    *_, last = seen.split("\x1b[2K")  # the table is taken away line by line
    assert "2 papers: " in last
    assert "of 2 papers" not in last


# --- Training --------------------------------------------------------------------------------------------------------


def test_training_is_not_run_unasked() -> None:
    reasons = {claim["id"]: claim["reason"] for claim in data("verify", "lenet", "--tier", "structure")["claims"]}
    assert "learns-digits" not in reasons
    (claim,) = data("verify", "resnet", "--claim", "cifar-10-error-resnet20")["claims"]
    assert claim["status"] == "not run"
    assert claim["reason"].startswith("needs a GPU")


def test_data_of_training_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    obtained: list[tuple[str, Path | None, bool]] = []
    given: list[Source] = []

    def obtain(name: str, *, folder: Path | None, accept_mismatch: bool, progress: object) -> None:
        obtained.append((name, folder, accept_mismatch))

    def measure(requests: object, *, source: Source, **_: object) -> None:
        given.append(source)
        raise CatalogError("nothing is trained here")

    monkeypatch.setattr("catalog.datasets.obtain", obtain)
    monkeypatch.setattr("catalog.verify.batch.measure", measure)
    complaint("verify", "lenet", "--tier", "training", "--data", str(tmp_path))
    complaint("verify", "lenet", "--claim", "learns-digits", "--accept-data-mismatch")
    complaint("verify", "lenet", "--claim", "parameters", "--data", str(tmp_path))
    assert obtained == [("mnist", tmp_path, False), ("mnist", None, True)], "only where a run needs them"
    assert given == [Source(tmp_path), Source(None, accept_mismatch=True), Source(tmp_path)]


def test_data_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(*_: object, **__: object) -> None:
        raise MissingData("needs MNIST; no connection")

    monkeypatch.setattr("catalog.datasets.obtain", absent)
    (claim,) = data("verify", "lenet", "--claim", "learns-digits")["claims"]
    assert (claim["status"], claim["reason"]) == ("not run", "needs MNIST; no connection")
    monkeypatch.undo()
    assert complaint("verify", "lenet", "--claim", "learns-digits", "--data", str(tmp_path / "nowhere")) == (
        f"repro: --data: there is no folder {tmp_path / 'nowhere'}\n"
    )


# --- Completion ------------------------------------------------------------------------------------------------------


def completed(line: str) -> list[str]:
    """What bash would offer at the end of a line."""
    words = line.split(" ")
    environment = {
        **os.environ,
        "_REPRO_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    result = subprocess.run(REPRO, env=environment, capture_output=True, text=True, check=True)
    assert not result.stderr
    return result.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("repro show xcep", ["xception"]),
        ("repro lineage xcep", ["xception"]),
        ("repro path lenet xcep", ["xception"]),
        ("repro common lenet resnet xcep", ["xception"]),
        ("repro diff lenet xcep", ["xception"]),
        ("repro diff lenet xception --variant len", ["lenet5", "lenet1"]),
        ("repro verify lenet xcep", ["xception"]),
        ("repro list --family inc", ["inception"]),
        ("repro list --topic kernels/dil", ["kernels/dilated"]),
        ("repro verify xception --tier par", ["parity"]),
        ("repro verify xception --claim imagenet-", ["imagenet-top-1", "imagenet-top-5"]),
    ],
)
def test_the_shell_completes(line: str, offered: list[str]) -> None:
    assert completed(line) == offered


def test_completion_never_fails(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "RECORDS", records.folder)
    context = SimpleNamespace(params={"names": ["xception"]}, args=[])
    assert "xception" in completion.names()
    assert "inception-family" in completion.names()
    assert completion.claims(context) == ["parameters"]
    assert "xception" in completion.variants(SimpleNamespace(params={"old": "xception", "size": None}, args=[]))
    for name in ("families.yaml", "taxonomy.yaml", "xception.yaml"):
        records.write(name, b"{\xff: [")
    assert "xception" in completion.names()
    assert completion.topics() == completion.families() == completion.claims(context) == []
    monkeypatch.setattr(paths, "RECORDS", records.folder / "nothing")
    assert completion.names() == []


def test_the_tiers_in_the_help_are_those_there_are() -> None:
    text = " ".join(repro("verify", "--help").stdout.split())
    assert f"({', '.join(completion.tiers())})" in text


def test_an_unknown_name_is_the_library_s_error() -> None:
    """What commands print of an unknown name is what a program gets that uses the library."""
    with pytest.raises(UnknownName) as error:
        Library.load().find("xceptoin")
    assert complaint("show", "xceptoin") == f"repro: {error.value}\n"
