"""The record types: what the files under ``papers/`` may say.

These models are the schema, and their docstrings and field descriptions are its documentation: a JSON Schema for
editors is made from them. They check one record on its own; what holds between records is checked in
:mod:`catalog.library`.
"""

from __future__ import annotations

import datetime
import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    Strict,
    StrictInt,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
    field_validator,
    model_serializer,
    model_validator,
)

from catalog.conventions import MEASURES
from catalog.figures import Figure, FigureError
from catalog.relations import Relation

__all__ = [
    "Ancestor",
    "Basis",
    "Claim",
    "Comment",
    "Comparator",
    "Comparison",
    "Deviation",
    "DeviationCause",
    "ExternalWork",
    "Family",
    "KnownSurvivor",
    "Links",
    "Measure",
    "Paper",
    "Peer",
    "Relation",
    "Status",
    "Subject",
    "Tier",
    "Topic",
    "Training",
    "Work",
]

# Strict, because "7" and yes are no numbers; a bound at infinity could not fail.
Number = StrictInt | Annotated[FiniteFloat, Strict()]

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
"""Lower-case words joined by hyphens: ``dual-path-networks``. Also a file name and part of a web address."""

TopicIdentifier = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)*$", max_length=96)
]
"""A path of identifiers from the root of the taxonomy: ``kernels/cross-channel-correlations``."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


_DATE = r"^(1[89]|20)\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$"


def _day_exists(published: str) -> str:
    if len(published) == len("2016-10-07"):
        try:
            datetime.date.fromisoformat(published)
        except ValueError:
            raise ValueError(f"there is no day {published}") from None
    return published


# YAML reads an unquoted 2016 as a number and 2016-10-07 as a date; both are meant as text.
PublicationDate = Annotated[
    str,
    BeforeValidator(lambda value: value if isinstance(value, str) or value is None else str(value)),
    StringConstraints(pattern=_DATE),
    AfterValidator(_day_exists),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": _DATE}, {"type": "integer", "minimum": 1800, "maximum": 2099}]}
    ),
]
"""A year, a month (``1998-11``) or a day (``2016-10-07``), as exactly as it is known."""


def _address_is_public(address: str) -> str:
    parts = urlsplit(address)
    if "." not in (parts.hostname or "").strip(".") or parts.username is not None:
        raise ValueError(f"'{address[:80]}' names no server that everybody can reach, such as https://example.org/")
    return address


Address = Annotated[str, StringConstraints(pattern=r"^https?://\S+$"), AfterValidator(_address_is_public)]

# Four digits behind the month until 2014, five since.
_ARXIV = (
    r"^((0[7-9]|1[0-4])(0[1-9]|1[0-2])\.\d{4}|(1[5-9]|[2-9]\d)(0[1-9]|1[0-2])\.\d{5}"
    r"|[a-z-]+(\.[A-Z]{2})?/\d{2}(0[1-9]|1[0-2])\d{3})$"
)


class Record(BaseModel):
    """Base of all records: unknown fields are errors, and a record does not change once it is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- Lineage ---------------------------------------------------------------------------------------------------------


class Ancestor(Record):
    """A work that this paper builds on."""

    paper: Identifier = Field(description="a paper of the catalogue or an external work")
    relation: Relation
    part: Text | None = Field(None, description="which part of the ancestor is meant, where that matters")
    what: Text = Field(description="what this paper changes in the ancestor, or takes from it")
    younger_because: Text | None = Field(
        None, description="why the ancestor carries a later date than the paper that builds on it"
    )


class Comparison(Record):
    """A work that this paper sets itself against; not descent."""

    paper: Identifier
    what: Text


class Comment(Record):
    """What a later work says of a paper (or of a topic): a citation edge from its source."""

    source: Identifier = Field(description="the work that says it")
    text: Text
    quotation: bool = Field(True, description="false where the survey paraphrases instead of quoting")


# --- Claims ----------------------------------------------------------------------------------------------------------


