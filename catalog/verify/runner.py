"""The claims of a paper, measured and judged one after the other."""

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
from catalog.verify import MeasurementError
from catalog.verify.peers import PeerNotInstalledError
from catalog.verify.structure import Structure, without_compiler
from catalog.verify.verdict import judge, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

__all__ = ["ClaimReport", "PaperReport", "verify"]


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
    on_claim: Callable[[ClaimReport], None] | None = None,
) -> PaperReport:
    """Measure the claims of a paper and judge them.

    Whatever a reproduction or a check raises is that claim's failure, and the others go on; only an interrupt ends it
    all. What the code of a reproduction prints goes to standard error.

    Args:
        paper: the record.
        tiers: only claims of these tiers.
        claims: only claims of these ids.
        on_claim: called with each report as it comes.

    Raises:
        UnknownName: there is no such tier, or the paper has no such claim.
    """
    chosen_tiers = {_known(str(tier), Tier, "tier") for tier in tiers or Tier}
    ids = [claim.id for claim in paper.claims]
    chosen = {_known(name, ids, f"claim of {paper.id}") for name in (ids if claims is None else claims)}
    structure = Structure(paper.id)
    reports = []
    for claim in paper.claims:
        if claim.id in chosen and claim.tier in chosen_tiers:
            report = _report(paper, claim, structure)
            reports.append(report)
            if on_claim is not None:
                on_claim(report)
    return PaperReport(paper, tuple(reports))


def _known(name: str, names: Iterable[str], what: str) -> str:
    names = [str(known) for known in names]
    if name not in names:
        raise UnknownName(name, closest(name, names), what=what, hint=f"there are {', '.join(names) or 'none'}")
    return name


def _report(paper: Paper, claim: Claim, structure: Structure) -> ClaimReport:
    if claim.not_checkable is not None:
        return ClaimReport(claim, Status.NOT_CHECKABLE, claim.not_checkable, None, 0.0)
    if needs := _needs(claim):
        return ClaimReport(claim, Status.NOT_RUN, needs, None, 0.0)
    started = time.perf_counter()
    measured: Any = None
    try:
        with contextlib.redirect_stdout(sys.stderr), _one_thread():
            measured = _measure(paper, claim, structure)
        status, reason = judge(claim, measured)
    except PeerNotInstalledError as absent:
        status, reason = Status.NOT_RUN, str(absent)
    except MeasurementError as error:
        status, reason = Status.FAILED, str(error)
    except (Exception, SystemExit) as error:
        status, reason = Status.FAILED, f"{type(error).__name__}: {error}"
    return ClaimReport(claim, status, " ".join(reason.split()), plain(measured), time.perf_counter() - started)


def _needs(claim: Claim) -> str:
    """What a claim needs that is not at hand here; empty when it can be measured."""
    if claim.tier is Tier.HEADLINE:
        subject = claim.subject
        data = f"the data set {subject.data}" if subject and subject.data else "the paper's data"
        protocol = f" ({subject.protocol})" if subject and subject.protocol else ""
        weights = f"the weights {subject.weights}" if subject and subject.weights else "trained weights"
        return f"needs {data}{protocol} and {weights}, which repro cannot evaluate yet"
    if claim.tier is Tier.TRAINING:
        assert claim.training is not None  # the record type demands it
        needs = "a training run of minutes on" if claim.training.scale == "quick" else "a GPU and"
        return f"needs {needs} {claim.training.data}: {claim.training.protocol}"
    return ""


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


def _check(paper: Paper, name: str) -> Callable[[], object]:
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
    result: Callable[[], object] = function
    return result
