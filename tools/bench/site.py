"""How long the site takes: 128 real and 1,000 generated papers built, one record edited while it is served, a search.

The build is a whole process: wall-clock time, time of the processor and peak resident memory. The scripts' libraries
come from the cache, as they do from the second build on. An edit counts from the moment at which the file is saved to
the one at which the server answers with the page that says so; of several edits, the slowest counts. Searches are
those that a browser makes, by the theme's own worker; they need Node.js. Allowed is what two idle cores should keep.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from catalogue import REPRO, Catalogue, Cost, cost, say

from catalog import paths
from catalog.text import columns

if TYPE_CHECKING:
    from collections.abc import Iterator

GENERATED = 1_000
LISTS = {"families", "taxonomy"}
BUILD, EDIT, INDEX = 30.0, 3.0, 1_500_000
"""Seconds that a build of the real papers may take, seconds until an edit shows, and bytes of their search index."""
SEARCH = Path(__file__).parents[2] / "tests" / "website" / "search.mjs"
QUERIES = ("depthwise", "residual learning", "batch normalization", "network")


class Found(NamedTuple):
    """What was measured of one catalogue."""

    build: Cost
    pages: int
    megabytes: float
    index: int
    ready: float | None
    """Seconds until the first search, with the index on this machine."""
    query: float | None
    """Seconds of each search after that."""
    edits: list[float]


def measure(papers: Path, edits: int) -> Found:
    """Build the site of a folder of records, and edit one of them while it is served."""
    into = papers.parent / "build"
    built = cost([*REPRO, papers, "site", "build", "--into", into], dict(os.environ))
    say(f"built in {built.seconds:.1f} s")
    files = [path for path in (into / "site").rglob("*") if path.is_file()]
    ready, query = search(into / "site")
    with served(papers, into) as address:
        latencies = [edited(papers, address, number) for number in range(edits)]
    return Found(
        built,
        sum(path.suffix == ".html" for path in files),
        sum(path.stat().st_size for path in files) / 1024**2,
        (into / "site" / "search" / "search_index.json").stat().st_size,
        ready,
        query,
        latencies,
    )


def search(site: Path) -> tuple[float | None, float | None]:
    """Seconds to read the index, and of a search."""
    if shutil.which("node") is None:
        return None, None
    done = subprocess.run(["node", SEARCH, site, *QUERIES], check=True, stdout=subprocess.PIPE)
    seconds = json.loads(done.stdout)["seconds"]
    return seconds["ready"], seconds["query"]


@contextmanager
def served(papers: Path, into: Path) -> Iterator[str]:
    """Where the site is served meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*REPRO, papers, "site", "serve", "--into", into, "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while not answer(address):
            if process.poll() is not None:
                raise subprocess.CalledProcessError(process.returncode, command)
            time.sleep(0.2)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def answer(address: str) -> str:
    """What stands at an address; nothing as long as nobody answers."""
    try:
        with urllib.request.urlopen(address, timeout=60) as said:  # noqa: S310 - of this machine
            return said.read().decode()
    except OSError:
        return ""


def edited(papers: Path, address: str, number: int) -> float:
    """Seconds from saving the longest record to the page that says so."""
    record = max(papers.glob("*.yaml"), key=lambda path: (path.stem not in LISTS, path.stat().st_size))
    said = f"Edit {number} of the bench."
    text = re.sub(r"^summary: (>-\n +)?", lambda found: f"{found[0]}{said} ", record.read_text(), count=1, flags=re.M)
    time.sleep(1)  # nobody types faster
    start = time.perf_counter()
    record.write_text(text)
    while said not in answer(f"{address}/papers/{record.stem}/"):
        if time.perf_counter() - start > 120:
            raise TimeoutError("the edit was not shown within two minutes")
        time.sleep(0.02)
    return time.perf_counter() - start


def table(measured: dict[str, Found]) -> Iterator[str]:
    """A column for each catalogue."""
    rows = [["", *measured]]
    figures = {
        "build": lambda found: f"{found.build.seconds:.1f} s",
        "  of the processor": lambda found: f"{found.build.processor:.1f} s",
        "  memory": lambda found: f"{found.build.megabytes:.0f} MB",
        "pages": lambda found: f"{found.pages:,}",
        "size of the site": lambda found: f"{found.megabytes:.0f} MB",
        "search index": lambda found: f"{found.index / 1000:,.0f} kB",
        "  until it is ready": lambda found: "–" if found.ready is None else f"{found.ready:.1f} s",
        "  a search": lambda found: "–" if found.query is None else f"{1000 * found.query:.0f} ms",
        "edit shown, median": lambda found: f"{statistics.median(found.edits):.1f} s",
        "  slowest": lambda found: f"{max(found.edits):.1f} s",
    }
    rows += [[name, *map(figure, measured.values())] for name, figure in figures.items()]
    yield from columns(rows, right=range(1, len(rows[0])))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--papers", type=int, default=GENERATED, help="number of generated papers (default 1000)")
    parser.add_argument("--edits", type=int, default=5, help="edits of each catalogue (default 5)")
    options = parser.parse_args()
    measured = {}
    with tempfile.TemporaryDirectory(prefix="site-") as within:
        real, generated = Path(within, "real", "papers"), Path(within, "generated", "papers")
        shutil.copytree(paths.RECORDS, real)
        real_papers = f"{len(list(real.glob('*.yaml'))) - len(LISTS)} papers"
        say(real_papers)
        measured[real_papers] = kept = measure(real, options.edits)
        if options.papers:
            Catalogue(options.papers).write(generated)
            say(f"{options.papers:,} generated")
            measured[f"{options.papers:,} generated"] = measure(generated, options.edits)
    print("\n".join(table(measured)))
    over = {
        f"build of the real papers, {BUILD:.0f} s": kept.build.seconds > BUILD,
        f"an edit of one of them, {EDIT:.0f} s": max(kept.edits) > EDIT,
        f"their search index, {INDEX / 1000:,.0f} kB": kept.index > INDEX,
    }
    print(f"allowed: {'; '.join(over)}; over it: {[name for name, missed in over.items() if missed] or 'nothing'}")
    return 1 if any(over.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
