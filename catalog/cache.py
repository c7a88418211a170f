"""Where the compiled index of a folder of records is kept, and whether it may be believed.

The index (:mod:`catalog.index`) is a SQLite file in the user's cache; an installed copy of the project has one of its
own records besides. It is only ever replaced as a whole. So processes need no lock: each reads the file that it has
opened, and of two that compile at once the last one to finish wins. It carries a checksum of itself.

Beside it lies a stamp: the state of all files from which the index was made (names, sizes, times, inode numbers) when
their content was found to be that of the index, and the state of the index. As long as both are as stamped, nothing is
read but the answer to a question. Otherwise contents are compared, whatever the times of the files say.

Nothing depends on any of it: where it is deleted, damaged, not ours, or cannot be written, records are read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import time
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catalog import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["Kept", "State", "fingerprint", "kept", "observe", "recall", "replace", "shipped", "stamp"]

_SETTLED = 2_000_000_000
"""Nanoseconds. A file may change twice within a tick of its file system's clock, of which the longest are two seconds
(FAT); whatever has changed this lately may change again without looking different."""

_LARGEST_STAMP = 4096
_UNFINISHED = ".index-"
_ABANDONED = 24 * 60 * 60
"""Seconds after which nobody works on an unfinished file any more."""
_CHECKSUM = slice(68, 72)
"""Where the checksum of an index stands: the application id in the header, https://www.sqlite.org/fileformat.html."""


@dataclass(frozen=True, slots=True)
class State:
    """How files look from outside."""

    digest: str
    settled: bool
    """Whether any later change is sure to make them look different."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An index that is whole, opened."""

    connection: sqlite3.Connection
    identity: list[str | int]
    """Its file and the state of that."""


def fingerprint(parts: Iterable[bytes]) -> str:
    """A digest of a sequence of texts; where one ends and the next begins counts too."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()


def observe(files: Iterable[os.DirEntry[str]]) -> State:
    """The state of files, without reading them."""
    now = time.time_ns()
    newest = 0
    seen = []
    for file in files:
        try:
            status = file.stat()
        except OSError:  # a link to nothing
            status = file.stat(follow_symlinks=False)
        written, changed = status.st_mtime_ns, status.st_ctime_ns
        newest = max(newest, written, changed)
        seen.append(f"{file.path}\0{status.st_mode} {status.st_ino} {status.st_size} {written} {changed}")
    return State(fingerprint([os.fsencode("\0".join(seen))]), newest < now - _SETTLED)


def recall(folder: Path, state: State) -> sqlite3.Connection | None:
    """The index of a folder, if it is stamped with this state of the files."""
    try:
        place = _stamp_of(folder)
        if place is None or _status(place, ours=True).st_size > _LARGEST_STAMP:
            return None
        stamped = json.loads(place.read_bytes())
        # A stamp from the future says that the clock has been put back, and that times mean nothing.
        if stamped["files"] != state.digest or stamped["made"] > time.time_ns():
            return None
        path, ours = next((path, ours) for path, ours in _places(folder) if str(path) == stamped["index"][0])
        if _identity(path, _status(path, ours=ours)) != stamped["index"]:
            return None
        return _open(path)
    except (OSError, ValueError, LookupError, TypeError, StopIteration, RecursionError, sqlite3.Error):
        return None


def stamp(folder: Path, state: State, index: Kept) -> None:
    """Note that an index is true of a state of the files; quietly do nothing where that is not possible."""
    place = _stamp_of(folder)
    if place is None or not state.settled:
        return
    text = json.dumps({"files": state.digest, "index": index.identity, "made": time.time_ns()})
    with suppress(OSError), _instead_of(place) as temporary:
        temporary.write_text(text)


def kept(folder: Path) -> Iterable[Kept]:
    """The indexes of a folder that are whole: that of the user, then that which came with the project."""
    for path, ours in _places(folder):
        try:
            status = _status(path, ours=ours)
            if not _is_whole(path):
                continue
            index = Kept(_open(path), _identity(path, status))
            # Another process may have replaced it meanwhile, by a good one, but of what we do not know.
            if _identity(path, path.lstat()) == index.identity:
                yield index
        except (OSError, sqlite3.Error):
            continue


def replace(folder: Path, fill: Callable[[sqlite3.Connection], None]) -> Kept | None:
    """Replace the user's index of a folder by one that is filled here; none where that is not possible."""
    place = _place(folder)
    if place is None:
        return None
    try:
        with _instead_of(place) as temporary:
            write(temporary, fill)
            connection, written = _open(temporary), temporary.lstat()
        found = place.lstat()
    except (OSError, sqlite3.OperationalError):
        return None
    # Another process may have replaced it already: what we have opened is ours, what lies there is not.
    return Kept(connection, _identity(place, found) if found.st_ino == written.st_ino else [])


def write(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Write an index to an empty file, with its checksum.

    Raises:
        OSError, sqlite3.Error: that is not possible.
    """
    connection = sqlite3.connect(path)
    try:
        # Nobody sees the file before it is complete, so there is nothing to roll back to.
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        fill(connection)
        connection.commit()
    finally:
        connection.close()
    with path.open("r+b") as stream:
        stream.seek(_CHECKSUM.start)
        stream.write(_checksum(path))


def shipped() -> Path:
    """The index of the project's own records that an installed copy brings with it."""
    return paths.RECORDS.parent / "index.sqlite"


def _open(path: Path) -> sqlite3.Connection:
    # Immutable: nobody writes to it in place, so that neither locks nor journals are needed beside it.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, check_same_thread=False)
    connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    return connection


def _is_whole(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(_CHECKSUM.start)
        return stream.read(4) == _checksum(path)


def _checksum(path: Path) -> bytes:
    """CRC-32 of a file but for the place where the checksum stands."""
    with path.open("rb") as stream:
        found = zlib.crc32(stream.read(_CHECKSUM.start))
        stream.seek(_CHECKSUM.stop)
        while block := stream.read(1 << 20):
            found = zlib.crc32(block, found)
    return found.to_bytes(4)


def _status(path: Path, *, ours: bool) -> os.stat_result:
    """The status of an ordinary file that nobody else can have put there.

    Raises:
        OSError: it is none.
    """
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or (ours and status.st_uid != _user()):
        raise PermissionError(path)
    return status


def _identity(path: Path, status: os.stat_result) -> list[str | int]:
    return [str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _places(folder: Path) -> Iterable[tuple[Path, bool]]:
    """Where an index of a folder may lie, and whether the user alone can have put it there."""
    if (place := _place(folder)) is not None:
        yield place, True
    if folder.resolve() == paths.RECORDS and paths.CHECKOUT is None:
        yield shipped(), False


def _place(folder: Path) -> Path | None:
    cache = paths.cache_folder()
    return cache / f"index-{fingerprint([os.fsencode(folder.resolve())])[:16]}.sqlite" if cache else None


def _stamp_of(folder: Path) -> Path | None:
    place = _place(folder)
    return place and place.with_suffix(".json")


@contextmanager
def _instead_of(place: Path) -> Iterator[Path]:
    """A new file that takes the place of another once it is complete; whoever reads meanwhile sees one or the other."""
    import tempfile

    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in place.parent.glob(f"{_UNFINISHED}*"):  # by processes that were killed
        if left.lstat().st_mtime < time.time() - _ABANDONED:
            left.unlink(missing_ok=True)
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=_UNFINISHED)
    os.close(descriptor)
    temporary = place.with_name(os.path.basename(name))
    try:
        yield temporary
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
