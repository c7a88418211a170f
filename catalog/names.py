"""Find a paper from what people call it, and say what they may have meant where nothing is called so."""

from __future__ import annotations

import re
import unicodedata
from itertools import chain
from typing import TYPE_CHECKING

from catalog.errors import CatalogError
from catalog.outline import Named, Outline, identifier
from catalog.source import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalog.index import Index, Thing

__all__ = ["AmbiguousName", "Names", "UnknownName", "closest", "find_topic", "find_variant", "normal", "same"]

Match = tuple[str, str]
"""What a name stands for, ``paper``, ``family`` or ``external``, and its id."""

SUGGESTIONS = 5
_NEAR = 65.0  # of 100: "incepton" is near "inception" (94), "mobilenets" near "mobilenet v1" (82) and "lenet" (67)
_NEARLY_AS_GOOD = 15.0  # behind the best, so that "lenet" is not offered for "mobilenets"


class UnknownName(CatalogError, KeyError):
    """Nothing in the catalogue is called so."""

    def __init__(
        self, name: str, suggestions: Iterable[str] = (), *, what: str = "paper or family", hint: str = ""
    ) -> None:
        self.name = name
        self.suggestions = tuple(suggestions)
        if self.suggestions:
            hint = f"did you mean {_either([repr(suggestion) for suggestion in self.suggestions])}?"
        super().__init__(f"no {what} is called '{printable(name)}'" + (f"; {hint}" if hint else ""))


class AmbiguousName(CatalogError):
    """Several papers are called so, and they are not one family."""

    def __init__(self, name: str, candidates: Iterable[str]) -> None:
        self.name = name
        self.candidates = tuple(candidates)
        super().__init__(f"'{printable(name)}' may be {_either(list(self.candidates))}; use one of these")


def _either(names: list[str]) -> str:
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def same(name: str) -> str:
    """What two names that nobody could tell apart have in common: case and spaces do not count."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def normal(name: str) -> str:
    """A name without case, accents, spaces, hyphens and punctuation: ``Inception v3`` becomes ``inceptionv3``."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in plain if character.isalnum())


def find_variant(paper: str, name: str) -> str:
    """The variant of a paper's network that is called so; case and separators do not count.

    Raises:
        UnknownName: the paper has no such variant.
        CatalogError: it has no network at all.
    """
    import reproductions

    try:
        return reproductions.find_variant(paper, name)
    except reproductions.UnknownVariant:
        offered = reproductions.variants(paper)
    except reproductions.UnknownReproduction as error:
        raise CatalogError(str(error)) from None
    if not offered:
        raise CatalogError(f"the module of {paper} holds no network")
    hint = f"there are {', '.join(offered)}"
    raise UnknownName(name, closest(name, offered), what=f"variant of {paper}", hint=hint)


def closest(name: str, names: Iterable[str], limit: int = SUGGESTIONS) -> list[str]:
    """Those of the names that are most like the one given, the most similar first."""
    from rapidfuzz import fuzz, process

    asked, choices = _spaced(name[:200]), list(dict.fromkeys(names))
    # Of a long name, such as a title, people remember some words.
    scorer = fuzz.ratio if asked.count(" ") < 3 else fuzz.token_set_ratio
    found = process.extract(
        asked, [_spaced(choice) for choice in choices], scorer=scorer, limit=limit, score_cutoff=_NEAR
    )
    return [choices[place] for _, score, place in found if score > found[0][1] - _NEARLY_AS_GOOD]


def _top(name: str, topics: list[str]) -> str:
    """Of topics that are called the same the one under which the others lie."""
    top = min(topics, key=len)
    if any(not f"{topic}/".startswith(f"{top}/") for topic in topics):
        raise AmbiguousName(name, topics)
    return top


def _words(name: str) -> set[str]:
    return {word.removesuffix("s") for word in _spaced(name).split()}


def _spaced(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", unicodedata.normalize("NFKD", name).casefold()).strip()


class Names:
    """Everything that papers, families and works outside the catalogue are called."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def find(self, name: str) -> Match:
        """What a name stands for: an id, name, alias, title, arXiv number, DOI or web address.

        A name as it is written goes before one that differs in hyphens or accents, the catalogue before works outside.

        Raises:
            AmbiguousName: several papers are called so, and they are not one family.
            UnknownName: nothing is.
        """
        known = identifier(name)
        alike = self._index.found_by("name", normal(name))
        for found in (
            [thing for thing in alike if same(name) in map(same, thing.outline.spoken)],
            self._index.found_by("identifier", known) if known else [],
            alike,
        ):
            if found:
                return self._one(name, found)
        raise UnknownName(name, self._suggestions(name))

    def _one(self, name: str, found: list[Thing]) -> Match:
        inside = [thing for thing in found if thing.kind != "external"] or found
        if len(inside) == 1:
            return inside[0].kind, inside[0].outline.id
        families = {
            thing.outline.family if isinstance(thing.outline, Outline) else thing.outline.id for thing in inside
        }
        if len(families) == 1 and (family := families.pop()):
            return "family", family
        raise AmbiguousName(name, [thing.outline.id for thing in inside])

    def _suggestions(self, name: str) -> list[str]:
        spoken: dict[str, dict[str, None]] = {}
        things: Iterable[Named | Outline] = chain(self._index.named("family"), self._index.works())
        for thing in things:
            for called in thing.spoken:
                spoken.setdefault(same(called), {})[thing.id] = None
        # Several names of one paper may be near; each is suggested once, by its id.
        near = closest(name, spoken, 4 * SUGGESTIONS)
        return list(dict.fromkeys(key for called in near for key in spoken[called]))[:SUGGESTIONS]


def find_topic(name: str, topics: Iterable[Named]) -> str:
    """The id of the topic that people call so: by id, name, last part of the id, or by words of these.

    Raises:
        AmbiguousName: several topics are called so, and they do not lie under one of them.
        UnknownName: none is.
    """
    topics = list(topics)
    for spelling in (same, normal):
        if found := [topic.id for topic in topics if spelling(name) in map(spelling, topic.spoken)]:
            return _top(name, found)
    wanted = _words(name)
    if wanted and (found := [topic.id for topic in topics if any(wanted <= _words(spoken) for spoken in topic.spoken)]):
        return _top(name, found)
    near = closest(name, [spoken for topic in topics for spoken in topic.spoken], 4 * SUGGESTIONS)
    ids = dict.fromkeys(topic.id for spoken in near for topic in topics if spoken in topic.spoken)
    raise UnknownName(name, list(ids)[:SUGGESTIONS], what="topic")
