"""Text to Markdown.

What a template inserts is literal text unless it is :class:`Markdown`: no title, quotation or claim can add markup, and
no template has to remember to escape.
"""

from __future__ import annotations

import re
from urllib.parse import quote

__all__ = ["Markdown", "address", "code", "date", "fenced", "literal", "quotation"]


class Markdown(str):
    """Text that is Markdown already; templates insert it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        """Tell the template engine that nothing is to be escaped."""
        return self


# A backslash where Python-Markdown and CommonMark both understand it, an entity for the others.
_ESCAPES = str.maketrans(
    {character: f"\\{character}" for character in r"\`*_{}[]#"}
    | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;"}
)
# At the start of a line these make a list, a rule, a heading, a fence, an admonition or a definition.
_LINE_START = re.compile(r"^([-+=~!?:/])(?!\w)|^(\d+)([.)])(?!\S)")


def literal(value: object) -> Markdown:
    """Markdown that shows a text exactly as it is, on one line; runs of white space become one space."""
    return Markdown(_LINE_START.sub(_as_entity, " ".join(str(value).split()).translate(_ESCAPES)))


def _as_entity(match: re.Match[str]) -> str:
    character, number, behind = match.groups()
    return f"&#{ord(character)};" if character else f"{number}&#{ord(behind)};"


_TEX_SYMBOLS = {
    "times": "×",
    "cdot": "·",
    "geq": "≥",
    "ge": "≥",
    "leq": "≤",
    "le": "≤",
    "approx": "≈",
    "sim": "~",
    "pm": "±",
    "ell": "ℓ",
    "to": "→",
    "ldots": "…",
    "infty": "∞",
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "phi": "φ",
}
_TEX = re.compile(r"\$(?=\S)([^$\n]{1,80}?)(?<=\S)\$(?!\d)")
_TEX_COMMAND = re.compile(r"\\([A-Za-z]+)\s*")


def _without_tex(quoted: str) -> str:
    r"""Simple mathematics as text: ``$1 \times 1$`` as ``1 × 1``. What is not simple stays as it is written."""

    def as_text(match: re.Match[str]) -> str:
        formula = _TEX_COMMAND.sub(lambda command: f" {_TEX_SYMBOLS.get(command[1], command[0])} ", match[1])
        return match[0] if re.search(r"[\\^_{}]", formula) else " ".join(formula.split())

    return _TEX.sub(as_text, quoted)


def quotation(quoted: str) -> Markdown:
    """A block quotation of a text, verbatim and with its paragraphs."""
    paragraphs = [literal(paragraph) for paragraph in re.split(r"\n\s*\n", _without_tex(quoted).strip())]
    return Markdown("\n>\n".join(f"> {paragraph}" for paragraph in paragraphs))


def address(url: str) -> Markdown:
    """An address as the target of a Markdown link."""
    return Markdown(quote(url, safe=":/?#@!$&'+,;=%~.-").replace("&", "&amp;"))


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def date(published: str) -> str:
    """``2016-10-07`` as ``7 October 2016``, as exactly as it is known."""
    year, *rest = published.split("-")
    return " ".join([*(str(int(day)) for day in rest[1:]), *(_MONTHS[int(month) - 1] for month in rest[:1]), year])


def code(source: str) -> Markdown:
    """A code span of a name that has no backticks."""
    return Markdown(f"`{source}`")


def fenced(source: str, language: str) -> Markdown:
    """A code block, fenced by more backticks than the code has in a row."""
    longest = max(map(len, re.findall("`+", source)), default=0)
    ticks = "`" * max(3, longest + 1)
    return Markdown(f"{ticks} {language}\n{source.rstrip()}\n{ticks}")
