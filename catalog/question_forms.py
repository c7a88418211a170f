"""What questions look like: their forms, and the words in which each is understood.

A form has patterns, which decide, and wordings, which say to people what the patterns take. Tests hold that each
wording is understood and that no pattern is without one. :mod:`catalog.questions` answers.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["FORMS", "LONGEST", "Form", "filled", "understand", "unquoted"]

LONGEST = 300
"""Characters that a question may have; a longer one is a text."""


class Form(NamedTuple):
    """One form of question."""

    id: str
    example: str
    """A question that the project's own records answer."""
    answers: str
    """What it answers, in a sentence."""
    wordings: tuple[str, ...]
    """How it may be worded, the usual way first; what stands in capitals is a place for a name."""
    patterns: tuple[str, ...]


def filled(wording: str, **names: str) -> str:
    """A wording with names in its places: ``filled("what builds on NAME", NAME="ResNet")``."""
    return re.sub(r"\b[A-Z]{2,}\b", lambda place: names[place[0]], wording)


def understand(question: str) -> tuple[Form, dict[str, str]] | None:
    """The form of a question, and what stands in its places; nothing where no form fits. The first that does counts."""
    question = " ".join(question.split())
    for form in FORMS if len(question) <= LONGEST else ():
        for pattern in form.patterns:
            if match := re.fullmatch(pattern, question.rstrip(" ?.!"), re.IGNORECASE):
                return form, {name: unquoted(group) for name, group in match.groupdict().items() if group}
    return None


def unquoted(name: str) -> str:
    """A name as it stands in a question, without what only sets it off."""
    name = name.strip().strip("\"'“”‘’").strip()
    # Not every "the" goes: titles begin with it.
    return re.sub(r"^the (.+) (?:family|series)$", r"\1", name, flags=re.IGNORECASE)


_NAME = r"(?P<name>.+?)"
_OLD, _NEW = r"(?P<old>.+?)", r"(?P<new>.+?)"
_WORKS = r"(?:papers?|works?|networks?)"
_WHICH = rf"(?:(?:what|which|all|list|show(?: me)?|find)(?: the| all)? )?{_WORKS}(?: are| is)?"
_PERIOD = (
    r"(?: (?:published |that appeared )?(?:(?P<relation>since|from|after|in|before|until|up to) (?P<year>\d{4})"
    r"|(?:between|from) (?P<first>\d{4}) (?:and|to) (?P<last>\d{4})))"
)
_WHO = rf"(?:what|who|which {_WORKS}|everything that|papers? that)"
_DOES = r"(?:does|do|did)"
_ON = r"(?:up)?on"
_SAYS = (
    r"(?:says?|said|writes?|wrote|thinks?|comments?|commented|remarks?|remarked)(?: something| anything)? "
    r"(?:about|on|of)|(?:mentions?|mentioned|discuss(?:es|ed)?|(?:talks?|talked) (?:about|of))"
)
_MOST = rf"(?:(?:what|which|who) (?:are|is) )?(?:the )?most (?:influential|important) {_WORKS}"
_VERDICT = (
    r"(?P<verdict>verified|consistent|deviat(?:es?|ed|ing)|fail(?:s|ed|ing)?|stale|not checkable|"
    r"not (?:been )?(?:run|measured)(?: yet)?)"
)
_RESULTS = r"(?:reproductions?|claims?|papers?|results?)"

