"""A new paper: what is written, what is left to fill in, and what is refused."""

from __future__ import annotations

import ast
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

import reproductions
from catalog import cli, fetch, metadata, new, paths
from catalog.canonical import reformat
from catalog.errors import CatalogError
from catalog.source import parse
from tests.answers import ATOM, arxiv, openalex, sources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catalog.fetch import Web
    from tests.conftest import Records
    from tests.loopback import Server


@pytest.fixture
def project(records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Records]:
    """A small checkout: records with schemas, modules, checks and tests."""
    root = records.folder.parent
    for folder in ("reproductions/checks", "tests/reproductions"):
        (root / folder).mkdir(parents=True)
    (root / "reproductions" / "xception.py").write_text('VARIANTS = {"xception": {}}\n')
    shutil.copytree(paths.RECORDS / "schema", records.folder / "schema")
    monkeypatch.setattr(paths, "CHECKOUT", root)
    monkeypatch.setattr(paths, "RECORDS", records.folder.resolve())
    monkeypatch.setattr(paths, "REPRODUCTIONS", root / "reproductions")
    monkeypatch.chdir(root)
    reproductions._variants.cache_clear()
    yield records
    reproductions._variants.cache_clear()


FILES = [
    "papers/dicenet.yaml",
    "reproductions/dicenet.py",
    "reproductions/checks/dicenet.py",
    "tests/reproductions/test_dicenet.py",
]


def repro(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(cli.app, arguments, prog_name="repro")
    assert result.exit_code == status, result.output
    return result


def refused(project: Records, *arguments: str) -> str:
    """Why a paper is not begun; nothing may be written then."""
    root = project.folder.parent
    before = [sorted((root / folder).rglob("*")) for folder in ("papers", "reproductions", "tests")]
    result = repro("new", *arguments, status=2)
    assert [sorted((root / folder).rglob("*")) for folder in ("papers", "reproductions", "tests")] == before
    assert not result.stdout
    return result.stderr


def test_a_paper_is_begun_without_a_network(project: Records) -> None:
    printed = repro("new", "DiCENet: Dimension-wise Convolutions", "--offline").stdout
    assert printed.split("\n\n")[0].splitlines() == FILES
    data = parse((project.folder / "dicenet.yaml").read_bytes()).data
    assert (data["id"], data["name"]) == ("dicenet", "DiCENet")
    assert data["title"] == "DiCENet: Dimension-wise Convolutions"
    assert "repro validate" in printed
    assert "  kernels/dilated" in printed.split("Topics")[1]


def test_validate_names_every_blank_and_nothing_else(project: Records) -> None:
    repro("new", "DiCENet: Dimension-wise Convolutions", "--offline")
    problems = project.problems()
    blanks = []
    for name in FILES[:3]:
        lines = (project.folder.parent / name).read_text().splitlines()
        blanks += [f"{name}:{number}:" for number, line in enumerate(lines, 1) if "FILL IN" in line]
    assert sorted(problem.partition(" ")[0] for problem in problems) == sorted(blanks)
    assert all("is still blank: " in problem for problem in problems)
    assert "papers/dicenet.yaml:9: taxonomy[0]: is still blank: a topic of papers/taxonomy.yaml" in "\n".join(problems)


def test_a_paper_that_is_filled_in_is_valid(project: Records) -> None:
    repro("new", "DiCENet: Dimension-wise Convolutions", "--offline")
    path = project.folder / "dicenet.yaml"
    values = {
        "authors": "[Sachin Mehta]",
        "published": "2019-06-08",
        "venue": "TPAMI 2022",
        "links": '{arxiv: "1906.03516"}',
        "taxonomy": "[kernels]",
        "summary": "It filters along three dimensions. Then it fuses.",
        "paper": "xception",
        "relation": "generalizes",
        "what": "one dimension becomes three",
        "statement": "it is small",
        "source": "Table 1",
        "printed": '"3.4M"',
        "expect": "{equals: 3400000}",
    }
    text = path.read_text()
    for field, value in values.items():
        text = re.sub(rf"\b{field}: (?=.*FILL IN).*", f"{field}: {value}", text)
    path.write_text(text)
    for name in FILES[1:3]:
        module = project.folder.parent / name
        module.write_text(module.read_text().replace("FILL IN: ", ""))
    assert project.problems() == []
    reformat(project.folder, ["dicenet"])
    assert project.problems() == []


def test_what_is_begun_is_canonical_and_python(project: Records) -> None:
    repro("new", 'Odd "Net\\": a title """ that \\ends docstrings {0}', "--id", "odd-net", "--offline")
    assert reformat(project.folder, ["odd-net"], write=False)[1] == []
    for name in ("reproductions/odd_net.py", "reproductions/checks/odd_net.py", "tests/reproductions/test_odd_net.py"):
        ast.parse((project.folder.parent / name).read_text())
    assert (
        (project.folder / "odd-net.yaml").read_text().startswith("# yaml-language-server: $schema=schema/paper.json\n")
    )


def test_the_module_that_is_begun_runs_and_its_check_is_red(project: Records) -> None:
    import torch

    files = new.draft("dicenet", {"title": "DiCENet"})
    texts = {path.relative_to(paths.CHECKOUT or "").as_posix(): text for path, text in files.items()}
    module: dict[str, object] = {"__name__": "reproductions.dicenet"}
    exec(compile(texts["reproductions/dicenet.py"], "dicenet.py", "exec"), module)
    assert module["build"](classes=7)(torch.zeros(2, 3, 8, 8)).shape == (2, 7)  # type: ignore[operator]
    checks = texts["reproductions/checks/dicenet.py"].replace("from reproductions.dicenet import build\n", "")
    exec(compile(checks, "checks.py", "exec"), module)
    assert module["definition"]()["difference"] > 1e-3  # type: ignore[operator]


def test_only_the_record(project: Records) -> None:
    printed = repro("new", "DiCENet: Dimension-wise Convolutions", "--offline", "--record-only").stdout
    assert printed.split("\n\n")[0].splitlines() == FILES[:1]
    data = parse((project.folder / "dicenet.yaml").read_bytes()).data
    assert not {"claims", "reproduction"} & data.keys()


def test_numbers_go_into_the_record(project: Records) -> None:
    repro("new", "arXiv:2201.03545v2", "--offline", "--id", "convnext", "--record-only")
    repro("new", "https://doi.org/10.1109/TPAMI.2020.3041871", "--offline", "--id", "dicenet", "--record-only")
    assert parse((project.folder / "convnext.yaml").read_bytes()).data["links"] == {"arxiv": "2201.03545"}
    assert parse((project.folder / "dicenet.yaml").read_bytes()).data["links"] == {"doi": "10.1109/tpami.2020.3041871"}


# --- Names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("DiCENet: Dimension-wise Convolutions for Efficient Networks", "DiCENet"),
        ("Highway Networks", "Highway Networks"),
        ("Very Deep Convolutional Networks for Large-Scale Image Recognition", None),
        ("An Image is Worth 16x16 Words: Transformers", None),
        ("", None),
    ],
)
def test_the_name_is_what_the_title_begins_with(title: str, name: str | None) -> None:
    assert new.proposed_name(title) == name


