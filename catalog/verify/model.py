"""Somebody else's implementation, held against a paper: its claims on structure, and the module that reproduces it.

Their model is built by their code, which runs in this process, and is counted as the paper's own network is. What a
figure from elsewhere counts is looked for among all the ways of counting that :mod:`catalog.conventions` knows.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import reproductions
from catalog.errors import CatalogError
from catalog.figures import Figure, FigureError
from catalog.names import UnknownName, closest, find_variant
from catalog.records import Comparator, Status, Tier
from catalog.verify import MeasurementError
from catalog.verify.loading import ModelError, load, users_code
from catalog.verify.meta import import_torch
from catalog.verify.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

    from catalog.records import Claim, Paper
    from catalog.verify.comparison import Comparison
    from catalog.verify.counting import Count
    from catalog.verify.structure import Structure
    from catalog.verify.trace import Trace

__all__ = ["Claimed", "Explanation", "Judged", "Report", "counted", "hold", "input_size", "usual_size"]


# --- The report ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judged:
    """One claim of the paper, measured on their model and on ours."""

    id: str
    statement: str
    source: str | None
    quantity: str
    convention: str
    printed: str | None
    """The figure as the paper prints it."""
    expected: dict[str, Any] | None
    ours: int | list[int] | None
    theirs: int | list[int] | None
    """None where it could not be measured; the reason says why."""
    difference: int | None
    """How many more theirs has."""
    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A figure that somebody gives for a network: a quantity, and the number as it is written."""

    quantity: str
    figure: str

    @classmethod
    def read(cls, text: str) -> Claimed:
        """Read ``parameters=25.6M`` or ``macs=4.1G``.

        Raises:
            UnknownName: nothing is counted under this name.
            CatalogError: it is not of this form, or the figure cannot be read.
        """
        from catalog.verify.counting import COUNTED

        quantity, _, figure = text.partition("=")
        if not figure:
            raise CatalogError(f"'{text}' claims nothing: write the quantity and its figure, such as parameters=25.6M")
        quantity = {"params": "parameters"}.get(quantity.lower(), quantity.lower())
        if quantity not in COUNTED:
            hint = f"there are {', '.join(COUNTED)}"
            raise UnknownName(quantity, closest(quantity, COUNTED), what="quantity", hint=hint)
        # 4.1 GMACs and 8.2 GFLOPs, as tools print them
        figure = re.sub(r"\s*(mac|flop|param)s?$", "", figure.strip(), flags=re.IGNORECASE)
        try:
            Figure.read(figure)
        except FigureError as error:
            raise CatalogError(str(error)) from None
        return cls(quantity, figure)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a figure counts."""

    quantity: str
    figure: str
    claim: str | None
    """The claim of the paper that prints it; none where somebody else gives it."""
    found: list[Count]
    """The ways of counting their model that make it, the likeliest first; of ours, where there is no other."""
    in_ours: list[Count]
    """The ways of counting our network that make it, where theirs does not."""
    elsewhere: list[str]
    """What else makes it: another variant, an option, another size of input."""
    usual: Count
    """What there is, counted as usual."""
    printed_by: list[str]
    """Claims of the paper that print this figure."""
    remark: str
    """What the record says of such a claim where the paper's own network does not meet it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of holding a model, or figures, against a variant of a paper."""

    paper: str
    variant: str
    options: dict[str, Any]
    """Keywords with which our network was built."""
    input: list[int]
    model: str | None
    """Their model, as it was named; none where only figures are asked about."""
    totals: dict[str, dict[str, int]]
    """Parameters and multiply-accumulates of ours and of theirs."""
    claims: list[Judged]
    comparison: Comparison | None
    alike: dict[str, Any] | None
    """Options with which our network is the same function as theirs, where it is not as it stands."""
    hints: list[str]
    """Claims on other variants of the paper whose number of parameters theirs has."""
    explanations: list[Explanation]

    @property
    def failed(self) -> bool:
        """Whether theirs is not the function of ours, or does not meet a claim."""
        differs = self.comparison is not None and not self.comparison.same
        return differs or any(claim.status is Status.FAILED for claim in self.claims)

    def as_dict(self) -> dict[str, Any]:
        """In types that JSON knows."""
        return asdict(self) | {"failed": self.failed}


