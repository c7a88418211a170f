"""The claims of many papers, each paper in a process of its own.

Whatever the code of a reproduction does ends at most its process: the claim that was being measured fails, with the
reason, and the claims after it get another process.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from catalog.records import Status, Tier
from catalog.verify.isolated import Ended, Limits, Said, Started, Task, run
from catalog.verify.runner import ClaimReport, PaperReport, select, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from catalog.datasets import Source
    from catalog.records import Claim, Paper

__all__ = ["Begun", "Finished", "Measured", "Request", "Step", "measure"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of one paper; the fields are the arguments of :func:`catalog.verify.runner.verify`."""

    paper: Paper
    tiers: tuple[str, ...] | None = None
    claims: tuple[str, ...] | None = None
    skip: frozenset[str] = frozenset()

    @property
    def selection(self) -> list[Claim]:
        """The claims that are asked for.

        Raises:
            UnknownName: there is no such tier, or the paper has no such claim.
        """
        return select(self.paper, tiers=self.tiers, claims=self.claims, skip=self.skip)


@dataclass(frozen=True, slots=True)
class Begun:
    """A claim is being measured."""

    paper: str
    claim: str


@dataclass(frozen=True, slots=True)
class Step:
    """How far the measuring of a claim is, for a person."""

    paper: str
    text: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a claim."""

    paper: str
    report: ClaimReport


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a paper."""

    report: PaperReport
    seconds: float
    """From its beginning to its end."""


@dataclass(slots=True)
class _Progress:
    """What is known of one paper while it is measured."""

    request: Request
    reports: dict[str, ClaimReport] = field(default_factory=dict)
    begun: str | None = None
    """The claim that the process is at, and since when."""
    since: float = 0.0
    seconds: float = 0.0
    megabytes: int = 0

    @property
    def missing(self) -> list[Claim]:
        return [claim for claim in self.request.selection if claim.id not in self.reports]


def measure(
    requests: Sequence[Request],
    *,
    jobs: int,
    limits: Limits | None = None,
    source: Source | None = None,
) -> Generator[Begun | Step | Measured | Finished, None, None]:
    """Measure the claims of papers, several papers at a time, and yield what happens as it happens.

    Closing the iterator, or an exception in its consumer such as a KeyboardInterrupt, ends all processes at once.

    Args:
        requests: what is asked, of each paper once.
        jobs: how many papers at a time.
        limits: for each process; training runs have all the time they want.
        source: where training runs take their data from.

    Raises:
        UnknownName: there is no such tier, or a paper has no such claim.
    """
    papers = {request.paper.id: _Progress(request) for request in requests}
    tasks: deque[Task] = deque()

    def add(progress: _Progress) -> None:
        """A process for the claims that are missing."""
        request = progress.request
        limited = limits or Limits()
        if any(claim.tier is Tier.TRAINING for claim in progress.missing) and _trains(request):
            limited = replace(limited, seconds=math.inf)
        rest = replace(request, skip=request.skip | progress.reports.keys())
        tasks.append(Task(request.paper.id, _measure, (rest, source), limited))

    for progress in papers.values():
        # Where nothing is asked no process is started, but the paper has its report.
        if progress.missing:
            add(progress)
        else:
            yield Finished(PaperReport(progress.request.paper, ()), 0.0)
    for event in run(tasks, jobs=jobs):
        progress = papers[event.task.name]
        match event:
            case Started():
                progress.begun, progress.since = None, time.monotonic()
            case Said(message=ClaimReport() as report):
                progress.reports[report.id] = report
                progress.begun = None
                yield Measured(event.task.name, report)
            case Said(message=Begun() as begun):
                progress.begun, progress.since = begun.claim, time.monotonic()
                yield begun
            case Said(message=Step() as step):
                yield step
            case Said(message=int() as megabytes):
                progress.megabytes = max(progress.megabytes, megabytes)
            case Ended(reason=reason, seconds=seconds):
                progress.seconds += seconds
                for lost in _lost(progress, reason or "ended its process without a word"):
                    progress.reports[lost.id] = lost
                    yield Measured(event.task.name, lost)
                if progress.missing:
                    add(progress)
                    continue
                reports = tuple(progress.reports[claim.id] for claim in progress.request.selection)
                yield Finished(
                    PaperReport(progress.request.paper, reports, progress.megabytes or None), progress.seconds
                )


def _trains(request: Request) -> bool:
    """Whether training runs are asked for; otherwise their claims only say what they need."""
    return bool(request.claims) or Tier.TRAINING in map(str, request.tiers or ())


def _lost(progress: _Progress, reason: str) -> list[ClaimReport]:
    """The claims that fail because a process ended: the one it was at, or all if it had not come so far."""
    guilty = [claim for claim in progress.missing if progress.begun in (None, claim.id)]
    seconds = time.monotonic() - progress.since
    return [ClaimReport(claim, Status.FAILED, reason, None, seconds if progress.begun else 0.0) for claim in guilty]


def _measure(say: Callable[[Any], None], request: Request, source: Source | None) -> None:
    """What a worker does."""
    paper = request.paper
    verify(
        paper,
        tiers=request.tiers,
        claims=request.claims,
        skip=request.skip,
        source=source,
        on_begin=lambda claim: say(Begun(paper.id, claim.id)),
        on_claim=say,
        on_step=lambda text: say(Step(paper.id, text)),
    )
    say(_peak_megabytes())


def _peak_megabytes() -> int:
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (2**20 if sys.platform == "darwin" else 2**10)
