"""Figures as papers print them, and the numbers that round to them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.figures import Figure, FigureError


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("22,855,952", "22855951.5", "22855952.5"),
        ("3.4M", "3350000", "3450000"),
        ("3.4 million", "3350000", "3450000"),
        ("5000K", "4999500", "5000500"),
        ("3.6e9", "3550000000", "3650000000"),
        ("3.8 × 10^9", "3750000000", "3850000000"),
        ("3.8·10⁹", "3750000000", "3850000000"),
        ("1.5 × 10^{−3}", "0.00145", "0.00155"),
        ("2e-4", "0.00015", "0.00025"),
        ("79.0 %", "0.7895", "0.7905"),
        ("79%", "0.785", "0.795"),
        ("28.54", "28.535", "28.545"),
        (".285", "0.2845", "0.2855"),
        ("36", "35.5", "36.5"),
        ("2600", "2599.5", "2600.5"),
        ("about 2,600", "2550", "2650"),
        ("~ 2,600", "2550", "2650"),
        ("about 2.50", "2.495", "2.505"),
        ("about 25 million", "24500000", "25500000"),
        ("about 0", "-0.5", "0.5"),
        ("−0.5", "-0.55", "-0.45"),
        ("50x", "49.5", "50.5"),
        ("4.2×", "4.15", "4.25"),
        (" 36 ", "35.5", "36.5"),
    ],
)
def test_interval(text: str, low: str, high: str) -> None:
    figure = Figure.read(text)
    assert (figure.low, figure.high) == (Decimal(low), Decimal(high))
    assert figure.admits(float(low))
    assert figure.admits(float(high))
    width = figure.high - figure.low
    assert not figure.admits(float(figure.low - width / 100))
    assert not figure.admits(float(figure.high + width / 100))


@pytest.mark.parametrize(
    "text",
    ["", "many", "3.4 MB", "1,23", "12,3456", "3.4 - 3.6", "36 / 14", "1e", "5 million billion", "0x10", "nan", "3..4"],
)
def test_no_figure(text: str) -> None:
    with pytest.raises(FigureError, match="write one number as printed"):
        Figure.read(text)


def test_trailing_zeros_count() -> None:
    assert Figure.read("79.0 %").admits(0.7904)
    assert not Figure.read("79.0 %").admits(0.7906)
    assert Figure.read("79 %").admits(0.7906)


def test_half_way_rounds_both_ways() -> None:
    # The float nearest to 0.285 lies below it.
    assert Fraction(0.285) < Fraction(285, 1000)
    assert Figure.read("0.29").admits(0.285)
    assert Figure.read("0.28").admits(0.285)
    assert not Figure.read("0.29").admits(0.28499999)


def test_large_whole_numbers_are_exact() -> None:
    figure = Figure.read("123,456,789,012,345,678,901")
    assert figure.admits(123456789012345678901)
    assert not figure.admits(123456789012345678902)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_rounds_to_nothing(value: float) -> None:
    assert not Figure.read("1.0").admits(value)


@given(st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(10**9), places=4), st.integers(0, 4))
def test_admits_what_rounds_to_it(value: Decimal, places: int) -> None:
    printed = round(value, places)
    assert Figure.read(f"{printed:f}").admits(float(value))
    assert not Figure.read(f"{printed:f}").admits(float(value) + 1.01 * 10.0**-places)
