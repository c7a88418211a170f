"""The canonical layout: how it looks, that YAML reads the same data from it, and additions that disturb nothing."""

from __future__ import annotations

import copy
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from catalog.layout import WIDTH, dump, insert, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

RECORD: dict[str, Any] = {
    "summary": "Two sentences: of our own, long enough to be folded, " * 4 + "and no longer.",
    "id": "xception",
    "name": "Xception",
    "title": "Xception: Deep Learning with Depthwise Separable Convolutions",
    "authors": ["François Chollet"],
    "published": "2016-10-07",
    "links": {"doi": "10.1109/CVPR.2017.195", "arxiv": "1610.02357"},
    "taxonomy": ["light-weight/mobilenet-v1", "kernels/cross-channel-correlations"],
    "builds_on": [
        {"relation": "extends", "paper": "inception-v3", "what": "replaces each module by a separable convolution"},
        {
            "paper": "inception-v2",
            "relation": "applies",
            "part": "batch normalization",
            "what": "after every convolution of the network, be it separable or not",
        },
    ],
    "comments": [{"source": "mobilenet-v1", "text": "a short word", "quotation": False}],
    "claims": [
        {
            "id": "parameters",
            "statement": "22.86 million parameters with the 1000-way classifier",
            "basis": "printed",
            "tier": "structure",
            "subject": {"input": [3, 299, 299], "variant": "xception"},
            "measure": {"macs": "convolutions-and-linear"},
            "printed": "22,855,952",
            "expect": {"with_relu": {"at_least": 0.01}, "linear": {"at_most": 1e-10}},
        }
    ],
}

CANONICAL = """\
id: xception
name: Xception
title: "Xception: Deep Learning with Depthwise Separable Convolutions"
authors: [François Chollet]
published: 2016-10-07
links: {arxiv: "1610.02357", doi: 10.1109/CVPR.2017.195}
taxonomy: [light-weight/mobilenet-v1, kernels/cross-channel-correlations]
summary: >-
  Two sentences: of our own, long enough to be folded, Two sentences: of our own, long enough to be folded, Two
  sentences: of our own, long enough to be folded, Two sentences: of our own, long enough to be folded, and no longer.
builds_on:
  - {paper: inception-v3, relation: extends, what: replaces each module by a separable convolution}
  - paper: inception-v2
    relation: applies
    part: batch normalization
    what: after every convolution of the network, be it separable or not
comments:
  - source: mobilenet-v1
    text: a short word
    quotation: false
claims:
  - id: parameters
    statement: 22.86 million parameters with the 1000-way classifier
    basis: printed
    tier: structure
    subject: {variant: xception, input: [3, 299, 299]}
    measure: {macs: convolutions-and-linear}
    printed: "22,855,952"
    expect: {with_relu: {at_least: 0.01}, linear: {at_most: 1.0e-10}}
"""


def test_a_record_is_written_as_a_person_would() -> None:
    assert dump(RECORD) == CANONICAL


def test_the_order_of_fields_given_makes_no_difference() -> None:
    assert dump(dict(reversed(RECORD.items()))) == CANONICAL


def test_topics_and_families_keep_their_order() -> None:
    text = dump({"topics": [{"name": "Zeta", "id": "zeta"}, {"id": "alpha", "name": "Alpha", "comments": []}]})
    assert text == "topics:\n  - id: zeta\n    name: Zeta\n  - id: alpha\n    name: Alpha\n    comments: []\n"
    assert dump({"families": []}) == "families: []\n"


def test_unknown_fields_are_kept_behind_the_known() -> None:
    assert dump({"zebra": 1, "id": "x", "a": None}) == "id: x\nzebra: 1\na: null\n"


TEXTS = {
    "numbers and dates": ["1610.02357", "2016", "1998-11-01", "1e3", "1e-10", "0o17", "0x1F", "1_000", ".5"],
    "words of YAML": ["yes", "null", "~", "-", "=", "<<", "#", "?"],
    "indicators": [
        "a: b",
        "a #b",
        "- a",
        "a, b",
        "{a}",
        "@a",
        "`a`",
        "%a",
        "!a",
        "&a",
        "*a",
        "a:",
        "a\tb",
        "[24] says",
    ],
    "spaces": ["", " ", " a", "a ", "a  b"],
    "quotation marks": ["'a'", '"a" b: c', "it's: so", "\\times: $1 \\times 1$", "both \": and '"],
    "characters": ["…", "—", "😀", "é: ü", "\x00", "\x7f", "\ufeff", "a\x1bb", "a\u2028b", "a\x85b"],
    "breaks": ["a\nb", "a\n\nb", "\na", "a\n", "a\r\nb"],
    "long": ["word " * 60 + "end", "word  word   " * 30 + "end", "x" * 300, "x: " * 100 + "y", "- a " * 60 + "b"],
    "long with breaks": ["line\n" * 60 + "end", " indented\n" * 30 + "end", "one\n  two\n" * 20 + "three ", "a\t" * 90],
}


