"""The site: plain Markdown and assets written from the catalogue, rendered by MkDocs.

Templates (``site/templates``) and hand-written pages (``site/pages``) become ordinary Markdown, one folder a page, so
that whatever renders Markdown by the same ``mkdocs.yml`` can take over from MkDocs. The same catalogue gives the same
bytes.

What a template inserts is literal text unless it is :class:`Markdown`: no title, quotation or claim can add markup, and
no template has to remember to escape.
"""

from __future__ import annotations

import html
import importlib.util
import json
import logging
import os
import posixpath
import re
import socket
import sys
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from catalog import paths, schema, text
from catalog.conventions import MEASURES
from catalog.errors import CatalogError
from catalog.graph import Lineage, lineage
from catalog.records import Ancestor, Claim, Comparator, ExternalWork, Family, Paper, Relation, Status, Tier, Topic
from catalog.show import NOT_MEASURED
from catalog.standalone import source_of
from catalog.verify.ledger import Entry, Ledger, MutationScore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from catalog.library import Library

__all__ = ["Markdown", "build", "literal", "quotation", "serve"]

_MARKER = ".written-by-repro"
_MARKER_TEXT = "Written by `repro site build`, which removes whatever else is put into this folder.\n"


# --- Text to Markdown ------------------------------------------------------------------------------------------------


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


def _address(url: str) -> Markdown:
    """An address as the target of a Markdown link."""
    return Markdown(quote(url, safe=":/?#@!$&'+,;=%~.-").replace("&", "&amp;"))


def _link(label: object, target: str) -> Markdown:
    return Markdown(f"[{literal(label)}]({target})")


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _date(published: str) -> str:
    """``2016-10-07`` as ``7 October 2016``, as exactly as it is known."""
    year, *rest = published.split("-")
    return " ".join([*(str(int(day)) for day in rest[1:]), *(_MONTHS[int(month) - 1] for month in rest[:1]), year])


def _code(source: str) -> Markdown:
    """A code span of a name that has no backticks."""
    return Markdown(f"`{source}`")


def _fenced(source: str, language: str) -> Markdown:
    """A code block, fenced by more backticks than the code has in a row."""
    longest = max(map(len, re.findall("`+", source)), default=0)
    ticks = "`" * max(3, longest + 1)
    return Markdown(f"{ticks} {language}\n{source.rstrip()}\n{ticks}")


# --- What the pages show ---------------------------------------------------------------------------------------------

Subject = Paper | ExternalWork | Topic | Family
"""What has a place of its own on the site."""


def _place(subject: Subject) -> tuple[str, str]:
    """The file below the docs folder that shows a subject, and the anchor in it where it is one of several."""
    match subject:
        case Paper():
            return f"papers/{subject.id}/index.md", ""
        case Topic():
            return f"topics/{subject.id}/index.md", ""
        case Family():
            return f"families/{subject.id}/index.md", ""
        case ExternalWork():
            return "works/index.md", subject.id


@dataclass(frozen=True)
class _Module:
    """The reproduction of a paper, as a page shows it."""

    name: str
    source: str
    variants: list[str]


@dataclass(frozen=True)
class _Result:
    """What is known of a claim."""

    claim: Claim
    status: str
    entry: Entry | None = None
    stale: bool = False


