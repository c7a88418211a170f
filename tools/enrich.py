"""Propose what records lack, or say otherwise than arXiv, Crossref and OpenAlex: python tools/enrich.py [ID …]

The proposal is a patch for ``git apply``, on standard output or in a file; no record is changed. It is a proposal:
these sources are wrong now and then, and a person reads it first. Proposed are a DOI or an arXiv number that is missing
or another, an earlier or a more exact date, a venue that is missing or has fewer figures (year, volume, pages), and a
title or authors that differ in more than spelling. Names are only proposed to become longer.

Exit status: 0 when everything could be asked, 1 when something could not (it is said on standard error), 2 when nothing
could.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalog import paths
from catalog.canonical import canonical
from catalog.errors import CatalogError
from catalog.fetch import FetchError, Unreachable, Web
from catalog.formats.publication import split_name
from catalog.layout import write_atomically
from catalog.metadata import Metadata, SeveralPapers, Sources
from catalog.names import UnknownName, closest, normal
from catalog.schema import reference
from catalog.source import File, SourceError, files, parse
from catalog.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def proposals(data: dict[str, Any], known: Metadata) -> dict[str, Any]:
    """The fields of a record that change, with what they become."""
    links = dict(data.get("links") or {})
    for name, number in (("arxiv", known.arxiv), ("doi", known.doi)):
        if number and number.lower() != str(links.get(name, "")).lower():
            links[name] = number
    changed = {
        "title": data["title"] if normal(data["title"]) == normal(known.title) else known.title,
        "authors": _authors(data["authors"], list(known.authors)),
        "published": _date(str(data["published"]), known.published),
        "venue": _venue(data.get("venue"), known.venue),
        "links": links,
    }
    return {name: value for name, value in changed.items() if value and value != data.get(name)}


def is_another(data: dict[str, Any], known: Metadata) -> bool:
    """Whether a number has led to another paper: neither the title nor an author is the same."""
    ours, theirs = (
        {normal(split_name(author).family) for author in names} for names in (data["authors"], known.authors)
    )
    return normal(data["title"]) != normal(known.title) and not ours & theirs


def _authors(ours: list[str], theirs: list[str]) -> list[str]:
    if len(ours) != len(theirs):
        return theirs
    return [_author(*pair) for pair in zip(ours, theirs, strict=True)]


def _author(ours: str, theirs: str) -> str:
    """The longer of two spellings of one person; the other one where they are two."""
    a, b = split_name(ours), split_name(theirs)
    initials = [[word[0] for word in re.findall(r"\w+", name.given)] for name in (a, b)]
    if normal(a.family) != normal(b.family) or initials[0][:1] != initials[1][:1]:
        return ours if normal(ours) == normal(theirs) else theirs
    return theirs if len(normal(theirs)) > len(normal(ours)) else ours


def _date(ours: str, theirs: str | None) -> str:
    if theirs is None:
        return ours
    digits = min(len(ours), len(theirs))
    more_exact = theirs.startswith(ours)
    return theirs if theirs[:digits] < ours[:digits] or more_exact else ours


def _venue(ours: str | None, theirs: str | None) -> str | None:
    if ours is None or theirs is None:
        return ours or theirs
    figures = set(re.findall(r"\d+", theirs)) - set(re.findall(r"\d+", ours))
    return theirs if figures else ours


def find(sources: Sources, data: dict[str, Any]) -> Metadata:
    """What the sources know of the paper of a record."""
    links = data.get("links") or {}
    if links.get("arxiv"):
        return sources.of_arxiv(links["arxiv"])
    return sources.of_doi(links["doi"]) if links.get("doi") else sources.of_title(data["title"])


def patch(file: File, changes: dict[str, Any]) -> str:
    """The changes of a record as a unified diff."""
    before = file.content.decode("utf-8")
    path = paths.records_folder() / ("external" if file.kind == "external" else "") / f"{file.stem}.yaml"
    after = canonical(before, reference(path), parse(file.content).data | changes)
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, f"a/{file.name}", f"b/{file.name}"))


def chosen(ids: Sequence[str]) -> Iterator[tuple[File, dict[str, Any]]]:
    """The records of these ids, or all of them."""
    found = [file for file in files(paths.records_folder()) if file.kind in ("paper", "external")]
    stems = {file.stem for file in found}
    for wanted in ids:
        if wanted not in stems:
            raise UnknownName(wanted, closest(wanted, stems), what="record")
    for file in found:
        if not ids or file.stem in ids:
            try:
                yield file, parse(file.content).data
            except SourceError as error:
                raise CatalogError(f"{file.name}: {error.message}; repro validate says more") from None


def main(arguments: Sequence[str] | None = None, sources: Sources | None = None) -> int:
    """Ask the sources, and print or write the patch."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID", help="records; all of them if omitted")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the patch to a file")
    options = parser.parse_args(arguments)
    sources = sources or Sources(Web())
    parts: list[str] = []
    failures = asked = 0
    try:
        for file, data in chosen(options.ids):
            try:
                known = find(sources, data)
                asked += 1
                if is_another(data, known):
                    raise FetchError(f"its number leads to '{known.title}'; correct the number")
                if changes := proposals(data, known):
                    parts.append(patch(file, changes))
            except Unreachable as error:
                if not asked:
                    raise CatalogError(f"{error}; is there a network? Nothing was proposed") from None
                failures += 1
                print(f"{file.name}: {error}", file=sys.stderr)
            except (FetchError, SeveralPapers) as error:
                failures += 1
                print(f"{file.name}: {error}", file=sys.stderr)
            for note in sources.notes:
                print(f"{file.name}: left out: {note}", file=sys.stderr)
            sources.notes.clear()
        text = "".join(parts)
        if options.output:
            write_atomically(options.output, text)
        else:
            print(text, end="")
    except CatalogError as error:
        print(f"enrich: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"enrich: {options.output} cannot be written: {error.strerror or error}", file=sys.stderr)
        return 2
    print(f"{counted(asked, 'record')} found, changes to {len(parts)} proposed", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
