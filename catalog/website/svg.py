"""Pictures, written as SVG into the pages themselves: their colours follow the page's, and their parts can be links."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from catalog.website.markdown import Markdown

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["element", "figure", "picture"]


def element(name: str, /, *content: str, **attributes: str | float | None) -> Markdown:
    """An element of XML.

    Args:
        name: such as ``circle``.
        content: its text, which is escaped, and elements, which are not.
        attributes: underscores stand for hyphens, and one at the end (``class_``) for nothing; those that are None are
            left out. Numbers are written to a tenth, which is finer than a screen.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(part if isinstance(part, Markdown) else html.escape(part) for part in content)
    return Markdown(f"<{name}{written}>{inside}</{name}>" if inside or name in _CELLS else f"<{name}{written}/>")


_CELLS = {"td", "th"}  # of HTML, which knows no short form of an empty one


def _value(value: str | float) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def picture(width: float, height: float, parts: Iterable[Markdown], *, label: str, class_: str = "") -> Markdown:
    """A picture that is as wide as there is room, and at most as wide as it was drawn.

    Args:
        width: in pixels.
        height: in pixels.
        parts: what is drawn, the lowest first.
        label: what it shows, for those who cannot see it.
        class_: for the style sheet.
    """
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {_value(float(width))} {_value(float(height))}",
        width=float(width),
        height=float(height),
        role="img",
        aria_label=label,
        class_=f"picture {class_}".rstrip(),
        data_search_exclude="true",
    )


def figure(drawn: Markdown, caption: str = "") -> Markdown:
    """A picture with its caption, as a block of its own in a page."""
    below = element("figcaption", caption) if caption else Markdown("")
    return Markdown(f'<figure class="drawn">{drawn}{below}</figure>')