# --- Holding ---------------------------------------------------------------------------------------------------------


def hold(
    paper: Paper,
    *,
    variant: str | None = None,
    model: str | None = None,
    options: Sequence[str] = (),
    size: str | None = None,
    claimed: Sequence[str] = (),
) -> Report:
    """Hold a model of somebody else's against a variant of a paper, and say what figures count that are given for it.

    What the model's code prints goes to standard error.

    Args:
        paper: the record.
        variant: name of the variant; the only one of the paper if omitted.
        model: MODULE:FACTORY or FILE.py:FACTORY.
        options: keywords with which our network is built, such as ``stride_in_1x1=false``.
        size: of the input, such as ``3,224,224``; that of the paper's claims if omitted.
        claimed: figures, such as ``parameters=25.6M``.

    Raises:
        CatalogError: the model cannot be built or run, or something else of these is wrong.
    """
    figures = [Claimed.read(text) for text in claimed]
    if model is None and not figures:
        raise CatalogError("give the model to hold against the paper (--model), or figures to explain (--claimed)")
    name = _variant(paper, variant)
    keywords = dict(_option(text) for text in options)
    full = input_size(size) if size is not None else usual_size(paper, name)
    import_torch()
    import torch

    usual = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(sys.stderr):
        torch.manual_seed(0)
        try:
            # From the start, so that no constant is rounded to single precision first.
            torch.set_default_dtype(torch.float64)
            network = None if model is None else load(model)
            return _Holding(paper, name, keywords, full).report(model, network, figures)
        finally:
            torch.set_default_dtype(usual)


def _variant(paper: Paper, name: str | None) -> str:
    if name is not None:
        return find_variant(paper.id, name)
    try:
        offered = reproductions.variants(paper.id)
    except reproductions.UnknownReproduction as error:
        raise CatalogError(str(error)) from None
    if len(offered) != 1:
        choice = f"--variant says it, one of {', '.join(offered)}" if offered else "its module holds none"
        raise CatalogError(f"which network of {paper.id} is meant? {choice}")
    return offered[0]


def _option(text: str) -> tuple[str, Any]:
    import yaml

    name, _, value = text.partition("=")
    if not name.isidentifier() or not value:
        raise CatalogError(f"'{text}' is no option: write its name and value, such as classes=10")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError:
        raise CatalogError(f"the value of '{text}' cannot be read; it is written as in YAML") from None


def input_size(text: str) -> list[int]:
    """Read the size of an input: ``3,224,224`` or ``3x224x224``.

    Raises:
        CatalogError: it is none.
    """
    try:
        sides = [int(side) for side in text.replace("x", ",").split(",")]
    except ValueError:
        sides = []
    if not sides or min(sides) < 1:
        raise CatalogError(f"'{text}' is no size of an input: write channels, height and width, such as 3,224,224")
    return sides


def usual_size(paper: Paper, variant: str) -> list[int]:
    """The size of input in most claims on the structure of a variant, or of the paper's others, or in any claim.

    Raises:
        CatalogError: no claim says one.
    """
    sizes = [
        (claim.subject.variant != variant, claim.tier is not Tier.STRUCTURE, tuple(claim.subject.input))
        for claim in paper.claims
        if claim.subject and claim.subject.input
    ]
    if sizes:
        nearest = min(sizes)[:2]
        return list(Counter(size for *kind, size in sizes if tuple(kind) == nearest).most_common(1)[0][0])
    raise CatalogError(f"no claim of {paper.id} says what size of input its networks take: --input 3,224,224 says it")


