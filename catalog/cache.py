"""What has been read and found valid once is kept in the user's cache, so that questions start at once.

An entry is JSON, belongs to one folder of records, and counts only for exactly the content and the code by which it was
made. Nothing depends on it: where it is damaged, not ours, or cannot be written, records are read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zlib
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog import paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["fingerprint", "recall", "remember"]

_LARGEST = 256 * 1024 * 1024


def fingerprint(parts: Iterable[bytes]) -> str:
    """A digest of a sequence of texts; where one ends and the next begins counts too."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()


def recall(folder: Path, key: str) -> tuple[Any, list[memoryview]] | None:
    """The summary and the records (JSON, one each) that were remembered for a folder under this key, if any."""
    entry = _entry(folder)
    try:
        if entry is None:
            return None
        status = entry.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST or status.st_uid != _user():
            return None
        content = entry.read_bytes()
        start = content.index(b"\n") + 1
        records = content.index(b"\n", start) + 1
        view = memoryview(content)  # megabytes, of which most questions need a few
        if view[:start] != _header(key, view[start:]):
            return None
        summary, lengths = json.loads(content[start:records])
        ends = list(accumulate(lengths, initial=records))
        return summary, [view[begin:end] for begin, end in pairwise(ends)]
    except (OSError, ValueError, RecursionError):
        return None


def remember(folder: Path, key: str, summary: Any, records: Sequence[bytes]) -> None:
    """Keep the summary and the records of a folder; quietly do nothing where that is not possible."""
    entry = _entry(folder)
    if entry is None:
        return
    import tempfile

    body = json.dumps([summary, [len(record) for record in records]]).encode() + b"\n" + b"".join(records)
    temporary = None
    try:
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=entry.parent, prefix=".records-", delete=False) as stream:
            temporary = Path(stream.name)
            stream.write(_header(key, body) + body)
        # Whoever reads meanwhile sees the old entry or the new one, never a half.
        temporary.replace(entry)
    except OSError:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _header(key: str, body: bytes | memoryview) -> bytes:
    """The first line of an entry: for what it counts, and a checksum that tells whether the rest is whole."""
    return f"{key} {zlib.crc32(body):08x}\n".encode()


def _entry(folder: Path) -> Path | None:
    cache = paths.cache_folder()
    if cache is None:
        return None
    return cache / f"records-{fingerprint([os.fsencode(folder.resolve())])[:16]}"


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
