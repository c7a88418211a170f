"""What the site consists of: pages that templates make, and files that stand as they are.

Every *area* of the site is a function that gives its pages and files; this module calls them all and turns the
pages into Markdown. A page is written by one template (``site/templates``), which knows the catalogue as ``site``.
"""

from __future__ import annotations

import html
import json
from functools import cache, partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from catalog import paths, schema, text
from catalog.conventions import MEASURES
from catalog.records import ExternalWork, Paper, Relation
from catalog.website import api, efficiency, feed, head, lineage
from catalog.website.commands import commands
from catalog.website.content import Catalogue, Subject, place
from catalog.website.contributing import contributing
from catalog.website.libraries import libraries
from catalog.website.markdown import Markdown, address, code, date, fenced, literal, quotation
from catalog.website.miniature import miniature
from catalog.website.neighbourhood import neighbourhood
from catalog.website.networks import alike, main_first, sides, stage_table
from catalog.website.overviews import overviews
from catalog.website.page import Area, File, Page, relative, served
from catalog.website.papers import papers, values
from catalog.website.programs import programs
from catalog.website.questions import questions
from catalog.website.verification import verification

if TYPE_CHECKING:
    from collections.abc import Iterator

    import jinja2
    from jinja2.bccache import Bucket

    from catalog.library import Library

__all__ = ["AREAS", "files"]


def _schemas(_site: Catalogue) -> Iterator[Page | File]:
    """The schemas of the records, for editors and other programs."""
    for kind in schema.Kind:
        yield File(f"{schema.FOLDER}/{kind}.json", schema.text(kind).encode())


def _written_by_hand(_site: Catalogue) -> Iterator[Page | File]:
    """Pages and assets that are kept as files."""
    for folder in ("pages", "assets"):
        root = paths.SITE / folder
        for path in sorted(root.rglob("*")):
            if path.is_file():
                name = path.relative_to(root if folder == "pages" else paths.SITE).as_posix()
                yield File(name, path.read_bytes())


def _style_sheet(_site: Catalogue) -> Iterator[Page | File]:
    """One style sheet for all pages, kept as several files: each area's, after those that all share."""
    sheets = sorted((paths.SITE / "styles").glob("*.css"), key=lambda path: (path.stem != "base", path.name))
    yield File("assets/site.css", b"\n".join(path.read_bytes() for path in sheets))


def _libraries(_site: Catalogue) -> Iterator[Page | File]:
    """What scripts of the site use of others."""
    for name, content in libraries().items():
        yield File(f"assets/libraries/{name}", content)


AREAS: tuple[Area, ...] = (
    overviews,
    papers,
    lineage.area,
    efficiency.area,
    questions,
    verification,
    contributing,
    commands,
    programs,
    _schemas,
    _written_by_hand,
    _style_sheet,
    _libraries,
    api.files,
    feed.files,
)
"""All that the site consists of."""


def files(library: Library) -> dict[str, bytes]:
    """The contents of the docs folder: every file by its name."""
    site = Catalogue(library)
    environment = _environment(site)
    found = {}
    for area in AREAS:
        for part in area(site):
            match part:
                case Page():
                    found[part.file] = _written(part, site, environment)
                case File():
                    found[part.name] = part.content
    return found


def _environment(site: Catalogue) -> jinja2.Environment:
    """The templates, and what each of them may use."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.SITE / "templates"),
        bytecode_cache=_compiled(),
        undefined=jinja2.StrictUndefined,
        # What finalize returns is Markdown, so that automatic escaping finds nothing left to do.
        autoescape=True,
        finalize=lambda value: value if hasattr(value, "__html__") else literal(value),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {
        "site": site,
        "work": site.library.work,
        "place": place,
        "links": _links,
        "date": date,
        "byline": _byline,
        "quotation": quotation,
        "code": code,
        "fenced": fenced,
        "counted": text.counted,
        "values": values,
        "indented": lambda level: Markdown("    " * level),
        "measures": MEASURES,
        "relations": Relation,
        "libraries": libraries(),
        "megabytes": text.megabytes,
        "main_first": main_first,
        "sides": sides,
        "alike": alike,
        "stage_table": stage_table,
        "neighbourhood": partial(neighbourhood, site),
        "miniature": partial(miniature, site),
    }
    return environment


@cache
def _compiled() -> jinja2.BytecodeCache:
    """Templates that were compiled before, for as long as they say the same."""
    import jinja2

    class Memory(jinja2.BytecodeCache):
        def __init__(self) -> None:
            self.known: dict[str, bytes] = {}

        def load_bytecode(self, bucket: Bucket) -> None:
            if bucket.key in self.known:
                bucket.bytecode_from_string(self.known[bucket.key])

        def dump_bytecode(self, bucket: Bucket) -> None:
            self.known[bucket.key] = bucket.bytecode_to_string()

    return Memory()


def _written(page: Page, site: Catalogue, environment: jinja2.Environment) -> bytes:
    """A page as Markdown, with what its head needs in front."""
    shown = environment.get_template(f"{page.template}.md.j2").render(
        subject=page.subject,
        to=partial(relative, page.file),
        href=partial(served, page.file),
        link=partial(_link_from, page.file),
        **page.values,
    )
    return (_front_matter(page, site) + shown.strip() + "\n").encode()


def _front_matter(page: Page, site: Catalogue) -> str:
    """The settings of a page. Themes insert them into its HTML unescaped."""
    scripts = "".join(f'<script type="module" src="{relative(page.file, name)}"></script>' for name in page.scripts)
    settings = {
        "title": html.escape(page.title),
        "description": html.escape(head.description(site, page)),
        "kind": "article" if isinstance(page.subject, Paper) else "",  # https://ogp.me/#types
        "hide": page.hide,
        "search": {} if page.search == 1 else {"boost": page.search} if page.search else {"exclude": True},
        "tags": [html.escape(keyword) for keyword in page.keywords],
        "head": head.elements(site, page) + page.head + scripts,
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in settings.items() if value]
    return f"---\n{''.join(lines)}---\n\n" if lines else ""


def _link_from(here: str, subject: Subject, label: str | None = None) -> Markdown:
    """A link from a page to what shows a subject."""
    return Markdown(f"[{literal(label or subject.name)}]({relative(here, *place(subject))})")


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
    return [(label, address(url)) for label, url in found.items() if url]


def _byline(work: Paper | ExternalWork) -> str:
    """Who wrote it, in short."""
    first, *others = work.authors
    return f"{first} et al." if len(others) > 1 else " and ".join(work.authors)
