"""Full-text search over everything that is written about papers, outside works, families and topics.

The text lies in the compiled index (:mod:`catalog.index`). Words are compared without case, accents and endings; the
last word may be the beginning of one. Names and titles weigh more than summaries, these more than comments and claims.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from catalog.errors import CatalogError
from catalog.index import thing_of
from catalog.names import closest
from catalog.outline import Outline

if TYPE_CHECKING:
    from catalog.index import Index
    from catalog.library import Library

__all__ = ["Found", "Hit", "search"]

COLUMNS = {"names": 10.0, "title": 8.0, "authors": 5.0, "summary": 3.0, "comments": 1.5, "claims": 1.0}
"""The columns of the text, with their weights."""

LONGEST = 1000
"""Characters that may be searched for; a longer one is a text."""

_OPEN, _CLOSE = "\x02", "\x03"  # no record holds these
_SNIPPET_WORDS = 24
_WORD = re.compile(r"[^\W_]+")
_MOST_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True)
class Hit:
    """Something in which all words are found."""

    kind: str
    """``paper``, ``external``, ``family`` or ``topic``."""
    id: str
    name: str
    year: int | None
    where: str
    """The column of the text in which it is found, or the weightiest of several."""
    snippet: tuple[tuple[str, bool], ...]
    """What that says, or a part of it, in pieces: the text and whether it is one of the words."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search finds."""

    words: str
    count: int
    """How many there are in all."""
    hits: tuple[Hit, ...]
    """The best of them, the best first."""
    suggestions: dict[str, tuple[str, ...]]
    """Where there are none: the words that are found nowhere, each with some that are and look like it."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        hits = [asdict(hit) | {"snippet": "".join(text for text, _ in hit.snippet)} for hit in self.hits]
        return {"words": self.words, "count": self.count, "results": hits, "suggestions": self.suggestions}

    def __repr__(self) -> str:
        return f"<Found: {self.count} for '{self.words}': {', '.join(hit.id for hit in self.hits) or 'nothing'}>"

    def _repr_html_(self) -> str:
        from catalog import notebook

        return notebook.found(self)


def search(library: Library, words: str, limit: int = 10) -> Found:
    """What the words are all found in, the best first.

    Args:
        library: the catalogue.
        words: what to look for. Nothing in them is syntax.
        limit: largest number of hits.

    Raises:
        CatalogError: there is no word among them, or there are too many.
    """
    # What is no text (bytes of a command line that are not UTF-8) is found nowhere; the end of a C string is no text.
    asked = unicodedata.normalize("NFC", words.encode(errors="replace").decode()).replace("\0", " ").split()
    asked = [word for word in asked if any(character.isalnum() for character in word)]
    if not asked:
        raise CatalogError("there is no word to search for; for example: repro search depthwise separable")
    if len(words) > LONGEST:
        raise CatalogError(f"that is a text of {len(words):,} characters; search for a few words")
    index, expression = library.index, _expression(asked)
    ((count,),) = index.rows("SELECT count(*) FROM search WHERE search MATCH ?", expression)
    snippets = ", ".join(
        f"snippet(search, {column}, '{_OPEN}', '{_CLOSE}', '…', {_SNIPPET_WORDS})" for column in range(len(COLUMNS))
    )
    weights = ", ".join(map(str, COLUMNS.values()))
    rows = index.rows(
        f"SELECT kind, outline, {snippets} FROM search JOIN things ON number = search.rowid "  # noqa: S608
        f"WHERE search MATCH ? AND rank MATCH 'bm25({weights})' ORDER BY rank LIMIT ?",
        expression,
        limit,
    )
    hits = tuple(
        _hit(kind, json.loads(outline), dict(zip(COLUMNS, found, strict=True))) for kind, outline, *found in rows
    )
    return Found(" ".join(asked), count, hits, {} if count else _suggestions(index, asked))


def _expression(words: list[str]) -> str:
    """The words as an expression of FTS5: each a string, in which no character means anything; the last a beginning.

    What comes after OR finds nothing more; it counts besides. A name says more than any number of mentions, and whoever
    has typed a whole word means that.
    """
    *first, last = ('"' + word.replace('"', '""') + '"' for word in words)
    named = "OR {names title} :"
    return " AND ".join([*(f"({word} {named} {word})" for word in first), f"({last}* OR {last} {named} {last})"])


def _hit(kind: str, outline: list[Any], snippets: dict[str, str]) -> Hit:
    pieces = {column: _pieces(snippet) for column, snippet in snippets.items()}

    def worth(column: str) -> tuple[int, bool]:
        # What shows most of the words; a name is shown anyway.
        return len({text.casefold() for text, is_word in pieces[column] if is_word}), column != "names"

    where = max(COLUMNS, key=worth)
    thing = thing_of(kind, outline).outline
    year = thing.year if isinstance(thing, Outline) else None
    return Hit(kind, thing.id, thing.name, year, where, pieces[where])


def _pieces(snippet: str) -> tuple[tuple[str, bool], ...]:
    pieces = re.split(f"[{_OPEN}{_CLOSE}]", snippet)
    return tuple((text, place % 2 == 1) for place, text in enumerate(pieces) if text)


def _suggestions(index: Index, words: list[str]) -> dict[str, tuple[str, ...]]:
    """For each word that is found nowhere those that are most like it."""
    found_nowhere = [
        word
        for word in dict.fromkeys(_WORD.findall(" ".join(words)))
        if not index.rows("SELECT 1 FROM search WHERE search MATCH ? LIMIT 1", _expression([word]))
    ]
    if not found_nowhere:
        return {}
    index.rows("CREATE VIRTUAL TABLE IF NOT EXISTS temp.stems USING fts5vocab(main, search, row)")
    index.rows("CREATE VIRTUAL TABLE IF NOT EXISTS temp.places USING fts5vocab(main, search, instance)")
    stems = [stem for (stem,) in index.rows("SELECT term FROM temp.stems")]
    return {
        word: tuple(dict.fromkeys(_written(index, stem) for stem in closest(word, stems, _MOST_SUGGESTIONS)))
        for word in found_nowhere
    }


def _written(index: Index, stem: str) -> str:
    """A word as it is written somewhere, of which the index knows but the stem: "separ" in "separable"."""
    ((row, column, place),) = index.rows("SELECT doc, col, offset FROM temp.places WHERE term = ? LIMIT 1", stem)
    ((text,),) = index.rows(f"SELECT {column} FROM search WHERE rowid = ?", row)  # noqa: S608 - one of ours
    words = _WORD.findall(text)
    # Python and SQLite may differ in what a letter is, beyond those that everybody knows.
    return words[place].lower() if place < len(words) else stem
