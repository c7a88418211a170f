"""Figures as papers print them. A printed figure carries its own tolerance: half a unit of its last digit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Figure", "FigureError"]

_MULTIPLIERS = {
    "": 0,
    "%": -2,
    "x": 0,  # 50x fewer parameters
    "×": 0,
    "k": 3,
    "thousand": 3,
    "m": 6,
    "million": 6,
    "millions": 6,
    "g": 9,
    "b": 9,
    "bn": 9,
    "billion": 9,
    "billions": 9,
    "t": 12,
    "trillion": 12,
}

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")

_FIGURE = re.compile(
    r"""
    (?P<approximate>about|around|roughly|approximately|some|~|≈)? \s*
    (?P<sign>[-−])?
    (?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)? | \d+(?:\.\d+)? | \.\d+)
    (?: \s* (?:[x×·*]\s*10\s*(?:\^\s*\{?(?P<power>[-−]?\d{1,2})\}?|(?P<superscript>⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}))
       | e(?P<exponent>[+-]?\d{1,2})) )?
    \s* (?P<multiplier>%|×|[a-z]+)?
    """,
    re.VERBOSE | re.IGNORECASE,
)


class FigureError(ValueError):
    """A printed figure that cannot be read as a number."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as printed, and the interval of values that round to it."""

    text: str
    value: Decimal
    half_unit: Decimal

    @classmethod
    def read(cls, text: str) -> Figure:
        """Read ``22,855,952``, ``3.4M``, ``3.6e9``, ``3.8 × 10^9``, ``79.0 %`` (0.790) or ``about 2,600``.

        The last printed digit is the last one that counts, trailing zeros included; after "about" (or ~) trailing zeros
        of a whole number do not count, so that "about 2,600" is 2,550 to 2,650.

        Raises:
            FigureError: when the text is not one number.
        """
        match = _FIGURE.fullmatch(text.strip())
        suffix = (match["multiplier"] or "").lower() if match else ""
        if match is None or suffix not in _MULTIPLIERS:
            raise FigureError(
                f"cannot read a figure in '{text}'; write one number as printed, such as '22,855,952', '3.4M', "
                "'3.6e9', '79.0 %' or 'about 2,600', and name several figures one by one"
            )
        digits = match["digits"].replace(",", "")
        whole, _, fraction = digits.partition(".")
        place = -len(fraction)
        if match["approximate"] and not fraction:
            place = len(whole) - len(whole.rstrip("0") or "0")
        power = match["power"] or (match["superscript"] or "").translate(_SUPERSCRIPTS) or match["exponent"] or "0"
        shift = int(power.replace("−", "-")) + _MULTIPLIERS[suffix]
        value = Decimal(digits).scaleb(shift)
        return cls(text, -value if match["sign"] else value, Decimal(5).scaleb(place - 1 + shift))

    @property
    def low(self) -> Decimal:
        return self.value - self.half_unit

    @property
    def high(self) -> Decimal:
        return self.value + self.half_unit

    def admits(self, measured: int | float) -> bool:
        """Whether a measured value rounds to this figure (a value half-way rounds both ways; infinity to nothing)."""
        # repr() of a float is the shortest decimal that denotes it, so 0.285 is half-way and not 0.28499999…
        return math.isfinite(measured) and self.low <= Decimal(repr(measured)) <= self.high
