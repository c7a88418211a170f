"""What was measured, where, when and with what: ``reproductions/results/<paper>.yaml``.

A file has one entry for each claim and environment, so a run on one machine never overwrites what another has found. It
is written by ``repro verify --record`` alone, all of it or nothing, and only when something in it has changed.

An entry speaks of the code and of the claim that it was measured with, by their fingerprints. When these change it is
stale: not wrong, but to be measured again. Reading a ledger imports neither torch nor any reproduction.

Besides the claims a file holds how many deliberate errors in the module they caught (``repro mutate --record``), and
what the networks of the module cost, stage by stage (``repro count --record``).
"""

from __future__ import annotations

import ast
import contextlib
import datetime
import json
import math
import os
import platform
from functools import cache
from hashlib import blake2b
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field, ValidationError

from catalog import paths
from catalog.errors import CatalogError, Problem
from catalog.records import Identifier, Record, Status, Text, Tier
from catalog.source import SourceError, human, parse
from catalog.verify.peers import LIBRARIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from catalog.records import Claim, Paper
    from catalog.verify.mutation import MutationReport
    from catalog.verify.runner import ClaimReport, PaperReport
    from catalog.verify.training import Outcome

__all__ = [
    "CPU",
    "Entry",
    "Inputs",
    "Ledger",
    "LedgerError",
    "MutationScore",
    "Network",
    "Networks",
    "Stage",
    "Survivor",
    "fingerprints",
    "recorded",
    "sources",
]

CPU = "cpu"
"""The environment of whatever needs no accelerator; others have the name of theirs."""

_NOT_MEASURED = (Status.NOT_RUN, Status.NOT_CHECKABLE)


class LedgerError(CatalogError):
    """A file of results that cannot be read or written."""


class Entry(Record):
    """One claim in one environment."""

    claim: Identifier
    environment: Text
    status: Status
    reason: str
    measured: Any = Field(None, description="a number, a series, or these by name; missing when nothing came out")
    date: Text
    seconds: float
    seeds: list[int] = Field([])
    data: dict[str, str] = Field({}, description="fingerprint of the data set, by its name")
    weights: dict[str, str] = Field({}, description="fingerprint of published weights, by their name")
    versions: dict[str, str] = Field(description="of Python, torch and the peer")
    device: Text
    fingerprints: dict[str, str] = Field(description="of the code and of the claim")


class Survivor(Record):
    """A deliberate error that no claim noticed."""

    error: Text
    change: Text


class MutationScore(Record):
    """How many deliberate errors in a module the claims of its paper caught."""

    errors: int = Field(description="how many were made, drawn by lot")
    possible: int = Field(description="how many can be made")
    caught: int
    equivalent: int = Field(description="of those not caught: shown to make no difference")
    survivors: list[Survivor] = Field([])
    seed: int
    date: Text
    fingerprints: dict[str, str] = Field(description="of the code, with the checks, and of the claims")

    @property
    def score(self) -> float | None:
        """Share of the errors that were caught, of those that may make a difference; none if there is none."""
        counted = self.caught + len(self.survivors)
        return self.caught / counted if counted else None


class Stage(Record):
    """A part of a network: one module, or under ``rest`` what belongs to no such part."""

    name: Text = Field(description="dotted name of the module")
    kind: str = Field("", description="its class")
    parameters: int
    macs: int
    outputs: list[list[int]] = Field(
        [], description="size of each map that it gives, channels first; none where the forward pass leaves it out"
    )


class Network(Record):
    """What one variant costs, with one size of input."""

    variant: Text
    parameters: int = Field(description="those that are trained")
    bytes: int = Field(description="of parameters and buffers, in single precision")
    input: list[int] | None = Field(None, description="size of one input without the batch")
    macs: int | None = Field(None, description="missing where the network was not run")
    why_not: str = Field("", description="why it was not run")
    stages: list[Stage] = Field([], description="in the order of execution; they add up to the whole")


class Networks(Record):
    """What the networks of a module cost: for each variant the usual size of input first."""

    date: Text
    fingerprints: dict[str, str] = Field(description="of the code, and of what the claims say of the size of inputs")
    counted: list[Network]


class _File(Record):
    paper: Identifier
    mutation: MutationScore | None = None
    networks: Networks | None = None
    entries: list[Entry] = Field([])


class Inputs(NamedTuple):
    """What went into a measurement besides code and claim."""

    data: Mapping[str, str] = {}
    """Fingerprints of data sets, by name."""
    weights: Mapping[str, str] = {}
    """Fingerprints of published weights, by name."""
    libraries: tuple[str, ...] = ()
    """That took part."""