@pytest.mark.parametrize("text", [text for texts in TEXTS.values() for text in texts])
def test_every_text_is_read_back(text: str) -> None:
    record = {
        "name": text,
        "aliases": [text, "b"],
        "links": {"url": text},
        "comments": [{"source": "a", "text": text}],
        "claims": [{"id": "a", "printed": text, "training": {"protocol": text}}],
    }
    assert yaml.safe_load(dump(record)) == record


_text = st.text(max_size=200) | st.text(alphabet=" ab:#-,'\"\\\n[]{}é", max_size=300)
_name = st.sampled_from(["id", "name", "links", "builds_on", "comments", "claims", "expect", "printed", "topics", "x"])
_key = _name | st.text(max_size=20)
_scalar = _text | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()
_value = st.recursive(_scalar, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_key, inner, max_size=4))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_key, _value, max_size=5))
def test_all_data_are_read_back(data: dict[str, Any]) -> None:
    assert yaml.safe_load(dump(data)) == data


def test_years_stay_text_and_days_are_plain() -> None:
    assert dump({"published": "2016"}) == 'published: "2016"\n'
    assert dump({"published": "1998-11"}) == "published: 1998-11\n"
    assert dump({"name": "2016-10-07"}) == 'name: "2016-10-07"\n'


def test_figures_are_always_quoted() -> None:
    claim = {"id": "a", "printed": {"error": "21.2 %", "size": "3.4M"}, "source": "21.2 %"}
    assert dump({"claims": [claim]}) == (
        'claims:\n  - id: a\n    source: 21.2 %\n    printed: {error: "21.2 %", size: "3.4M"}\n'
    )


@pytest.mark.parametrize("text", TEXTS["numbers and dates"] + TEXTS["words of YAML"])
def test_editors_that_follow_yaml_1_2_read_the_same_text(text: str) -> None:
    assert YAML(typ="safe", pure=True).load(dump({"name": text, "aliases": [text]})) == {
        "name": text,
        "aliases": [text],
    }


def test_a_space_that_does_not_break_is_kept() -> None:
    data = {"claims": [{"\xa0x": 1}]}
    assert yaml.safe_load(dump(data)) == data


def test_a_long_address_stays_on_its_line() -> None:
    address = f"https://example.org/{'x' * 150}"
    assert dump({"links": {"pdf": address}}) == f"links:\n  pdf: {address}\n"


def test_no_line_is_longer_than_need_be() -> None:
    authors = [f"Given{number} Family{number}" for number in range(60)]
    text = dump({"authors": authors, "summary": "word " * 200 + "end", "aliases": ["long " * 40 + "name", "b"]})
    assert yaml.safe_load(text)["authors"] == authors
    lines = text.split("\n")
    assert max(map(len, lines)) <= WIDTH
    assert sum(line.count("Given") for line in lines) == 60
    assert len([line for line in lines if "Given" in line]) <= 12


def test_what_no_record_can_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="a record holds no set"):
        dump({"authors": {1}})


# --- Insertion -------------------------------------------------------------------------------------------------------

EDITED = """\
# kept by hand
id: x   # the id
name:    "X"
authors: [A,   B]

taxonomy: [a/b,  # the first
           c]  # the last
comments:
- source: one   # why not
  text: >
    folded as
    somebody liked it

# about claims
claims: []
"""


def _added_lines(before: str, after: str) -> list[str]:
    """The lines that were added, provided that all the others are there, in order and unchanged."""
    rest = iter(after.splitlines(keepends=True))
    added = []
    for line in before.splitlines(keepends=True):
        for other in rest:
            if other == line:
                break
            added.append(other)
        else:
            raise AssertionError(f"lost: {line!r}")
    return [*added, *rest]


def test_a_comment_is_added_below_the_others() -> None:
    after = insert(EDITED, ["comments"], [{"text": "new", "source": "two"}])
    assert _added_lines(EDITED, after) == ["- source: two\n", "  text: new\n"]
    assert yaml.safe_load(after)["comments"][1] == {"source": "two", "text": "new"}
    assert after.index("- source: two") < after.index("\n# about claims")


def test_a_topic_is_added_within_the_brackets() -> None:
    after = insert(EDITED, ["taxonomy"], ["d", "e"])
    assert after == EDITED.replace("c]  # the last", "c, d, e]  # the last")


def test_an_item_can_come_first_or_between() -> None:
    assert "[new, a/b,  # the first" in insert(EDITED, ["taxonomy"], ["new"], 0)
    text = "topics:\n  # first\n  - id: a\n    name: A\n\n  - id: c\n    name: C\n"
    between = insert(text, ["topics"], [{"id": "b", "name": "B"}], 1)
    assert between == text.replace("name: A\n", "name: A\n  - id: b\n    name: B\n")
    first = insert(text, ["topics"], [{"id": "b", "name": "B"}], 0)
    assert [topic["id"] for topic in yaml.safe_load(first)["topics"]] == ["b", "a", "c"]
    assert "  # first\n" in first


