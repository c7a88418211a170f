"""The claims of a paper, measured and judged one after the other, in this process.

:mod:`~catalog.verify.batch` does the same for many papers, each in a process of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.names import UnknownName, closest
from catalog.records import Basis, Claim, Comparator, Paper, Status, Tier
from catalog.verify import MeasurementError, evaluate, training
from catalog.verify.meta import import_torch, without_compiler
from catalog.verify.peers import LIBRARIES, PeerNotInstalledError
from catalog.verify.structure import Structure
from catalog.verify.verdict import judge, on_a_copy, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from catalog.datasets import Source
    from catalog.verify.training import Outcome

__all__ = ["ClaimReport", "PaperReport", "forget", "needs", "select", "verify"]


@dataclass(frozen=True, slots=True)
class ClaimReport:
    """What came of one claim."""

    claim: Claim
    status: Status
    reason: str
    """In one line: what it agrees with, why it differs, what it needs."""
    measured: Any
    """A number, a series or a dictionary of these; none when nothing was measured."""
    seconds: float
    training: Outcome | None = None
    """What else came of a training run."""

    @property
    def id(self) -> str:
        return self.claim.id

    @property
    def tier(self) -> Tier:
        return self.claim.tier

    @property
    def basis(self) -> Basis:
        return self.claim.basis

    @property
    def statement(self) -> str:
        return self.claim.statement

    @property
    def source(self) -> str | None:
        """The place in the paper, and the edition where editions differ."""
        return ", ".join(filter(None, (self.claim.source, self.claim.edition))) or None

    @property
    def printed(self) -> str | dict[str, str] | None:
        return self.claim.printed

    @property
    def expected(self) -> dict[str, Any] | None:
        """As the record writes it: ``{"at_most": 1e-10}``, or such a dictionary for each name."""
        match self.claim.expect:
            case None:
                return None
            case Comparator() as comparator:
                return comparator.model_dump(mode="json")
            case named:
                return {name: comparator.model_dump(mode="json") for name, comparator in named.items()}

    def as_dict(self) -> dict[str, Any]:
        """In types that JSON knows."""
        return {
            "id": self.id,
            "tier": self.tier.value,
            "basis": self.basis.value,
            "statement": self.statement,
            "source": self.source,
            "status": self.status.value,
            "printed": self.printed,
            "expected": self.expected,
            "measured": self.measured,
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class PaperReport:
    """What came of the claims of one paper, in the order of its record."""

    record: Paper
    claims: tuple[ClaimReport, ...]
    megabytes: int | None = None
    """The most memory that the process of the paper held at a time, if it had one."""

    @property
    def paper(self) -> str:
        return self.record.id

    @property
    def failed(self) -> bool:
        return any(claim.status is Status.FAILED for claim in self.claims)

    @property
    def summary(self) -> dict[str, int]:
        """How many claims came to each verdict; every verdict is there."""
        counts = Counter(claim.status for claim in self.claims)
        return {status.value: counts[status] for status in Status}

    def as_dict(self) -> dict[str, Any]:
        """In types that JSON knows."""
        return {"paper": self.paper, "claims": [claim.as_dict() for claim in self.claims], "summary": self.summary}


def verify(
    paper: Paper,
    *,
    tiers: Collection[Tier | str] | None = None,
    claims: Collection[str] | None = None,
    skip: Collection[str] = (),
    source: Source | None = None,
    on_begin: Callable[[Claim], None] | None = None,
    on_claim: Callable[[ClaimReport], None] | None = None,
    on_step: Callable[[str], None] | None = None,
) -> PaperReport:
    """Measure the claims of a paper and judge them.

    Whatever a reproduction or a check raises is that claim's failure, and the others go on; only an interrupt ends it
    all. What the code of a reproduction prints goes to standard error. What training runs keep for the case that they
    are interrupted stays until :func:`forget`.

    Args:
        paper: the record.
        tiers: only claims of these tiers.
        claims: only claims of these ids.
        skip: but not these.
        source: where training runs take their data from. They are run only when the tier or the claim is asked for.
        on_begin: told which claim is next.
        on_claim: called with each report as it comes.
        on_step: told how far a training run is.

    Raises:
        UnknownName: there is no such tier, or the paper has no such claim.
    """
    structure = Structure(paper.id)
    reports = []
    for claim in select(paper, tiers=tiers, claims=claims, skip=skip):
        if on_begin is not None:
            on_begin(claim)
        if lacking := needs(paper, claim, tiers, claims):
            report = ClaimReport(claim, *lacking, None, 0.0)
        else:
            report = _report(paper, claim, structure, source, on_step)
        reports.append(report)
        if on_claim is not None:
            on_claim(report)
    return PaperReport(paper, tuple(reports))


def select(
    paper: Paper,
    *,
    tiers: Collection[Tier | str] | None = None,
    claims: Collection[str] | None = None,
    skip: Collection[str] = (),
) -> list[Claim]:
    """The claims of a paper that are asked for, in the order of its record; the arguments are those of :func:`verify`.

    Raises:
        UnknownName: there is no such tier, or the paper has no such claim.
    """
    chosen_tiers = {_known(str(tier), Tier, "tier") for tier in tiers or Tier}
    ids = [claim.id for claim in paper.claims]
    chosen = {_known(name, ids, f"claim of {paper.id}") for name in (ids if claims is None else claims)} - set(skip)
    return [claim for claim in paper.claims if claim.id in chosen and claim.tier in chosen_tiers]


def forget(report: PaperReport) -> None:
    """Delete what training runs keep for the case that they are interrupted; their results are in good hands."""
    for claim in report.claims:
        if claim.training is not None:
            training.forget(report.paper, claim.claim)


def _known(name: str, names: Iterable[str], what: str) -> str:
    names = [str(known) for known in names]
    if name not in names:
        raise UnknownName(name, closest(name, names), what=what, hint=f"there are {', '.join(names) or 'none'}")
    return name


def _report(
    paper: Paper, claim: Claim, structure: Structure, source: Source | None, on_step: Callable[[str], None] | None
) -> ClaimReport:
    import_torch()
    started = time.perf_counter()
    measured: Any = None
    outcome = None
    try:
        with contextlib.redirect_stdout(sys.stderr), _one_thread():
            if claim.tier is Tier.TRAINING:
                outcome = _train(paper, claim, source, on_step)
                measured = outcome.measured
            else:
                measured = _measure(paper, claim, structure)
        verdict = judge(claim, measured)
        if outcome is not None and not outcome.is_release and claim.training is not None:
            verdict = on_a_copy(verdict, claim.training.data)
        status, reason = verdict
    except (PeerNotInstalledError, training.CannotRunError) as absent:
        status, reason = Status.NOT_RUN, str(absent)
    except MeasurementError as error:
        status, reason = Status.FAILED, str(error)
    except ModuleNotFoundError as error:
        status, reason = Status.FAILED, f"ModuleNotFoundError: {error}"
        if error.name in LIBRARIES:
            status, reason = Status.NOT_RUN, str(PeerNotInstalledError(error.name))
    except (Exception, SystemExit) as error:
        status, reason = Status.FAILED, f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started if outcome is None else outcome.seconds
    return ClaimReport(claim, status, " ".join(reason.split()), plain(measured), seconds, outcome)


def needs(
    paper: Paper, claim: Claim, tiers: Collection[Tier | str] | None = None, claims: Collection[str] | None = None
) -> tuple[Status, str] | None:
    """Why a claim is not measured, if it is not: nobody can, something is not at hand, or it takes too long unasked.

    Args:
        paper: the paper.
        claim: one of its claims.
        tiers: those that were asked for, if any were.
        claims: the ids of those that were asked for, if any were.
    """
    if claim.not_checkable is not None:
        return Status.NOT_CHECKABLE, claim.not_checkable
    lacking = ""
    if claim.tier is Tier.HEADLINE:
        lacking = evaluate.needs(paper.id, claim)
    elif claim.tier is Tier.TRAINING:
        by_name = claims is not None and claim.id in claims
        asked = by_name or (tiers is not None and Tier.TRAINING in map(str, tiers))
        lacking = training.needs(paper.id, claim, asked=asked, by_name=by_name)
    return (Status.NOT_RUN, lacking) if lacking else None


def _train(paper: Paper, claim: Claim, source: Source | None, on_step: Callable[[str], None] | None) -> Outcome:
    assert claim.check is not None  # otherwise there is no experiment, which is a need
    assert claim.training is not None  # the record type demands it
    how = claim.training.aggregate
    aggregate = None if how in ("each", "mean") else _check(paper, how)
    tell = on_step or (lambda _: None)
    return training.measure(paper.id, claim, _check(paper, claim.check), aggregate, source=source, tell=tell)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for arithmetic: sums come out alike everywhere, and on a busy machine no thread waits for another."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _measure(paper: Paper, claim: Claim, structure: Structure) -> object:
    import torch

    torch.manual_seed(0)  # what a check draws without a seed of its own is the same every time, whatever ran before it
    if claim.check is not None:
        check = _check(paper, claim.check)
        with without_compiler() if claim.tier is Tier.STRUCTURE else contextlib.nullcontext():
            return check()
    assert claim.subject is not None  # the record type demands it
    if claim.peer is not None:
        from catalog.verify import parity

        return parity.measure(paper.id, claim.subject, claim.peer)
    assert claim.measure is not None  # the record type demands it
    return structure.measure(claim.subject, claim.measure)


def _check(paper: Paper, name: str) -> Callable[..., object]:
    module = f"reproductions.checks.{paper.id.replace('-', '_')}"
    try:
        checks = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise MeasurementError(
            f"there is no {module.replace('.', '/')}.py, which has to hold the check {name}()"
        ) from None
    function = getattr(checks, name, None)
    if not callable(function):
        offered = [known for known in vars(checks) if not known.startswith("_") and callable(getattr(checks, known))]
        near = closest(name, offered)
        hint = f"; did you mean {' or '.join(f'{known}()' for known in near)}?" if near else ""
        raise MeasurementError(f"{module.replace('.', '/')}.py has no function {name}(){hint}")
    result: Callable[..., object] = function
    return result