FORMS = (
    Form(
        "descendants",
        "what builds on Inception",
        "What came of a paper or of a whole family, as a tree.",
        (
            "what builds on NAME",
            "which papers are based on NAME",
            "what came after NAME",
            "the descendants of NAME",
            "what did NAME lead to",
        ),
        (
            rf"{_WHO} (?:builds?|built|is built|are built|is based|are based|draws?|rests?) {_ON} {_NAME}",
            rf"{_WHO} (?:came|comes?|descends?|descended|follows?|followed|derives?) (?:from|after|out of) {_NAME}",
            rf"(?:what are )?(?:the )?(?:descendants|successors|lineage|children) of {_NAME}",
            rf"what {_DOES} {_NAME} lead to",
        ),
    ),
    Form(
        "ancestors",
        "what does Xception build on",
        "What a paper or a family comes from, as a tree.",
        (
            "what does NAME build on",
            "what is NAME based on",
            "where does NAME come from",
            "what led to NAME",
            "the ancestors of NAME",
        ),
        (
            rf"what {_DOES} {_NAME} (?:build|rest|draw|depend) {_ON}",
            rf"what (?:is|are|was|were) {_NAME} (?:built|based) {_ON}",
            rf"where {_DOES} {_NAME} come from",
            rf"what led to {_NAME}",
            rf"(?:what are )?(?:the )?(?:ancestors|origins|roots|predecessors|parents) of {_NAME}",
        ),
    ),
    Form(
        "path",
        "how did AlexNet lead to Xception",
        "How one paper or family led to another, with what changed at every step; where neither led to the other, what "
        "both come from.",
        (
            "how did FROM lead to TO",
            "how did TO evolve from FROM",
            "did FROM lead to TO",
            "does TO build on FROM",
            "the path from FROM to TO",
            "how is FROM related to TO",
            "how are FROM and TO related",
        ),
        (
            rf"how (?:does|do|did|has|have) {_OLD} (?:lead|led|become|became|turn into|evolve into|develop into) "
            rf"(?:to )?{_NEW}",
            rf"how {_DOES} {_NEW} (?:come|descend|derive|evolve|develop) from {_OLD}",
            rf"{_DOES} {_OLD} lead to {_NEW}",
            rf"{_DOES} {_NEW} (?:build {_ON}|descend from|come from) {_OLD}",
            rf"(?:what is )?(?:the )?(?:path|paths|way|road|route|derivation) from {_OLD} to {_NEW}",
            rf"how (?:is|are) {_OLD} (?:related|connected) to {_NEW}",
            rf"how are {_OLD} and {_NEW} (?:related|connected)",
        ),
    ),
    Form(
        "common",
        "what do Xception and ResNeXt have in common",
        "The nearest common ancestors of papers or families, with the way from each ancestor to each of them.",
        (
            "what do ONE and OTHER have in common",
            "common ancestors of ONE, OTHER and THIRD",
            "where do ONE and OTHER meet",
        ),
        (
            rf"what {_DOES} (?P<names>.+?) (?:have in common|share)",
            r"(?:what (?:is|are) )?(?:the )?(?:nearest )?common (?:ancestors?|roots?|origins?) of (?P<names>.+?)",
            rf"where {_DOES} (?P<names>.+?) (?:meet|join)",
        ),
    ),
    Form(
        "difference",
        "what changed from ResNet to ResNeXt",
        "What the records say of the step from one paper to another: what changed on the way, how the one compares "
        "itself with the other, and what each says of the other.",
        (
            "what changed from FROM to TO",
            "what did TO change in FROM",
            "the difference between FROM and TO",
            "how do FROM and TO differ",
            "how does TO differ from FROM",
            "compare FROM with TO",
            "FROM vs. TO",
        ),
        (
            rf"what (?:has |is )?(?:changed|changes|different|new) (?:from|between) {_OLD} (?:to|and) {_NEW}",
            rf"what {_DOES} {_NEW} change (?:in|of|about|from) {_OLD}",
            rf"(?:what (?:is|are) )?(?:the )?(?:changes?|differences?) (?:from|between) {_OLD} (?:to|and) {_NEW}",
            rf"how {_DOES} {_OLD} and {_NEW} differ",
            rf"how {_DOES} {_NEW} differ from {_OLD}",
            rf"compare {_OLD}(?:,| with| to| and| against) {_NEW}",
            rf"{_OLD} (?:vs|versus)\.? {_NEW}",
        ),
    ),
    Form(
        "remarks-by",
        "what did ShuffleNet say about AlexNet",
        "What one paper says of another, of a family or of a topic, as it prints it.",
        (
            "what did SOURCE say about NAME",
            "what does SOURCE write about NAME",
        ),
        (rf"what {_DOES} (?P<source>.+?) (?:say|write|think) (?:about|of|on) {_NAME}",),
    ),
    Form(
        "remarks",
        "what is said about ResNet",
        "What other papers say of a paper, of a family or of a topic, each remark with its source.",
        (
            "what is said about NAME",
            "what has been written about NAME",
            "comments on NAME",
        ),
        (
            rf"what (?:is|was|has been) (?:said|written|thought) (?:about|of|on) {_NAME}",
            rf"(?:comments|remarks) (?:about|of|on) {_NAME}",
        ),
    ),
    Form(
        "speakers",
        "which papers say something about DenseNet",
        "Which works say something of a paper, of a family or of a topic, and how many remarks each makes.",
        (
            "which papers say something about NAME",
            "who mentions NAME",
            "who wrote about NAME",
            "which papers discuss NAME",
        ),
        (rf"(?:who|which {_WORKS}|papers? that)(?: have| has)? (?:{_SAYS}) {_NAME}",),
    ),
    Form(
        "influence",
        "most influential papers on attention",
        "The papers of the catalogue on which most others of it build, of all, on a topic or of a family.",
        (
            "most influential papers on TOPIC",
            "most influential papers",
            "most influential papers of the FAMILY family",
            "most influential papers on TOPIC since YEAR",
            "which papers on TOPIC are the most influential",
        ),
        (
            rf"{_MOST}{_PERIOD}?",
            rf"{_MOST} (?:of|in|from) (?:the )?(?P<family>.+?) (?:family|series){_PERIOD}?",
            rf"{_MOST} (?:on|about|under|of|in) (?:the )?{_NAME}{_PERIOD}?",
            rf"{_WHICH} (?:on|about|under|of|in) (?:the )?{_NAME}{_PERIOD}? (?:is|are|were) (?:the )?most influential",
        ),
    ),
    Form(
        "papers-on",
        "papers on attention before 2019",
        "The papers on a topic and those under it, of all years or of some, the oldest first.",
        (
            "papers on TOPIC",
            "papers on TOPIC before YEAR",
            "papers on TOPIC between YEAR and LATER",
            "which papers are about TOPIC",
        ),
        (rf"{_WHICH} (?:on|about|under) (?:the )?{_NAME}{_PERIOD}?",),
    ),
    Form(
        "papers-by",
        "papers by Kaiming He",
        "The papers of an author, or those that several authors wrote together, the oldest first.",
        (
            "papers by AUTHOR",
            "papers by AUTHOR before YEAR",
            "papers by AUTHOR and ANOTHER",
            "which papers are by AUTHOR",
        ),
        (rf"{_WHICH} by {_NAME}(?: et al\.?)?{_PERIOD}?",),
    ),
    Form(
        "papers-of",
        "papers of the MobileNet family before 2019",
        "The papers of a family, of all years or of some, the oldest first.",
        (
            "papers of the FAMILY family",
            "papers of the FAMILY family before YEAR",
            "which papers are in the FAMILY series",
        ),
        (rf"{_WHICH} (?:of|in|from) (?:the )?{_NAME} (?:family|series){_PERIOD}?",),
    ),
    Form(
        "papers-in",
        "papers since 2020",
        "The papers of some years, the oldest first.",
        (
            "papers in YEAR",
            "papers since YEAR",
            "papers published before YEAR",
            "papers that appeared between YEAR and LATER",
        ),
        (rf"{_WHICH}{_PERIOD}",),
    ),
    Form(
        "verdicts",
        "which reproductions deviate",
        "The claims of which the results say this: a verdict, stale, or nothing yet.",
        (
            "which claims are VERDICT",
            "which reproductions deviate",
            "which papers failed",
            "which claims have not been measured yet",
            "all VERDICT claims",
            "what is VERDICT",
            "what deviates",
        ),
        (
            rf"(?:(?:which|what|list|all)(?: the)? )?{_RESULTS}(?: (?:that|which))?"
            rf"(?: (?:are|is|were|was|have been|have|has|do|does))? {_VERDICT}",
            rf"(?:(?:what|which) are )?(?:all )?(?:the )?{_VERDICT} {_RESULTS}",
            rf"what (?:is|was|has) {_VERDICT}",
            r"what (?P<verdict>deviates|failed|fails)",
        ),
    ),
    Form(
        "record",
        "what is Xception",
        "Everything about one paper, or about a family.",
        (
            "what is NAME",
            "tell me about NAME",
            "who wrote NAME",
            "when was NAME published",
        ),
        (
            rf"(?:what|who) (?:is|are) {_NAME}",
            rf"(?:show|describe|explain|tell me about) (?:me )?{_NAME}",
            rf"who (?:wrote|made|invented|proposed|introduced) {_NAME}",
            rf"when (?:was|did|were) {_NAME} (?:published|appear|written|come out)",
        ),
    ),
)
"""Every form, in the order in which they are tried."""