class _Catalogue:
    """What the templates ask of a library."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def pages(self) -> Iterator[tuple[str, str, Subject | None]]:
        """Every page that a template makes: its file below the docs folder, the template, and what it shows."""
        yield "index.md", "home", None
        yield "verification/counting/index.md", "counting", None
        for template in ("papers", "lineage", "topics", "families", "works"):
            yield f"{template}/index.md", template, None
        subjects: dict[str, tuple[Subject, ...]] = {
            "paper": self.library.papers,
            "topic": self.library.topics,
            "family": self.library.families,
        }
        for template, shown in subjects.items():
            for subject in shown:
                yield _place(subject)[0], template, subject

    @property
    def is_the_project(self) -> bool:
        """Whether these are the project's own records."""
        return self.library.folder.resolve() == paths.RECORDS

    @cached_property
    def largest_family(self) -> Family | None:
        """The family that has the most papers, if there is any."""
        members = Counter(paper.family for paper in self.library.papers)
        return max(self.library.families, key=lambda family: members[family.id], default=None)

    @cached_property
    def papers(self) -> list[Paper]:
        """All papers, oldest first."""
        return sorted(self.library.papers, key=_by_date)

    @cached_property
    def external(self) -> list[ExternalWork]:
        """All works outside the catalogue, oldest first."""
        return sorted(self.library.external, key=_by_date)

    def subtopics(self, parent: str | None) -> list[Topic]:
        """The topics directly below a topic, or those of the first level."""
        return [topic for topic in self.library.topics if topic.parent == parent]

    @cached_property
    def led_to(self) -> Mapping[str, list[tuple[Paper, Ancestor]]]:
        """For each work, the papers that build on it, oldest first."""
        found = defaultdict(list)
        for paper in self.papers:
            for step in paper.builds_on:
                found[step.paper].append((paper, step))
        return found

    @cached_property
    def compared_by(self) -> Mapping[str, list[Paper]]:
        """For each work, the papers that compare themselves with it."""
        found = defaultdict(list)
        for paper in self.papers:
            for step in paper.compares_with:
                found[step.paper].append(paper)
        return found

    @property
    def _commented(self) -> list[Paper | Topic]:
        return [*self.papers, *self.library.topics]

    @cached_property
    def speaks_of(self) -> Mapping[str, list[Paper | Topic]]:
        """For each work, the papers and topics that it says something of."""
        found: dict[str, list[Paper | Topic]] = defaultdict(list)
        for subject in self._commented:
            for source in dict.fromkeys(comment.source for comment in subject.comments):
                found[source].append(subject)
        return found

    @cached_property
    def lineage(self) -> Lineage:
        """The descent of all papers."""
        return lineage(self.library, [paper.id for paper in self.papers])

    def descendants(self, family: Family) -> Lineage:
        """What came of a family."""
        return lineage(self.library, [paper.id for paper in self.library.members(family.id)])

    @property
    def quotations(self) -> int:
        """How many things works say of papers and topics."""
        return sum(len(subject.comments) for subject in self._commented)

    @property
    def relations(self) -> int:
        """How many steps of lineage there are."""
        return sum(map(len, self.led_to.values()))

    @property
    def with_claims(self) -> list[Paper]:
        """The papers some of whose claims are written down, oldest first."""
        return [paper for paper in self.papers if paper.claims]

    @property
    def verdicts(self) -> dict[str, int]:
        """How many claims of all papers have which status."""
        return _counted(result.status for paper in self.with_claims for result in self.results[paper.id])

    @cached_property
    def results(self) -> Mapping[str, list[_Result]]:
        """What is known of each claim of each paper."""
        return {paper.id: list(_results(paper)) for paper in self.papers}

    def runs(self, paper: Paper) -> list[str]:
        """When, where and with what the claims of a paper were measured, each once."""
        entries = (result.entry for result in self.results[paper.id] if result.entry)
        found = {(entry.date, entry.device, entry.versions.get("torch", "")) for entry in entries}
        return [f"on {_date(date)} with torch {torch} on {device}" for date, device, torch in sorted(found)]

    def errors(self, paper: Paper) -> tuple[MutationScore, bool] | None:
        """How many deliberate errors in a module its claims caught, and whether that speaks of older code."""
        ledger = Ledger.load(paper.id)
        return (ledger.mutation, ledger.mutation_is_stale(paper)) if ledger.mutation is not None else None

    def why(self, paper: Paper, change: str) -> str:
        """Why the claims of a paper need not notice a change of its module; empty where nobody has said."""
        return next((known.why for known in paper.survivors if known.change == change), "")

    def tally(self, paper: Paper) -> dict[str, int]:
        """How many claims of a paper have which status."""
        return _counted(result.status for result in self.results[paper.id])


def _results(paper: Paper) -> Iterator[_Result]:
    ledger = Ledger.load(paper.id)
    for claim in paper.claims:
        if entry := ledger.entry(claim.id):
            yield _Result(claim, entry.status, entry, ledger.is_stale(entry, paper))
        else:
            yield _Result(claim, Status.NOT_CHECKABLE if claim.not_checkable else NOT_MEASURED)


def _by_date(work: Paper | ExternalWork) -> tuple[str, str]:
    return work.published, work.id


_ORDER = [*Status, NOT_MEASURED]


def _counted(statuses: Iterable[str]) -> dict[str, int]:
    """How often each status occurs, best first."""
    counts = Counter(statuses)
    return {status: counts[status] for status in _ORDER if counts[status]}


