"""Program text as HTML: what a fenced block cannot do, such as lines whose addresses stay."""

from __future__ import annotations

from functools import cache

from catalog.website import svg
from catalog.website.markdown import Markdown

__all__ = ["numbered"]


def numbered(source: str, file: str, anchor: str = "code") -> Markdown:
    """A program text with numbered lines, each with an address of its own: ``#code-42``.

    Whoever walks through a page by keyboard is not stopped at every number, and numbers are not copied.

    Args:
        source: Python.
        file: its name, shown above.
        anchor: what the addresses begin with.
    """
    lines = _highlighted(source)
    numbers = [
        svg.element("a", str(line), href=f"#{anchor}-{line}", tabindex="-1") for line in range(1, len(lines) + 1)
    ]
    shown = [
        svg.element("span", Markdown(f"{line}\n"), id=f"{anchor}-{place}") for place, line in enumerate(lines, start=1)
    ]
    return svg.element(
        "div",
        svg.element("span", file, class_="filename"),
        svg.element("div", svg.element("pre", Markdown("\n".join(numbers))), class_="linenodiv", aria_hidden="true"),
        svg.element("pre", svg.element("code", *shown)),
        class_="language-python highlight numbered",
    )


@cache
def _highlighted(source: str) -> list[str]:
    """The lines of a program text as HTML, each by itself: the formatter closes whatever spans several."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    lines: str = highlight(source.strip("\n"), PythonLexer(), HtmlFormatter(nowrap=True))
    return lines.rstrip("\n").split("\n")
