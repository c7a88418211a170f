"""The compiled index: always what a fresh reading says, whatever happens to the records, to it, or to its folder."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from catalog import Library, LibraryError, cache, index, paths, validation
from catalog.search import search

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Records


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache, which is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "repro"


@pytest.fixture
def kept(records: Records, folder: Path) -> Path:
    """Where the index of the small folder is kept; it is, after this."""
    records.load()
    return only(folder.glob("*.sqlite"))


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets time pass, so that what has changed so far is taken for known."""
    monkeypatch.setattr(cache, "_SETTLED", 10_000_000)
    return lambda: time.sleep(0.03)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are parsed from here on."""
    seen: list[str] = []
    real = validation._read

    def spy(file: Any, model: Any) -> Any:
        seen.append(file.stem)
        return real(file, model)

    monkeypatch.setattr(validation, "_read", spy)
    return seen


def only(found: Any) -> Any:
    (one,) = found
    return one


def said(folder: Path) -> Any:
    """All that a library says of a folder, in a form that can be compared."""
    try:
        library = Library.load(folder)
    except LibraryError as error:
        return list(map(str, error.problems))
    names = [spoken for outline in library.outlines.values() for spoken in (*outline.spoken, *outline.identifiers)]
    names = [name.replace("web:", "https://") for name in names]
    return {
        "papers": library.papers,
        "external": library.external,
        "topics": library.topics,
        "families": library.families,
        "outlines": list(library.outlines.items()),
        "counts": (len(library), library.claims, len(library.outlines)),
        "names": {name: library.names.find(name) for name in names},
        "led to": {work: library.led_to(work) for work in library.outlines},
        "topic": {topic: library.papers_on(topic) for topic in library.topic_names},
        "topic alone": {topic: library.papers_on(topic, subtopics=False) for topic in library.topic_names},
        "members": {family: library.members(family) for family in library.family_names},
        "search": {words: found(library, words) for words in ("inception", "network", "depthwise sep", "filters", "x")},
        "rows": sorted(
            library.index.rows("SELECT file, kind, id, way, key FROM things JOIN found_by USING (number)")
            + library.index.rows("SELECT names, title, authors, summary, comments, claims FROM search")
        ),
    }


def found(library: Library, words: str) -> Any:
    hits = search(library, words, 100)
    return hits.count, {(hit.kind, hit.id, hit.where, hit.snippet) for hit in hits.hits}, hits.suggestions


# --- It is what a fresh reading says ---------------------------------------------------------------------------------


def test_what_is_remembered_is_the_same(records: Records, kept: Path, read: list[str]) -> None:
    remembered = said(records.folder)
    assert read == []
    kept.unlink()
    assert said(records.folder) == remembered
    assert "xception" in read


def test_what_is_remembered_of_the_real_records_is_the_same(library: Library, folder: Path, read: list[str]) -> None:
    fresh = Library.load()
    assert len(read) == len(library.outlines) + 2
    assert fresh.papers == library.papers
    assert fresh.outlines == library.outlines


@pytest.mark.parametrize("seed", range(3))
def test_any_edits(
    records: Records, folder: Path, seed: int, monkeypatch: pytest.MonkeyPatch, settled: Callable[[], None]
) -> None:
    chance = random.Random(seed)
    original = {path.relative_to(records.folder): path.read_bytes() for path in records.folder.rglob("*.yaml")}
    fresh_paper = (
        "id: {0}\nname: Paper {0}\ntitle: Title of {0}\nauthors: [A]\npublished: 2018\ntaxonomy: [kernels]\n"
        "summary: Filters.\nbuilds_on:\n  - {{paper: xception, relation: extends, what: x}}\n"
    )
    valid = 0
    for step in range(24):
        files = sorted(records.folder.rglob("*.yaml"))
        file = chance.choice(files)
        match chance.choice(["add", "change", "change", "delete", "rename", "restore", "restore", "touch"]):
            case "add":
                records.write(f"paper-{step}.yaml", fresh_paper.format(f"paper-{step}"))
            case "change":
                old, new = chance.choice([(b"title: ", b"title: New "), (b"201", b"200"), (b"extends", b"analyses")])
                file.write_bytes(file.read_bytes().replace(old, new, 1))
            case "delete":
                file.unlink()
            case "rename":
                name = f"renamed-{step}"
                (file.parent / f"{name}.yaml").write_bytes(
                    file.read_bytes().replace(file.stem.encode(), name.encode(), 1)
                )
                file.unlink()
            case "restore":
                for path in files:
                    path.unlink()
                for path, content in original.items():
                    records.write(str(path), content)
            case "touch":
                os.utime(file)
        if chance.random() < 0.5:
            settled()
        kept = said(records.folder)
        with monkeypatch.context() as context:
            context.setenv("XDG_CACHE_HOME", f"{folder}-{step}")
            assert kept == said(records.folder), step
        valid += isinstance(kept, dict)
    assert 5 < valid < 24, "some edits are to be mistakes, some not"


def test_only_what_has_changed_is_read_again(records: Records, kept: Path, read: list[str]) -> None:
    records.change("xception.yaml", "name: Xception", "name: Exception")
    assert records.load()["xception"].name == "Exception"
    assert read == ["xception"]
    records.change("xception.yaml", "name: Exception", "name: [")
    assert records.problems()
    assert read == ["xception", "xception"]
    (records.folder / "resnet.yaml").rename(records.folder / "wide-resnet.yaml")
    assert len(records.problems()) > 1


def test_what_is_sound_among_invalid_records_is_remembered(records: Records, folder: Path, read: list[str]) -> None:
    records.change("xception.yaml", "{paper: resnet, relation", "{paper: resnut, relation")
    problems = records.problems()
    assert len(problems) == 1
    read.clear()
    assert records.problems() == problems, "an index that is not valid answers nothing"
    assert read == ["xception"]
    records.change("xception.yaml", "{paper: resnut, relation", "{paper: resnet, relation")
    assert "xception" in records.load()


def test_a_slip_elsewhere_is_found_though_nothing_there_has_changed(records: Records, kept: Path) -> None:
    (records.folder / "resnet.yaml").unlink()
    assert any("xception.yaml" in problem and "no paper 'resnet'" in problem for problem in records.problems())


def test_the_code_counts(records: Records, kept: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "recall", lambda folder, state: None)
    monkeypatch.setattr(index, "_is_of", lambda index, code: False)
    records.load()
    assert "xception" in read


# --- When it is believed ---------------------------------------------------------------------------------------------


def test_nothing_is_read_while_nothing_changes(
    records: Records, kept: Path, settled: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    settled()
    records.load()
    monkeypatch.setattr(index, "_Contents", None)
    assert records.load()["xception"].name == "Xception"


def test_what_has_just_changed_is_not_taken_for_known(records: Records, kept: Path) -> None:
    records.load()
    assert not list(kept.parent.glob("*.json"))


def test_a_change_that_keeps_size_and_time(records: Records, kept: Path, settled: Callable[[], None]) -> None:
    path = records.folder / "xception.yaml"
    settled()
    records.load()
    assert list(kept.parent.glob("*.json"))
    before = path.stat()
    records.change("xception.yaml", "name: Xception", "name: Xceptiom")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert records.load()["xception"].name == "Xceptiom"


def test_a_clock_that_is_put_back(
    records: Records, kept: Path, settled: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    settled()
    records.load()
    stamp = only(kept.parent.glob("*.json")).read_bytes()
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now - 3600 * 10**9)
    state = cache.observe(index._observed(records.folder))
    assert cache.recall(records.folder, state) is None, "the stamp is from the future"
    assert not state.settled, "and so are the files"
    records.load()
    assert only(kept.parent.glob("*.json")).read_bytes() == stamp


def test_a_change_of_a_module_counts(
    records: Records, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "RECORDS", records.folder)
    monkeypatch.setattr(paths, "REPRODUCTIONS", tmp_path / "reproductions")
    checks = tmp_path / "reproductions" / "checks" / "resnet.py"
    checks.parent.mkdir(parents=True)
    checks.write_text("def depth():\n    return {}\n")
    (tmp_path / "reproductions" / "resnet.py").write_text("")
    monkeypatch.setattr(validation.reproductions, "variants", lambda paper: [])
    claim = "{id: a, statement: x, basis: derived, tier: property, check: depth, expect: {equals: 1}}"
    records.change("resnet.yaml", "summary: Shortcuts.", f"summary: Shortcuts.\nclaims: [{claim}]")
    records.change("xception.yaml", "subject: {variant: xception}", "subject: {variant: xception}")
    assert records.problems() == []
    checks.write_text("")
    assert ["no function 'depth'" in problem for problem in records.problems()] == [True]
    assert ["no function 'depth'" in problem for problem in records.problems()] == [True], "nor is it forgotten"
    checks.write_text("def depth():\n    return {}\n")
    assert records.problems() == []


# --- Damage ----------------------------------------------------------------------------------------------------------


def test_damage_anywhere(records: Records, kept: Path, settled: Callable[[], None], read: list[str]) -> None:
    right, whole, chance = said(records.folder), kept.read_bytes(), random.Random(1)
    for _ in range(20):
        settled()
        content = bytearray(kept.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        kept.write_bytes(content)
        read.clear()
        assert said(records.folder) == right
        assert "xception" in read, "it is made again"
    assert len(kept.read_bytes()) == len(whole)


@pytest.mark.parametrize("damage", ["truncated", "empty", "another", "older", "folder", "link", "stamp", "deep stamp"])
def test_a_damaged_index_is_made_again(
    records: Records, kept: Path, settled: Callable[[], None], read: list[str], damage: str
) -> None:
    settled()
    records.load()
    stamp = only(kept.parent.glob("*.json"))
    match damage:
        case "truncated":
            kept.write_bytes(kept.read_bytes()[:-4096])
        case "empty":
            kept.write_bytes(b"")
        case "another":
            kept.unlink()
            cache.write(kept, lambda connection: connection.execute("CREATE TABLE about (title)"))
        case "older":
            kept.unlink()
            cache.write(
                kept,
                lambda connection: connection.executescript(
                    "CREATE TABLE about (code); INSERT INTO about VALUES ('x')"
                ),
            )
        case "folder":
            kept.unlink()
            kept.mkdir()
        case "link":
            kept.unlink()
            kept.symlink_to("/dev/zero")
        case "stamp":
            stamp.write_bytes(b"\xff\x00[")
        case "deep stamp":
            stamp.write_text("[" * 4000)
    assert records.load()["xception"].name == "Xception"
    assert ("xception" in read) == ("stamp" not in damage)
    read.clear()
    records.load()
    assert not read or damage == "folder", "it was written again"


def test_an_index_of_somebody_else_is_not_read(
    records: Records, kept: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345, raising=False)
    assert records.load()["xception"].name == "Xception"
    assert "xception" in read


def test_deletion_during_use(records: Records, kept: Path) -> None:
    library = records.load()
    kept.unlink()
    assert library["xception"].name == "Xception"
    assert search(library, "depthwise").count


def test_damage_during_use(records: Records, kept: Path) -> None:
    library = records.load()
    assert len(library) == 5
    with kept.open("r+b") as stream:
        stream.write(b"\x55" * kept.stat().st_size)
    assert [paper.name for paper in library.papers] == [paper.name for paper in records.load().papers]


# --- Where it cannot be kept -----------------------------------------------------------------------------------------


def test_no_cache_at_all(records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert records.load()["xception"].name == "Xception"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert paths.cache_folder() is None
    library = records.load()
    assert library["xception"].name == "Xception"
    assert search(library, "depthwise").count


def test_a_cache_that_cannot_be_written(records: Records, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> Any:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    before = kept.read_bytes()
    records.change("xception.yaml", "name: Xception", "name: Exception")
    assert records.load()["xception"].name == "Exception"
    assert kept.read_bytes() == before


def test_a_disk_that_is_full(records: Records, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_SCHEMA", f"PRAGMA max_page_count = 5; {index._SCHEMA}")
    made = index._in_memory
    monkeypatch.setattr(index, "_in_memory", lambda change: [monkeypatch.undo(), made(change)][1])
    assert records.load()["xception"].name == "Xception"
    assert not list(folder.glob(".*")), "nothing is left of the attempt"


# --- Several processes, and those that do not finish -----------------------------------------------------------------


def test_processes_at_once(records: Records, folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from catalog import Library; from catalog.search import search\n"
        "library = Library.load(Path(sys.argv[1]))\n"
        "print([paper.name for paper in library.papers], search(library, 'inception').count)"
    )
    for name in ("Xception", "Exception"):
        path = records.folder / "xception.yaml"
        path.write_text(path.read_text().replace("name: Xception", f"name: {name}"))
        command = [sys.executable, "-c", code, str(records.folder)]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        answers = {process.communicate()[0] for process in processes}
        assert [process.returncode for process in processes] == [0] * 3
        assert len(answers) == 1
        assert name in answers.pop()
        path.write_text(path.read_text().replace(f"name: {name}", "name: Xception"))
    assert cache._is_whole(only(folder.glob("*.sqlite")))
    assert not list(folder.glob(".*"))


def test_an_interrupted_compilation(records: Records, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept.read_bytes()
    records.change("xception.yaml", "name: Xception", "name: Exception")
    with monkeypatch.context() as context:
        context.setattr(index, "_ways", lambda thing: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            records.load()
    assert kept.read_bytes() == before
    assert not list(kept.parent.glob(".*"))
    assert records.load()["xception"].name == "Exception"


def test_a_compilation_that_was_killed(records: Records, kept: Path) -> None:
    records.change("xception.yaml", "name: Xception", "name: Exception")
    code = (
        "import os, sys; from pathlib import Path; from catalog import Library, index\n"
        "index._ways = lambda thing: os._exit(9)\n"
        "Library.load(Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(records.folder)], check=False).returncode == 9
    left = only(kept.parent.glob(".*"))
    assert records.load()["xception"].name == "Exception"
    assert left.exists(), "somebody may be at work on it"
    os.utime(left, (0, 0))
    records.change("xception.yaml", "name: Exception", "name: Xception")
    records.load()
    assert not left.exists()


# --- As it is shipped ------------------------------------------------------------------------------------------------


def test_an_installed_copy_compiles_nothing(tmp_path: Path) -> None:
    """With a cache or without; and an edited record is noticed there too."""
    site_packages = tmp_path / "site-packages"
    for package in (Path(cache.__file__).parent, paths.REPRODUCTIONS):
        for source in package.rglob("*.py"):
            there = site_packages / source.relative_to(package.parent)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(source.read_bytes())
    data = site_packages / "catalog" / "_data"
    for record in paths.RECORDS.rglob("*.yaml"):
        there = data / "papers" / record.relative_to(paths.RECORDS)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(record.read_bytes())
    index.compile_shipped(data / "index.sqlite")

    def ask(cache_home: Path) -> Any:
        code = (
            "import json, sys; from catalog import Library; library = Library.load(); "
            "print(json.dumps([library.outlines['xception'].name, 'yaml' in sys.modules, 'pydantic' in sys.modules]))"
        )
        environment = os.environ | {"PYTHONPATH": str(site_packages), "XDG_CACHE_HOME": str(cache_home)}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    assert ask(Path("/dev/null")) == ["Xception", False, False]
    assert ask(tmp_path / "cache") == ["Xception", False, False]
    assert not list((tmp_path / "cache").rglob("*.sqlite"))
    record = data / "papers" / "xception.yaml"
    record.write_text(record.read_text().replace("name: Xception\n", "name: Exception\n", 1))
    assert ask(tmp_path / "cache") == ["Exception", True, True]
    assert ask(tmp_path / "cache") == ["Exception", False, False]