def _module(paper: str) -> _Module | None:
    """The reproduction of a paper, if it has one."""
    import reproductions

    try:
        variants = reproductions.variants(paper)
    except reproductions.UnknownReproduction:
        return None
    return _Module(f"reproductions/{paper.replace('-', '_')}.py", source_of(paper), variants)


# --- Writing ---------------------------------------------------------------------------------------------------------


def _files(library: Library) -> dict[str, bytes]:
    """The contents of the docs folder: every file by its name."""
    import jinja2

    catalogue = _Catalogue(library)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.SITE / "templates"),
        undefined=jinja2.StrictUndefined,
        # What finalize returns is Markdown, so that automatic escaping finds nothing left to do.
        autoescape=True,
        finalize=lambda value: value if hasattr(value, "__html__") else literal(value),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "site": catalogue,
        "work": library.work,
        "place": _place,
        "links": _links,
        "date": _date,
        "byline": _byline,
        "quotation": quotation,
        "code": _code,
        "fenced": _fenced,
        "counted": text.counted,
        "values": _values,
        "module": _module,
        "indented": lambda level: Markdown("    " * level),
        "measures": MEASURES,
        "relations": Relation,
        "tiers": Tier,
    }
    files = {}
    for file, template, subject in catalogue.pages():
        page = environment.get_template(f"{template}.md.j2").render(
            subject=subject, to=partial(_relative, file), link=partial(_link_from, file)
        )
        files[file] = (_front_matter(subject) + page.strip() + "\n").encode()
    for kind in schema.Kind:
        files[f"{schema.FOLDER}/{kind}.json"] = schema.text(kind).encode()
    for folder in ("pages", "assets"):
        root = paths.SITE / folder
        for path in sorted(root.rglob("*")):
            if path.is_file():
                name = path.relative_to(root if folder == "pages" else paths.SITE).as_posix()
                files[name] = path.read_bytes()
    return files


def _relative(here: str, file: str, anchor: str = "") -> Markdown:
    """The address of a file, and of an anchor in it, as a page links to it."""
    target = "" if file == here and anchor else posixpath.relpath(file, posixpath.dirname(here) or ".")
    return Markdown(f"{target}#{anchor}" if anchor else target)


def _link_from(here: str, subject: Subject, label: str | None = None) -> Markdown:
    """A link from a page to what shows a subject."""
    return Markdown(f"[{literal(label or subject.name)}]({_relative(here, *_place(subject))})")


def _front_matter(subject: Subject | None) -> str:
    """The title of a page for the head of its HTML, where themes insert it unescaped."""
    if subject is None:
        return ""
    title = f"{subject.name} family" if isinstance(subject, Family) else subject.name
    return f"---\ntitle: {json.dumps(html.escape(title), ensure_ascii=False)}\n---\n\n"


def _links(work: Paper | ExternalWork) -> list[tuple[str, Markdown]]:
    """Where a work is found: what to call the place, and its address."""
    links = work.links
    found: dict[str, str | None] = {
        f"arXiv {links.arxiv}": links.arxiv and f"https://arxiv.org/abs/{links.arxiv}",
        "DOI": links.doi and f"https://doi.org/{quote(links.doi, safe='/')}",
        "web": links.url,
        "PDF": links.pdf,
        "authors' code": links.code,
    }
    return [(label, _address(url)) for label, url in found.items() if url]


def _byline(work: Paper | ExternalWork) -> str:
    """Who wrote it, in short."""
    first, *others = work.authors
    return f"{first} et al." if len(others) > 1 else " and ".join(work.authors)


def _values(claim: Claim, measured: Any) -> list[tuple[str, str, str, str]]:
    """The values of a claim: name (empty for the only one), as printed, as expected, as measured."""
    expect = {"": claim.expect} if isinstance(claim.expect, Comparator) else claim.expect or {}
    printed, expected, found = (
        dict(text.measurement(claim.printed)) if claim.printed else {},
        {name: text.expectation(comparator.model_dump()) for name, comparator in expect.items()},
        dict(text.measurement(measured)) if measured is not None else {},
    )
    names = dict.fromkeys([*expected, *printed, *found])
    return [(name, printed.get(name, ""), expected.get(name, ""), found.get(name, "")) for name in names]


