"""How the catalogue grows: time and memory of what people ask, for generated catalogues of 1,000 to 100,000 papers.

Citations attach preferentially, mostly within a topic; years, relations, the number of ancestors and the share of
comments are as in the real records. A generated record is shorter than a real one (1.6 KB instead of 5 KB), because it
makes two claims instead of nine. The same numbers make the same catalogue.

Every figure is of a whole process: wall-clock time, time of the processor and peak resident memory. Questions are asked
five times, of which the fastest counts; what is done to the index happens once. A factor says how much more processor
time and memory ten times the papers cost; more than ten is worse than linear.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections import defaultdict
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from catalog.layout import dump
from catalog.text import columns, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIZES = (1_000, 10_000, 100_000)
SECONDS, MEGABYTES = 1.0, 1500.0
"""What a question may take of the largest catalogue."""

# --- A catalogue -----------------------------------------------------------------------------------------------------

DESCENT, OTHER = ("extends", "generalizes", "simplifies", "compresses"), ("applies", "combines", "analyses")
FIRST_YEAR, LAST_YEAR = 1990, 2025
_TERMS = (
    "convolution network kernel channel residual shortcut attention pooling depthwise separable dilated grouped "
    "shuffle inception dense recurrent sparse binary quantised pruning distillation normalisation dropout "
    "activation gradient regularisation augmentation classification detection segmentation embedding transformer "
    "capsule architecture search mobile efficient accurate deep wide cardinality bottleneck feature receptive field "
    "multiscale pyramid"
)
TERMS = _TERMS.split()
_SYLLABLES = "ba con de dif ex for ga in lu mo na per qua ra so ti ul zo"


class Cited(NamedTuple):
    """A paper that is built on."""

    paper: int
    relation: str


class Catalogue:
    """What is in a generated catalogue, before it is written."""

    def __init__(self, papers: int) -> None:
        self.random = random.Random(papers)
        self.papers = papers
        self.topics = round(papers**0.5)
        self.vocabulary = [*TERMS, *(self._word() for _ in range(20_000))]
        # Zipf: the n-th word is written 1/n times as often as the first.
        self.frequencies = list(accumulate(1 / rank for rank in range(1, len(self.vocabulary) + 1)))
        self.topic = [self.random.randrange(self.topics) for _ in range(papers)]
        self.cites = list(self._citations())
        self.comments: dict[int, list[int]] = defaultdict(list)
        """The later papers that say something of a paper."""
        for paper, cited in enumerate(self.cites):
            for other in cited:
                if self.random.random() < 0.2:
                    self.comments[other.paper].append(paper)

    def _citations(self) -> Iterator[list[Cited]]:
        """Whom each paper builds on: a paper is as likely to be chosen as it has been built on, and once more."""
        anywhere: list[int] = []
        within: dict[int, list[int]] = defaultdict(list)
        for paper, topic in enumerate(self.topic):
            descent = self.random.choices((0, 1, 2, 3), (13, 37, 34, 16))[0]
            relations = [self.random.choice(DESCENT) for _ in range(descent)]
            relations += [
                self.random.choice(OTHER) for _ in range(self.random.choices((0, 1, 2, 3), (20, 30, 30, 20))[0])
            ]
            cited = {}
            for relation in relations if paper else ():
                near = within[topic] if relation in DESCENT and self.random.random() < 0.95 else anywhere
                other = self.random.choice(near or anywhere)
                cited.setdefault(other, Cited(other, relation))
            for other in (paper, *cited):
                anywhere.append(other)
                within[self.topic[other]].append(other)
            yield list(cited.values())

    def _word(self) -> str:
        return "".join(self.random.choices(_SYLLABLES.split(), k=3))

    def words(self, count: int) -> str:
        """Words of a text, some of them often."""
        last = self.frequencies[-1]
        return " ".join(
            self.vocabulary[bisect_left(self.frequencies, self.random.random() * last)] for _ in range(count)
        )

    def key(self, paper: int) -> str:
        """The id of a paper."""
        return f"{TERMS[paper % len(TERMS)]}-{paper}"

    def published(self, paper: int) -> str:
        """When a paper appeared: papers are numbered by date, and every year brings more than the one before."""
        years = (LAST_YEAR + 1 - FIRST_YEAR) * ((paper + 1) / (self.papers + 1)) ** 0.4
        return f"{FIRST_YEAR + int(years)}-{int(years % 1 * 12) + 1:02}"

    def family(self, paper: int) -> str | None:
        """Some papers of a topic are a family."""
        return f"family-{self.topic[paper]}" if paper % 4 == 0 else None

    def write(self, folder: Path) -> None:
        """Write all records, with a count of them on a terminal."""
        (folder / "external").mkdir(parents=True)
        for paper in range(self.papers):
            (folder / f"{self.key(paper)}.yaml").write_text(self.record(paper))
            if sys.stderr.isatty() and paper % 1000 == 0:
                print(f"\rwriting {paper:,} of {self.papers:,}", end="\r", file=sys.stderr)
        topics = [{"id": "all", "name": "Everything"}]
        topics += [
            {"id": f"all/topic-{topic}", "name": f"Topic {topic}: {self.words(2)}"} for topic in range(self.topics)
        ]
        families = sorted(set(filter(None, map(self.family, range(self.papers)))))
        summaries = [{"id": key, "name": key, "summary": self.words(20)} for key in families]
        (folder / "taxonomy.yaml").write_text(dump({"topics": topics}))
        (folder / "families.yaml").write_text(dump({"families": summaries}))

    def record(self, paper: int) -> str:
        """The YAML of a paper; by hand, because it is four times as fast."""
        key, family = self.key(paper), self.family(paper)
        authors = [
            f"{self.words(1).capitalize()} {self.words(1).capitalize()}" for _ in range(self.random.randint(1, 6))
        ]
        headline = "basis: printed, tier: headline, printed: '7.3'"
        lines = [
            f"id: {key}",
            f"name: {key.capitalize()}",
            f"title: '{key.capitalize()}: {self.words(7)}'",
            f"authors: [{', '.join(dict.fromkeys(authors))}]",
            f'published: "{self.published(paper)}"',
            *([f"family: {family}"] if family else []),
            f"taxonomy: [all/topic-{self.topic[paper]}]",
            f"summary: {self.words(50)}",
            *(["builds_on:"] if self.cites[paper] else []),
            *(
                f"  - {{paper: {self.key(cited.paper)}, relation: {cited.relation}, what: {self.words(8)}}}"
                for cited in self.cites[paper]
            ),
            *(["comments:"] if self.comments[paper] else []),
            *(f"  - {{source: {self.key(source)}, text: {self.words(25)}}}" for source in self.comments[paper]),
            "claims:",
            *(f"  - {{id: {claim}, statement: {self.words(10)}, {headline}}}" for claim in ("error", "accuracy")),
        ]
        return "\n".join(lines) + "\n"

    def lineage(self) -> list[int]:
        """A paper with the papers that descend from it, about a hundredth of all, the nearest first."""
        below: dict[int, list[int]] = defaultdict(list)
        for paper, cited in enumerate(self.cites):
            for other in cited:
                if other.relation in DESCENT:
                    below[other.paper].append(paper)
        best: list[int] = []
        for start in range(0, self.papers, max(self.papers // 500, 1)):
            found = {start: None}
            for paper in (queue := [start]):
                new = [other for other in below[paper] if other not in found]
                queue += new
                found.update(dict.fromkeys(new))
                if len(found) > self.papers // 50:
                    break
            if abs(len(found) - self.papers / 100) < abs(len(best) - self.papers / 100):
                best = list(found)
        return best


def generate(papers: int, folder: Path) -> None:
    """Write a catalogue to a folder, and what can be asked of it to standard output."""
    catalogue = Catalogue(papers)
    catalogue.write(folder)
    first, *_, last = found = catalogue.lineage()
    print(json.dumps({"first": catalogue.key(first), "last": catalogue.key(last), "descendants": len(found) - 1}))


# --- Measuring -------------------------------------------------------------------------------------------------------

REPRO = (
    sys.executable,
    "-c",
    "import sys; from pathlib import Path; from catalog import cli, paths; "
    "paths.RECORDS = Path(sys.argv.pop(1)); cli.main()",
)


class Cost(NamedTuple):
    """What a process took."""

    seconds: float
    processor: float
    megabytes: float


def cost(command: Sequence[str | Path], environment: dict[str, str]) -> Cost:
    """Run a command that must succeed."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    seconds, processor = time.perf_counter() - start, used.ru_utime + used.ru_stime
    return Cost(seconds, processor, used.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2))


