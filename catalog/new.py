"""Begin a paper: its record, its module, its checks and its test, with every blank marked.

A blank begins with ``FILL IN`` and says what belongs there. ``repro validate`` names those of the record, the module
and the checks, with file and line, until none is left; a test with blanks fails by itself.
"""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING, Any

from catalog import paths
from catalog.errors import CatalogError
from catalog.formats.publication import split_name
from catalog.layout import dump
from catalog.names import normal, slug
from catalog.outline import identifier
from catalog.relations import Relation
from catalog.schema import reference
from catalog.source import SourceError, files, parse, printable
from catalog.validation import BLANK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from catalog.metadata import Metadata

__all__ = ["chosen_id", "draft", "fields_of", "fields_offline", "next_steps", "proposed_name", "write"]

_RESERVED = {"taxonomy", "families", "layers", "checks", "results", "external", "measuring"}
_ID_RULE = (
    "An id is what people call the paper, in lower-case words joined by hyphens (dual-path-networks, mobilenet-v1). It "
    "names the record, the module, the checks and the page, begins with a letter, and stays; '--id' gives it"
)


def fields_of(known: Metadata) -> dict[str, Any]:
    """What sources know of a paper, as fields of a record."""
    fields = {
        "name": proposed_name(known.title),
        "title": known.title,
        "authors": list(known.authors),
        "published": known.published,
        "venue": known.venue,
        "links": {name: number for name in ("arxiv", "doi") if (number := getattr(known, name))},
    }
    return {name: value for name, value in fields.items() if value}


def fields_offline(query: str) -> dict[str, Any]:
    """What a query says of a paper by itself, as fields of a record: an arXiv number, a DOI or a title."""
    kind, _, number = (identifier(query) or "title:").partition(":")
    if kind in ("arxiv", "doi"):
        return {"links": {kind: number}}
    title = " ".join(query.split())
    name = proposed_name(title)
    return {"name": name, "title": title} if name else {"title": title}


def proposed_name(title: str) -> str | None:
    """What people are likely to call a paper: what stands before the colon of its title, or a title of few words."""
    name, _, _ = title.partition(":")
    return name.strip() if 0 < len(name.split()) <= 3 else None


def chosen_id(given: str | None, fields: Mapping[str, Any]) -> str:
    """The id that is given, or the one that the name of a paper makes.

    Raises:
        CatalogError: it cannot be one, or there is neither.
    """
    if given is None and "name" not in fields:
        raise CatalogError(f"the title says nothing short that people could call the paper. {_ID_RULE}")
    paper = slug(fields["name"]) if given is None else given
    module = paper.replace("-", "_")
    if slug(paper) != paper or not module.isidentifier() or keyword.iskeyword(module) or paper in _RESERVED:
        raise CatalogError(f"'{printable(paper)}' cannot be an id. {_ID_RULE}")
    return paper


