"""How many deliberate errors the checks of a paper catch.

Each mutant of a module (:mod:`~catalog.verify.mutants`) is held against the claims that the intact module meets:
structure, property and parity, cheapest first, until one turns red. A mutant that none notices survives, unless it is
shown to be the same module: every variant bit for bit alike in state, outputs and gradients, and the changed line among
those that ran while that was found out.
"""

from __future__ import annotations

import ast
import importlib
import random
import sys
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from catalog import paths
from catalog.errors import CatalogError
from catalog.records import Paper, Status, Tier
from catalog.standalone import source_of
from catalog.verify.isolated import Ended, Limits, Said, Task, run, warm_up
from catalog.verify.mutants import Mutant, mutants
from catalog.verify.peers import worth_preloading

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from torch import nn

__all__ = ["Fate", "MutationReport", "Outcome", "mutate"]

_TIERS = (Tier.STRUCTURE, Tier.PROPERTY, Tier.PARITY)
_GREEN = (Status.VERIFIED, Status.CONSISTENT, Status.DEVIATES)


class Fate(StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A mutant and what became of it."""

    mutant: Mutant
    fate: Fate
    by: str
    """The claim that turned red, or what happened instead."""


@dataclass(frozen=True, slots=True)
class MutationReport:
    """What became of the mutants of one module."""

    paper: str
    possible: int
    """How many mutants the module has; the outcomes are a sample."""
    seed: int
    claims: tuple[str, ...]
    """The claims that each mutant was held against."""
    outcomes: tuple[Outcome, ...]

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(outcome.fate for outcome in self.outcomes)
        return {fate.value: found[fate] for fate in Fate}

    @property
    def score(self) -> float | None:
        """Share of the mutants that are no equivalents which the claims catch; none if there are none."""
        caught, survived = (self.counts[fate.value] for fate in (Fate.CAUGHT, Fate.SURVIVED))
        return caught / (caught + survived) if caught + survived else None

    def as_dict(self) -> dict[str, Any]:
        """In types that JSON knows."""
        return {
            "paper": self.paper,
            "possible": self.possible,
            "seed": self.seed,
            "claims": list(self.claims),
            "score": self.score,
            **self.counts,
            "mutants": [
                {
                    "line": outcome.mutant.line,
                    "error": outcome.mutant.error,
                    "fate": outcome.fate.value,
                    "by": outcome.by,
                    "change": outcome.mutant.change,
                    "diff": outcome.mutant.diff,
                }
                for outcome in self.outcomes
            ],
        }


def mutate(
    paper: Paper,
    *,
    n: int = 40,
    seed: int = 0,
    jobs: int = 1,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> MutationReport:
    """Make errors in the module of a paper and see which of them its claims catch.

    Args:
        paper: the record.
        n: how many mutants; a module that has fewer gets them all.
        seed: of the sample.
        jobs: mutants tried at a time.
        on_outcome: called as each mutant's fate is known.

    Raises:
        CatalogError: the paper has no module, or no claim that its intact module meets.
    """
    source = source_of(paper.id)
    possible = mutants(source)
    sample = random.Random(seed).sample(possible, min(n, len(possible)))
    warm_up(*worth_preloading(paper.claims))
    claims, seconds = _green(paper)
    if not claims:
        raise CatalogError(f"no claim of {paper.id} is met by its module as it is, so none can notice an error")
    # A mutant that loops is caught by this; one that is merely slower on a busy machine is not.
    limits = Limits(seconds=60 + 10 * seconds)
    tasks = [Task(str(number), _try, (paper, mutant, claims), limits) for number, mutant in enumerate(sample)]
    said: dict[str, tuple[Fate, str]] = {}
    outcomes: dict[str, Outcome] = {}
    for event in run(tasks, jobs=jobs):
        match event:
            case Said(task=task, message=message):
                said[task.name] = message
            case Ended(task=task, reason=reason):
                fate, by = said.get(task.name, (Fate.CAUGHT, reason or "it ends the process without a word"))
                outcome = Outcome(sample[int(task.name)], fate, by)
                outcomes[task.name] = outcome
                if on_outcome is not None:
                    on_outcome(outcome)
    in_order = sorted(outcomes.values(), key=lambda outcome: (outcome.mutant.line, outcome.mutant.error))
    return MutationReport(paper.id, len(possible), seed, tuple(claims), tuple(in_order))


def _module(paper: Paper) -> str:
    return paper.id.replace("-", "_")


def _green(paper: Paper) -> tuple[list[str], float]:
    """The claims that the intact module meets, and how long they take."""
    found: list[str] = []
    seconds = 0.0
    for event in run([Task(paper.id, _say_green, (paper,), Limits(seconds=3600))], jobs=1):
        match event:
            case Said(message=claim):
                found.append(claim)
            case Ended(reason=None, seconds=took):
                seconds = took
            case Ended(reason=reason):
                raise CatalogError(f"the claims of {paper.id} cannot be measured on its intact module: it {reason}")
    return found, seconds


def _say_green(say: Callable[[Any], None], paper: Paper) -> None:
    from catalog.verify.runner import verify

    for claim in verify(paper, tiers=_TIERS).claims:
        if claim.status in _GREEN:
            say(claim.id)


class _Noticed(BaseException):
    """A claim turned red; nothing but the task itself catches it."""


def _try(say: Callable[[Any], None], paper: Paper, mutant: Mutant, claims: Collection[str]) -> None:
    """What a worker does with one mutant."""
    from catalog.verify.runner import ClaimReport, verify

    def notice(report: ClaimReport) -> None:
        if report.status is Status.FAILED:
            raise _Noticed(report.id)

    try:
        changed = _install(_module(paper), mutant.source)
    except Exception as error:
        say((Fate.CAUGHT, f"it cannot be imported: {type(error).__name__}"))
        return
    try:
        verify(paper, tiers=_TIERS, claims=claims, on_claim=notice)
    except _Noticed as noticed:
        say((Fate.CAUGHT, str(noticed)))
        return
    same = _is_the_same(paper, mutant, changed)
    say((Fate.EQUIVALENT, "every variant is bit for bit the same") if same else (Fate.SURVIVED, "no claim notices"))


def _install(module: str, source: str) -> ModuleType:
    """Put a module in the place of a reproduction, before anything has imported the intact one."""
    name = f"reproductions.{module}"
    changed = ModuleType(name)
    changed.__file__ = str(paths.module_file(module))
    sys.modules[name] = changed
    exec(compile(source, changed.__file__, "exec"), changed.__dict__)  # noqa: S102
    setattr(importlib.import_module("reproductions"), module, changed)
    return changed


def _is_the_same(paper: Paper, mutant: Mutant, changed: ModuleType) -> bool:
    """Whether a mutant is shown to be no error: all variants alike to the last bit, and its line one that ran."""
    import reproductions

    intact = _install(_module(paper), mutant.original)
    size = _smallest_input(paper)
    names = reproductions.variants(paper.id)
    if not names or size is None:
        return False
    ran: set[int] = set()
    for variant in names:
        with _lines_that_run(Path(str(intact.__file__)), ran):
            ours = list(_fingerprint(intact, variant, size.get(variant, size[""])))
        theirs = list(_fingerprint(changed, variant, size.get(variant, size[""])))
        if len(ours) != len(theirs) or not all(_equal(a, b) for a, b in zip(ours, theirs, strict=True)):
            return False
    return not ran.isdisjoint(_lines_of_statement(mutant))


def _smallest_input(paper: Paper) -> dict[str, list[int]] | None:
    """The smallest input of each variant that a claim names; under "" the smallest of all."""
    sizes: dict[str, list[int]] = {}
    for claim in paper.claims:
        if claim.subject is not None and claim.subject.input is not None:
            for name in (claim.subject.variant, ""):
                sizes[name] = min(sizes.get(name, claim.subject.input), claim.subject.input)
    return sizes if "" in sizes else None


def _fingerprint(module: ModuleType, variant: str, size: list[int]) -> Iterator[Any]:
    """State, outputs and gradients of a variant, from the same random numbers each time."""
    import torch

    torch.manual_seed(0)
    network: nn.Module = module.build(variant)
    for name, tensor in network.state_dict().items():
        yield name, tensor.clone()
    images = torch.randn(2, *size)
    with torch.no_grad():
        yield network.eval()(images)
    x = images.clone().requires_grad_()
    outputs = network.train()(x)
    outputs.square().sum().backward()
    yield outputs.detach()
    yield x.grad
    for parameter in network.parameters():
        yield parameter.grad


def _equal(a: Any, b: Any) -> bool:
    import torch

    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_equal(*pair) for pair in zip(a, b, strict=True))
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return torch.equal(a, b)
    return bool(a == b)


class _lines_that_run:  # noqa: N801 - used as a with statement reads
    """Collect the lines of one file that run inside the with statement."""

    def __init__(self, path: Path, lines: set[int]) -> None:
        self.path, self.lines = str(path), lines

    def __enter__(self) -> None:
        sys.settrace(self._call)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: Any, *_: object) -> Any:
        return self._line if frame.f_code.co_filename == self.path else None

    def _line(self, frame: Any, event: str, _: object) -> Any:
        if event == "line":
            self.lines.add(frame.f_lineno)
        return self._line


def _lines_of_statement(mutant: Mutant) -> set[int]:
    """The lines of the innermost statement in which a mutant has its error.

    The defaults of a function are in no statement that runs when it is called, so nothing is shown by its running.
    """
    inside: set[int] = set()
    for node in ast.walk(ast.parse(mutant.original)):
        if isinstance(node, ast.stmt) and node.lineno <= mutant.line <= (node.end_lineno or node.lineno):
            body = getattr(node, "body", None)
            if body and mutant.line < body[0].lineno:
                lines = set() if isinstance(node, ast.FunctionDef) else set(range(node.lineno, body[0].lineno))
            else:
                lines = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            inside = lines  # ast.walk goes from the outside in
    return inside
