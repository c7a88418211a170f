"""Text for people: wrapped paragraphs, aligned columns, numbers as one writes them, colour.

Colour is always put in, and taken out by whoever prints to something that is no terminal; so every width here is what
the eye sees.
"""

from __future__ import annotations

import math
import re
import shutil
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

__all__ = [
    "added",
    "bold",
    "columns",
    "counted",
    "dim",
    "expectation",
    "heading",
    "listed",
    "measurement",
    "megabytes",
    "number",
    "page_width",
    "removed",
    "shortened",
    "status",
    "wrap",
]

_SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")

# By name: the record types are not imported for a few words.
_STATUS_COLOUR = {
    "verified": "32",  # green
    "consistent": "36",  # cyan
    "deviates": "33",  # yellow
    "failed": "1;31",  # bold red
}


def _styled(text: str, codes: str) -> str:
    # Word by word, so that a styled name can be wrapped like any other text.
    return " ".join(f"\x1b[{codes}m{word}\x1b[0m" for word in text.split(" "))


def bold(text: str) -> str:
    return _styled(text, "1")


def dim(text: str) -> str:
    return _styled(text, "2")


def heading(text: str) -> str:
    return _styled(text, "1;4")


def added(line: str) -> str:
    """A line that only the newer of two texts has, in green."""
    return f"\x1b[32m{line}\x1b[0m"


def removed(line: str) -> str:
    """A line that only the older of two texts has, in red."""
    return f"\x1b[31m{line}\x1b[0m"


def status(value: str) -> str:
    """A verdict in its colour; what is no verdict on a measured value, such as "not run", pale."""
    return _styled(value, _STATUS_COLOUR.get(value, "2"))


def page_width() -> int:
    """Columns to fill: those of the terminal, 100 where there is none; lines longer than 120 are hard to read."""
    return min(shutil.get_terminal_size((100, 24)).columns, 120)


def _width(text: str) -> int:
    return len(_SEQUENCE.sub("", text))


def wrap(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """Break a paragraph into lines of at most `width` columns.

    Args:
        text: the paragraph; its own line breaks do not count.
        width: of the whole line, prefix included. A word that is longer stands out rather than being broken, because
            what is too long is an address or a name that somebody wants to copy.
        first: what the first line starts with.
        rest: what the others start with; as many spaces as `first` is wide if omitted.
    """
    rest = " " * _width(first) if rest is None else rest
    lines, line, room = [], first, width - _width(first)
    empty = True
    # "60 %" stays together.
    for word in re.split(" (?!%)", " ".join(text.split())):
        if not empty and _width(word) + 1 > room:
            lines.append(line)
            line, room, empty = rest, width - _width(rest), True
        if not empty:
            line, room = f"{line} ", room - 1
        line, room, empty = line + word, room - _width(word), False
    return [*lines, line]


def shortened(text: str, width: int) -> str:
    """A text without colour, cut to a number of columns; an ellipsis says so."""
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def columns(
    rows: Iterable[Sequence[str]], *, right: Collection[int] = (), width: int | None = None, cut: bool = False
) -> list[str]:
    """The rows of a table, one text each: columns two spaces apart, each as wide as its widest line.

    Args:
        rows: cells of each row, the head first if there is one; a cell may have several lines, and so may a row then.
        right: numbers of the columns that are aligned on the right.
        width: of the page; the last column is wrapped to what the others leave of it. Never wrapped if omitted.
        cut: cut the last column instead of wrapping it; its cells have no colour then.
    """
    table = [[cell.split("\n") for cell in row] for row in rows]
    widths = [max(_width(line) for cell in column for line in cell) for column in zip(*table, strict=True)]
    if width is not None and table:
        # At least 16 columns: a page too narrow for that scrolls sideways anyway.
        room = max(width - sum(widths[:-1]) - 2 * (len(widths) - 1), 16)
        for row in table if widths[-1] > room else ():
            row[-1] = [part for line in row[-1] for part in ([shortened(line, room)] if cut else wrap(line, room))]
        widths[-1] = min(widths[-1], room)

    def padded(text: str, column: int) -> str:
        space = " " * (widths[column] - _width(text))
        return space + text if column in right else text + space

    return [
        "\n".join(
            "  ".join(padded(text, column) for column, text in enumerate(line)).rstrip()
            for line in zip_longest(*row, fillvalue="")
        )
        for row in table
    ]


def counted(count: int, one: str, many: str | None = None) -> str:
    """``1 paper``, ``2 papers``, ``no paper``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}" if count else f"no {one}"


def listed(things: Iterable[object], word: str = "and") -> str:
    """``extends, simplifies and compresses``."""
    *most, last = map(str, things)
    return f"{', '.join(most)} {word} {last}" if most else last


def number(value: Any) -> str:
    """A measured number as one writes it: ``22,855,952``, ``0.112484``, ``3.2e-16``; a list as its members."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if 1e5 <= abs(value) < 1e15 or value.is_integer():
            return f"{value:,.1f}".removesuffix(".0")
        # Single digits of an exponent need no zero before them.
        return re.sub(r"e-0", "e-", f"{value:.6g}" if abs(value) >= 1e-3 else f"{value:.3g}")
    if isinstance(value, list | tuple):
        # Between commas a number needs no commas of its own.
        members = [number(member).replace(",", "") for member in value]
        if len(members) > 6:
            members[3:-1] = ["…"]
        return "[" + ", ".join(members) + "]"
    return str(value)


def megabytes(count: int) -> str:
    """A number of bytes in megabytes, of a million each: ``91.6``, ``0.24``; with three digits."""
    size = count / 1e6
    return f"{size:,.{max(0, 2 - math.floor(math.log10(size))) if 0 < size < 100 else 0}f}"


def measurement(value: Any) -> list[tuple[str, str]]:
    """A measured value as (name, text): one pair without a name, or one for each named number."""
    if isinstance(value, dict):
        return [(str(name), number(member)) for name, member in value.items()]
    return [("", number(value))]


def expectation(comparator: Any) -> str:
    """One comparator, as a record writes it (``{"at_most": 1e-10}``), in a few signs: ``≤ 1e-10``."""
    if not isinstance(comparator, dict) or len(comparator) != 1:
        return number(comparator)
    ((comparison, value),) = comparator.items()
    match comparison:
        case "equals":
            return number(value)
        case "within":
            return f"{number(value[0])} ± {number(value[1])}"
        case "between":
            return f"{number(value[0])} to {number(value[1])}"
        case "at_least":
            return f"≥ {number(value)}"
        case "at_most":
            return f"≤ {number(value)}"
        case _:
            return str(comparison)
