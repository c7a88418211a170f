"""Program text as HTML: what a fenced block cannot do, such as lines whose addresses stay."""

from __future__ import annotations

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
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    # The formatter closes whatever spans lines, so that each line stands by itself.
    lines = highlight(source.strip("\n"), PythonLexer(), HtmlFormatter(nowrap=True)).rstrip("\n").split("\n")
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