class _Holding:
    """One variant of a paper, as it is built with some options, and what is held against it."""

    def __init__(self, paper: Paper, variant: str, options: dict[str, Any], size: list[int]) -> None:
        self.paper, self.variant, self.options, self.size = paper, variant, options, size
        self._runs: dict[str, tuple[Trace, nn.Module]] = {}
        self.run, self.copy = self._counted(options)
        self.subject = self.run, self.copy
        """Of theirs, where there is a model of theirs."""

    def report(self, model: str | None, network: nn.Module | None, figures: Sequence[Claimed]) -> Report:
        """Do all that is asked for."""
        from catalog.verify.counting import counts

        totals = {"ours": {"parameters": self.run.parameters, "macs": self.run.macs}}
        in_ours = counts(self.copy, self.run)
        if network is None:
            explanations = [self._explained(figure, None, in_ours, []) for figure in figures]
            return self._report(model, totals, [], None, None, [], explanations)
        run, copy = self.subject = counted(network, self.size)
        totals["theirs"] = {"parameters": run.parameters, "macs": run.macs}
        in_theirs = counts(copy, run)
        claims = list(self._judged(copy, in_ours, in_theirs))
        size = self._small_size(copy)
        comparison = self._compared(self.options, self.run, network, run, size)
        alike = None if comparison.same else self._alike(network, run, size)
        explanations = [self._explained(figure, None, in_theirs, in_ours) for figure in figures]
        explanations += [
            self._explained(Claimed(claim.quantity, claim.printed), claim.id, in_theirs, in_ours)
            for claim in claims
            if claim.printed is not None
            and any(count.quantity == claim.quantity for count in in_ours)
            and not (isinstance(claim.theirs, int) and Figure.read(claim.printed).admits(claim.theirs))
        ]
        hints = self._hints(run.parameters) if run.parameters != self.run.parameters else []
        return self._report(model, totals, claims, comparison, alike, hints, explanations)

    def _report(self, model: str | None, totals: dict[str, dict[str, int]], *rest: Any) -> Report:
        return Report(self.paper.id, self.variant, self.options, self.size, model, totals, *rest)

    # Networks

    def _build(self, options: dict[str, Any]) -> nn.Module:
        try:
            return reproductions.build(self.paper.id, self.variant, **options).eval()
        except Exception as error:
            if not options:
                raise  # then it is no fault of theirs
            problem = f"{type(error).__name__}: {error}"
            raise CatalogError(f"{self.variant} cannot be built with {_words(options)}: {problem}") from None

    def _counted(self, options: dict[str, Any]) -> tuple[Trace, nn.Module]:
        import torch

        from catalog.verify.meta import without_compiler

        key = repr(sorted(options.items()))
        if key not in self._runs:
            with torch.device("meta"), without_compiler():
                network = self._build(options)
            self._runs[key] = counted(network, self.size, f"{self.variant}'s")
        return self._runs[key]

    def _small_size(self, theirs: nn.Module) -> list[int]:
        """The smallest input of a parity claim that both take: numbers cost time, and size hardly matters to them."""
        subjects = [claim.subject for claim in self.paper.claims if claim.peer and claim.subject]
        smaller = [
            (subject.variant != self.variant, subject.input)
            for subject in subjects
            if subject.input and subject.input[:1] == self.size[:1] and subject.input < self.size
        ]
        for _, size in sorted(smaller):
            if all(_takes(network, size) for network in (self.copy, theirs)):
                return list(size)
        return self.size

    def _compared(
        self, options: dict[str, Any], ours: Trace, network: nn.Module, theirs: Trace, size: list[int], **how: Any
    ) -> Comparison:
        from catalog.verify.comparison import Side, compare

        with users_code(f"the forward pass with an input of {_sides(size)}"):
            return compare(
                Side(self._build(options), ours), Side(network, theirs), size, self.variant, full=self.size, **how
            )

    def _other_options(self) -> Iterator[dict[str, Any]]:
        """Options that claims of the paper give to the variant."""
        seen = [self.options]
        for claim in self.paper.claims:
            subject = claim.subject
            if subject and subject.variant == self.variant and (options := self.options | subject.options) not in seen:
                seen.append(options)
                yield options

    def _alike(self, network: nn.Module, run: Trace, size: list[int]) -> dict[str, Any] | None:
        """Options with which our network is theirs, among those of the claims, and with their number of classes."""
        candidates = [self.options, *self._other_options()]
        if run.shapes != self.run.shapes and len(run.shapes) == 1 and len(run.shapes[0]) == 1:
            candidates = [options | {"classes": run.shapes[0][0]} for options in candidates]
        for options in candidates:
            if options == self.options:
                continue
            ours, _ = self._counted(options)
            counts_alike = (ours.parameters, ours.macs, ours.shapes) == (run.parameters, run.macs, run.shapes)
            if counts_alike and self._compared(options, ours, network, run, size, gradients=False).same:
                return options
        return None

    # Claims

    def _claims(self) -> Iterator[Claim]:
        """Claims on the structure of the whole network, as it is built with these options."""
        for claim in self.paper.claims:
            if claim.tier is not Tier.STRUCTURE or claim.measure is None or claim.subject is None:
                continue
            subject = claim.subject
            if (subject.variant, subject.options, subject.part) == (self.variant, self.options, None):
                yield claim

    def _judged(self, copy: nn.Module, in_ours: list[Count], in_theirs: list[Count]) -> Iterator[Judged]:
        from catalog.verify.structure import Structure

        structures = Structure(self.paper.id), Structure(self.paper.id, copy)
        for claim in self._claims():
            assert claim.measure is not None
            expected = claim.expect.model_dump(mode="json") if isinstance(claim.expect, Comparator) else None
            mine, other = (
                self._measured(claim, structure, counted)
                for structure, counted in zip(structures, (in_ours, in_theirs), strict=True)
            )
            if isinstance(other, str):
                status, reason = Status.FAILED, other
            else:
                status, reason = judge(claim, other)
            yield Judged(
                id=claim.id,
                statement=claim.statement,
                source=claim.source,
                quantity=claim.measure.quantity,
                convention=claim.measure.convention,
                printed=claim.printed if isinstance(claim.printed, str) else None,
                expected=expected,
                ours=None if isinstance(mine, str) else mine,
                theirs=None if isinstance(other, str) else other,
                difference=other - mine if isinstance(mine, int) and isinstance(other, int) else None,
                status=status,
                reason=reason,
            )

    def _measured(self, claim: Claim, structure: Structure, counted: list[Count]) -> int | list[int] | str:
        """What a claim is about; in words, why it cannot be measured."""
        subject, measure = claim.subject, claim.measure
        assert subject is not None
        assert measure is not None
        if measure.quantity == "parameters" or subject.input == self.size:
            for count in counted:
                if (count.quantity, count.convention) == (measure.quantity, measure.convention):
                    return count.value
        try:
            return structure.measure(subject, measure)
        except MeasurementError as error:
            return str(error)
        except Exception as error:
            return f"{type(error).__name__}: {' '.join(str(error).split())}"

    def _hints(self, parameters: int) -> list[str]:
        return [
            f"{claim.subject.variant}{_words(claim.subject.options, ' with ')}"
            for claim in self.paper.claims
            if claim.measure
            and claim.measure.quantity == "parameters"
            and claim.subject
            and isinstance(claim.expect, Comparator)
            and claim.expect.equals == parameters
        ]

    # Figures

    def _explained(
        self, claimed: Claimed, claim: str | None, counted: list[Count], in_ours: list[Count]
    ) -> Explanation:
        from catalog.verify.counting import that_make

        figure = Figure.read(claimed.figure)
        found = that_make(figure, claimed.quantity, counted)
        ours = [] if found else that_make(figure, claimed.quantity, in_ours)
        printing = [
            known
            for known in self._claims()
            if known.measure
            and known.measure.quantity == claimed.quantity
            and isinstance(known.printed, str)
            and Figure.read(known.printed).value == figure.value
        ]
        remarks = [
            f"{known.deviation.explanation} (Cause: {known.deviation.cause}.)" for known in printing if known.deviation
        ]
        return Explanation(
            quantity=claimed.quantity,
            figure=claimed.figure,
            claim=claim,
            found=found,
            in_ours=ours,
            # What the paper prints is meant for this very network.
            elsewhere=[] if found or ours or printing else list(self._elsewhere(claimed.quantity, figure)),
            usual=next(count for count in counted if count.quantity == claimed.quantity),
            printed_by=[known.id for known in printing if known.id != claim],
            remark=remarks[0] if remarks else "",
        )

    def _elsewhere(self, quantity: str, figure: Figure) -> Iterator[str]:
        """Networks near this one that a figure may be of, counted as usual."""
        from catalog.verify.counting import counts, that_make

        for options in self._other_options():
            run, copy = self._counted(options)
            for count in that_make(figure, quantity, counts(copy, run))[:1]:
                yield f"{self.variant} with {_words(options)} ({_counts(count)})"
        for claim in self.paper.claims:
            subject, measure = claim.subject, claim.measure
            if measure and subject and measure.quantity == quantity and subject.variant != self.variant:
                expected = claim.expect.equals if isinstance(claim.expect, Comparator) else None
                if isinstance(expected, int) and figure.admits(expected):
                    yield f"{subject.variant}{_words(subject.options, ' with ')} ({expected:,}, claim {claim.id})"
        if quantity != "parameters":
            yield from self._other_sizes(quantity, figure)

    def _other_sizes(self, quantity: str, figure: Figure) -> Iterator[str]:
        """The size of square input, in steps of 32 and up to double or half, at which a figure would be right."""
        from catalog.verify.counting import counts, that_make

        run, network = self.subject
        channels, *sides = self.size
        if len(sides) != 2 or sides[0] != sides[1] or figure.value <= 0:
            return
        per_image = run.macs * {"macs": 1, "flops": 2}[quantity]
        side = 32 * round((float(figure.value) / per_image) ** 0.5 * sides[0] / 32) if per_image else 0
        size = [channels, side, side]
        if side != sides[0] and sides[0] <= 2 * side <= 4 * sides[0] and _takes(network, size):
            other, copy = counted(network, size)
            for count in that_make(figure, quantity, counts(copy, other))[:1]:
                yield f"an input of {_sides(size)} ({_counts(count)})"