def test_an_id_is_asked_for_where_the_title_has_no_name(project: Records) -> None:
    says = refused(project, "Very Deep Convolutional Networks for Image Recognition", "--offline")
    assert "says nothing short" in says
    assert "--id" in says
    assert "lower-case words joined by hyphens" in says


@pytest.mark.parametrize("name", ["VGG", "vgg net", "3d-cnn", "../vgg", "class", "layers", "taxonomy", "", "a--b"])
def test_what_cannot_be_an_id(project: Records, name: str) -> None:
    assert "cannot be an id. An id is what people call the paper" in refused(
        project, "Title", "--id", name, "--offline"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["Xception"], "papers/xception.yaml has 'xception' already: repro show xception"),
        (["Another title", "--id", "xception"], "papers/xception.yaml has 'xception' already"),
        (["1610.02357", "--id", "extreme"], "papers/xception.yaml has this paper already: repro show xception"),
        (["10.1109/cvpr.2015.7298594", "--id", "extreme"], "papers/inception-v1.yaml has this paper already"),
        (["Going Deeper with Convolutions!", "--id", "deeper"], "papers/inception-v1.yaml has this paper already"),
        (["Network in network"], "git mv papers/external/network-in-network.yaml papers/network-in-network.yaml"),
    ],
)
def test_what_is_there_already(project: Records, arguments: list[str], says: str) -> None:
    assert says in refused(project, *arguments, "--offline")


@pytest.mark.parametrize("name", FILES[1:])
def test_nothing_is_overwritten(project: Records, name: str) -> None:
    (project.folder.parent / name).write_text("mine")
    assert f"{name} is there already; nothing was written" in refused(project, "DiCENet", "--offline")