class Ledger:
    """What is known of the claims of one paper, and of its module."""

    def __init__(
        self,
        paper: str,
        entries: tuple[Entry, ...] = (),
        mutation: MutationScore | None = None,
        networks: Networks | None = None,
    ) -> None:
        self.paper = paper
        self.entries = entries
        self.mutation = mutation
        self.networks = networks

    @classmethod
    def load(cls, paper: str) -> Ledger:
        """Read what was recorded of a paper: here, or else what came with the project; nothing is an empty ledger.

        Raises:
            LedgerError: the file is no ledger of this paper; the message says what is wrong and in which line.
        """
        for folder in paths.results_folders():
            path = folder / f"{paper}.yaml"
            if path.exists():
                file = _read(path, paper)
                return cls(paper, tuple(file.entries), file.mutation, file.networks)
        return cls(paper)

    def entry(self, claim: str, environment: str | None = None) -> Entry | None:
        """What is known of a claim in an environment; if none is named, the newest of all."""
        found = [
            entry
            for entry in self.entries
            if entry.claim == claim and (environment is None or entry.environment == environment)
        ]
        return max(found, key=lambda entry: entry.date, default=None)

    def is_stale(self, entry: Entry, paper: Paper) -> bool:
        """Whether the code or the claim has changed since an entry was measured, or the claim is gone."""
        claim = next((claim for claim in paper.claims if claim.id == entry.claim), None)
        return claim is None or entry.fingerprints != fingerprints(paper.id, claim)

    def stale(self, paper: Paper) -> set[tuple[str, str]]:
        """The claims and environments of all entries that are stale; the code is looked at once, not for each entry."""
        now = _fingerprints_by_claim(paper)
        return {
            (entry.claim, entry.environment)
            for entry in self.entries
            if entry.claim not in now or entry.fingerprints != now[entry.claim]
        }

    def mutation_is_stale(self, paper: Paper) -> bool:
        """Whether the code or a claim has changed since errors were made in the module."""
        return self.mutation is not None and self.mutation.fingerprints != _fingerprints_of_all(paper)

    def networks_are_stale(self, paper: Paper) -> bool:
        """Whether the code, or what the claims say of the size of inputs, has changed since networks were counted."""
        return self.networks is not None and self.networks.fingerprints != _fingerprints_of_networks(paper)

    def record(
        self, report: PaperReport, environment: str = CPU, device: str = "", inputs: Inputs | None = None
    ) -> bool:
        """Take over what was measured, and write the file if that changes anything.

        What was measured again with the same code, claim, result and verdict keeps its entry and its date. Entries of
        other environments and of claims that the report does not have stay; those of claims that the paper no longer
        makes go. What another program has recorded since this ledger was read is kept as well.

        Args:
            report: what came of the claims.
            environment: where they were measured; training runs know it themselves.
            device: what that is, for a person; the machine's processor if omitted.
            inputs: what else went in; training runs and parity claims know it themselves.

        Returns:
            Whether the file was written.

        Raises:
            LedgerError: it cannot be written.
        """
        measured = {}
        for claim in report.claims:
            if claim.status not in _NOT_MEASURED:
                entry = self._new(report.paper, claim, environment, device or _processor(), inputs or Inputs())
                measured[entry.claim, entry.environment] = entry
        order = [claim.id for claim in report.record.claims]
        with self._changing():
            known = {(entry.claim, entry.environment): entry for entry in self.entries}
            for key, entry in measured.items():
                if key not in known or not _same_result(known[key], entry):
                    known[key] = entry
            for claim in report.claims:
                if claim.training is not None:
                    _write_curves(report.paper, claim.id, claim.training)
            kept = [entry for entry in known.values() if entry.claim in order]
            entries = tuple(sorted(kept, key=lambda entry: (order.index(entry.claim), entry.environment)))
            if entries == self.entries:
                return False
            self._write(entries=entries)
        return True

    def record_mutation(self, report: MutationReport, paper: Paper) -> bool:
        """Take over how many deliberate errors were caught, and write the file if that changes anything.

        Returns:
            Whether the file was written.

        Raises:
            LedgerError: it cannot be written.
        """
        survivors = [outcome.mutant for outcome in report.outcomes if outcome.fate == "survived"]
        score = MutationScore(
            errors=len(report.outcomes),
            possible=report.possible,
            caught=report.counts["caught"],
            equivalent=report.counts["equivalent"],
            survivors=[Survivor(error=mutant.error, change=mutant.change) for mutant in survivors],
            seed=report.seed,
            date=_today(),
            fingerprints=_fingerprints_of_all(paper),
        )
        with self._changing():
            if self.mutation is not None and self.mutation == score.model_copy(update={"date": self.mutation.date}):
                return False
            self._write(mutation=score)
        return True

    def record_networks(self, counted: Sequence[Network], paper: Paper) -> bool:
        """Take over what the networks of a module cost, and write the file if that changes anything.

        Returns:
            Whether the file was written.

        Raises:
            LedgerError: it cannot be written.
        """
        found = Networks(date=_today(), fingerprints=_fingerprints_of_networks(paper), counted=list(counted))
        with self._changing():
            if self.networks is not None and self.networks == found.model_copy(update={"date": self.networks.date}):
                return False
            self._write(networks=found)
        return True

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Nobody else writes results meanwhile, and this ledger says what the file says."""
        folder = paths.results_folder()
        with _lock(folder):
            now = type(self).load(self.paper)
            self.entries, self.mutation, self.networks = now.entries, now.mutation, now.networks
            for left in folder.glob(f".{self.paper}.yaml.*.tmp"):
                left.unlink(missing_ok=True)  # by a program that was killed while it wrote; nobody else writes now
            yield

    def _write(self, **changed: Any) -> None:
        """Write the file with some of its parts changed."""
        parts = {"entries": self.entries, "mutation": self.mutation, "networks": self.networks} | changed
        _write(paths.results_folder() / f"{self.paper}.yaml", _File.model_validate({"paper": self.paper} | parts))
        vars(self).update(parts)

    def differences(self, report: PaperReport, environment: str = CPU) -> str:
        """What a report says otherwise than this ledger, a line for each claim; empty when they agree.

        Where nothing has been recorded of the paper, there is nothing to differ from.
        """
        lines = []
        for claim in report.claims if self.entries else ():
            if claim.status in _NOT_MEASURED:
                continue
            entry = self.entry(claim.id, claim.training.environment if claim.training else environment)
            if entry is None:
                lines.append(f"{claim.id}: {claim.status}, not recorded before")
            elif changes := list(_changes(entry, claim)):
                lines.append(f"{claim.id}: {', '.join(changes)} since {entry.date}")
        return "\n".join(lines)

    def _new(self, paper: str, report: ClaimReport, environment: str, device: str, inputs: Inputs) -> Entry:
        claim = report.claim
        data = dict(inputs.data)
        if (outcome := report.training) is not None:
            environment, device = outcome.environment, outcome.device or device
            if claim.training is not None and outcome.data is not None:
                data[claim.training.data] = outcome.data
        versions = {"python": platform.python_version(), "torch": metadata.version("torch")}
        for library in (*inputs.libraries, *_peers(paper, claim)):
            with contextlib.suppress(metadata.PackageNotFoundError):
                versions[library] = metadata.version(library)
        return Entry(
            claim=claim.id,
            environment=environment,
            status=report.status,
            reason=report.reason,
            measured=report.measured,
            date=_today(),
            seconds=round(report.seconds, 2),
            seeds=claim.training.seeds if claim.training else [],
            data=data,
            weights=dict(inputs.weights),
            versions=versions,
            device=device,
            fingerprints=fingerprints(paper, claim),
        )


def recorded(paper: Paper) -> dict[str, str]:
    """The newest recorded verdict on each claim of a paper, marked where it speaks of older code: "verified, stale"."""
    ledger = Ledger.load(paper.id)
    entries = {claim.id: ledger.entry(claim.id) for claim in paper.claims}
    stale = ledger.stale(paper)
    return {
        claim: f"{entry.status}, stale" if (claim, entry.environment) in stale else str(entry.status)
        for claim, entry in entries.items()
        if entry is not None
    }


def _same_result(old: Entry, new: Entry) -> bool:
    same = all(getattr(old, name) == getattr(new, name) for name in ("status", "data", "weights", "fingerprints"))
    return same and not any(_measured_otherwise(old.measured, new.measured))


def _changes(entry: Entry, report: ClaimReport) -> Iterator[str]:
    if entry.status != report.status:
        yield f"{report.status} instead of {entry.status}"
    for name, before, now in _measured_otherwise(entry.measured, report.measured):
        label = f"{name} " if name else ""
        yield f"{label}measured {_in_words(now)} instead of {_in_words(before)}"


def _measured_otherwise(before: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    """What was measured under each name, where that is more than processors differ in their rounding."""
    before, now = (value if isinstance(value, dict) else {"": value} for value in (before, now))
    for name in before | now:
        old, new = before.get(name), now.get(name)
        if not _is_rounding(old, new):
            yield name, old, new


def _is_rounding(old: Any, new: Any) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_is_rounding, old, new))
    if isinstance(old, float) and isinstance(new, float | int):
        return math.isclose(old, new, rel_tol=1e-6, abs_tol=1e-9) or old == new
    return bool(old == new)


def _in_words(measured: Any) -> str:
    if isinstance(measured, list):
        return f"[{', '.join(map(_in_words, measured))}]"
    return "nothing" if measured is None else f"{measured:.6g}" if isinstance(measured, float) else str(measured)


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _peers(paper: str, claim: Claim) -> list[str]:
    """The libraries that a claim is held against: its peer, or whatever of them the checks of the paper import."""
    if claim.peer is not None:
        return [claim.peer.library]
    checks = [path for path in _own_files(paper)[1:] if path.is_file()]
    return sorted(_source(*checks).libraries) if claim.tier is Tier.PARITY and checks else []


def _processor() -> str:
    return f"CPU, {platform.machine() or 'unknown architecture'}"


# --- Files -----------------------------------------------------------------------------------------------------------


def _read(path: Path, paper: str) -> _File:
    name = f"results/{path.name}"
    try:
        return _understood(name, path.read_bytes(), paper)
    except OSError as error:
        raise _no_ledger([Problem(name, None, "", f"cannot be read: {error.strerror or error}")]) from None


@cache
def _understood(name: str, content: bytes, paper: str) -> _File:
    try:
        document = parse(content)
        file = _File.model_validate(document.data)
    except SourceError as error:
        problems = [Problem(name, error.line, human(error.place), error.message)]
    except ValidationError as error:
        from catalog.wording import explain

        found, more = explain(error, _File, document, 3)
        problems = [Problem(name, document.line(place), human(place), message) for place, message in found]
        if more:
            problems.append(Problem(name, None, "", f"and {more} problems more"))
    else:
        if file.paper == paper:
            return file
        problems = [
            Problem(name, document.line(("paper",)), "paper", f"'{file.paper}' has its results in another file")
        ]
    raise _no_ledger(problems)


def _no_ledger(problems: list[Problem]) -> LedgerError:
    advice = "results are written by repro verify --record; delete the file and measure again"
    return LedgerError("\n".join([*map(str, problems), advice]))


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Wait until no other program writes into a folder, and keep others waiting, at most until this program ends.

    Raises:
        LedgerError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"results/ cannot be made: {error.strerror or error}") from None
    try:
        import fcntl
    except ImportError:  # Windows has no locks of this kind; files are still written all of them or not at all
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # nor has every network file system
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(path: Path, file: _File) -> None:
    from catalog.layout import dump, write_atomically

    text = dump(file.model_dump(mode="json", exclude_none=True, exclude_defaults=True))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise LedgerError(f"results/{path.name} cannot be written: {error.strerror or error}") from None


def _write_curves(paper: str, claim: str, outcome: Outcome) -> None:
    """The curves of a training run, for the site: by seed, arm and quantity, pairs of step and value."""
    from catalog.layout import write_atomically

    path = paths.results_folder() / "curves" / paper / f"{claim}.json"
    document = {"paper": paper, "claim": claim, "environment": outcome.environment, "seeds": outcome.curves}
    text = json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n"
    try:
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text)
    except OSError as error:
        raise LedgerError(f"results/curves/{paper}/{path.name} cannot be written: {error.strerror or error}") from None


# --- Fingerprints ----------------------------------------------------------------------------------------------------

# What a claim says to people does not decide how it is measured and judged.
_PROSE: dict[str, Any] = {"statement": True, "source": True, "edition": True, "deviation": {"explanation": True}}


def fingerprints(paper: str, claim: Claim) -> dict[str, str]:
    """What decides the result for a claim, in two words: ``code`` and ``claim``.

    The code is the paper's module, the file of checks if the claim has one, and whatever reproductions these import or
    build, and so on. Comments, docstrings and layout do not count, nor does the version of Python.
    """
    return {"code": _code(_own_files(paper)[: 1 if claim.check is None else 2]), "claim": _claim(claim)}


def _claim(claim: Claim) -> str:
    return _hash(claim.model_dump(mode="json", exclude=_PROSE, exclude_defaults=True))


def _code(starts: list[Path]) -> str:
    return _hash(sorted(["/".join(_name(path)) + ".py", _source(path).digest] for path in _closure(starts)))


def sources(paper: Paper) -> list[Path]:
    """The module and the checks of a paper, and whatever reproductions these use, and so on."""
    return _closure(_own_files(paper.id))


def _own_files(paper: str) -> list[Path]:
    """Where the module of a paper is, if it has one, and where its checks are."""
    folder, module = paths.reproductions_folder(), f"{paper.replace('-', '_')}.py"
    return [folder / module, folder / "checks" / module] if folder else []


def _name(path: Path) -> tuple[str, ...]:
    """What a reproduction is imported as, in parts and without the name of the package."""
    own = paths.own_reproductions()
    folder = own if own and path.is_relative_to(own) else paths.REPRODUCTIONS
    return path.relative_to(folder).with_suffix("").parts


def _fingerprints_by_claim(paper: Paper) -> dict[str, dict[str, str]]:
    """The :func:`fingerprints` of every claim of a paper."""
    files = _own_files(paper.id)
    alone, checked = _code(files[:1]), _code(files)
    return {claim.id: {"code": checked if claim.check else alone, "claim": _claim(claim)} for claim in paper.claims}


def _fingerprints_of_all(paper: Paper) -> dict[str, str]:
    """What decides which errors are made in a module and whether its claims notice."""
    by_claim = _fingerprints_by_claim(paper)
    found = [by_claim[claim.id] for claim in paper.claims if claim.tier in _NOTICING]
    return {
        "code": _hash(sorted({entry["code"] for entry in found})),
        "claims": _hash([entry["claim"] for entry in found]),
    }


def _fingerprints_of_networks(paper: Paper) -> dict[str, str]:
    """What decides which networks there are, what they cost, and with which inputs they are run."""
    said = [
        [claim.tier, claim.subject.variant, claim.subject.input, claim.subject.protocol]
        for claim in paper.claims
        if claim.tier in _WITH_INPUTS and claim.subject is not None
    ]
    return {"code": _code(_own_files(paper.id)[:1]), "claims": _hash(said)}


_WITH_INPUTS = (Tier.STRUCTURE, Tier.HEADLINE)
_NOTICING = (Tier.STRUCTURE, Tier.PROPERTY, Tier.PARITY)


class _Source:
    """What a file of Python says, and which reproductions and peers it uses."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.uses: set[Path] = set()
        self.libraries: set[str] = set()
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError):
            self.digest = _hash(content.decode("utf-8", "replace"))
            return
        self.digest = _hash(_bare(tree))
        package = ("reproductions", *_name(path)[:-1])
        for name in {name for node in ast.walk(tree) for name in _names_used(node, package)}:
            self.libraries |= LIBRARIES & set(name[:1])
            if name[:1] == ("reproductions",) and len(name) > 1 and (used := paths.module_file(*name[1:])):
                self.uses.add(used)


