"""A file of records may be anything; whatever it is, one clear error or the right data comes of it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from catalog import layout, paths, source
from catalog.source import SourceError, files, parse


@pytest.fixture(params=["libyaml", "pure Python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "pure Python":
        monkeypatch.delattr(yaml, "CSafeLoader")
    elif not hasattr(yaml, "CSafeLoader"):
        pytest.skip("PyYAML is built without libyaml")
    return request.param


def refused(content: str | bytes) -> tuple[int | None, str]:
    with pytest.raises(SourceError) as raised:
        parse(content.encode() if isinstance(content, str) else content)
    return raised.value.line, raised.value.message


def test_data_and_lines(parser: str) -> None:
    document = parse(
        b"id: xception\n"
        b"links: {arxiv: '1610.02357',\n"
        b"  doi: 10.1109/x}\n"
        b"\n"
        b"builds_on:\n"
        b"  - paper: resnet\n"
        b"    what: >-\n"
        b"      folded\n"
        b"      text\n"
        b"  - {paper: vgg}\n"
    )
    assert document.data == {
        "id": "xception",
        "links": {"arxiv": "1610.02357", "doi": "10.1109/x"},
        "builds_on": [{"paper": "resnet", "what": "folded text"}, {"paper": "vgg"}],
    }
    assert document.line(("links", "doi")) == 3
    assert document.line(("builds_on", 0)) == 6
    assert document.line(("builds_on", 0, "what")) == 7
    assert document.line(("builds_on", 1, "paper")) == 10
    assert document.line(("builds_on", 1, "relation")) == 10, "what is missing is missing where it should be"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2016-10-07", "2016-10-07"),
        ("12:30", "12:30"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        (".inf", ".inf"),
        ("true", True),
        ("", None),
        ("null", None),
        ("-12", -12),
        ("1e-10", 1e-10),
        ("1.5", 1.5),
        (".5", 0.5),
        ("'1.5'", "1.5"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_values(written: str, read: Any) -> None:
    value = parse(f"value: {written}".encode()).data["value"]
    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("id: a\nname: b\nid: c\n", 3, "is there twice; the first is in line 1"),
        ("a:\n  - x: 1\n    x: 2\n", 3, "is there twice; the first is in line 2"),
        ("a: &anchor [1]\nb: *anchor\n", 1, "'&anchor': anchors"),
        ("a: *alias\n", 1, "'*alias': anchors"),
        ("id: x\na: !!python/object/apply:os.system [echo]\n", 2, "'!!python/object/apply:os.system': anchors"),
        ("a: !local text\n", 1, "tags (!) are not read"),
        ("a: !!set {x}\n", 1, "tags (!) are not read"),
        ("id: a\n---\nid: b\n", 2, "a second document begins here"),
        ("- id: a\n", 1, "holds a list"),
        ("xception\n", 1, "holds a plain text"),
        ("", None, "is empty"),
        ("# nothing but a remark\n", None, "is empty"),
        ("id: a\n? [b]\n: c\n", 2, "the name of a field is a word"),
        ("id: a\ntitle: Xception: Deep Learning\n", 2, "a text that contains ': ' needs quotes"),
        ("id: a\nlinks:\n\tarxiv: b\n", 3, "indent with spaces, not tabs"),
        ("id: a\nname: @home\n", 2, "needs quotes"),
        ("id: a\nauthors: [A, B\n", 2, "is not YAML"),
        ('id: a\nname: "open\n', 2, "is not YAML"),
        ("id: a\nname: bell \x07\n", 2, "invisible character U+0007"),
        ("id: a\x00b\n", 1, "invisible character U+0000"),
        ("id: a\nname: \u202etxet\n", 2, "invisible character U+202E"),
        ("id: a\nname: one\u2028two\n", 2, "invisible character U+2028"),
        ('id: a\nname: "\\u001b[31m"\n', 2, "invisible character U+001B"),
        (b"id: a\nname: Fran\xe7ois\n", 2, "byte 11 of this line, 0xe7, is not UTF-8"),
        (b"\xff\xfei\x00d\x00", 1, "is UTF-16"),
        ("%YAML 9.9\n---\nid: a\n", 1, "is not YAML"),
    ],
)
def test_refused(content: str | bytes, line: int | None, says: str, parser: str) -> None:
    found, message = refused(content)
    assert says in message
    if line is None or parser == "libyaml":
        assert found == line
    else:
        # The pure parser sees an open bracket or quotation mark only at the end of the file.
        assert found in {line, line + 1}


def test_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse(b"\xef\xbb\xbfid: a\n").data == {"id": "a"}


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_endless_nesting_is_stopped_at_once(opening: str, parser: str) -> None:
    start = time.perf_counter()
    line, message = refused("a:\n  " + opening * 300_000)
    assert line == 2
    assert "levels deep" in message or "the name of a field" in message or "is not YAML" in message
    assert time.perf_counter() - start < 2


def test_aliases_cannot_explode() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    assert refused(bomb)[0] == 1


@given(st.text(alphabet=st.sampled_from(list("ab:-[]{},&*!|>'\"%@`#? \n\t0.\\\u0000é\u2028")), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    error = refusal(text.encode())
    assert error is None or (error.message and (error.line is None or 1 <= error.line <= text.count("\n") + 1))


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    error = refusal(content)
    assert error is None or error.message


def refusal(content: bytes) -> SourceError | None:
    try:
        assert isinstance(parse(content).data, dict)
    except SourceError as error:
        return error
    return None


def test_what_the_project_writes_is_read_back() -> None:
    tricky = {
        "id": "no",
        "name": "1e-10",
        "title": "a: b # c",
        "venue": "2016-10-07",
        "summary": "line\n\nline",
        "what": "'",
    }
    numbers = {"equals": 22855952, "at_most": 1e-10, "within": [0.5, 1.0]}
    data = {
        **tricky,
        "published": "2016-10-07",
        "expect": numbers,
        "quotation": False,
        "aliases": ["*x", "!y", "&z", ""],
    }
    assert parse(layout.dump(data).encode()).data == data


@pytest.mark.parametrize("file", sorted(paths.RECORDS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_real_records_mean_the_same_to_any_reader_of_yaml(file: Path) -> None:
    expected = yaml.load(file.read_text("utf-8"), Loader=_WithoutDates)
    assert parse(file.read_bytes()).data == expected


class _WithoutDates(yaml.SafeLoader):
    """PyYAML, except that a day in ``published`` stays text."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