def measure(papers: int, within: Path) -> dict[str, Cost]:
    """What everything costs in a catalogue of so many papers."""
    folder = within / str(papers) / "papers"
    environment = os.environ | {"XDG_CACHE_HOME": str(folder.parent / "cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # byte code is kept everywhere else
    start = time.perf_counter()
    generated = subprocess.run(
        [sys.executable, __file__, "--generate", str(papers), folder], check=True, stdout=subprocess.PIPE
    )
    known = json.loads(generated.stdout)
    size = sum(entry.stat().st_size for entry in os.scandir(folder)) / 1024**2
    say(f"{papers:,} papers, {size:,.0f} MB of YAML, written in {time.perf_counter() - start:.0f} s")
    say(f"the lineage of {known['first']} has {known['descendants']:,} papers; the path goes to {known['last']}")

    def repro(*arguments: str, times: int = 1) -> Cost:
        return min(cost([*REPRO, folder, *arguments], environment) for _ in range(times))

    time.sleep(3)  # what has changed in the last two seconds is not yet taken for known
    found = {"first compile (validate)": repro("validate", str(folder))}
    say(f"compiled in {found['first compile (validate)'].seconds:.0f} s")
    questions = {
        "start (--version)": ("--version",),
        "lineage": ("lineage", known["first"]),
        "lineage --ancestors": ("lineage", known["last"], "--ancestors"),
        "path": ("path", known["first"], known["last"]),
        "search, two words": ("search", "depthwise", "separable"),
        "search, a frequent word": ("search", "network"),
        "search, nothing found": ("search", "depthwize", "--json"),
        "show": ("show", known["first"]),
        "list of a topic": ("list", "--topic", "topic-1"),
        "ask": ("ask", "what does", known["last"], "build on"),
        "validate": ("validate", str(folder)),
    }
    found |= {name: repro(*arguments, times=5) for name, arguments in questions.items()}
    record = folder / f"{known['first']}.yaml"
    record.write_text(record.read_text().replace("summary: ", "summary: Changed. ", 1))
    found["after one edited record"] = repro("lineage", known["first"])
    found["the next question"] = repro("lineage", known["first"])
    return found


def table(measured: dict[int, dict[str, Cost]]) -> Iterator[str]:
    """A row for each thing that was measured; with the factor from one size to the next."""
    head = [""]
    for place, papers in enumerate(measured):
        head += [f"{papers:,}", "processor", "memory", *(["", ""] if place else [])]
    rows = [head]
    for name in next(iter(measured.values())):
        row, before = [name], None
        for costs in measured.values():
            now = costs[name]
            row += [f"{now.seconds:.2f} s", f"{now.processor:.2f} s", f"{number(round(now.megabytes))} MB"]
            if before:
                row += [f"× {now.processor / before.processor:.1f}", f"× {now.megabytes / before.megabytes:.1f}"]
            before = now
        rows.append(row)
    yield from columns(rows, right=range(1, len(head)))


def say(text: str) -> None:
    """Print how far it is."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "sizes", nargs="*", type=int, default=SIZES, help="numbers of papers (default 1000 10000 100000)"
    )
    parser.add_argument("--generate", nargs=2, metavar=("N", "DIR"), help="only write a catalogue of N papers to DIR")
    options = parser.parse_args()
    if options.generate:
        generate(int(options.generate[0]), Path(options.generate[1]))
        return 0
    with tempfile.TemporaryDirectory(prefix="catalogue-") as within:
        measured = {papers: measure(papers, Path(within)) for papers in options.sizes}
    print("\n".join(table(measured)))
    largest = list(measured.values())[-1]
    slow = [name for name in ("lineage", "search, two words") if largest[name].seconds > SECONDS]
    large = [name for name, used in largest.items() if used.megabytes > MEGABYTES]
    print(
        f"allowed: lineage and search {SECONDS} s, everything {MEGABYTES:,.0f} MB; over it: {slow + large or 'nothing'}"
    )
    return 1 if slow or large else 0


if __name__ == "__main__":
    sys.exit(main())
