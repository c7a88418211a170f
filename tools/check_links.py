"""Say which links of the records are dead: python tools/check_links.py [ID …] [--only KIND]

Every address is asked for its head, and for all of it where a server refuses that; each server by one at a time, with
a pause, and several servers side by side. Dead is what its server does not know (404, 410), and what has no server
although others answer. Unknown is what nobody can tell from here: many publishers refuse programs (403), and servers
have bad days (500, silence).

Exit status: 0 when no link is dead, 1 when some are, 2 when nothing answers, as without a network: then nothing is
known.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from catalog import paths
from catalog.errors import CatalogError
from catalog.fetch import FetchError, Unreachable, Web
from catalog.names import UnknownName, closest
from catalog.source import SourceError, files, parse
from catalog.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

KINDS = ("arxiv", "doi", "url", "pdf", "code")
BESIDE = 6
"""Servers that are asked at the same time."""


@dataclass(frozen=True, slots=True)
class Link:
    """An address and where a record has it."""

    file: str
    line: int
    kind: str
    address: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a link."""

    link: Link
    state: str
    """``alive``, ``dead``, ``unknown`` or, where not even a connection was made, ``unreachable``."""
    why: str = ""


def links(ids: Sequence[str], only: Sequence[str], *, arxiv: str, doi: str) -> Iterator[Link]:
    """The links of the records of these ids, or of all."""
    found = [file for file in files(paths.records_folder()) if file.kind in ("paper", "external")]
    stems = {file.stem for file in found}
    for wanted in ids:
        if wanted not in stems:
            raise UnknownName(wanted, closest(wanted, stems), what="record")
    for file in found:
        if ids and file.stem not in ids:
            continue
        try:
            document = parse(file.content)
        except SourceError as error:
            raise CatalogError(f"{file.name}: {error.message}; repro validate says more") from None
        for kind, value in (document.data.get("links") or {}).items():
            if kind in (only or KINDS):
                address = {"arxiv": arxiv + value, "doi": doi + quote(value, safe="/")}.get(kind, value)
                yield Link(file.name, document.line(("links", kind)), kind, address)


def check(web: Web, link: Link) -> Finding:
    """Ask for one address."""
    try:
        status = web.status(link.address)
    except Unreachable as error:
        return Finding(link, "unreachable", str(error))
    except FetchError as error:
        return Finding(link, "unknown", str(error))
    if status < 400:
        return Finding(link, "alive")
    return Finding(link, "dead" if status in (404, 410) else "unknown", f"status {status}")


def check_all(found: Iterable[Link], connect: Callable[[], Web]) -> list[Finding]:
    """Ask for all addresses, one server beside the other."""
    by_server: dict[str, list[Link]] = defaultdict(list)
    for link in found:
        by_server[urlsplit(link.address).netloc].append(link)

    def ask(group: list[Link]) -> list[Finding]:
        web = connect()
        results: list[Finding] = []
        for link in group:
            # A server that is not there will not be there for the next link either.
            gone = results and results[-1].state == "unreachable"
            results.append(Finding(link, "unreachable", results[-1].why) if gone else check(web, link))
        return results

    with ThreadPoolExecutor(BESIDE) as pool:
        return [finding for group in pool.map(ask, by_server.values()) for finding in group]


def main(
    arguments: Sequence[str] | None = None,
    connect: Callable[[], Web] = Web,
    *,
    arxiv: str = "https://arxiv.org/abs/",
    doi: str = "https://doi.org/",
) -> int:
    """Check the links and print those that do not answer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID", help="records; all of them if omitted")
    parser.add_argument("--only", action="append", choices=KINDS, help="links of this kind; several are allowed")
    options = parser.parse_args(arguments)
    try:
        findings = check_all(links(options.ids, options.only or (), arxiv=arxiv, doi=doi), connect)
    except CatalogError as error:
        print(f"check_links: {error}", file=sys.stderr)
        return 2
    if findings and all(finding.state == "unreachable" for finding in findings):
        print(
            f"check_links: no server answers ({findings[0].why}); without a network nothing is known", file=sys.stderr
        )
        return 2
    counts: dict[str, int] = defaultdict(int)
    for finding in sorted(findings, key=lambda finding: (finding.link.file, finding.link.line)):
        state = "dead" if finding.state == "unreachable" else finding.state
        counts[state] += 1
        if state != "alive":
            link = finding.link
            print(f"{link.file}:{link.line}: links.{link.kind}: {state}: {link.address} ({finding.why})")
    print(
        f"{counted(len(findings), 'link')}: {counts['alive']} alive, {counts['dead']} dead, {counts['unknown']} unknown"
    )
    return 1 if counts["dead"] else 0


if __name__ == "__main__":
    sys.exit(main())