def test_a_line_that_becomes_too_long_goes_on_below() -> None:
    text = f"id: x\nauthors: [{'A' * 95}]\nname: y\n"
    after = insert(text, ["authors"], ["Somebody", "Anybody"])
    assert after == f"id: x\nauthors: [{'A' * 95}, Somebody,\n  Anybody]\nname: y\n"


@pytest.mark.parametrize("empty", ["comments: []  # none yet", "comments:", "comments: null", "comments: ~ # none"])
def test_an_empty_list_is_filled(empty: str) -> None:
    text = f"id: x\n{empty}\n# about the family\nfamily: f\n"
    after = insert(text, ["comments"], [{"source": "a", "text": "b"}])
    assert yaml.safe_load(after) == {"id": "x", "comments": [{"source": "a", "text": "b"}], "family": "f"}
    assert after.endswith("    text: b\n# about the family\nfamily: f\n")
    assert ("# none" in after) == ("# none" in empty)


@pytest.mark.parametrize(
    "text",
    [
        "id: x\ntaxonomy: [a]  # here\n\n# later\nclaims: []\n",
        "id: x\ntaxonomy:\n  - a\n  # later\nclaims: []\n",
        "claims: []\nid: x\nsummary: |\n  many\n\n  lines\n\ntaxonomy: [a]\n",
        "id: x\nsummary: >-\n  the end",
        "claims: []",
        "id: x\r\nname: y\r\nclaims: []\r\n",
        "{id: x, claims: []}\n",
    ],
)
def test_a_missing_list_gets_its_place(text: str) -> None:
    expected = yaml.safe_load(text)
    after = insert(text, ["comments"], [{"source": "a", "text": "b"}])
    assert yaml.safe_load(after) == expected | {"comments": [{"source": "a", "text": "b"}]}
    assert ("\r\n" in text) == ("\r\n" in after)
    assert after.count("\n") == after.count("\r\n") or "\r\n" not in text
    if "id: x\ntaxonomy" in text:
        assert after.index("taxonomy") < after.index("comments") < after.index("claims")
        assert after.index("here" if "here" in text else "- a") < after.index("comments") < after.index("later")


def test_an_inner_list_is_found_by_its_path() -> None:
    text = "topics:\n  - {id: a, name: A}\n  - id: b  # second\n    name: B\n  - id: c\n    name: C\n"
    after = insert(text, ["topics", 1, "comments"], [{"source": "s", "text": "t"}])
    assert _added_lines(text, after) == ["    comments:\n", "      - source: s\n", "        text: t\n"]
    assert yaml.safe_load(after)["topics"][1]["comments"] == [{"source": "s", "text": "t"}]
    after = insert(text, ["topics", 0, "comments"], [{"source": "s", "text": "t"}])
    assert after.splitlines()[1] == "  - {id: a, name: A, comments: [{source: s, text: t}]}"


def test_nothing_to_add_changes_nothing() -> None:
    assert insert(EDITED, ["comments"], []) is EDITED


@pytest.mark.parametrize("text", ["id: x\ntaxonomy: a\n", "id: x\nlinks: {a: b}\ntaxonomy: {a: b}\n"])
def test_what_is_no_list_is_left_alone(text: str) -> None:
    with pytest.raises(ValueError, match="taxonomy is no list"):
        insert(text, ["taxonomy"], ["b"])


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "- a\n", "text\n", "{}\n"])
def test_a_file_without_fields_is_left_alone(text: str) -> None:
    with pytest.raises(ValueError, match="holds no fields"):
        insert(text, ["taxonomy"], ["b"])


def test_a_file_that_defies_addition_is_left_alone() -> None:
    with pytest.raises(ValueError, match="by hand"):
        insert("x: &a [b]\ntaxonomy: *a\nid: x\n", ["taxonomy"], ["c"])


# --- Writing ---------------------------------------------------------------------------------------------------------


def test_writing_replaces_the_whole_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    write_atomically(path, "name: é\n")
    write_atomically(path, "name: ü\r\n")
    assert path.read_bytes() == "name: ü\r\n".encode()
    assert os.listdir(tmp_path) == ["x.yaml"]


def test_writing_keeps_the_mode_and_the_link(tmp_path: Path) -> None:
    path, link = tmp_path / "x.yaml", tmp_path / "link.yaml"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("old")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.yaml"]
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "missing" / "x.yaml", "new")


def test_importing_the_layout_imports_no_models() -> None:
    import subprocess
    import sys

    code = "import sys, catalog.layout; print(sorted({'pydantic', 'torch', 'networkx'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_data_given_are_not_changed() -> None:
    data = copy.deepcopy(RECORD)
    dump(data)
    assert data == RECORD