def _names_used(node: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Dotted names, in parts, of what may be modules that a piece of code imports."""
    match node:
        case ast.Import(names=names):
            for alias in names:
                yield tuple(alias.name.split("."))
        case ast.ImportFrom(module=module, names=names, level=level):
            base = package[: len(package) - level + 1] if level else ()
            base += tuple(module.split(".")) if module else ()
            yield base
            for alias in names:
                yield (*base, alias.name)
        case ast.Call(
            func=ast.Name(id="build" | "variants") | ast.Attribute(attr="build" | "variants"),
            args=[ast.Constant(value=str(paper)), *_],
        ):
            yield "reproductions", paper.lower().replace("-", "_")


def _bare(value: Any) -> Any:
    """A syntax tree as lists, without docstrings and without the fields that only some versions of Python have."""
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if not isinstance(value, ast.AST):
        return repr(value)
    fields = dict(ast.iter_fields(value))
    match fields.get("body"):
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            fields["body"] = rest
    return [type(value).__name__, *([name, _bare(field)] for name, field in fields.items() if field not in (None, []))]


def _closure(starts: list[Path]) -> list[Path]:
    found: set[Path] = set()
    waiting = [path for path in starts if path.is_file()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _source(path).uses
    return sorted(found)


def _source(path: Path) -> _Source:
    return _parsed(path, path.read_bytes())


@cache
def _parsed(path: Path, content: bytes) -> _Source:
    return _Source(path, content)


def _hash(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()