class Basis(StrEnum):
    """What an agreement with a claim is worth."""

    PRINTED = "printed"
    DERIVED = "derived"
    AUTHORS_CODE = "authors-code"
    PEER = "peer"
    ANALOGUE = "analogue"


class Tier(StrEnum):
    """How a claim is measured, cheapest first."""

    STRUCTURE = "structure"
    PROPERTY = "property"
    PARITY = "parity"
    TRAINING = "training"
    HEADLINE = "headline"


class Status(StrEnum):
    """The verdict on a claim."""

    VERIFIED = "verified"
    CONSISTENT = "consistent"
    DEVIATES = "deviates"
    FAILED = "failed"
    NOT_RUN = "not run"
    NOT_CHECKABLE = "not checkable"


class DeviationCause(StrEnum):
    """Why a measured value differs from what the paper prints."""

    MISPRINT = "misprint"
    OTHER_COUNTING = "other counting"
    RELEASED_CODE_DIFFERS = "released code differs from the text"
    MISSING_DETAIL = "missing detail"
    SUBSTITUTE_DATA = "substitute data"
    UNKNOWN = "unknown"


class Deviation(Record):
    """The paper's figure and the network that it describes disagree; both are kept."""

    cause: DeviationCause
    explanation: Text


class Comparator(Record):
    """What a measured value must be. Exactly one comparison; over a series it must hold for every member."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    equals: Number | list[Number] | None = None
    within: tuple[Number, Number] | None = Field(None, description="[value, largest absolute difference]")
    between: tuple[Number, Number] | None = Field(None, description="[smallest, largest], both allowed")
    at_least: Number | None = None
    at_most: Number | None = None
    increasing: Literal[True] | None = Field(None, description="each member of the series exceeds the one before")
    decreasing: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(type(self).model_fields)} is needed")
        if self.between is not None and self.between[0] > self.between[1]:
            raise ValueError("between: the smaller bound comes first")
        if self.within is not None and self.within[1] < 0:
            raise ValueError("within: the largest difference is not negative")
        return self

    @model_serializer
    def _only_what_is_given(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).model_fields if getattr(self, name) is not None}


COMPARISONS = frozenset(Comparator.model_fields)
_NAMED_COMPARATORS = TypeAdapter(dict[str, Comparator])


class Measure(Record):
    """A quantity of a network, with the convention by which it is counted.

    In YAML either a name, ``parameters``, or a name with a convention, ``{macs: convolutions-and-linear}``. Names and
    conventions are those of :data:`catalog.conventions.MEASURES`.
    """

    quantity: str
    convention: str

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"quantity", "convention"}:
            value = {value["quantity"]: value["convention"]}
        if isinstance(value, str):
            quantity, convention = value, None
        elif isinstance(value, dict) and len(value) == 1:
            ((quantity, convention),) = value.items()
        else:
            raise ValueError("a measure is a name, or one name with its convention: {macs: convolutions-and-linear}")
        if quantity not in MEASURES:
            raise ValueError(f"no measure '{quantity}'; there are {', '.join(MEASURES)}")
        conventions = MEASURES[quantity].conventions
        if convention is None:
            convention = next(iter(conventions))
        if not isinstance(convention, str) or convention not in conventions:
            raise ValueError(f"{quantity} has no convention '{convention}'; it has {', '.join(conventions)}")
        return {"quantity": quantity, "convention": convention}

    @model_serializer
    def _to_yaml(self) -> dict[str, str]:
        return {self.quantity: self.convention}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        """As it stands in YAML, for editors."""
        conventions = {
            name: {"enum": list(quantity.conventions), "description": quantity.meaning}
            for name, quantity in MEASURES.items()
        }
        with_convention = {
            "type": "object",
            "properties": conventions,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        }
        return {"anyOf": [{"enum": list(MEASURES)}, with_convention]}


class Subject(Record):
    """What is built for a claim: always something that the module's ``build()`` returns."""

    variant: Text
    options: dict[str, Any] = Field({}, description="keywords of build()")
    input: list[int] | None = Field(None, description="size of one input without the batch: [3, 224, 224]")
    part: Text | None = Field(None, description="dotted name of the submodule that is measured instead of the whole")
    weights: Text | None = Field(None, description="published weights that decide a headline claim: timm:NAME.TAG")
    data: Text | None = Field(None, description="the data set that a headline claim is measured on")
    protocol: Text | None = Field(None, description="how it is measured: single crop 299, 10 crops of 224")