def counted(network: nn.Module, size: Sequence[int], whose: str = "the") -> tuple[Trace, nn.Module]:
    """Run a network, on the meta device if it can, and return what it did and the network that did it."""
    import torch

    from catalog.verify.trace import on_meta, trace

    with users_code(f"{whose} forward pass with an input of {_sides(size)}"):
        if any(isinstance(parameter, torch.nn.UninitializedParameter) for parameter in network.parameters()):
            network(torch.zeros(1, *size))  # it takes its shapes from its input
        network.requires_grad_()  # what is frozen, for fine-tuning say, is a parameter of the architecture all the same
        try:
            copy = on_meta(network)
            run = trace(copy, torch.zeros(1, *size, device="meta"), operations=True)
        except Exception:  # what it is that only numbers can do, or what is wrong, shows with numbers
            copy, run = network, trace(network, torch.zeros(1, *size), operations=True)
    if not run.order:
        raise ModelError("the model gives nothing that torch's functions made of its input; is it scripted or traced?")
    return run, copy


def _takes(network: nn.Module, size: Sequence[int]) -> bool:
    """Whether a network takes an input of some size."""
    import torch

    devices = {parameter.device for parameter in network.parameters()}
    try:
        with torch.no_grad(), next(iter(devices), torch.device("cpu")):
            network(torch.zeros(1, *size))
    except Exception:
        return False
    return True


def _counts(count: Count) -> str:
    return f"{count.value:,} {count.quantity}, {count.convention}"


def _words(options: dict[str, Any], before: str = "") -> str:
    text = ", ".join(f"{name}={value}" for name, value in options.items())
    return before + text if text else ""


def _sides(size: Sequence[int]) -> str:
    return "x".join(map(str, size))
