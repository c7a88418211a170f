"""Zensical, which will take over from MkDocs, renders the same site from the same Markdown and settings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from catalog import paths

if TYPE_CHECKING:
    from pathlib import Path

# Each has a theme and a search index of its own, and only MkDocs compresses the sitemap. These files stand elsewhere in
# the sites of the two, or in one of them alone; of what the project itself puts there, nothing differs.
THEIR_OWN = ("assets/javascripts/", "assets/stylesheets/", "assets/images/", "search", "sitemap.xml.gz")


@dataclass
class Site:
    """What somebody finds at the addresses of a site."""

    files: set[str]
    """But those that each renders in its own way."""
    pages: dict[str, Shown]


@dataclass
class Shown(HTMLParser):
    """What a page consists of, without what the theme puts around it."""

    source: str
    title: str = ""
    head: list[dict[str, str | None]] = field(default_factory=list)
    """The elements of the head that are the page's own."""
    headings: list[tuple[str, str | None, str]] = field(default_factory=list)
    """Level, anchor and text."""
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        self.source = ""

    @property
    def _in_article(self) -> bool:
        return "article" in self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        told = tag == "meta" or found.get("rel") in ("alternate", "canonical")
        if "head" in self._open and told and found.get("name") != "generator":
            self.head.append({"tag": tag, **found, "href": _plain(found.get("href"))})
        if found.get("type") == "module":
            self.scripts.append(_plain(found.get("src")))
        if tag in ("head", "title", "article") or (self._in_article and tag in ("h1", "h2", "h3", "h4", "h5", "h6")):
            self._open.append(tag)
        if self._in_article:
            if tag[0] == "h" and tag[1:].isdigit():
                self.headings.append((tag, found.get("id"), ""))
            if (identity := found.get("id")) and identity != "__skip":
                self.ids.append(identity)
            if tag == "a" and (target := found.get("href")):
                self.links.append(target)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "title":
            self.title += data
        elif self._open and self._open[-1] in ("h1", "h2", "h3", "h4", "h5", "h6"):
            level, identity, text = self.headings[-1]
            self.headings[-1] = (level, identity, text + data)


def _plain(address: str | None) -> str:
    """An address as MkDocs writes it: Zensical begins those below a page by ``./``."""
    return (address or "").removeprefix("./")


def found(site: Path) -> Site:
    """Everything in the folder of a site."""
    names = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    return Site(
        {name for name in names if not name.startswith((*THEIR_OWN, "."))},
        {name: Shown((site / name).read_text(encoding="utf-8")) for name in names if name.endswith(".html")},
    )


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> tuple[Site, Site]:
    """The site of the project's own records, rendered by MkDocs and by Zensical, which must not complain."""
    folder = tmp_path_factory.mktemp("zensical")
    shutil.copytree(whole.parent / "docs", folder / "build" / "docs")
    shutil.copy(paths.MKDOCS, folder)
    shutil.copytree(paths.SITE / "theme", folder / "site" / "theme")
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stderr
    return found(whole), found(folder / "build" / "site")


def test_both_have_the_same_files(sites: tuple[Site, Site]) -> None:
    mkdocs, zensical = sites
    assert "papers/xception/index.html" in mkdocs.files
    assert "assets/site.css" in mkdocs.files
    assert zensical.files == mkdocs.files


@pytest.mark.parametrize("what", ["title", "head", "headings", "ids", "links", "scripts"])
def test_both_pages_have_the_same(sites: tuple[Site, Site], what: str) -> None:
    mkdocs, zensical = sites
    assert any(getattr(page, what) for page in mkdocs.pages.values()) or what == "scripts"
    for name, page in mkdocs.pages.items():
        if (what, name) == ("title", "index.html"):
            continue  # MkDocs' theme calls it as the site, Zensical's by its name in the navigation
        assert getattr(zensical.pages[name], what) == getattr(page, what), name