def test_another_paper_with_blanks_does_not_stand_in_the_way(project: Records) -> None:
    repro("new", "DiCENet", "--offline", "--record-only")
    project.write("broken.yaml", "id: [\n")
    repro("new", "SqueezeNet", "--offline", "--record-only")
    assert "papers/dicenet.yaml has this paper already" in refused(project, "DiCENet", "--offline")


def test_all_files_or_none(project: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(project.folder.parent / "tests" / "reproductions")
    assert "cannot be written: No such file or directory; nothing was written" in refused(
        project, "DiCENet", "--offline"
    )


def test_a_file_that_appears_meanwhile_is_left_alone(project: Records) -> None:
    files = new.draft("dicenet", {"title": "DiCENet"})
    theirs = list(files)[2]
    theirs.write_text("theirs")
    with pytest.raises(CatalogError, match="File exists"):
        new.write(files)
    assert [path.exists() for path in files] == [False, False, True, False]
    assert theirs.read_text() == "theirs"


def test_an_interrupt_leaves_nothing(project: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    files = new.draft("dicenet", {"title": "DiCENet"})

    class Mapping(dict):  # type: ignore[type-arg]
        def items(self):  # type: ignore[no-untyped-def]
            for number, item in enumerate(super().items()):
                if number == 2:
                    raise KeyboardInterrupt
                yield item

    with pytest.raises(KeyboardInterrupt):
        new.write(Mapping(files))
    assert not any(path.exists() for path in files)


def test_an_installed_copy_says_that_it_is_one(project: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "CHECKOUT", None)
    assert "in a checkout of the project" in refused(project, "DiCENet", "--offline")


# --- With a network --------------------------------------------------------------------------------------------------


@pytest.fixture
def online(web: Web, server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(fetch, "Web", lambda: web)
    monkeypatch.setattr(metadata, "Sources", lambda web: sources(web, server))
    return server


def test_what_the_sources_know_is_filled_in(project: Records, online: Server) -> None:
    title = "ConvNeXt: {A} ConvNet \\&amp; more"
    online.says("/arxiv", arxiv(title=title, authors=["Zhuang Liu", "Hanzi Mao", "Laurens van der Maaten"]), **ATOM)
    online.says("/openalex/doi:10.48550/arXiv.2201.03545", openalex())
    result = repro("new", "2201.03545")
    assert not result.stderr
    data = parse((project.folder / "convnext.yaml").read_bytes()).data
    assert data["title"] == "ConvNeXt: A ConvNet & more"
    assert data["authors"] == ["Zhuang Liu", "Hanzi Mao", "Laurens van der Maaten"]
    assert (data["published"], data["venue"]) == ("2022-01-10", "CVPR 2022")
    assert data["links"] == {"arxiv": "2201.03545", "doi": "10.1109/cvpr52688.2022.01167"}
    assert "abstract, which" not in (project.folder / "convnext.yaml").read_text()
    module = (project.folder.parent / "reproductions" / "convnext.py").read_text()
    assert module.startswith('"""ConvNeXt: A ConvNet & more (Liu et al., 2022).\n')
    left = {problem.split(": ")[1] for problem in project.problems() if problem.startswith("papers/")}
    assert not {"title", "authors[0]", "published", "venue", "links.arxiv"} & left
    assert {"taxonomy[0]", "summary"} <= left


def test_a_source_that_fails_is_said(project: Records, online: Server) -> None:
    online.says("/arxiv", arxiv(title="ConvNeXt"), **ATOM)
    online.says("/openalex/doi:10.48550/arXiv.2201.03545", "[", Content_Type="application/json")
    result = repro("new", "2201.03545", "--record-only")
    assert result.stderr.startswith("repro: left out: 127.0.0.1")
    assert (project.folder / "convnext.yaml").exists()


def test_no_paper_and_several_papers(project: Records, online: Server) -> None:
    online.says("/openalex", {"results": [openalex(), openalex(title="Another")]})
    assert "2201.03545  A ConvNet for the 2020s (Zhuang Liu and others, 2022)" in refused(project, "ConvNets")
    assert "knows no such thing" in refused(project, "10.1000/nowhere", "--id", "nowhere")


def test_without_a_network_one_sentence_says_what_to_do(project: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    original = metadata.Sources
    monkeypatch.setattr(metadata, "Sources", lambda web: original(web, "http://no-such-host.invalid/"))
    says = refused(project, "2201.03545")
    assert says == (
        "repro: no-such-host.invalid cannot be reached; is there a network? --offline writes the files without asking\n"
    )
