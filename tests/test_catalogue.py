"""Rules for the project's own records, each with a sentence that says what to change."""

from __future__ import annotations

import ast
import datetime
import re
from typing import TYPE_CHECKING

import pytest

from catalog import Library, paths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from catalog.records import ExternalWork, Paper

# What the survey holds; the catalogue may grow beyond it and never falls behind.
SURVEY = {"papers": 128, "topics": 44, "comments on papers": 69}

MODULES = sorted(path for path in paths.REPRODUCTIONS.glob("*.py") if path.stem not in {"__init__", "layers"})


def paper_of(module: Path) -> str:
    return module.stem.replace("_", "-")


def test_the_whole_survey_is_there(library: Library) -> None:
    found = {
        "papers": len(library),
        "topics": len(library.topics),
        "comments on papers": sum(len(paper.comments) for paper in library),
    }
    lost = {what: f"{found[what]} of {count}" for what, count in SURVEY.items() if found[what] < count}
    assert not lost, f"Something of the survey is lost: {lost}. Look into the last changes under papers/."


def test_every_topic_leads_somewhere(library: Library) -> None:
    empty = [topic.id for topic in library.topics if not library.papers_on(topic.id)]
    assert not empty, f"No paper is on {empty}: add these topics to the taxonomy of a paper, or delete them."


def test_topics_follow_their_parents(library: Library) -> None:
    order = list(library.topic_names)
    late = [topic.id for topic in library.topics if topic.parent and order.index(topic.parent) > order.index(topic.id)]
    assert not late, f"Move {late} in papers/taxonomy.yaml below the topic under which they lie."


def test_every_family_has_members(library: Library) -> None:
    lonely = [family.id for family in library.families if len(library.members(family.id)) < 2]
    assert not lonely, (
        f"A family is two papers or more: set `family` in the records that belong to {lonely}, or delete it."
    )


def test_every_outside_work_is_needed(library: Library) -> None:
    used = {edge.paper for paper in library for edge in (*paper.builds_on, *paper.compares_with)}
    used |= {comment.source for subject in (*library.papers, *library.topics) for comment in subject.comments}
    idle = [work.id for work in library.external if work.id not in used and not work.taxonomy]
    assert not idle, f"No record mentions {idle}: delete papers/external/<id>.yaml, or say what builds on it."


def test_nothing_comes_from_the_future(library: Library) -> None:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    early = [work.id for work in works(library) if work.published > today]
    assert not early, f"Correct the date (published) of {early}."


def test_every_paper_can_be_found_on_the_web(library: Library) -> None:
    lost = [paper.id for paper in library if not (paper.links.arxiv or paper.links.doi or paper.links.url)]
    assert not lost, f"Add an arXiv number, a DOI or a landing page (links) to {lost}."


def test_summaries_are_short(library: Library) -> None:
    odd = {
        paper.id: count
        for paper in library
        if not 2 <= (count := len(re.findall(r"[.!?](?=\s+[A-Z0-9]|$)", paper.summary))) <= 4
    }
    assert not odd, f"A summary has two to four sentences of our own; count them in {odd}."


def test_papers_with_and_without_ancestry(library: Library) -> None:
    rootless = [paper.id for paper in library if not paper.builds_on and not paper.comments and not paper.compares_with]
    assert not rootless, f"Say what {rootless} build on (builds_on); otherwise no question ever leads to them."


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Inception", ["inception-v1", "inception-v2", "inception-v3", "inception-v4"]),
        ("GoogLeNet", ["inception-v1"]),
        ("BN-Inception", ["inception-v2"]),
        ("MobileNets", ["mobilenet-v1"]),
        ("1610.02357", ["xception"]),
        ("ESPNetv2", ["espnet-v2"]),
        ("ESPNetV2", ["espnet-v2"]),
        ("Deep roots", ["deep-roots"]),
    ],
)
def test_names_that_people_use(library: Library, name: str, found: list[str]) -> None:
    missing = set(found) - set(library.ids(name))
    assert not missing, f"'{name}' should lead to {missing}: add it to their aliases, or to those of their family."


# --- Records and modules ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES, ids=paper_of)
def test_every_module_belongs_to_a_paper(library: Library, module: Path) -> None:
    assert paper_of(module) in library, (
        f"No paper has the id '{paper_of(module)}': add papers/{paper_of(module)}.yaml, or rename {module}."
    )
    assert library[paper_of(module)].reproduction, (
        f"reproductions/{module.name} is there: add 'reproduction: complete' to papers/{paper_of(module)}.yaml, or "
        "'partial' as long as it holds only what other modules import."
    )


@pytest.mark.parametrize("module", MODULES, ids=paper_of)
def test_lineage_in_code_is_lineage_in_literature(library: Library, module: Path) -> None:
    ancestors = {edge.paper for edge in library[paper_of(module)].builds_on}
    missing = sorted(imported_papers(module) - ancestors)
    assert not missing, (
        f"reproductions/{module.name} imports from the module of {missing}: say in builds_on of "
        f"papers/{paper_of(module)}.yaml what this paper takes from it, or do not import it."
    )


def test_imports_are_seen(tmp_path: Path) -> None:
    module = tmp_path / "senet.py"
    module.write_text(
        "import torch\nimport reproductions.resnet as r\nfrom reproductions.inception_v3 import a\n"
        "from reproductions import resnext, build\nfrom .vgg import b\nfrom . import densenet\n"
        "from reproductions.layers import c\ndef f():\n    from reproductions.lenet import d\n"
    )
    assert imported_papers(module) == {"resnet", "inception-v3", "resnext", "vgg", "densenet", "lenet"}


def imported_papers(module: Path) -> set[str]:
    """The papers whose modules a module imports, wherever in it."""
    return {name.replace("_", "-") for name in imported_names(module)} - {"layers", "build", "variants"}


def imported_names(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = ".".join(filter(None, ["reproductions" if node.level else "", node.module or ""]))
            names = [f"{source}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("reproductions."))


@pytest.mark.parametrize("module", MODULES, ids=paper_of)
def test_claims_of_a_complete_reproduction(library: Library, module: Path) -> None:
    paper = library[paper_of(module)]
    assert paper.reproduction != "complete" or paper.claims, (
        f"papers/{paper.id}.yaml calls its module complete and claims nothing: add claims, or call it partial."
    )


def works(library: Library) -> list[Paper | ExternalWork]:
    return [*library.papers, *library.external]
