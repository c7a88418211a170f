"""Each rule of the verdict, and what a measurement must not get away with."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from catalog.records import Claim, Status
from catalog.verify.verdict import Verdict, judge, plain


def claim(expect: Any = None, printed: Any = None, *, basis: str = "derived", **fields: Any) -> Claim:
    return Claim.model_validate(
        {
            "id": "something",
            "statement": "something holds",
            "basis": basis,
            "tier": "property",
            "check": "something",
            "expect": expect,
            "printed": printed,
            **fields,
        }
    )


DEVIATION = {"cause": "misprint", "explanation": "two digits changed places"}


def failure(claim: Claim, measured: object) -> str:
    status, reason = judge(claim, measured)
    assert status is Status.FAILED
    assert "\n" not in reason
    return reason


# --- Comparators -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "met", "unmet"),
    [
        ({"equals": 5}, [5, 5.0, [5, 5]], [6, 5.0000001, [5, 6]]),
        ({"equals": 0.1}, [0.1], [0.1000001]),
        ({"equals": [728, 19, 19]}, [[728, 19, 19], (728, 19, 19)], [[728, 19], [728, 19, 18], 728, [728, 19, 19, 1]]),
        ({"within": [0.3, 0.1]}, [0.2, 0.3, 0.4, [0.2, 0.4]], [0.41, 0.19, [0.3, 0.5]]),
        ({"between": [1, 2]}, [1, 1.5, 2, [1, 2]], [0.999, 2.001, [1, 3]]),
        ({"at_least": 0.95}, [0.95, 1, [0.95, 0.99]], [0.94999, [0.99, 0.9]]),
        ({"at_most": 1e-10}, [1e-10, 0, -1.0], [1.1e-10, [0, 1]]),
        ({"increasing": True}, [[1, 2, 3]], [[1, 1], [2, 1], [1, 3, 2], [1], 1]),
        ({"decreasing": True}, [[3, 2, 1]], [[1, 1], [1, 2], [3, 1, 2], [1], 1]),
    ],
)
def test_comparator(expect: Any, met: list[Any], unmet: list[Any]) -> None:
    for value in met:
        assert judge(claim(expect), value).status is Status.VERIFIED, value
    for value in unmet:
        failure(claim(expect), value)


def test_reason_says_name_measured_and_expected() -> None:
    named = claim({"linear": {"at_most": 1e-10}, "with_relu": {"at_least": 0.01}, "count": {"equals": 4769856}})
    assert failure(named, {"linear": 3e-3, "with_relu": 0.5, "count": 4769857}) == (
        "linear: measured 0.003, expected at most 1e-10; count: measured 4,769,857, expected 4,769,856"
    )
    series = claim({"at_least": 0.9})
    assert failure(series, [0.95, 0.8]) == "measured 0.8, which is member 2 of 2, expected at least 0.9"
    assert failure(claim({"increasing": True}), [1, 3, 3]) == (
        "measured 3 (member 3) after 3, expected an increasing series"
    )
    assert failure(claim({"within": [1, 0.5]}), 2) == "measured 2, expected 1 ± 0.5"


def test_reason_does_not_round_the_difference_away() -> None:
    assert failure(claim({"at_most": 0.1}), 0.100000000001) == "measured 0.100000000001, expected at most 0.1"


# --- Bases and printed figures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("basis", "status"),
    [
        ("derived", Status.VERIFIED),
        ("authors-code", Status.CONSISTENT),
        ("peer", Status.CONSISTENT),
        ("analogue", Status.CONSISTENT),
    ],
)
def test_basis_without_figure(basis: str, status: Status) -> None:
    assert judge(claim({"equals": 1}, basis=basis), 1).status is status


@pytest.mark.parametrize(
    ("basis", "status"),
    [("printed", Status.VERIFIED), ("derived", Status.VERIFIED), ("peer", Status.CONSISTENT)],
)
def test_printed_figure_holds_on_every_basis(basis: str, status: Status) -> None:
    assert judge(claim({"between": [3e6, 4e6]}, "3.4M", basis=basis), 3_449_999).status is status
    reason = failure(claim({"between": [3e6, 4e6]}, "3.4M", basis=basis), 3_460_000)
    assert reason == "measured 3,460,000, printed 3.4M"


def test_percentages_are_shares() -> None:
    assert judge(claim({"at_least": 0.5}, "79.0 %", basis="printed"), 0.7901).status is Status.VERIFIED
    failure(claim({"at_least": 0.5}, "79.0 %", basis="printed"), 79.0)


def test_each_member_of_a_series_rounds_to_the_figure() -> None:
    accuracies = claim({"at_least": 0.5}, "0.9", basis="printed")
    assert judge(accuracies, [0.88, 0.92]).status is Status.VERIFIED
    failure(accuracies, [0.88, 0.96])


def test_figures_by_name() -> None:
    expect = {"a": {"at_least": 0}, "b": {"at_least": 0}}
    assert judge(claim(expect, {"a": "1.0"}, basis="printed"), {"a": 1.04, "b": 7}).status is Status.VERIFIED
    assert failure(claim(expect, {"a": "1.0"}, basis="printed"), {"a": 1.06, "b": 7}) == "a: measured 1.06, printed 1.0"


def test_expectation_comes_before_deviation() -> None:
    pinned = claim({"equals": 3_857_973_248}, "3.6e9", basis="printed", deviation=DEVIATION)
    assert judge(pinned, 3_857_973_248) == Verdict(Status.DEVIATES, "misprint: two digits changed places")
    failure(pinned, 3_857_973_249)


@pytest.mark.parametrize("basis", ["printed", "derived", "peer"])
def test_deviation_from_a_figure(basis: str) -> None:
    assert judge(claim({"equals": 5}, "4", basis=basis, deviation=DEVIATION), 5).status is Status.DEVIATES
    failure(claim({"equals": 5}, "4", basis=basis), 5)
    reason = failure(claim({"equals": 4}, "4", basis=basis, deviation=DEVIATION), 4)
    assert reason == "nothing deviates: remove the deviation"


def test_one_deviating_figure_of_two_is_enough() -> None:
    both = claim({"a": {"equals": 1}, "b": {"equals": 2}}, {"a": "1", "b": "3"}, basis="printed", deviation=DEVIATION)
    assert judge(both, {"a": 1, "b": 2}).status is Status.DEVIATES


def test_deviation_from_a_statement() -> None:
    assert judge(claim({"equals": 5}, basis="derived", deviation=DEVIATION), 5).status is Status.DEVIATES


def test_figure_alone_decides_a_headline() -> None:
    headline = claim(printed="79.0 %", basis="printed", tier="headline", check=None)
    assert judge(headline, 0.7898).status is Status.VERIFIED
    failure(headline, 0.78)


def test_a_claim_that_expects_nothing_fails() -> None:
    training = {"scale": "quick", "data": "digits", "protocol": "none"}
    nothing = claim(basis="analogue", tier="training", training=training, check=None)
    assert failure(nothing, 1) == "the record expects nothing, so nothing could turn this claim red"


# --- What measurements return ----------------------------------------------------------------------------------------


class Opaque:
    def __repr__(self) -> str:
        return "Opaque(\n" + "x" * 200 + ")"


@pytest.mark.parametrize(
    "measured",
    [
        *(float("nan"), float("inf"), float("-inf"), None, "3", 1 + 2j, [], [1, None], [[1]], [float("nan")]),
        *({1, 2}, Opaque(), b"1", Decimal("NaN"), object, Decimal(1)),
    ],
)
@pytest.mark.parametrize("expect", [{"at_least": -1}, {"at_most": 99}, {"equals": 1}])
def test_no_number(measured: object, expect: Any) -> None:
    assert "measured" in failure(claim(expect), measured)
    reason = failure(claim({"a": expect}), {"a": measured})
    assert reason.startswith("a: measured")
    assert len(reason) < 160


@pytest.mark.parametrize("measured", [True, Fraction(1, 1), 1.0])
def test_other_numbers_count(measured: object) -> None:
    assert judge(claim({"equals": 1}), measured).status is Status.VERIFIED


def test_numbers_of_numpy_and_torch() -> None:
    numpy = pytest.importorskip("numpy")
    for value in (numpy.float64(0.3), numpy.int64(3)):
        assert judge(claim({"at_least": 0.3}), value).status is Status.VERIFIED
        assert type(plain(value)) in (int, float)


def test_names_have_to_agree() -> None:
    named = claim({"linear": {"equals": 1}, "with_relu": {"equals": 1}})
    assert failure(named, {"linear": 1}) == "expected but not measured: with_relu"
    assert failure(named, {"linear": 1, "with_relu": 1, "extra": 1}) == "measured but not expected: extra"
    assert failure(named, {"linear": 1, "relu": 1}) == (
        "expected but not measured: with_relu; measured but not expected: relu"
    )
    assert failure(named, 1) == "measured one value without a name, expected linear, with_relu"
    assert failure(named, {}) == "expected but not measured: linear, with_relu"
    assert failure(claim({"equals": 1}), {"linear": 1}) == "measured linear, expected one value without a name"
    assert failure(claim({"equals": 1}), {}) == "measured nothing, expected one value without a name"


def test_plain_values_for_json() -> None:
    assert plain({"a": (1, True, 0.5, float("nan")), 2: None}) == {"a": [1, 1, 0.5, "nan"], "2": None}
    assert plain(Opaque()) == "Opaque( " + "x" * 71 + "…"
