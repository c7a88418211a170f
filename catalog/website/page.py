"""A page of the site, and a file: what each area of it gives."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from catalog.website.content import Catalogue, Subject
from catalog.website.markdown import Markdown

__all__ = ["Area", "File", "Page", "relative", "served"]


@dataclass(frozen=True, slots=True)
class Page:
    """A page that a template makes."""

    file: str
    """Where it stands below the docs folder: ``papers/xception/index.md``."""
    template: str
    """The name of its template, without ``.md.j2``."""
    subject: Subject | None = None
    """What it shows, if that is one thing."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What else its template needs."""
    title: str = ""
    """What windows and search results call it; otherwise its heading."""
    description: str = ""
    """What search results say of it, unless its subject says that."""
    head: str = ""
    """Elements for the head of its HTML, escaped."""
    scripts: tuple[str, ...] = ()
    """The modules that it loads, such as ``assets/explorer.js``."""
    search: float = 1
    """How much what it says counts in the search of the site; with 0 it is not found, as suits lists of what is found
    on other pages. Headings leave out what stands below them: ``## Code { data-search-exclude="true" }``."""
    keywords: tuple[str, ...] = ()
    """By what, such as other names, the search finds it before what only mentions that."""
    hide: tuple[str, ...] = ()
    """Parts of the theme that it does without: ``toc`` gives a wide table the room of the headings beside it."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that stands as it is: data, a script, a picture."""

    name: str
    content: bytes


Area: TypeAlias = Callable[[Catalogue], Iterator[Page | File]]
"""A part of the site: what it gives for a catalogue."""


@cache
def relative(here: str, file: str, anchor: str = "") -> Markdown:
    """The address of a file, and of an anchor in it, as a page links to it."""
    target = "" if file == here and anchor else posixpath.relpath(file, posixpath.dirname(here) or ".")
    return Markdown(f"{target}#{anchor}" if anchor else target)


def served(here: str, file: str, anchor: str = "") -> str:
    """The address of a page as the rendered site has it, for HTML in a page: renderers rewrite Markdown links only."""
    target = posixpath.relpath(posixpath.dirname(file) or ".", posixpath.dirname(here) or ".") + "/"
    return f"{target}#{anchor}" if anchor else target
