"""The catalogue for programs: JSON files beside the pages.

``api/index.json`` lists what there is, ``api/papers/<id>.json`` holds everything about a paper, and ``api/graph.json``
who builds on whom. The types here are their documentation: ``api/schema.json`` is made from them. Fields that say
nothing are left out. All addresses are absolute.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from catalog import schema
from catalog.formats.bibtex import bibtex
from catalog.formats.csl_json import csl_json
from catalog.formats.ris import ris
from catalog.graph import citation_graph
from catalog.records import Claim, Identifier, Paper, Record, Relation, TopicIdentifier
from catalog.show import as_data, in_brief
from catalog.verify.ledger import Entry, MutationScore, Networks
from catalog.website.content import module, place
from catalog.website.page import File

if TYPE_CHECKING:
    from collections.abc import Iterator, Sized

    from catalog.records import Family, Topic
    from catalog.website.content import Catalogue

__all__ = ["DOCUMENTS", "FORMAT", "SCHEMA", "files"]

FORMAT: Final = 1
"""Counts the changes after which a program that read the files before may misread them. New fields do not count."""

SCHEMA = "api/schema.json"


# --- A paper ---------------------------------------------------------------------------------------------------------


class Result(Entry):
    """What was measured for a claim in one environment."""

    stale: bool = Field(description="whether the code or the claim has changed since")


class JudgedClaim(Claim):
    """A claim of the record, with what is known of it."""

    status: str = Field(description="the newest verdict, or 'not measured yet'")
    page: str = Field(description="the permanent address of the claim")
    results: list[Result] = Field(description="what was measured, one entry for each environment")


class Descendant(Record):
    """A paper that builds on this one."""

    paper: Identifier
    relation: Relation
    part: str | None = Field(None, description="which part of this paper is meant, where that matters")
    what: str = Field(description="what it changes in this paper, or takes from it")


class NamedWork(Record):
    """A work that a document names by its id."""

    name: str
    title: str
    year: int = Field(description="of the first public appearance")
    page: str = Field(description="where the site shows it")
    data: str | None = Field(None, description="its own document; works outside the catalogue have none")


class Module(Record):
    """The code that reproduces a paper."""

    file: str = Field(description="in the source of the project")
    variants: list[str] = Field(description="the networks that it builds")


class Mutations(MutationScore):
    """How many deliberate errors in the module the claims caught."""

    share: float | None = Field(
        None, description="of the errors that may make a difference, how many were caught; none if there is none"
    )
    stale: bool = Field(description="whether the code or a claim has changed since")


class CountedNetworks(Networks):
    """What the networks of the module cost: for each variant the usual size of input first."""

    stale: bool = Field(description="whether the code, or what the claims say of the size of inputs, has changed since")


class Citation(Record):
    """The paper in bibliographic formats."""

    bibtex: str
    ris: str
    csl: dict[str, Any] = Field(description="an item of CSL-JSON")


class PaperDocument(Paper):
    """``api/papers/<id>.json``: the record of a paper as ``repro show --json`` prints it, and what is known besides."""

    format: Literal[1] = Field(description="the version of this format")
    page: str = Field(description="where the site shows the paper")
    data: str = Field(description="the address of this document")
    # A list could be added to, so that one of a narrower type is another type; but records do not change.
    claims: list[JudgedClaim] = Field([])  # type: ignore[assignment]
    led_to: list[Descendant] = Field(description="the papers that build on this one, oldest first")
    works: dict[Identifier, NamedWork] = Field(description="every work that this document names, by its id")
    module: Module | None = Field(None, description="the code that reproduces it")
    mutation: Mutations | None = Field(None, description="how many deliberate errors in that code the claims caught")
    networks: CountedNetworks | None = Field(None, description="what the networks of that code cost, stage by stage")
    citation: Citation


# --- All papers ------------------------------------------------------------------------------------------------------


class PaperSummary(Record):
    """A paper in the list of all."""

    id: Identifier
    name: str
    title: str
    published: str = Field(description="first public appearance, as exactly as it is known")
    year: int
    family: Identifier | None = None
    taxonomy: list[TopicIdentifier] = Field(description="its topics, the one it is listed under first")
    claims: int = Field(description="how many claims are written down")
    verified: int = Field(description="how many of them are verified")
    verdicts: dict[str, int] = Field(description="how many claims have which status; what none has is left out")
    page: str = Field(description="where the site shows it")
    data: str = Field(description="everything about it")


class Group(Record):
    """A topic or a family."""

    id: TopicIdentifier
    name: str
    papers: int = Field(description="how many papers belong to it; to a topic also those of its subtopics")
    page: str


class Counts(Record):
    """How much there is."""

    papers: int
    external: int = Field(description="works outside the catalogue that papers name")
    topics: int
    families: int
    claims: int
    relations: int = Field(description="how often a paper builds on a work")
    quotations: int = Field(description="what works say of papers and topics")


class Index(Record):
    """``api/index.json``: what there is, and where."""

    format: Literal[1] = Field(description="the version of this format")
    page: str = Field(description="the home page of the site")
    counts: Counts
    verdicts: dict[str, int] = Field(description="how many claims have which status; what none has is left out")
    papers: list[PaperSummary] = Field(description="oldest first")
    topics: list[Group] = Field(description="in the order of the survey")
    families: list[Group]
    graph: str = Field(description="who builds on whom")
    feed: str = Field(description="what was measured last (Atom)")
    schemas: dict[str, str] = Field(
        description="the JSON Schemas: of these documents (api), and of each kind of records"
    )


# --- The graph -------------------------------------------------------------------------------------------------------


class Node(Record):
    """A work."""

    id: Identifier
    kind: Literal["paper", "external"] = Field(description="external: a work outside the catalogue")
    name: str
    title: str
    published: str
    year: int
    family: Identifier | None = None
    topics: list[TopicIdentifier] = Field(description="the one it is listed under first")
    page: str


class Edge(Record):
    """From a work to one that it names."""

    source: Identifier = Field(description="the work that names the other")
    target: Identifier
    kind: Literal["builds_on", "compares_with", "comment"] = Field(
        description="comment: the source says something of the target"
    )
    relation: Relation | None = Field(None, description="how it builds on it")
    part: str | None = Field(None, description="on which part of it, where that matters")
    what: str | None = Field(None, description="what it changes, takes, or compares")
    text: str | None = Field(None, description="what a comment says")
    quotation: bool | None = Field(None, description="false where the survey paraphrases a comment")


class Graph(Record):
    """``api/graph.json``: all works, and which names which; ``networkx.node_link_graph`` reads it too."""

    format: Literal[1] = Field(description="the version of this format")
    directed: Literal[True] = True
    multigraph: Literal[True] = True
    nodes: list[Node]
    edges: list[Edge]


DOCUMENTS = (Index, PaperDocument, Graph)
"""What the files hold."""


# --- Files -----------------------------------------------------------------------------------------------------------


def files(site: Catalogue) -> Iterator[File]:
    """The catalogue as JSON files."""
    for paper in site.papers:
        yield _file(_data_of(paper.id), _paper(site, paper))
    yield _file("api/graph.json", _graph(site))
    yield _file("api/index.json", _index(site))
    yield File(SCHEMA, schema.dump(schema.together(DOCUMENTS, site.url(SCHEMA))).encode())


def _file(name: str, document: Record) -> File:
    return File(name, (document.model_dump_json(indent=1, exclude_none=True) + "\n").encode())


def _data_of(paper: str) -> str:
    return f"api/papers/{paper}.json"


def _paper(site: Catalogue, paper: Paper) -> PaperDocument:
    page = place(paper)[0]
    data = as_data(site.library, paper, {result.claim.id: result.status for result in site.results[paper.id]})
    for claim in data["claims"]:
        claim["page"] = site.url(page, f"claim-{claim['id']}")
        claim["results"] = [
            entry.model_dump() | {"stale": site.is_stale(paper, entry)}
            for entry in site.ledgers[paper.id].entries
            if entry.claim == claim["id"]
        ]
    named = [
        *(step.paper for step in paper.builds_on),
        *(other.paper for other in paper.compares_with),
        *(comment.source for comment in paper.comments),
        *(step["paper"] for step in data["led_to"]),
    ]
    data |= {
        "format": FORMAT,
        "page": site.url(page),
        "data": site.url(_data_of(paper.id)),
        "works": {work: _named(site, work) for work in sorted(set(named))},
        "citation": Citation(bibtex=bibtex([paper]), ris=ris([paper]), csl=json.loads(csl_json([paper]))[0]),
    }
    if code := module(paper.id):
        data["module"] = Module(file=code.name, variants=code.variants)
    if errors := site.errors(paper):
        score, stale = errors
        data["mutation"] = score.model_dump() | {"share": score.score, "stale": stale}
    if (counted := site.ledgers[paper.id].networks) is not None:
        data["networks"] = counted.model_dump() | {"stale": site.networks_are_stale(paper)}
    return PaperDocument.model_validate(data)


def _named(site: Catalogue, work: str) -> NamedWork:
    record = site.library.work(work)
    return NamedWork(
        name=record.name,
        title=record.title,
        year=record.year,
        page=site.url(*place(record)),
        data=site.url(_data_of(work)) if isinstance(record, Paper) else None,
    )


def _index(site: Catalogue) -> Index:
    library = site.library
    papers = []
    for paper in site.papers:
        statuses = {result.claim.id: result.status for result in site.results[paper.id]}
        papers.append(
            PaperSummary(
                **in_brief(paper, statuses),
                verdicts=site.tally(paper),
                page=site.url(place(paper)[0]),
                data=site.url(_data_of(paper.id)),
            )
        )
    return Index(
        format=FORMAT,
        page=site.url(""),
        counts=Counts(
            papers=len(papers),
            external=len(site.external),
            topics=len(library.topics),
            families=len(library.families),
            claims=library.claims,
            relations=site.relations,
            quotations=site.quotations,
        ),
        verdicts=site.verdicts,
        papers=papers,
        topics=[_group(site, topic, library.papers_on(topic.id)) for topic in library.topics],
        families=[_group(site, family, library.members(family.id)) for family in library.families],
        graph=site.url("api/graph.json"),
        feed=site.url("feed.xml"),
        schemas={"api": site.url(SCHEMA)}
        | {str(kind): site.url(f"{schema.FOLDER}/{kind}.json") for kind in schema.Kind},
    )


def _group(site: Catalogue, group: Topic | Family, papers: Sized) -> Group:
    return Group(id=group.id, name=group.name, papers=len(papers), page=site.url(place(group)[0]))


def _graph(site: Catalogue) -> Graph:
    found = citation_graph(site.library)
    nodes = []
    for work, attributes in found.nodes(data=True):
        record = site.library.work(work)
        nodes.append(Node(id=work, topics=record.taxonomy, page=site.url(*place(record)), **attributes))
    edges = [Edge(source=start, target=end, **attributes) for start, end, attributes in found.edges(data=True)]
    return Graph(format=FORMAT, nodes=nodes, edges=edges)