# --- Folders ---------------------------------------------------------------------------------------------------------


def listed(folder: Path) -> dict[str, str | None]:
    return {file.name: file.error for file in files(folder)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    (folder / "external").mkdir(parents=True)
    return folder


def test_files_of_a_folder(folder: Path) -> None:
    for name in ("b.yaml", "a.yaml", "taxonomy.yaml", "README.md", ".a.yaml.swp", ".hidden.yaml", "external/c.yaml"):
        (folder / name).write_text("id: x\n")
    found = list(files(folder))
    assert [(file.name, file.stem, file.kind) for file in found] == [
        ("papers/a.yaml", "a", "paper"),
        ("papers/b.yaml", "b", "paper"),
        ("papers/taxonomy.yaml", "taxonomy", "taxonomy"),
        ("papers/external/c.yaml", "c", "external"),
    ]
    assert all(file.content == b"id: x\n" for file in found)


def test_a_folder_that_is_called_like_a_file(folder: Path) -> None:
    (folder / "x.yaml").mkdir()
    assert listed(folder) == {"papers/x.yaml": "is a folder; a record is a file"}


def test_a_huge_file_is_not_read(folder: Path) -> None:
    with (folder / "x.yaml").open("wb") as stream:
        stream.truncate(100 * 1024**2)
    start = time.perf_counter()
    assert listed(folder) == {"papers/x.yaml": "is larger than 2 MB; a record is a few kilobytes"}
    assert time.perf_counter() - start < 0.05


def test_a_file_that_grows_while_it_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "x.yaml").write_text("id: x\n")
    monkeypatch.setattr(source, "LARGEST", 5)
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **options: os.stat_result((*stat(self, **options)[:6], 0, 0, 0, 0)))
    assert "is larger than" in str(listed(folder)["papers/x.yaml"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "x.yaml")
    assert listed(folder) == {"papers/x.yaml": "is no ordinary file"}


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices on this system")
def test_a_device_is_not_opened(folder: Path) -> None:
    (folder / "x.yaml").symlink_to("/dev/zero")
    assert listed(folder) == {"papers/x.yaml": "is no ordinary file"}


def test_links(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.yaml").write_text("id: good\n")
    (folder / "good.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    (folder / "dangling.yaml").symlink_to("nowhere.yaml")
    (folder / "loop.yaml").symlink_to("loop.yaml")
    found = listed(folder)
    assert found["papers/good.yaml"] is None
    assert found["papers/dangling.yaml"] == "is a link to 'nowhere.yaml', where nothing is"
    assert "papers/loop.yaml" in found
    assert found["papers/loop.yaml"] is not None


def test_a_file_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "x.yaml").write_text("id: x\n")

    def refuse(self: Path, *arguments: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert listed(folder) == {"papers/x.yaml": "cannot be read: Permission denied"}


def test_another_ending(folder: Path) -> None:
    (folder / "x.yml").write_text("id: x\n")
    (folder / "y.YAML").write_text("id: y\n")
    assert listed(folder) == {
        "papers/x.yml": "does not end in .yaml; name it 'x.yaml'",
        "papers/y.YAML": "does not end in .yaml; name it 'y.yaml'",
    }


def test_names_of_files_cannot_disturb_a_terminal(folder: Path) -> None:
    try:
        (folder / os.fsdecode(b"\x1b[31m\n\xff.yaml")).write_text("")
    except (OSError, ValueError):
        pytest.skip("this file system has no such names")
    (name,) = listed(folder)
    assert name == "papers/\\u001b[31m\\n\\udcff.yaml"
    name.encode("utf-8")