def next_steps(paper: str, *, record_only: bool, width: int) -> list[str]:
    """What to do with new files, for the person who asked for them."""
    from catalog.text import columns, heading, wrap

    steps = [
        f"Fill in what is marked {BLANK}, and read what is not. 'repro validate' names every blank that is left, with "
        "file and line; CONTRIBUTING.md says what belongs where.",
        f"'repro fmt {paper}' brings the record into its layout.",
    ]
    if record_only:
        steps.append(f"'repro lineage {paper} --ancestors' shows what it builds on.")
    else:
        test = f"'pytest tests/reproductions/test_{paper.replace('-', '_')}.py' and "
        by = f"{'' if paths.has_own_records() else test}'repro mutate {paper}'"
        steps += [
            f"'repro verify {paper}' measures the claims.",
            f"Small errors are made in the module by {by}; a claim has to notice each.",
        ]
    lines = [heading("Next")]
    for number, step in enumerate(steps, 1):
        lines += wrap(step, width, f"  {number}. ")
    topics = [key for _, data in _present("taxonomy") for key in _ids(data.get("topics"))]
    across = max(1, (width - 2) // (max(map(len, topics), default=0) + 2))
    rows = -(-len(topics) // across)
    table = [[f"  {topic}" for topic in topics[row::rows]] for row in range(rows)]
    lines += ["", heading("Topics"), *columns([row + [""] * (across - len(row)) for row in table])]
    return lines


def draft(paper: str, fields: Mapping[str, Any], *, record_only: bool = False) -> dict[Path, str]:
    """The files of a new paper and what they hold.

    Args:
        paper: its id, from :func:`chosen_id`.
        fields: what is known of it, as fields of a record.
        record_only: leave the module, its checks and its test to somebody else.

    Raises:
        CatalogError: the id is taken, the paper is in the catalogue already, or this is no checkout.
    """
    if paths.CHECKOUT is None and not paths.has_own_records():
        raise CatalogError(
            "papers are added in a checkout of the project, or to records of one's own (--papers DIR); this is an "
            "installed copy"
        )
    _refuse_known(paper, fields)
    record, modules = paths.records_folder() / f"{paper}.yaml", paths.reproductions_folder()
    heading = reference(record)
    found = {record: (f"{heading}\n" if heading else "") + dump(_record(paper, fields, record_only))}
    if not record_only and modules is not None:
        module = paper.replace("-", "_")
        words = {"paper": paper, "module": module, "name": fields.get("name", paper), "heading": _heading(fields)}
        words = {key: re.sub(r'["\\]', "'", word) for key, word in words.items()}  # nothing may end a docstring
        found |= {
            modules / f"{module}.py": _MODULE.format(**words),
            modules / "checks" / f"{module}.py": _CHECKS.format(**words),
        }
        if paths.CHECKOUT is not None and not paths.has_own_records():
            found[paths.CHECKOUT / "tests" / "reproductions" / f"test_{module}.py"] = _TEST.format(**words)
    for path in found:
        if path.exists():
            ours = paths.CHECKOUT is not None and path.is_relative_to(paths.CHECKOUT)
            shown = path.relative_to(paths.CHECKOUT) if ours and paths.CHECKOUT else path
            raise CatalogError(f"{shown} is there already; nothing was written")
    return found


def write(found: Mapping[Path, str]) -> None:
    """Write new files, all of them or none; one that has appeared meanwhile is left as it is.

    Raises:
        CatalogError: one cannot be written.
    """
    written = []
    try:
        for path, text in found.items():
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                written.append(path)
                stream.write(text)
    except BaseException as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CatalogError(
                f"{error.filename or path} cannot be written: {error.strerror or error}; nothing was written"
            ) from None
        raise


def _refuse_known(paper: str, fields: Mapping[str, Any]) -> None:
    """Raise CatalogError where the catalogue has a paper of this id, number or title."""
    links = fields.get("links", {})
    mine = {f"{kind}:{number}".lower() for kind, number in links.items()}
    for file, data in _present("paper", "external"):
        theirs = data.get("links")
        theirs = theirs.items() if isinstance(theirs, dict) else ()
        same = {f"{kind}:{number}".lower() for kind, number in theirs} & mine
        title = "title" in fields and normal(fields["title"]) == normal(str(data.get("title", "")))
        if not (same or title or data.get("id") == paper):
            continue
        what = f"'{paper}'" if not (same or title) else "this paper"
        if "/external/" in file:
            target = file.replace("external/", "")
            raise CatalogError(
                f"{file} has {what} as a work outside the catalogue. Bring that record in: git mv {file} {target}, add "
                "taxonomy and summary, and run repro fmt and repro validate"
            )
        raise CatalogError(f"{file} has {what} already: repro show {data.get('id')}")


def _present(*kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The files of some kinds, valid or not: another paper that has been begun must not stand in the way."""
    for file in files(paths.records_folder()):
        if file.kind in kinds and file.error is None:
            try:
                yield file.name, parse(file.content).data
            except SourceError:
                continue


def _ids(listed: Any) -> list[str]:
    members = listed if isinstance(listed, list) else []
    return [str(member["id"]) for member in members if isinstance(member, dict) and "id" in member]


def _heading(fields: Mapping[str, Any]) -> str:
    """The first line of a module: ``Title (Author and Author, 2016)``."""
    if not {"title", "authors", "published"} <= fields.keys():
        return f"{BLANK}: the title (the authors' family names, the year)"
    names = [split_name(author).family for author in fields["authors"]]
    byline = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    return f"{fields['title']} ({byline}, {fields['published'][:4]})"


def _record(paper: str, fields: Mapping[str, Any], record_only: bool) -> dict[str, Any]:
    def blank(what: str) -> str:
        return f"{BLANK}: {what}"

    ours = {
        "id": paper,
        "name": blank("what people call it"),
        "title": blank("the title as it is printed"),
        "authors": [blank("one author an entry, given name first")],
        "published": blank("the day of its first public appearance, 2016-10-07, or 2016-10, or 2016"),
        "venue": blank("where it was published after review, CVPR 2017; delete this if nowhere"),
        "links": {"arxiv": blank("its number, 1610.02357; or delete this and give doi, or url")},
        "taxonomy": [blank("a topic of papers/taxonomy.yaml; several are allowed, the main one first")],
        "summary": blank("two to four sentences of our own; no abstract"),
        "builds_on": [
            {
                "paper": blank("the id of a paper that it builds on, or of a work in papers/external/"),
                "relation": blank(f"one of {', '.join(Relation)}"),
                "what": blank("what this paper changes in that one, or takes from it"),
            }
        ],
    }
    if not record_only:
        ours |= {
            "reproduction": "complete",
            "claims": [
                {
                    "id": "parameters",
                    "statement": blank("what the paper says of the size of its network, in a sentence"),
                    "source": blank("the place in the paper: Table 1"),
                    "basis": "printed",
                    "tier": "structure",
                    "subject": {"variant": paper},
                    "measure": "parameters",
                    "printed": blank("the figure as the paper prints it: 25.6M"),
                    "expect": {"equals": blank("the number that repro verify measures, once it is understood")},
                },
                {
                    "id": "definition",
                    "statement": blank("what the paper states or proves and a computation can show"),
                    "source": blank("Section 3, Equation 1"),
                    "basis": "derived",
                    "tier": "property",
                    "check": "definition",
                    "expect": {"difference": {"at_most": 1e-10}},
                },
            ],
        }
    return ours | dict(fields)


_MODULE = '''"""{heading}.

FILL IN: what the paper changed, and against what, in a few sentences.
"""

from __future__ import annotations

from torch import Tensor, nn


class Network(nn.Module):
    """FILL IN: the network; the parts that the paper introduces come before it, in the paper's order and words.

    Shapes: (batch, 3, 224, 224) to (batch, classes).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(3, classes)  # FILL IN: the layers

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(x.mean((2, 3)))  # FILL IN: what they compute


VARIANTS = {{
    "{paper}": {{}},
}}


def build(variant: str = "{paper}", *, classes: int = 1000) -> Network:
    """Build a variant. FILL IN: how the paper lets weights start."""
    return Network(classes, **VARIANTS[variant])
'''

_CHECKS = '''"""Measurements of {name} that need code."""

from __future__ import annotations

import torch

from reproductions.{module} import build


def definition() -> dict[str, float]:
    """FILL IN: what is measured; it is compared with what the record expects, and never judged here."""
    torch.manual_seed(0)
    network = build(classes=10).double().eval()
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    by_hand = torch.zeros(2, 10, dtype=torch.float64)  # FILL IN: the same, computed as the paper writes it
    return {{"difference": (network(x) - by_hand).abs().max().item()}}
'''

_TEST = '''"""The errors that people make with {name}, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest

from tests.reproductions.broken import red_claims

ERRORS = {{  # what is changed, into what, and a claim that must notice
    "FILL IN: an error that people make": ("FILL IN: a piece of the module", "the same with the error", "parameters"),
}}


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert claim in red_claims("{module}", old, new)
'''