class Peer(Record):
    """An independent implementation of the same function."""

    library: Literal["timm", "torchvision", "pytorchcv"]
    model: Text
    options: dict[str, Any] = Field({}, description="keywords of the peer's factory")
    set: dict[str, str | int | float | bool] = Field(
        {}, description="attributes changed on the built peer, by dotted name, where its factory has no option for them"
    )


class Training(Record):
    """A training experiment: what it needs and how its seeds are read."""

    scale: Literal["quick", "full"] = Field(
        description="quick: CPU minutes, an analogue; full: the paper's own experiment"
    )
    data: Text = Field(description="digits, mnist, cifar10, synthetic or the name of the paper's data set")
    seeds: list[int] = Field([], description="seeds that accept; never those that set the margins")
    aggregate: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$")] = Field(
        "each",
        description="each: what is expected holds for every seed; mean: for the mean over the seeds; or a function in "
        "reproductions/checks/<paper>.py that makes the measured numbers of the series over the seeds",
    )
    minutes: Annotated[int, Field(gt=0)] | None = Field(
        None, description="how long all seeds take: quick on one core, full on one GPU"
    )
    protocol: Text = Field(description="arms, optimiser, schedule and budget")

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("the same seed twice measures nothing new")
        return seeds


class Claim(Record):
    """One statement of the paper that can be judged on its own."""

    id: Identifier
    statement: Text
    source: Text | None = Field(None, description="the place in the paper: Table 3")
    edition: Text | None = Field(None, description="where editions differ: arXiv v3")
    basis: Basis
    tier: Tier
    subject: Subject | None = None
    measure: Measure | None = Field(None, description="what is counted on the subject, or measured with its weights")
    check: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$")] | None = Field(
        None, description="function in reproductions/checks/<paper>.py that returns the measured numbers"
    )
    peer: Peer | None = Field(None, description="the implementation that a parity claim compares with")
    training: Training | None = None
    printed: Text | dict[str, Text] | None = Field(
        None, description="the figure as the paper prints it; its digits are its tolerance"
    )
    expect: Comparator | dict[str, Comparator] | None = Field(
        None, description="what the measured value, or each named value, must be"
    )
    deviation: Deviation | None = None
    not_checkable: Text | None = Field(None, description="why nobody can check this")

    @field_validator("printed", mode="before")
    @classmethod
    def _printed_figures_are_readable(cls, value: Any) -> Any:
        figures = value.values() if isinstance(value, dict) else [value] if value is not None else []
        for figure in figures:
            if not isinstance(figure, str):
                raise ValueError(f"write the figure as the paper prints it, in quotes: {str(figure)!r}")
            try:
                Figure.read(figure)
            except FigureError as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("expect", mode="before")
    @classmethod
    def _expect_one_or_named(cls, value: Any) -> Any:
        if isinstance(value, dict) and not isinstance(value, Comparator):
            if set(value) & COMPARISONS:
                return Comparator.model_validate(value)
            return _NAMED_COMPARATORS.validate_python(value)
        return value

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        means = [name for name in ("measure", "check", "peer") if getattr(self, name) is not None]
        if self.not_checkable is not None:
            if means or self.expect is not None:
                raise ValueError("not_checkable excludes measure, check, peer and expect")
            return self
        if self.basis is Basis.PRINTED and self.printed is None:
            raise ValueError("basis 'printed' needs the figure as the paper prints it (printed)")
        if self.tier is Tier.HEADLINE:
            if self.printed is None:
                raise ValueError("a headline claim needs the figure as the paper prints it (printed)")
            self._headline_can_be_measured(means)
            return self
        if self.measure is not None and MEASURES[self.measure.quantity].of_weights:
            raise ValueError(f"{self.measure.quantity} takes trained weights, so only a headline claim can have it")
        if self.tier is Tier.TRAINING:
            if self.training is None:
                raise ValueError("a training claim says scale, data and protocol (training)")
            if not means:
                return self  # declared; no experiment is written yet
            self._training_can_run(self.training)
        wanted = {
            Tier.STRUCTURE: ("measure", "check"),
            Tier.PROPERTY: ("check",),
            Tier.PARITY: ("peer", "check"),
            Tier.TRAINING: ("check",),
        }[self.tier]
        if len(means) != 1 or means[0] not in wanted:
            raise ValueError(f"a {self.tier} claim is measured by {' or '.join(wanted)}")
        if (self.measure is not None or self.peer is not None) and self.subject is None:
            raise ValueError(f"{means[0]} needs a subject: which variant is built")
        has_input = self.subject is not None and self.subject.input is not None
        if self.measure is not None and self.measure.quantity in {"macs", "flops", "shape"} and not has_input:
            raise ValueError(f"{self.measure.quantity} depend on the input: subject.input is missing")
        if self.peer is not None and not has_input:
            raise ValueError("a comparison with a peer needs an input: subject.input is missing")
        if self.expect is None:
            raise ValueError("expect is missing: nothing could turn this claim red")
        if isinstance(self.printed, dict):
            names = set(self.expect) if isinstance(self.expect, dict) else set()
            if unknown := set(self.printed) - names:
                raise ValueError(f"printed names {', '.join(sorted(unknown))}, which expect does not")
        elif self.printed is not None and isinstance(self.expect, dict):
            raise ValueError("expect has named values, so printed needs the names too")
        if self.deviation is not None and self.printed is None and self.basis is not Basis.DERIVED:
            raise ValueError("a deviation is from a printed figure or from a statement of the paper (basis: derived)")
        return self

    def _headline_can_be_measured(self, means: list[str]) -> None:
        if not means:
            return  # declared; nothing measures it yet
        if means != ["measure"] or self.measure is None or not MEASURES[self.measure.quantity].of_weights:
            wanted = ", ".join(name for name, quantity in MEASURES.items() if quantity.of_weights)
            raise ValueError(f"a headline claim is measured by one of {wanted} (measure)")
        if self.subject is None or self.subject.data is None or self.subject.protocol is None:
            raise ValueError(f"{self.measure.quantity} is measured on something: subject.data and subject.protocol")
        if isinstance(self.printed, dict) or isinstance(self.expect, dict):
            raise ValueError(f"{self.measure.quantity} is one number, so printed and expect have no names")

    def _training_can_run(self, training: Training) -> None:
        from catalog.datasets import NAMES

        if not training.seeds or training.minutes is None:
            raise ValueError("a training claim with a check needs seeds and minutes (training)")
        if training.data not in (known := (*NAMES, "synthetic")):
            raise ValueError(f"a check can use {', '.join(known)}, not '{training.data}'")