def build(library: Library, into: Path | None = None, *, render: bool = True) -> Path:
    """Write the site's Markdown to ``into/docs`` and render it to ``into/site``.

    Args:
        library: the catalogue that the site shows.
        into: the folder for both; :func:`catalog.paths.output_folder` if omitted. What an earlier build left there and
            this one does not make is removed.
        render: whether to render; otherwise only the Markdown is written.

    Returns:
        The folder of the site, or of the Markdown when nothing was rendered.

    Raises:
        CatalogError: mkdocs-material is not installed, a folder holds something else, or rendering found a mistake,
            such as a link that leads nowhere.
    """
    into = paths.output_folder() if into is None else Path(into)
    _need_mkdocs()
    docs, site = into / "docs", into / "site"
    _own(docs)
    _write(docs, _files(library))
    if not render:
        return docs
    _own(site)
    _render(docs, site)
    return site


def serve(folder: Path | None = None, into: Path | None = None, *, port: int = 8000) -> None:
    """Show the site on this machine, and build it again whenever a record, a module, a result or a template changes.

    Ends with an interrupt (Ctrl-C).

    Args:
        folder: the records; the project's own if omitted.
        into: as for :func:`build`.
        port: of 127.0.0.1.

    Raises:
        CatalogError: the site cannot be built to begin with, or the port is taken. A mistake that comes later is
            printed, and the last site that could be built stays.
    """
    from catalog.library import Library

    _need_port(port)
    site = build(Library.load(folder), into)
    from mkdocs.livereload import LiveReloadServer

    def again() -> None:
        try:
            build(Library.load(folder), into)
        except CatalogError as error:
            print(error, file=sys.stderr)

    server: Any = LiveReloadServer(again, "127.0.0.1", port, str(site))
    ours = (paths.SITE, paths.MKDOCS, paths.REPRODUCTIONS)
    for path in (folder or paths.records_folder(), *ours, paths.own_reproductions(), *paths.results_folders()):
        if path is not None and path.exists():
            server.watch(str(path))
    print(f"http://127.0.0.1:{port}/ shows the site until Ctrl-C", file=sys.stderr)
    try:
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()


def _need_port(port: int) -> None:
    """Find out before the site is built whether it can be shown."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise CatalogError(f"port {port} of 127.0.0.1 cannot be used: {why}; choose another") from None


def _need_mkdocs() -> None:
    if any(importlib.util.find_spec(name) is None for name in ("jinja2", "mkdocs", "material")):
        raise CatalogError("the site needs mkdocs-material: pip install 'repro[site]'")


def _own(folder: Path) -> None:
    """Make a folder that builds may empty, or recognise one that an earlier build made."""
    try:
        if folder.exists() and not (folder / _MARKER).is_file() and any(folder.iterdir()):
            raise CatalogError(
                f"{folder} was not made by `repro site build`; move it away or build into another folder"
            )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARKER).write_text(_MARKER_TEXT, encoding="utf-8")
    except OSError as error:
        raise CatalogError(f"{folder}: cannot write there: {error.strerror or error}") from None


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make the files of a folder these, leaving those alone that are the same already."""
    for parent, folders, others in os.walk(folder, topdown=False):
        for path in (Path(parent, name) for name in (*folders, *others)):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(folder).as_posix() not in {*files, _MARKER}:
                path.unlink()
    for name, content in files.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def _render(docs: Path, site: Path) -> None:
    """Render a folder of Markdown by MkDocs, which must have nothing to complain about."""
    with _quiet_mkdocs() as complaints:
        from mkdocs.commands.build import build as mkdocs_build
        from mkdocs.config import load_config
        from mkdocs.exceptions import MkDocsException

        try:
            mkdocs_build(
                load_config(str(paths.MKDOCS), docs_dir=str(docs.resolve()), site_dir=str(site.resolve()), strict=True)
            )
        except MkDocsException as error:
            details = "\n".join(complaints) or str(error)
            raise CatalogError(f"MkDocs cannot render {docs}:\n{details}") from None


@contextmanager
def _quiet_mkdocs() -> Iterator[list[str]]:
    """Collect MkDocs' warnings instead of printing them, and keep the date of the build out of what it makes."""
    complaints: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(record.getMessage())

    logger, collector = logging.getLogger("mkdocs"), Collector(logging.WARNING)
    propagate = logger.propagate
    settings = {"NO_MKDOCS_2_WARNING": "1", "SOURCE_DATE_EPOCH": "0"}
    added = {name: value for name, value in settings.items() if name not in os.environ}
    logger.addHandler(collector)
    logger.propagate = False
    os.environ.update(added)
    try:
        yield complaints
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagate
        for name in added:
            del os.environ[name]
