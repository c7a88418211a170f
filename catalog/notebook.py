"""How the catalogue looks in a notebook, and at a prompt.

What is shown is plain HTML with the colours of the page around it, so that it is read in light and dark notebooks, and
without anything that would have to be fetched. It is built as a tree, whose writer escapes every text.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from catalog.text import columns, counted, page_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import SupportsIndex
    from xml.etree.ElementTree import Element

    from catalog.graph import Lineage, Step
    from catalog.library import Library
    from catalog.questions import Answer
    from catalog.records import Ancestor, Family, Topic, Work
    from catalog.search import Found

    _Node: TypeAlias = "str | Element"

__all__ = ["Table", "answer", "family", "found", "library", "lineage", "topic", "work"]

R = TypeVar("R", covariant=True)

_MOST = 100
"""Rows or steps that are shown; nobody reads more in a notebook."""
_MOST_LINES = 20
"""The same at a prompt."""

_CELL = "text-align: left; vertical-align: top; padding: 0.2em 1em 0.2em 0; white-space: normal"
_PALE = "opacity: 0.7"


class Table(tuple[R, ...]):
    """Several records: a tuple that is shown as a table."""

    __slots__ = ()

    @overload
    def __getitem__(self, place: SupportsIndex) -> R: ...
    @overload
    def __getitem__(self, place: slice) -> Table[R]: ...
    def __getitem__(self, place: SupportsIndex | slice) -> R | Table[R]:
        """One of them, or a table of some."""
        if isinstance(place, slice):
            return Table(super().__getitem__(place))
        return super().__getitem__(place)

    def __repr__(self) -> str:
        lines = columns(list(map(_row, self[:_MOST_LINES])), width=page_width(), cut=True)
        more = len(self) - len(lines)
        return "\n".join([*lines, f"and {more:,} more" if more else f"({len(self)})"])

    def _repr_html_(self) -> str:
        return _page(*_records(self))


def library(shown: Library) -> str:
    """What there is, and the newest papers."""
    counts = (counted(shown.index.count(kind), kind) for kind in ("paper", "topic"))
    families = counted(len(shown.family_names), "family", "families")
    newest = [shown[paper] for paper in reversed(shown.index.papers()[-5:])]
    return _page(
        _node("b", "Library"),
        f" of {', '.join((*counts, families))}, in ",
        _node("code", str(shown.folder)),
        _node("div", "The newest papers:", style=f"{_PALE}; margin-top: 0.5em"),
        *_records(newest),
    )


def work(shown: Work) -> str:
    """Who wrote it and when, what it is about, and what it builds on."""
    links = shown.links
    places = {
        "arXiv": links.arxiv and f"https://arxiv.org/abs/{links.arxiv}",
        "DOI": links.doi and f"https://doi.org/{links.doi}",
        "web": links.url,
        "PDF": links.pdf,
        "code": links.code,
    }
    facts: list[_Node] = [shown.published, *([f" · {shown.venue}"] if shown.venue else [])]
    for label, address in places.items():
        if address:
            facts += [" · ", _node("a", label, href=address)]
    children = [
        _node("div", _node("b", shown.name), " ", _node("code", shown.id)),
        *([_node("div", shown.title)] if shown.title != shown.name else []),
        _node("div", ", ".join(shown.authors), style=_PALE),
        _node("div", *facts, style=_PALE),
    ]
    if summary := getattr(shown, "summary", None):
        children.append(_node("p", summary, style="max-width: 60em"))
    if topics := getattr(shown, "taxonomy", None):
        children.append(_node("div", f"on {', '.join(topics)}"))
    if ancestors := getattr(shown, "builds_on", None):
        children += [_node("div", "builds on"), _node("ul", *map(_ancestor, ancestors))]
    if claims := getattr(shown, "claims", None):
        children.append(_node("div", counted(len(claims), "claim")))
    return _page(*children)


def family(shown: Family) -> str:
    """What it is called, and what it is."""
    called = ", ".join((shown.name, *shown.aliases))
    return _page(_node("b", called), " ", _node("code", shown.id), _node("p", shown.summary, style="max-width: 60em"))


def topic(shown: Topic) -> str:
    """What it is called, and how much is said of it."""
    return _page(_node("b", shown.name), " ", _node("code", shown.id), f" · {counted(len(shown.comments), 'comment')}")


def lineage(shown: Lineage) -> str:
    """A tree, each work under the one that it is shown under."""
    more = len(shown.papers) - _MOST
    return _page(
        _node("b", shown.summary),
        _tree(shown.papers[:_MOST]),
        *([_node("div", f"and {more:,} more", style=_PALE)] if more > 0 else []),
    )


def answer(shown: Answer) -> str:
    """How the question was understood, and what comes of it."""
    return _page(_node("div", f"{shown.question} → {shown.understood}", style=_PALE)) + html_of(shown.result)


def found(shown: Found) -> str:
    """What a search finds: each thing with the place where the words are, which are bold."""
    rows = []
    for hit in shown.hits:
        pieces = [_node("b", text) if is_word else text for text, is_word in hit.snippet]
        where = _node("span", f"{hit.where}: ", style=_PALE)
        rows.append((str(hit.year or ""), _node("code", hit.id), hit.name, _node("span", where, *pieces)))
    return _page(_table(("year", "id", "name", "where"), rows, shown.count))


def html_of(value: object) -> str:
    """The HTML of anything that an answer may be."""
    if hasattr(value, "_repr_html_"):
        return str(value._repr_html_())
    if isinstance(value, tuple) and all(is_dataclass(member) for member in value):
        if not value:
            return _page("nothing")
        head = [field.name for field in fields(value[0])]
        rows = [[_plain(getattr(member, name)) for name in head] for member in value]
        return _page(_table(head, rows, len(rows)))
    return _page(_node("pre", repr(value)))


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


# --- Pieces ----------------------------------------------------------------------------------------------------------


def _row(record: Any) -> tuple[str, ...]:
    """The cells of a work, a family or a topic in a table."""
    year = (str(record.year),) if hasattr(record, "year") else ()
    title = (record.title,) if getattr(record, "title", record.name) != record.name else ("",) if year else ()
    return (*year, record.id, record.name, *title)


def _records(records: Sequence[Any]) -> Iterator[Element]:
    rows = [_row(record) for record in records[:_MOST]]
    head = {4: ("year", "id", "name", "title"), 2: ("id", "name")}[len(rows[0])] if rows else ()
    yield _table(head, rows, len(records))


def _table(head: Sequence[str], rows: Iterable[Sequence[_Node]], count: int) -> Element:
    body = [_node("tr", *(_node("td", cell, style=_CELL) for cell in row)) for row in rows]
    names = _node("tr", *(_node("th", name, style=f"{_CELL}; {_PALE}") for name in head))
    shown = f"{len(body):,} of {count:,}" if len(body) < count else f"{count:,}"
    table = _node("table", _node("thead", names), _node("tbody", *body), style="margin: 0.3em 0")
    return _node("div", table, _node("div", shown, style=_PALE))


def _ancestor(step: Ancestor) -> Element:
    return _node("li", f"{step.relation} ", _node("code", step.paper), f": {step.what}")


def _tree(steps: Sequence[Step]) -> Element:
    """Lists in lists; a step stands before those that are shown under it."""
    lists = [_node("ul", style="margin: 0.3em 0")]
    for step in steps:
        how = f" {step.relation}: {step.what}" if step.relation else ""
        item = _node("li", f"{step.year} ", _node("b", step.name), _node("span", how, style=_PALE))
        del lists[step.depth + 1 :]
        lists[-1].append(item)
        below = _node("ul", style="margin: 0")
        item.append(below)
        lists.append(below)
    return lists[0]


def _page(*content: _Node) -> str:
    from xml.etree.ElementTree import tostring

    # Dollar signs in titles are no mathematics: both classes say so, to MathJax 2 and to its successors.
    page = _node("div", *content, **{"class": "tex2jax_ignore mathjax_ignore"})
    return tostring(page, encoding="unicode", method="html")


def _node(tag: str, *content: _Node, **attributes: str) -> Element:
    from xml.etree.ElementTree import Element

    node = Element(tag, attributes)
    last: Element | None = None
    for part in content:
        if not isinstance(part, str):
            node.append(part)
            last = part
        elif last is None:
            node.text = (node.text or "") + part
        else:
            last.tail = (last.tail or "") + part
    return node
