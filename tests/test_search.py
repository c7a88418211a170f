"""Full-text search."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from catalog.cli import app
from catalog.errors import CatalogError
from catalog.search import COLUMNS, LONGEST, search

if TYPE_CHECKING:
    from catalog import Library
    from tests.conftest import Records


def ids(library: Library, words: str) -> list[str]:
    return [hit.id for hit in search(library, words, 100).hits]


@pytest.mark.parametrize(
    ("words", "where", "first"),
    [
        ("xception deep learning", "title", "xception"),
        ("XCEPTION: deep learn", "title", "xception"),
        ("Xcéption Network", "names", "xception"),
        ("xception network", "names", "xception"),
        ("Chollet", "authors", "xception"),
        ("francois", "authors", "xception"),
        ("factorised kernels", "summary", "inception-v3"),
        ("factorising kernel", "summary", "inception-v3"),
        ("scales up", "comments", "xception"),
        ("million parameters", "claims", "xception"),
        ("depthwise separ", "title", "xception"),
        ("nin", "names", "network-in-network"),
        ("go by the name", "comments", "inception"),
        ("modules with", "summary", "inception-family"),
    ],
)
def test_where_and_what(small: Library, words: str, where: str, first: str) -> None:
    hit = search(small, words).hits[0]
    assert (hit.id, hit.where) == (first, where)
    assert any(is_word for _, is_word in hit.snippet)


def test_every_column_is_tried() -> None:
    cases = next(mark for mark in test_where_and_what.pytestmark if mark.name == "parametrize").args[1]
    assert {where for _, where, _ in cases} == set(COLUMNS)


def test_all_words_are_needed(small: Library) -> None:
    assert "resnet" in ids(small, "residual")
    assert "xception" in ids(small, "depthwise")
    assert ids(small, "residual depthwise") == []


def test_only_the_last_word_may_be_a_beginning(small: Library) -> None:
    assert ids(small, "learning depthw") == ["xception"]
    assert ids(small, "depthw learning") == []


def test_a_name_goes_before_a_mention(library: Library) -> None:
    assert ids(library, "resnext")[0] == "resnext"
    assert ids(library, "squeeze-and-excitation networks")[0] == "senet"
    assert "xception" in ids(library, "depthwise separable")[:5]


def test_the_whole_word_goes_before_longer_ones(records: Records) -> None:
    records.change("xception.yaml", "summary: Depthwise separable convolutions.", "summary: Zebra.")
    records.change("resnet.yaml", "summary: Shortcuts.", "summary: Zebraology zebrafish zebrawood zebradom zebraland.")
    library = records.load()
    assert set(ids(library, "zeb")) == set(ids(library, "zebra")) == {"xception", "resnet"}
    assert ids(library, "zeb")[0] == "resnet", "it has more of them"
    assert ids(library, "zebra")[0] == "xception"


def test_limit(small: Library) -> None:
    every = search(small, "inception", 100)
    assert every.count == len(every.hits) > 2
    some = search(small, "inception", 2)
    assert some.hits == every.hits[:2]
    assert some.count == every.count


@pytest.mark.parametrize(
    ("words", "near"),
    [
        ("depthwize", {"depthwize": ("depthwise",)}),
        ("separabel convolutions", {"separabel": ("separable", "parallel")}),
        ("qqqqqq", {"qqqqqq": ()}),
        ("depthwise qqqqqq", {"qqqqqq": ()}),
        ("residual depthwise", {}),
    ],
)
def test_near_words(small: Library, words: str, near: dict[str, tuple[str, ...]]) -> None:
    found = search(small, words)
    assert (found.count, found.hits) == (0, ())
    assert found.suggestions == near


@pytest.mark.parametrize("words", ["", " ", "-", '"', "*", "( )", "\0", "…"])
def test_no_word(small: Library, words: str) -> None:
    with pytest.raises(CatalogError, match="no word to search for"):
        search(small, words)


def test_a_text(small: Library) -> None:
    assert search(small, "inception " * (LONGEST // 10)).count
    with pytest.raises(CatalogError, match="search for a few words"):
        search(small, "a" * (LONGEST + 1))


SIGNS = """
    " * xception* (xception xception) NEAR(xception,2) title:xception ^xception a+b {names}:x -xception xception--
    '; DROP TABLE search;-- x\0ception \udcff xception" "xception AND OR NOT
"""


@pytest.mark.parametrize("words", SIGNS.split())
def test_no_sign_means_anything(small: Library, words: str) -> None:
    assert search(small, f"{words} xception").count <= 3
    assert search(small, f"xception {words}").count <= 3
    assert "xception" in ids(small, "xception")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(max_size=60).filter(lambda text: any(character.isalnum() for character in text)))
def test_any_text_is_an_answer(library: Library, words: str) -> None:
    found = search(library, words)
    assert found.count >= len(found.hits)
    assert found.hits or not found.count


def test_or_is_a_word(small: Library) -> None:
    assert ids(small, "resnet OR xception") == []


# --- At the command line ---------------------------------------------------------------------------------------------


def run(*arguments: str, **options: bool) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["search", *arguments], **options)
    return done.exit_code, done.stdout, done.stderr


def test_text() -> None:
    status, text, _ = run("aggregated", "residual", "transformations")
    assert status == 0
    assert text.splitlines()[0] == "2016 ResNeXt  resnext"
    assert text.splitlines()[1].strip() == "title: Aggregated Residual Transformations for Deep Neural Networks"


def test_words_are_bold_on_a_terminal() -> None:
    _, text, _ = run("aggregated", "residual", color=True)
    assert "\x1b[1mAggregated\x1b[0m" in text
    assert "\x1b[1mTransformations" not in text


def test_json() -> None:
    status, text, _ = run("depthwise separable", "--limit", "2", "--json")
    found = json.loads(text)
    assert (status, len(found["results"])) == (0, 2)
    assert found["count"] > 2
    assert set(found["results"][0]) == {"kind", "id", "name", "year", "where", "snippet"}


def test_more_than_shown() -> None:
    _, text, _ = run("network", "--limit", "1")
    assert "; --limit shows more" in text.splitlines()[-1]


def test_nothing() -> None:
    assert run("depthwize") == (0, "", "'depthwize' is found nowhere; did you mean 'depthwise' or 'depth'?\n")
    status, text, message = run("xception", "lenet", "alexnet", "tucker")
    assert (status, text) == (0, "")
    assert "fewer words find more" in message


def test_what_is_no_word() -> None:
    status, text, message = run("--", "-")
    assert (status, text) == (2, "")
    assert message.startswith("repro: there is no word to search for")
