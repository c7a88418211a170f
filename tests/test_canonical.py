"""The canonical layout of files of records, and the comments that survive it."""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from catalog import LibraryError, paths
from catalog.canonical import canonical, reformat
from catalog.layout import WIDTH
from catalog.names import UnknownName
from catalog.source import SourceError, parse

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Records

EDITED = """\
# kept by hand

title: 'X: a network'
id: x   # the id
published: 2016
# who did it
authors: [A,   # the first
          B]  # the last
name: "X"
summary: >   # ours
  folded # no comment
  as somebody liked it
  # nor is this

taxonomy:
  # why these
  - a/b
  - c  # also
links: {url: "https://example.org/#part"}
builds_on:
  - paper: y  # what else
    relation: extends
    # to be looked at
    what: all
# the end
"""

CANONICAL = """\
# kept by hand
id: x  # the id
name: X
title: "X: a network"
# who did it
# the first
# the last
authors: [A, B]
published: "2016"
links: {url: "https://example.org/#part"}
# why these
taxonomy: [a/b, c]  # also
summary: "folded # no comment as somebody liked it # nor is this\\n"  # ours
builds_on:
  # to be looked at
  - {paper: y, relation: extends, what: all}  # what else
# the end
"""


def test_an_edited_file_keeps_its_comments() -> None:
    assert canonical(EDITED) == CANONICAL


def test_what_is_canonical_stays() -> None:
    assert canonical(CANONICAL) == CANONICAL


def test_the_line_that_names_the_schema_is_the_first_and_the_only_one() -> None:
    line = "# yaml-language-server: $schema=schema/paper.json"
    other = "# yaml-language-server: $schema=../old.json"
    for text in ("id: x\n", f"{line}\nid: x\n", f"# mine\n{other}\nid: x\n", f"id: x\n{line}\n"):
        mine = "# mine\n" if "mine" in text else ""
        assert canonical(text, line) == f"{line}\n{mine}id: x\n"
    assert canonical(f"{other}\nid: x\n") == f"{other}\nid: x\n", (
        "where no schema is known, it is a comment like others"
    )


def test_a_comment_that_does_not_fit_stands_above() -> None:
    text = f"id: x\nname: {'n' * 100}  # {'c' * 30}\n"
    after = canonical(text)
    assert after == f"id: x\n# {'c' * 30}\nname: {'n' * 100}\n"
    assert canonical(after) == after


def test_a_comment_behind_a_folded_text_stays_behind_its_mark() -> None:
    text = f"id: x\nsummary: >-  # ours\n  {'word ' * 40}end\n"
    assert "\nsummary: >-  # ours\n  word" in canonical(text)


def test_comments_of_what_is_gone_stay_with_what_was_around_it() -> None:
    after = canonical(
        "id: x\nlinks:\n  # the number\n  arxiv: '1'\n  doi: d\n", data={"id": "x", "links": {"doi": "d"}}
    )
    assert after == "id: x\n# the number\nlinks: {doi: d}\n"


def test_line_ends_and_byte_order_marks_go() -> None:
    assert canonical("\ufeff# a\r\nid: x  # b\r\n") == "# a\nid: x  # b\n"


_name = st.sampled_from(["id", "name", "title", "links", "builds_on", "comments", "claims", "authors", "x"])
_text = st.text(alphabet=" ab:#-,'\"\\[]{}é", max_size=30)
_value = st.recursive(
    _text | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_name, inner, max_size=3)
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_name, _value, min_size=1, max_size=4), st.data())
def test_any_file_keeps_its_data_and_its_comments(data: dict[str, Any], draw: st.DataObject) -> None:

    stream = io.StringIO()
    writer = YAML(pure=True)
    writer.default_flow_style = draw.draw(st.sampled_from([None, False, True]))
    writer.dump(data, stream)
    lines = stream.getvalue().splitlines()
    number = draw.draw(st.integers(0, len(lines)))
    lines.insert(number, "# here it is")
    text = "\n".join(lines) + "\n"
    try:
        before = parse(text.encode()).data
    except SourceError:
        return  # nested too deep, or the comment cut a text in two
    after = canonical(text)
    if isinstance(before.get("published"), str) or "published" not in before:
        assert parse(after.encode()).data == before
    assert after.count("# here it is") == text.count("# here it is")
    assert canonical(after) == after


@pytest.mark.parametrize("file", sorted(paths.RECORDS.rglob("*.yaml"))[::30], ids=lambda path: path.stem)
def test_comments_anywhere_in_a_real_record_are_kept(file: Path) -> None:
    lines = file.read_text("utf-8").splitlines()
    places = parse("\n".join(lines).encode()).lines
    for number in sorted(set(places.values()), reverse=True)[:: max(1, len(places) // 40)]:
        indent = re.match(r" *", lines[number - 1])[0]  # type: ignore[index]
        lines.insert(number - 1, f"{indent}# before line {number}")
    text = "\n".join(lines) + "\n"
    after = canonical(text, lines[0])
    assert sorted(re.findall(r"# before line \d+", after)) == sorted(re.findall(r"# before line \d+", text))
    assert parse(after.encode()).data == parse(text.encode()).data
    assert canonical(after, lines[0]) == after
    assert max(map(len, after.splitlines())) <= max(WIDTH, *map(len, lines))


# --- A folder --------------------------------------------------------------------------------------------------------


def test_a_folder_is_brought_into_the_layout_and_says_the_same(records: Records) -> None:
    before = [paper.model_dump() for paper in records.load()]
    number, changes = reformat(records.folder)
    assert number == 8
    assert {change.path.stem for change in changes} == {"families", "taxonomy", "xception"}
    assert [paper.model_dump() for paper in records.load()] == before
    assert reformat(records.folder) == (8, [])


def test_files_are_named_and_nothing_is_written_when_nothing_shall_be(records: Records) -> None:
    path = records.folder / "resnet.yaml"
    records.change("resnet.yaml", "name: ResNet", "name:   'ResNet'")
    before = path.read_text()
    number, (change,) = reformat(records.folder, ["resnet", "network-in-network"], write=False)
    assert number == 2
    assert change.file == "papers/resnet.yaml"
    assert change.lines == (1, 1)
    assert path.read_text() == before
    reformat(records.folder, ["resnet"])
    assert path.read_text() == before.replace("name:   'ResNet'", "name: ResNet")


def test_an_id_that_is_not_there(records: Records) -> None:
    with pytest.raises(UnknownName, match="no file is called 'resnt'; did you mean 'resnet'"):
        reformat(records.folder, ["resnt"])


def test_what_is_no_yaml_is_named_and_nothing_is_written(records: Records) -> None:
    records.write("alexnet.yaml", "id:   alexnet\n")
    records.write("resnet.yaml", "id: resnet\nname: [\n")
    with pytest.raises(LibraryError) as error:
        reformat(records.folder)
    assert [problem.file for problem in error.value.problems] == ["papers/resnet.yaml"]
    assert "is not YAML" in str(error.value)
    assert (records.folder / "alexnet.yaml").read_text() == "id:   alexnet\n"


def test_a_file_that_cannot_be_written(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(LibraryError, match=r"papers/families.yaml: cannot be written: No space left on device"):
        reformat(records.folder)
    assert records.problems() == []


def test_the_project_s_own_records_are_canonical() -> None:
    _, changes = reformat(paths.RECORDS, write=False)
    assert not changes, f"Run 'repro fmt': {[change.file for change in changes]} would change."
