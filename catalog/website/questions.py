"""The pages of questions: every form that is understood, how it may be worded, and what this catalogue answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from catalog.question_forms import FORMS
from catalog.show import family_of
from catalog.show_answers import INFLUENCE
from catalog.show_answers import MOST as MOST_SHOWN
from catalog.website.examples import FITS, Examples
from catalog.website.lineage import EXPLORER
from catalog.website.markdown import Markdown, literal
from catalog.website.page import File, Page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from catalog.question_forms import Form
    from catalog.questions import Remark
    from catalog.records import Paper, Topic
    from catalog.website.content import Catalogue, Subject

__all__ = ["questions"]

_PLACES = {
    "NAME": "a paper or a family, by any name that people use: id, name, title, arXiv number, DOI",
    "FROM": "a paper or a family, by any name that people use",
    "TO": "another",
    "ONE": "a paper or a family, by any name that people use",
    "OTHER": "another",
    "THIRD": "a third; more may follow",
    "SOURCE": "a work that speaks, of the catalogue or outside it; others, for any of them",
    "TOPIC": "a topic, or a part of its name",
    "FAMILY": "a family",
    "AUTHOR": "an author, in full or by the last name",
    "ANOTHER": "another author",
    "YEAR": "a year; before may also be in, since, from, after, until or up to",
    "VERDICT": "verified, consistent, deviating, failed, stale, not checkable or not measured yet",
    "LATER": "the last year that counts",
}
"""What stands in the places of a wording."""

_NEXT = {
    "descendants": ("ancestors", "path", "influence"),
    "ancestors": ("descendants", "path", "common"),
    "path": ("difference", "common", "ancestors"),
    "common": ("path", "ancestors"),
    "difference": ("path", "remarks-by"),
    "remarks-by": ("remarks", "difference"),
    "remarks": ("speakers", "remarks-by"),
    "speakers": ("remarks", "descendants"),
    "influence": ("descendants", "speakers"),
    "papers-on": ("influence", "papers-in"),
    "papers-by": ("papers-on", "papers-in"),
    "papers-of": ("descendants", "influence"),
    "papers-in": ("papers-on", "papers-of"),
    "verdicts": ("record",),
    "record": ("remarks", "descendants", "ancestors"),
}
"""The forms of question that come next."""

_EXPLORER, _DESCENT = ("Lineage explorer", EXPLORER), ("Descent, as text", "lineage/descent/index.md")
_FAMILIES, _TOPICS = ("Families", "families/index.md"), ("Topics", "topics/index.md")
_PAPERS, _TIMELINE = ("Papers by year", "papers/index.md"), ("Timeline", "timeline/index.md")
_WORKS, _AUTHORS = ("Other works", "works/index.md"), ("Authors", "authors/index.md")
_STATUS = ("Status of all papers", "status/index.md")
_DEVIATIONS = ("Where papers and their numbers part", "deviations/index.md")

_BROWSE = {
    "descendants": (_EXPLORER, _DESCENT, _FAMILIES),
    "ancestors": (_EXPLORER, _DESCENT),
    "path": (_EXPLORER,),
    "common": (_EXPLORER,),
    "difference": (_DESCENT,),
    "remarks-by": (_WORKS,),
    "remarks": (_TOPICS,),
    "speakers": (_WORKS,),
    "influence": (_EXPLORER,),
    "papers-on": (_TOPICS, _TIMELINE),
    "papers-by": (_AUTHORS,),
    "papers-of": (_FAMILIES,),
    "papers-in": (_TIMELINE, _PAPERS),
    "verdicts": (_STATUS, _DEVIATIONS),
    "record": (_PAPERS, _FAMILIES),
}
"""The pages on which the same can be looked through."""


def questions(site: Catalogue) -> Iterator[Page | File]:
    """A page for every form of question, and one that lists them."""
    library = site.library

    def subjects(works: Sequence[str]) -> list[Subject]:
        """The family whose members some works are, or the works themselves."""
        family = library.outlines[works[0]].family if family_of(library, works) else None
        return [library.family(family)] if family else [library.work(work) for work in works]

    def spoken_of(remark: Remark) -> Paper | Topic:
        """The paper or the topic that a remark is about; a paper and a topic may have the same id."""
        named = [library[remark.about]] if remark.about in library else []
        said = remark.source, remark.text
        papers = [paper for paper in named if any((one.source, one.text) == said for one in paper.comments)]
        return papers[0] if papers else library.topic(remark.about)

    asked = Examples(site)
    examples = {form.id: asked.of(form) for form in FORMS}
    first = next((example for form in FORMS for example in examples[form.id]), None)
    shared = {"heading": _heading, "worded": _worded, "sentence": _sentence}
    yield Page("questions/index.md", "questions", values={**shared, "forms": FORMS, "first": first})
    for form in FORMS:
        values = {
            **shared,
            "form": form,
            "examples": examples[form.id],
            "places": {name: meaning for name, meaning in _PLACES.items() if _has(form, name)},
            "following": [other for other in FORMS if other.id in _NEXT[form.id]],
            "browse": _BROWSE[form.id],
            "subjects": subjects,
            "spoken_of": spoken_of,
            "fits": FITS,
            "most": MOST_SHOWN,
            "meaning_of_influence": INFLUENCE,
        }
        yield Page(f"questions/{form.id}/index.md", "question", values=values, title=_heading(form))


def _has(form: Form, place: str) -> bool:
    return any(re.search(rf"\b{place}\b", wording) for wording in form.wordings)


def _heading(form: Form) -> str:
    """The usual wording, for a person: ``What builds on …?``."""
    return _sentence(re.sub(r"\b[A-Z]{2,}\b", "…", form.wordings[0]))


def _sentence(question: str) -> str:
    """A question as people write it."""
    mark = "?" if re.match(r"(what|which|who|how)\b", question) else ""
    return question[:1].upper() + question[1:] + mark


def _worded(wording: str) -> Markdown:
    """A wording with its places set off."""
    return Markdown(re.sub(r"\b[A-Z]{2,}\b", lambda place: f"*{place[0]}*", literal(wording)))
