"""The search of the site: what it finds first, what it passes over, and that it is small."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mkdocs.utils.yaml import yaml_load

from catalog.website import build
from catalog.website.content import Catalogue
from catalog.website.page import Page
from catalog.website.pages import _front_matter

if TYPE_CHECKING:
    from catalog import Library
    from tests.conftest import Records

BYTES = 1_500_000
"""What every visitor who searches loads."""


@pytest.fixture(scope="module")
def index(whole: Path) -> list[dict[str, Any]]:
    """The sections that are searched, of all pages."""
    found: list[dict[str, Any]] = json.loads((whole / "search" / "search_index.json").read_text(encoding="utf-8"))[
        "docs"
    ]
    return found


@pytest.fixture(scope="module")
def texts(index: list[dict[str, Any]]) -> dict[str, str]:
    """What is searched, by the address of the section."""
    return {entry["location"]: f"{entry['title']} {entry['text']} {' '.join(entry.get('tags', []))}" for entry in index}


def test_the_index_is_small(whole: Path) -> None:
    assert (whole / "search" / "search_index.json").stat().st_size < BYTES


def test_every_paper_is_found_by_its_names_its_title_and_its_authors(
    index: list[dict[str, Any]], library: Library
) -> None:
    tags = {entry["location"]: entry.get("tags", []) for entry in index}
    for paper in library.papers:
        known = tags[f"papers/{paper.id}/"]
        assert {paper.name, paper.title, *paper.aliases, *paper.authors} <= set(map(html.unescape, known))


def test_what_is_said_and_claimed_is_searched(texts: dict[str, str], library: Library) -> None:
    xception = library["xception"]
    assert xception.summary.split(". ")[0] in texts["papers/xception/"]
    assert "one tower per channel" in texts["papers/xception/#property"]
    assert xception.comments[0].text[:40] in texts["papers/xception/#what-later-papers-say"]
    assert {f"works/#{work.id}" for work in library.external} <= set(texts)


def test_code_citations_numbers_and_lists_are_not_searched(texts: dict[str, str], library: Library) -> None:
    everything = "\n".join(texts.values())
    assert "class SeparableConv" not in everything
    assert "@inproceedings" not in everything
    assert "22,855,952 22,855,952" not in texts["papers/xception/#structure"]
    pages = {location.split("#")[0] for location in texts}
    assert not pages & {"papers/", "lineage/descent/", f"years/{library.papers[0].year}/"}
    sections = {location.partition("#")[2] for location in texts if location.startswith("papers/")}
    assert not sections & {"code", "cite", "networks", "where-the-cost-is", "run-it", "what-it-led-to"}


def test_what_is_for_the_search_alone_is_not_in_the_pages(whole: Path) -> None:
    shown = (whole / "papers" / "xception" / "index.html").read_text(encoding="utf-8")
    assert "data-search" not in shown
    assert "md-tag" not in shown


def test_the_settings_of_a_page(small: Library) -> None:
    def settings(**values: Any) -> Any:
        return yaml_load(_front_matter(Page("x.md", "home", **values), Catalogue(small)).strip("-\n"))

    assert not {"search", "tags"} & set(settings())
    assert settings(search=0)["search"] == {"exclude": True}
    assert settings(search=2.5)["search"] == {"boost": 2.5}
    assert settings(keywords=("R & <b>D</b>", "x: [y]"))["tags"] == ["R &amp; &lt;b&gt;D&lt;/b&gt;", "x: [y]"]


# --- As in a browser -------------------------------------------------------------------------------------------------

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="search left out: no node; apt-get install nodejs")


@cache
def asked(site: Path, *queries: str) -> dict[str, Any]:
    program = Path(__file__).with_name("search.mjs")
    done = subprocess.run(["node", program, site, *queries], capture_output=True, text=True, check=True)
    assert "Invalid query" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def pages(site: Path, query: str) -> list[str]:
    """The pages that are found, best first."""
    found: list[str] = asked(site, query)["found"][0]
    return [page.rstrip("/").removeprefix("papers/") for page in found]


@needs_node
@pytest.mark.parametrize(
    ("query", "first", "expected"),
    [
        ("depthwise", 4, {"xception", "mobilenet-v1"}),
        ("Depthwise Separable Convolutions", 1, {"xception"}),
        ("GoogLeNet", 1, {"inception-v1"}),
        ("inception v1", 1, {"inception-v1"}),
        ("Inception", 5, {"inception-v1", "inception-v2", "inception-v3", "inception-v4", "families/inception"}),
        ("resnet", 2, {"resnet"}),
        ("deep residual learning", 1, {"resnet"}),
        ("squeeze and excitation", 1, {"senet"}),
        ("batch normalization", 1, {"inception-v2"}),
        ("Kaiming He", 4, {"resnet", "resnet-v2", "resnext"}),
        ("Chollet", 1, {"xception"}),
        ("dropout", 2, {"dropout", "dropout-jmlr"}),
        ("tower", 2, {"xception"}),
        ("Neocognitron", 1, {"works"}),
    ],
)
def test_what_is_found_first(whole: Path, query: str, first: int, expected: set[str]) -> None:
    found = pages(whole, query)
    assert expected <= set(found[:first]), found[:10]


@needs_node
def test_every_name_finds_its_paper(whole: Path, library: Library) -> None:
    called = {paper.id: paper.name for paper in library.papers}, {paper.id: paper.title for paper in library.papers}
    for names, latest in zip(called, (2, 6), strict=True):
        # A colon behind a word asks for a field of the index.
        found = asked(whole, *(name.replace(":", " ") for name in names.values()))["found"]
        places = {
            paper: [*pages, f"papers/{paper}/"].index(f"papers/{paper}/")
            for paper, pages in zip(names, found, strict=True)
        }
        assert {names[paper]: place for paper, place in places.items() if place > latest} == {}


@needs_node
def test_no_words_are_taken_for_others(whole: Path) -> None:
    assert asked(whole, "depthwise")["words"] == []


@needs_node
def test_hostile_names_are_found_too(records: Records, tmp_path: Path) -> None:
    records.change("resnet.yaml", "name: ResNet", "name: 'Res & <b>Net</b>'")
    site = build(records.load(), tmp_path / "build")
    assert pages(site, "<b>Net")[0] == "resnet"
