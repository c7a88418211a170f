"""Measured values against what a record expects and what the paper prints: the verdict on a claim.

A verdict never depends on how a value was measured, and whatever a measurement returns gets one: a value that is no
number, a name that nobody asked for and a name that is missing are failures, each with its reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import pairwise
from numbers import Integral, Real
from typing import NamedTuple, TypeVar

from catalog.figures import Figure
from catalog.records import Basis, Claim, Comparator, Status, Tier

__all__ = ["Measured", "Value", "Verdict", "in_words", "judge", "on_a_copy", "plain"]

T = TypeVar("T")

Number = int | float
Value = Number | list[Number]
"""One measured quantity: a number, or a series of them."""
Measured = Value | dict[str, Value]
"""What a measurement returns: one quantity, or several by name."""


class Verdict(NamedTuple):
    """A status and, in one line, why."""

    status: Status
    reason: str


class _NoValueError(Exception):
    """What was measured is no number and no series of numbers."""


def judge(claim: Claim, measured: object) -> Verdict:
    """Hold a measured value against a claim.

    Args:
        claim: a claim that can be measured.
        measured: a number, a series, or a dictionary of these by name.

    Returns:
        ``failed`` when a value is missing, unasked for, no finite number, not as expected, or off the printed figure
        with no deviation declared; ``deviates`` when the declared deviation is there; ``verified`` when the claim rests
        on the paper itself (printed, derived); ``consistent`` when it rests on anything else.
    """
    try:
        values = _by_name(measured)
    except _NoValueError as error:
        return Verdict(Status.FAILED, str(error))
    expected, figures = _named(claim.expect), _named(claim.printed)
    if not expected and not figures:
        return Verdict(Status.FAILED, "the record expects nothing, so nothing could turn this claim red")
    if problems := _wrong_names(set(values), set(expected) | set(figures)):
        return Verdict(Status.FAILED, problems)

    problems = "; ".join(
        f"{_label(name)}{problem}"
        for name, comparator in expected.items()
        if (problem := _unmet(comparator, values[name]))
    )
    if problems:
        return Verdict(Status.FAILED, problems)

    if claim.tier is Tier.TRAINING and claim.deviation is None:
        # No training gives the same digits twice, so the record says how near it has to come; to the figure it is.
        off_print = [
            f"{_label(name)}expected {in_words(expected[name])}, which leaves out the printed {figure}"
            for name, figure in figures.items()
            if name in expected and _unmet(expected[name], float(Figure.read(figure).value))
        ]
    else:
        off_print = [
            f"{_label(name)}measured {in_words(values[name])}, printed {figure}"
            for name, figure in figures.items()
            if not all(Figure.read(figure).admits(value) for value in _members(values[name]))
        ]
    if claim.deviation is not None:
        # A derived statement without a figure has nothing but the declared expectation to deviate from.
        if not off_print and (figures or claim.basis is not Basis.DERIVED):
            return Verdict(Status.FAILED, "nothing deviates: remove the deviation")
        return Verdict(Status.DEVIATES, f"{claim.deviation.cause}: {claim.deviation.explanation}")
    if off_print:
        return Verdict(Status.FAILED, "; ".join(off_print))
    if claim.basis in (Basis.PRINTED, Basis.DERIVED):
        return Verdict(
            Status.VERIFIED, "agrees with the printed figure" if figures else "agrees with the paper's statement"
        )
    return Verdict(Status.CONSISTENT, f"agrees with {_WITNESS[claim.basis]}")


def on_a_copy(verdict: Verdict, data: str) -> Verdict:
    """A verdict on what was measured on data that differ from their release: no more than an analogue.

    Args:
        verdict: the verdict, had it been the release.
        data: name of the data set.
    """
    status, reason = verdict
    status = Status.CONSISTENT if status is Status.VERIFIED else status
    return Verdict(status, f"{reason} (on a copy of {data} that differs from the release)")


_WITNESS = {
    Basis.AUTHORS_CODE: "the authors' code",
    Basis.PEER: "an independent implementation",
    Basis.ANALOGUE: "the paper's effect, in an analogue",
}


def plain(measured: object) -> object:
    """A measurement in the types that JSON and YAML know; what is no finite number becomes text."""
    match measured:
        case Mapping():
            return {str(name): plain(value) for name, value in measured.items()}
        case list() | tuple():
            return [plain(value) for value in measured]
        case None | str():
            return measured
        case Integral():
            return int(measured)
        case Real() if math.isfinite(measured):
            return float(measured)
        case Real():
            return str(float(measured))
        case _:
            return _shortened(measured)


def in_words(value: Comparator | Value) -> str:
    """``at least 0.95``, ``22,855,952``, ``[728, 19, 19]``: numbers in full, so that no difference is rounded away."""
    match value:
        case Comparator():
            return _in_words(value)
        case list() | tuple():
            return "[" + ", ".join(map(in_words, value)) + "]"
        case int():
            return f"{int(value):,}"
        case _:
            return repr(value)


def _named(declared: T | dict[str, T] | None) -> dict[str, T]:
    """What a record says, by name; a single value has the empty name."""
    if declared is None:
        return {}
    return declared if isinstance(declared, dict) else {"": declared}


def _by_name(measured: object) -> dict[str, Value]:
    if isinstance(measured, Mapping):
        return {str(name): _value(value, f"{name}: ") for name, value in measured.items()}
    return {"": _value(measured, "")}


def _value(measured: object, label: str) -> Value:
    if isinstance(measured, list | tuple):
        if not measured:
            raise _NoValueError(f"{label}measured an empty series")
        return [_number(member, label) for member in measured]
    return _number(measured, label)


def _number(measured: object, label: str) -> Number:
    match measured:
        case Integral():
            return int(measured)  # also turns True into 1
        case Real() if math.isfinite(measured):
            return float(measured)
        case _:
            raise _NoValueError(f"{label}measured {_shortened(measured)}, which is no finite number")


def _shortened(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:79]}…"


def _wrong_names(measured: set[str], wanted: set[str]) -> str:
    if measured == wanted:
        return ""
    if measured == {""}:
        return f"measured one value without a name, expected {', '.join(sorted(wanted))}"
    if wanted == {""}:
        return f"measured {', '.join(sorted(measured)) or 'nothing'}, expected one value without a name"
    problems = []
    if missing := wanted - measured:
        problems.append(f"expected but not measured: {', '.join(sorted(missing))}")
    if unasked := measured - wanted:
        problems.append(f"measured but not expected: {', '.join(sorted(unasked))}")
    return "; ".join(problems)


def _label(name: str) -> str:
    return f"{name}: " if name else ""


def _members(value: Value) -> list[Number]:
    return value if isinstance(value, list) else [value]


def _unmet(comparator: Comparator, value: Value) -> str:
    """Why a value is not what it must be; empty when it is."""
    if comparator.increasing or comparator.decreasing:
        return _not_monotonic(comparator, value)
    if isinstance(comparator.equals, list):
        return "" if value == comparator.equals else f"measured {in_words(value)}, expected {_in_words(comparator)}"
    meets = _test(comparator)
    for position, member in enumerate(_members(value), start=1):
        if not meets(_exact(member)):
            where = f", which is member {position} of {len(value)}" if isinstance(value, list) else ""
            return f"measured {in_words(member)}{where}, expected {_in_words(comparator)}"
    return ""


def _not_monotonic(comparator: Comparator, value: Value) -> str:
    expected = f"expected {_in_words(comparator)}"
    if not isinstance(value, list) or len(value) < 2:
        return f"measured {in_words(value)}, {expected} with at least two members"
    for position, (before, after) in enumerate(pairwise(value), start=2):
        if not (before < after if comparator.increasing else before > after):
            return f"measured {in_words(after)} (member {position}) after {in_words(before)}, {expected}"
    return ""


def _exact(number: Number) -> Decimal:
    # The shortest decimal that denotes a float is what a person wrote or would read: 0.4 is within 0.1 of 0.3.
    return Decimal(repr(number))


def _test(comparator: Comparator) -> Callable[[Decimal], bool]:
    match comparator:
        case Comparator(within=(middle, difference)):
            return lambda value: abs(value - _exact(middle)) <= _exact(difference)
        case Comparator(between=(low, high)):
            return lambda value: _exact(low) <= value <= _exact(high)
        case Comparator(at_least=int() | float() as low):
            return lambda value: value >= _exact(low)
        case Comparator(at_most=int() | float() as high):
            return lambda value: value <= _exact(high)
        case Comparator(equals=int() | float() as wanted):
            return lambda value: value == _exact(wanted)
    raise AssertionError(f"a comparison without a test: {comparator!r}")


def _in_words(comparator: Comparator) -> str:
    match comparator:
        case Comparator(within=(middle, difference)):
            return f"{in_words(middle)} ± {in_words(difference)}"
        case Comparator(between=(low, high)):
            return f"{in_words(low)} to {in_words(high)}"
        case Comparator(at_least=int() | float() as low):
            return f"at least {in_words(low)}"
        case Comparator(at_most=int() | float() as high):
            return f"at most {in_words(high)}"
        case Comparator(increasing=True):
            return "an increasing series"
        case Comparator(decreasing=True):
            return "a decreasing series"
    assert comparator.equals is not None
    return in_words(comparator.equals)