class KnownSurvivor(Record):
    """A small error in the module that no claim can notice."""

    change: Text = Field(description="the changed line as repro mutate prints it: old → new")
    why: Text = Field(description="why nothing the paper says is hurt by it")


# --- Works -----------------------------------------------------------------------------------------------------------


class Links(Record):
    """Identifiers and addresses of a work."""

    arxiv: Annotated[str, StringConstraints(pattern=_ARXIV)] | None = None
    doi: Annotated[str, StringConstraints(pattern=r"^10\.\d{4,9}/\S+$")] | None = None
    url: Address | None = Field(default=None, description="landing page")
    pdf: Address | None = None
    code: Address | None = Field(default=None, description="what the authors released")


class Work(Record):
    """What a paper of the catalogue and a work outside it have in common."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.title} ({self.year})>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from catalog import notebook

        return notebook.work(self)

    id: Identifier
    name: Text = Field(description="what people call it")
    aliases: list[Text] = Field([], description="other names people use")
    title: Text
    authors: list[Text] = Field(min_length=1, description="complete, in the paper's order, given name first")
    published: PublicationDate = Field(description="first public appearance")
    venue: Text | None = None
    links: Links = Links()

    @property
    def year(self) -> int:
        return int(self.published[:4])

    @field_validator("authors")
    @classmethod
    def _authors_are_names(cls, authors: list[str]) -> list[str]:
        for author in authors:
            if len(author) > 80 or (re.search(r"[.!?] [A-Z].*[.!?]", author) and len(author.split()) > 8):
                raise ValueError(f"'{author[:60]}…' is no name; one author an entry")
            if re.search(r"\bet al\b|\bothers\b|;| and |,(?! (Jr|Sr)\.?$)", author):
                raise ValueError(f"'{author[:60]}' is no single name; write every author as an entry, given name first")
        if len(set(authors)) != len(authors):
            twice = next(author for number, author in enumerate(authors) if author in authors[:number])
            raise ValueError(f"'{twice[:60]}' is there twice")
        return authors


class ExternalWork(Work):
    """A work outside the survey that papers build on or that says something of them."""

    taxonomy: list[TopicIdentifier] = Field([], description="topics that the survey places it under too")


class Paper(Work):
    """A paper of the catalogue."""

    family: Identifier | None = Field(None, description="the curated family it belongs to")
    taxonomy: list[TopicIdentifier] = Field(min_length=1, description="topics, the one it is listed under first")
    summary: Text = Field(description="two to four sentences of our own")
    builds_on: list[Ancestor] = []
    compares_with: list[Comparison] = []
    comments: list[Comment] = Field([], description="what later works say of this one")
    reproduction: Literal["complete", "partial"] | None = Field(
        None, description="partial: the module holds only what other modules import of it so far"
    )
    claims: list[Claim] = []
    survivors: list[KnownSurvivor] = Field([], description="errors in the module that its claims need not notice")

    @field_validator("claims")
    @classmethod
    def _claims_have_different_ids(cls, claims: list[Claim]) -> list[Claim]:
        seen: set[str] = set()
        for claim in claims:
            if claim.id in seen:
                raise ValueError(f"two claims are called '{claim.id}'")
            seen.add(claim.id)
        return claims

    @field_validator("summary")
    @classmethod
    def _summary_is_ours(cls, summary: str) -> str:
        # Abstracts are written by "us"; a summary looks at the paper from outside.
        if found := re.search(r"\b([Ww]e|[Oo]urs?|us|[Ii]n this (paper|work))\b", summary):
            raise ValueError(
                f"says '{found[0]}', as an abstract does; say in words of our own what the paper does, in two to four "
                "sentences. Abstracts are not stored"
            )
        if (words := len(summary.split())) > 150:
            raise ValueError(f"has {words} words, as many as an abstract; two to four sentences of our own are enough")
        return summary


class Topic(Record):
    """A heading of the survey. Its place in the tree is its id."""

    def __repr__(self) -> str:
        return f"<Topic {self.id}: {self.name}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from catalog import notebook

        return notebook.topic(self)

    id: TopicIdentifier
    name: Text
    comments: list[Comment] = Field([], description="quotations that speak of the topic as a whole")

    @property
    def parent(self) -> str | None:
        return self.id.rpartition("/")[0] or None


class Family(Record):
    """Papers that people name in one breath."""

    def __repr__(self) -> str:
        return f"<Family {self.id}: {self.name}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        from catalog import notebook

        return notebook.family(self)

    id: Identifier
    name: Text
    aliases: list[Text] = []
    summary: Text
