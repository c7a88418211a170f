"""`repro`: ask the catalogue, and measure what its papers claim.

Results go to standard output and everything else to standard error. What is slow to import is imported by the command
that needs it, so that questions are answered at once.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import sys
import time
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from catalog import completion, paths
from catalog.errors import CatalogError, LibraryError
from catalog.schema import Kind
from catalog.verify import Recorded  # noqa: TC001 - Typer looks at the annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from catalog.datasets import Source
    from catalog.library import Library
    from catalog.records import ExternalWork, Family, Paper
    from catalog.verify.batch import Request
    from catalog.verify.difference import Networks
    from catalog.verify.isolated import Limits
    from catalog.verify.ledger import Ledger
    from catalog.verify.runner import ClaimReport, PaperReport

__all__ = ["EXIT_STATUSES", "app", "main"]

EXIT_STATUSES = {
    0: "all is well",
    1: "a claim failed, or fmt --check found a file to change",
    2: "the input is wrong, and one message says what to do",
    130: "interrupted",
}
"""What the status says with which the program ends."""


class _Commands(TyperGroup):
    """Turns whatever a person can mend into one message and an exit status, never into a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except LibraryError as error:
            _say("\n".join(map(str, error.problems)))
            _say("repro: the records have to be mended first (repro validate checks them)")
            raise typer.Exit(2) from None
        except CatalogError as error:
            _say(f"repro: {error}")
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            _say("repro: interrupted")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # Whoever was reading (head, less) has seen enough. Nothing may be written while Python shuts down either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


class _Command(TyperCommand):
    """A command; from its beginning on, garbage is collected (see :func:`main`)."""

    def invoke(self, ctx: Any) -> Any:
        gc.enable()
        return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"Exit status: {'; '.join(f'{status} {meaning}' for status, meaning in EXIT_STATUSES.items())}.",
)
site = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(site, name="site")


def main() -> None:
    """The program `repro`."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show "└─" shows "??" instead of a traceback.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    # Until a command begins there is no garbage, only imports, and looking through them again and again takes time.
    gc.disable()
    for command in (*app.registered_commands, *site.registered_commands):
        if not issubclass(command.cls or TyperCommand, _Command):
            command.cls = _Command
    _narrowed(app, sys.argv[1:2])(prog_name="repro")


def _narrowed(everything: typer.Typer, asked: list[str]) -> typer.Typer:
    """The program with nothing but the command that is asked for, if that is one.

    Typer makes all parameters of all commands before it looks for one of them, which takes longer than most answers.
    """
    commands = [
        command
        for command in everything.registered_commands
        if command.callback is not None and [command.name or command.callback.__name__.replace("_", "-")] == asked
    ]
    if not commands:
        return everything
    narrowed = copy.copy(everything)
    narrowed.registered_commands, narrowed.registered_groups = commands, []
    return narrowed


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"repro {version('repro')}")
        raise typer.Exit


def _naming(variable: str) -> Callable[[Path | None], None]:
    """What an option does that names a folder: processes that are started here are to know it too."""

    def name(folder: Path | None) -> None:
        if folder is not None:
            os.environ[variable] = str(folder.resolve())

    return name


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    papers: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar=paths.PAPERS_VARIABLE,
            is_eager=True,
            callback=_naming(paths.PAPERS_VARIABLE),
            help="A folder of records to use in place of the project's own.",
        ),
    ] = None,
    reproductions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar=paths.REPRODUCTIONS_VARIABLE,
            is_eager=True,
            callback=_naming(paths.REPRODUCTIONS_VARIABLE),
            help="The modules, checks and results of those records. Verifying runs the code in it; questions never do.",
        ),
    ] = None,
) -> None:
    """Convolutional-network papers as executable evidence: what they say, what builds on what, and whether it holds."""


@site.callback()
def _site() -> None:
    """The site, with a page for every paper, topic and family."""


_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
_Output = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write to a file, all of it or nothing; otherwise print.")
]
_Topic = Annotated[
    str | None,
    typer.Option(metavar="TOPIC", help="Only papers on a topic and those under it.", autocompletion=completion.topics),
]
_Family = Annotated[
    str | None, typer.Option(metavar="FAMILY", help="Only members of a family.", autocompletion=completion.families)
]


def _named(metavar: str) -> Any:
    return typer.Argument(
        metavar=metavar, help="A paper or a family, by any name that people use.", autocompletion=completion.names
    )


_Name = Annotated[str, _named("NAME")]
_AllRelations = Annotated[
    bool,
    typer.Option(
        "--all-relations",
        help="Follow every relation at once; otherwise descent goes before what combines, applies or analyses.",
    ),
]


class Format(StrEnum):
    """How a lineage is printed."""

    TEXT = "text"
    JSON = "json"
    MERMAID = "mermaid"
    DOT = "dot"


# --- Questions -------------------------------------------------------------------------------------------------------


@app.command()
def lineage(
    name: _Name,
    ancestors: Annotated[bool, typer.Option("--ancestors", help="Look back: what it is built on.")] = False,
    depth: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Largest number of steps; all if omitted.")
    ] = None,
    all_relations: Annotated[
        bool,
        typer.Option(
            "--all-relations",
            help="Also follow what merely combines, applies or analyses; half of the catalogue, often.",
        ),
    ] = False,
    output: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TEXT,
    as_json: _Json = False,
) -> None:
    """What came of a paper, or of a whole family: a tree by year.

    Each branch says how a paper builds on the one above it and what it changes.
    """
    from catalog.graph import lineage as trace

    library = _library()
    found = trace(library, [name], ancestors=ancestors, depth=depth, all_relations=all_relations)
    match Format.JSON if as_json else output:
        case Format.JSON:
            _print_json(found.as_dict())
        case Format.MERMAID:
            from catalog.formats import mermaid

            typer.echo(mermaid.lineage(found), nl=False)
        case Format.DOT:
            from catalog.formats import dot

            typer.echo(dot.lineage(found), nl=False)
        case Format.TEXT:
            from catalog.show import lineage_tree

            _print(lineage_tree(library, found, _width(), depth=depth, all_relations=all_relations))


@app.command()
def path(
    start: Annotated[str, _named("FROM")],
    goal: Annotated[str, _named("TO")],
    every: Annotated[bool, typer.Option("--all", help="All paths that are as short, not only the best.")] = False,
    all_relations: _AllRelations = False,
    as_json: _Json = False,
) -> None:
    """How one paper or family led to another, with what changed at every step.

    If it did not, whether the other led to it, or what both come from.
    """
    from catalog.graph import path as trace
    from catalog.show_answers import path_view

    library = _library()
    found = trace(library, start, goal, all_relations=all_relations, limit=MOST_PATHS if every else 1)
    if as_json:
        _print_json(found.as_dict())
    else:
        _print(path_view(library, found, _width()))


MOST_PATHS = 100
"""Paths that are printed; between distant papers of a large catalogue there may be millions, which helps nobody."""


@app.command()
def common(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Two or more papers or families, by any name that people use.",
            autocompletion=completion.names,
        ),
    ],
    all_relations: _AllRelations = False,
    as_json: _Json = False,
) -> None:
    """The nearest common ancestors of papers or families, with the path from each ancestor to each of them.

    An ancestor is nearest if no other common ancestor descends from it.
    """
    from catalog.graph import common as meet
    from catalog.show_answers import common_view

    library = _library()
    found = meet(library, names, all_relations=all_relations)
    if as_json:
        _print_json(found.as_dict())
    else:
        _print(common_view(library, found, _width()))


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="FROM", help="A paper.", autocompletion=completion.names)],
    new: Annotated[str, typer.Argument(metavar="TO", help="A paper.", autocompletion=completion.names)],
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VARIANT",
            help="A network, of whichever paper has it; twice for one of each. The main network if omitted.",
            autocompletion=completion.variants,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--input", metavar="SIZE", help="Size of the input of both, such as 3,224,224; usual if omitted."),
    ] = None,
    as_json: _Json = False,
) -> None:
    """What changed from one paper to another.

    What the records say; the networks, part by part and in parameters and multiply-accumulates at every size of map;
    and the code of the modules.
    """
    from catalog.difference import code, said

    library = _library()
    papers = _one_paper(old, library), _one_paper(new, library)
    records, modules = said(library, papers[0].id, papers[1].id), code(*papers)
    networks, remark = _networks(*papers, variant or (), size)
    if as_json:
        document = {
            "from": papers[0].id,
            "to": papers[1].id,
            "records": records.as_dict(),
            "networks": networks and networks.as_dict(),
            "remark": remark,
            "code": modules and modules.as_dict(),
        }
        _print_json(document)
        return
    from catalog.show_difference import difference_view

    _print(difference_view(library, records, networks, remark, modules, _width()))


def _networks(old: Paper, new: Paper, variants: Sequence[str], size: str | None) -> tuple[Networks | None, str]:
    """The networks of two papers beside each other, or why there is nothing to put there."""
    from catalog.verify.difference import networks

    _say_whose_code()
    try:
        return networks(old, new, variants=variants, size=size), ""
    except CatalogError as error:
        if variants or size:
            raise
        return None, str(error)


class _WithExamples(TyperCommand):
    """A command whose help ends with the questions that are understood."""

    @property
    def examples(self) -> tuple[str, ...]:
        from catalog.questions import EXAMPLES

        return tuple(f"repro ask {example}" for example in EXAMPLES)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as click calls it
        with formatter.section("Questions"):
            for example in self.examples:
                formatter.write_text(example)


@app.command(cls=_WithExamples)
def ask(
    question: Annotated[list[str], typer.Argument(help="Without quotation marks or with them.")],
    as_json: _Json = False,
) -> None:
    """Answer a question in plain English, such as: what builds on Inception?

    Any names that people use may stand in it, and it may be worded otherwise.
    """
    from catalog.questions import ask as answer

    library = _library()
    answered = answer(library, " ".join(question))
    if as_json:
        _print_json(answered.as_dict())
        return
    _say(f"understood as: {answered.understood}")
    found: Any = answered.result
    match answered.kind:
        case "record":
            _print_record(library, found)
        case "papers":
            _print_papers(found)
        case _:
            from catalog.show_answers import answer_view

            _print(answer_view(library, answered, _width()))


@app.command()
def search(
    words: Annotated[
        list[str], typer.Argument(help="For example: depthwise separable. The last word may be the beginning of one.")
    ],
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Largest number of results.")] = 10,
    as_json: _Json = False,
) -> None:
    """Search names, titles, authors, summaries, comments and claims for words.

    What holds all of them is listed, the best first, with the place where they are. Case, accents, endings and
    punctuation make no difference.
    """
    from catalog.search import search as look_up
    from catalog.show import nothing_found, search_view

    found = look_up(_library(), " ".join(words), limit)
    if as_json:
        _print_json(found.as_dict())
    else:
        _print(search_view(found, _width()))
        for line in () if found.count else nothing_found(found):
            _say(line)


@app.command()
def show(
    name: _Name,
    as_json: _Json = False,
) -> None:
    """Everything about a paper, or about a family.

    Who wrote it and when, what it builds on and what builds on it, what later papers say of it, what it claims and what
    came of that, and how to run it.
    """
    library = _library()
    kind, found = library.names.find(name)
    record = library.family(found) if kind == "family" else library.work(found)
    if as_json:
        from catalog.records import Paper
        from catalog.show import as_data

        recorded = _recorded(record) if isinstance(record, Paper) else {}
        _print_json(as_data(library, record, recorded))
    else:
        _print_record(library, record)


@app.command(name="list")
def list_papers(
    topic: _Topic = None,
    family: _Family = None,
    since: Annotated[int | None, typer.Option(metavar="YEAR", help="Only papers of this year or later.")] = None,
    before: Annotated[int | None, typer.Option(metavar="YEAR", help="Only papers from before this year.")] = None,
    as_json: _Json = False,
) -> None:
    """The papers of the catalogue, the oldest first."""
    from catalog.names import find_topic

    library = _library()
    chosen = library.select(
        topic=None if topic is None else find_topic(topic, library.topic_names.values()),
        family=None if family is None else library.names.find(family)[1],
        since=0 if since is None else since,
        before=9999 if before is None else before,
    )
    if as_json:
        from catalog.show import in_brief

        _print_json({"papers": [in_brief(paper, _recorded(paper)) for paper in chosen]})
    else:
        _print_papers(chosen)


@app.command()
def source(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="A paper that has a module.", autocompletion=completion.names)
    ],
    standalone: Annotated[
        bool, typer.Option("--standalone", help="With all that it takes from other reproductions, in one file.")
    ] = False,
    output: _Output = None,
) -> None:
    """The code of a reproduction: its module, or one file to copy that needs torch alone.

    For example: repro source senet --standalone --output senet.py
    """
    from catalog import standalone as one_file

    paper = _one_paper(name)
    library = _library()

    def title(module: str) -> str:
        if module == "layers":
            return "What several papers use"
        # The modules that come with the project are of its papers, of which another catalogue need not know.
        work = library.outlines.get(module.replace("_", "-"))
        return f"{work.title} ({work.year})" if work else f"reproductions/{module}.py of repro"

    _give(one_file.standalone(paper.id, title) if standalone else one_file.source_of(paper.id), output)


class Export(StrEnum):
    """A format of other programs."""

    BIBTEX = "bibtex"
    RIS = "ris"
    CSL_JSON = "csl-json"
    JSON_LD = "json-ld"
    GRAPHML = "graphml"
    GEXF = "gexf"
    DOT = "dot"
    MERMAID = "mermaid"
    JSON = "json"
    CSV = "csv"
    MODEL_INDEX = "model-index"


@app.command()
def export(
    to: Annotated[Export, typer.Argument(metavar="FORMAT", help=f"One of {', '.join(Export)}.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID...",
            help="Papers, families or works outside; all papers if omitted.",
            autocompletion=completion.names,
        ),
    ] = None,
    topic: _Topic = None,
    of_lineage: Annotated[
        str | None,
        typer.Option(
            "--lineage",
            metavar="NAME",
            help="A paper or a family and what came of it.",
            autocompletion=completion.names,
        ),
    ] = None,
    output: _Output = None,
) -> None:
    """Give papers away in the format of another program: a bibliography, a graph, a table.

    For example: repro export bibtex --topic dilated --output dilated.bib
    """
    from catalog.formats.export import select, write

    library = _library()
    _give(write(library, to.value, select(library, names or (), topic=topic, of_lineage=of_lineage), _recorded), output)


@app.command()
def validate(
    folder: Annotated[Path | None, typer.Argument(help="A folder of records. The project's own if omitted.")] = None,
) -> None:
    """Check every record and every reference between records.

    Problems are printed one a line, with file and line.
    """
    from catalog.library import Library
    from catalog.text import counted

    try:
        library = Library.load(folder)
    except LibraryError as error:
        _print(map(str, error.problems))
        files = len({problem.file for problem in error.problems})
        _print([f"{counted(len(error.problems), 'problem')} in {counted(files, 'file')}"])
        raise typer.Exit(2) from None
    counts = (
        counted(len(library), "paper"),
        counted(library.claims, "claim"),
        counted(len(library.outlines) - len(library), "work outside the catalogue", "works outside the catalogue"),
        counted(len(library.topic_names), "topic"),
        counted(len(library.family_names), "family", "families"),
    )
    _print([f"{', '.join(counts)}: no problem"])
    if folder is None:
        _print(_stale_results(library))


def _stale_results(library: Library) -> Iterator[str]:
    """What the results say that was measured with other code or for other claims; that is no problem of the records."""
    from catalog.text import counted
    from catalog.verify.ledger import Ledger

    stale = {}
    for paper in library.papers:
        ledger = Ledger.load(paper.id)
        entries = sum(ledger.is_stale(entry, paper) for entry in ledger.entries)
        entries += ledger.mutation_is_stale(paper) + ledger.networks_are_stale(paper)
        if entries:
            stale[paper.id] = entries
    if stale:
        papers = ", ".join(f"{paper} ({entries})" for paper, entries in stale.items())
        yield f"{counted(sum(stale.values()), 'stale result')}, of {papers}"
        yield "measured again by: repro verify --only stale --record (claims),"
        yield "repro mutate ID --record (errors in a module), repro count ID --record (networks)"


# --- Extending -------------------------------------------------------------------------------------------------------


@app.command()
def new(
    paper: Annotated[str, typer.Argument(metavar="PAPER", help="An arXiv number, a DOI, or a title.")],
    name: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="What people call it, in lower-case words joined by hyphens."),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask nobody; everything is left to fill in.")] = False,
    record_only: Annotated[
        bool, typer.Option("--record-only", help="Only the record; a paper may wait for its module.")
    ] = False,
) -> None:
    """Begin a paper: write its record, its module, its checks and their test, with every blank marked.

    arXiv, Crossref and OpenAlex are asked for authors, date and venue. Nothing is ever overwritten, and all of the
    files are written or none. For example: repro new 2201.03545 --id convnext
    """
    from catalog import new as begin

    if offline:
        fields, notes = begin.fields_offline(paper), []
    else:
        from catalog.fetch import Unreachable, Web
        from catalog.metadata import Sources

        sources = Sources(Web())
        try:
            fields, notes = begin.fields_of(sources.find(paper)), sources.notes
        except Unreachable as error:
            raise CatalogError(f"{error}; is there a network? --offline writes the files without asking") from None
    chosen = begin.chosen_id(name, fields)
    record_only = record_only or paths.reproductions_folder() is None  # records of one's own need no modules
    written = begin.draft(chosen, fields, record_only=record_only)
    begin.write(written)
    for note in notes:
        _say(f"repro: left out: {note}")
    _print(str(_nearby(path)) for path in written)
    _print(["", *begin.next_steps(chosen, record_only=record_only, width=_width())])


@app.command()
def fmt(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID...", help="Names of files without .yaml; all if omitted.", autocompletion=completion.files
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; end with status 1 if a file would change.")
    ] = False,
) -> None:
    """Bring records into their one layout: the order of fields, quotation marks, line breaks.

    What they say stays the same, comments included.
    """
    from catalog import paths
    from catalog.canonical import reformat
    from catalog.text import counted

    number, changes = reformat(paths.records_folder(), ids or (), write=not check)
    for change in changes:
        new, gone = change.lines
        _print([f"{change.file}: +{new} −{gone}"])
    verb = "would change" if check else "changed"
    _print([f"{counted(len(changes), 'file')} {verb}, {number - len(changes)} in the canonical layout already"])
    if check and changes:
        _say("repro: 'repro fmt' brings them into the canonical layout")
        raise typer.Exit(1)


@app.command()
def schema(
    kind: Annotated[Kind, typer.Argument(help="Of which files; external: works outside the catalogue.")] = Kind.PAPER,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the schemas of all kinds to a folder; otherwise print the one."),
    ] = None,
) -> None:
    """Print the JSON Schema of records, by which editors complete and check them.

    In a folder of records of your own: repro schema --output papers/schema
    """
    from catalog import schema as schemas

    if output is None:
        typer.echo(schemas.text(kind), nl=False)
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CatalogError(f"{output} is no folder and cannot become one: {error.strerror or error}") from None
    for each in Kind:
        _write(output / f"{each}.json", schemas.text(each))


# --- Verification ----------------------------------------------------------------------------------------------------

_Jobs = Annotated[int | None, typer.Option(min=1, metavar="N", help="How many at a time; one a core if omitted.")]


class _WithRevision(_Command):
    """A command whose --changed may stand alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for place, argument in reversed(list(enumerate(args))):
            if argument == "--changed" and (args[place + 1 :] or ["-"])[0].startswith("-"):
                args[place] = "--changed=HEAD"
        return super().parse_args(ctx, args)


@app.command(cls=_WithRevision)
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID...", help="Papers, or whole families.", autocompletion=completion.names),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every paper that has claims.")] = False,
    topic: _Topic = None,
    family: _Family = None,
    changed: Annotated[
        str | None,
        typer.Option(
            metavar="[REV]",
            help="Only papers of which something differs from this revision of the project; HEAD if omitted.",
        ),
    ] = None,
    tier: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TIER",
            help="Only claims of this tier (structure, property, parity, training, headline); several are allowed.",
            autocompletion=completion.tiers,
        ),
    ] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLAIM",
            help="Only this claim, with everything that was measured; several are allowed.",
            autocompletion=completion.claims,
        ),
    ] = None,
    only: Annotated[
        list[Recorded] | None,
        typer.Option(
            help="Only claims of which the results say this: a verdict, stale, or nothing; several are allowed."
        ),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Keep what was measured, in the results of the project.")
    ] = False,
    jobs: _Jobs = None,
    timeout: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Stop a paper after this time; training runs excepted.")
    ] = 300,
    memory: Annotated[
        int, typer.Option(min=256, metavar="MEGABYTES", help="Stop a paper that wants more memory than this.")
    ] = 8192,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where data sets lie; REPRO_DATA if omitted. Others are downloaded."),
    ] = None,
    accept_data_mismatch: Annotated[
        bool,
        typer.Option("--accept-data-mismatch", help="Use data that differ from their release; the verdict says so."),
    ] = False,
    variant: Annotated[
        str | None,
        typer.Option(metavar="VARIANT", help="The network of the paper that a model or a figure is held against."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FACTORY",
            help="Hold this model against the paper, MODULE:FACTORY or FILE.py:FACTORY; its code is run.",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the paper's network, such as classes=10."),
    ] = None,
    size: Annotated[
        str | None, typer.Option("--input", metavar="SIZE", help="Size of the input, such as 3,224,224.")
    ] = None,
    claimed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUANTITY=FIGURE", help="Say what a figure counts, such as parameters=25.6M; several are allowed."
        ),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Measure what papers claim, and hold it against what they print.

    With --model, hold somebody else's implementation against a paper and its module, layer by layer. With --claimed,
    say which way of counting makes a figure.

    Each paper is measured in a process of its own; what happens to that is the paper's failure and no other's.
    Training runs take minutes, so they are run only with --tier training; those that take a GPU only with --claim.
    Ctrl-C stops at once, and loses nothing that was measured. Exit status 0: no claim failed. 1: at least one did.
    """
    from catalog.records import Status
    from catalog.verify import selection
    from catalog.verify.isolated import Limits, cores, warm_up
    from catalog.verify.peers import worth_preloading

    if variant or model or option or size or claimed:
        if everything or tier or claim or only or record or topic or family or changed:
            raise CatalogError(
                "--model and --claimed ask about one network: no claims can be chosen or recorded with them"
            )
        _hold(names or [], variant, model, option or [], size, claimed or [], as_json=as_json)
        return
    selectors = (topic, family, changed, only)
    if bool(names) == everything and (names or not any(selectors)):
        raise CatalogError("name the papers to verify, or say --all for every paper that has claims")
    papers = selection.choose(_library(), names or (), topic=topic, family=family, changed=changed)
    asked = selection.requests(papers, tiers=tier or (), claims=claim or (), only=only or ())
    warm_up(*worth_preloading(chosen for request in asked for chosen in request.selection))
    selection.need_code(asked)
    if any(request.selection for request in asked):
        _say_whose_code()
    source = _source(asked, data, accept_data_mismatch)
    limits = Limits(timeout, memory)
    reports = _measure(asked, jobs or cores(), limits, source, record=record, full=bool(claim), quiet=as_json)
    total = {verdict.value: sum(report.summary[verdict] for report in reports) for verdict in Status}
    if as_json:
        documents = [report.as_dict() for report in reports]
        # One paper that is named is one document; a selection is a list, whatever it finds.
        alone = bool(names) and len(papers) == len(documents) == 1
        _print_json(documents[0] if alone else {"papers": documents, "summary": total})
    elif len(asked) != 1:
        from catalog.show import in_short

        _print([f"{len(asked)} papers: {in_short(total) or 'no claims'}"] if asked else ["nothing to verify"])
    if any(report.failed for report in reports):
        raise typer.Exit(1)


def _hold(
    names: list[str],
    variant: str | None,
    model: str | None,
    options: list[str],
    size: str | None,
    claimed: list[str],
    *,
    as_json: bool,
) -> None:
    """Hold somebody else's model, or figures, against one paper."""
    from catalog.show_model import model_view
    from catalog.verify.model import hold

    papers = [paper for name in names for paper in _library().resolve(name)]
    if len(papers) != 1:
        raise CatalogError("name the one paper that the model or the figure is held against")
    _say_whose_code()
    report = hold(papers[0], variant=variant, model=model, options=options, size=size, claimed=claimed).as_dict()
    if as_json:
        _print_json(report)
    else:
        _print(model_view(report, _width()))
    if report["failed"]:
        raise typer.Exit(1)


def _measure(
    requests: Sequence[Request],
    jobs: int,
    limits: Limits,
    source: Source,
    *,
    record: bool,
    full: bool,
    quiet: bool,
) -> list[PaperReport]:
    """Measure, and print and record what comes of each paper as it comes. The reports are in the order of requests."""
    from catalog.progress import Progress
    from catalog.verify.batch import Finished, Measured, measure
    from catalog.verify.ledger import Ledger
    from catalog.verify.runner import PaperReport, forget

    reports: dict[str, PaperReport] = {}
    partly: dict[str, list[ClaimReport]] = {request.paper.id: [] for request in requests}
    width = max((len(paper) for paper in partly), default=0)
    events = measure(requests, jobs=jobs, limits=limits, source=source)
    with Progress({request.paper.id: len(request.selection) for request in requests}) as progress:
        try:
            for event in events:
                progress.tell(event)
                match event:
                    case Measured(paper=paper, report=claim):
                        partly[paper].append(claim)
                    case Finished(report=report, seconds=seconds):
                        reports[report.paper] = report
                        ledger = Ledger.load(report.paper)
                        if not quiet:
                            alone = len(requests) == 1
                            _print_report(
                                report, ledger, seconds, alone=alone, full=full, compare=not record, pad=width
                            )
                        if record:
                            _record(report, ledger, say=not quiet)
                        forget(report)
        except KeyboardInterrupt:
            events.close()  # which ends what is under way
            for request in requests:
                measured = tuple(partly[request.paper.id])
                if record and measured and request.paper.id not in reports:
                    report = PaperReport(request.paper, measured)
                    _record(report, Ledger.load(report.paper), say=False)
                    forget(report)
            claims = sum(map(len, partly.values()))
            _say(
                f"interrupted: {len(reports)} of {len(requests)} papers are done, with {claims} claims measured"
                f"{', which are recorded' if record else ''}"
            )
            raise
    return [reports[request.paper.id] for request in requests]


def _print_report(
    report: PaperReport, ledger: Ledger, seconds: float, *, alone: bool, full: bool, compare: bool, pad: int
) -> None:
    """All claims of a paper that is alone, one line for a paper among others."""
    from catalog.show import report_line, report_view

    if alone:
        nothing = "none of its claims is asked for" if report.record.claims else "no claims are recorded yet"
        _print(report_view(report.as_dict(), _width(), full=full, nothing=nothing))
    else:
        _print(report_line(report.as_dict(), _width(), seconds=seconds, megabytes=report.megabytes, pad=pad))
    if compare and (differences := ledger.differences(report)):
        indent = "" if alone else "    "
        _print([f"{indent}otherwise than recorded:", *(f"{indent}    {line}" for line in differences.splitlines())])


def _record(report: PaperReport, ledger: Ledger, *, say: bool) -> None:
    written = ledger.record(report)
    if say:
        _say_recorded(report.paper, written)


def _say_recorded(paper: str, written: bool) -> None:
    file = _nearby(paths.results_folder() / f"{paper}.yaml")
    _say(f"recorded in {file}" if written else f"{file} says the same already")


def _source(requests: Iterable[Request], folder: Path | None, accept_mismatch: bool) -> Source:
    """See to the data of the training runs that will be run, here, where there is a terminal to say how far it is."""
    from catalog.datasets import MissingData, Source, obtain
    from catalog.records import Tier
    from catalog.verify.training import needs

    wanted = set()
    for request in requests:
        for claim in request.selection:
            by_name = claim.id in (request.claims or ())
            if claim.training is None or not (by_name or Tier.TRAINING in (request.tiers or ())):
                continue
            if not needs(request.paper.id, claim, asked=True, by_name=by_name):
                wanted.add(claim.training.data)
    absent = {}
    for name in sorted(wanted - {"synthetic"}):
        try:
            with _downloading() as tell:
                obtain(name, folder=folder, accept_mismatch=accept_mismatch, progress=tell)
        except MissingData as error:
            absent[name] = str(error)
    return Source(folder, accept_mismatch, absent)


@contextmanager
def _downloading() -> Iterator[Callable[[str, int, int | None], None]]:
    """Shows on a terminal how far a download is; elsewhere it says which."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    tasks: dict[str, Any] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bars = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())

    def tell(file: str, done: int, total: int | None) -> None:
        if file not in tasks:
            if bars.disable:
                _say(f"downloading {file}")
            bars.start()
            tasks[file] = bars.add_task(file)
        bars.update(tasks[file], completed=done, total=total)

    try:
        yield tell
    finally:
        bars.stop()


@app.command()
def mutate(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="A paper that has a module.", autocompletion=completion.names)
    ],
    n: Annotated[int, typer.Option("--n", min=1, metavar="N", help="How many errors to make.")] = 40,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Which of the possible errors.")] = 0,
    record: Annotated[bool, typer.Option("--record", help="Keep the score, in the results of the project.")] = False,
    jobs: _Jobs = None,
    as_json: _Json = False,
) -> None:
    """Make small errors in a paper's module, one at a time, and list those that no claim notices.

    An error is a changed number, stride or padding, a layer or an activation left out or exchanged, two neighbours
    swapped. It is caught when a structure, property or parity claim turns red.
    """
    from catalog.progress import counting
    from catalog.show import mutation_view
    from catalog.verify.isolated import cores
    from catalog.verify.ledger import Ledger
    from catalog.verify.mutation import mutate as make_errors

    paper = _one_paper(name)
    _say_whose_code()
    with counting(f"errors in {paper.id}", n) as tell:
        report = make_errors(paper, n=n, seed=seed, jobs=jobs or cores(), on_outcome=tell)
    if as_json:
        _print_json(report.as_dict())
    else:
        _print(mutation_view(report.as_dict(), {known.change: known.why for known in paper.survivors}, _width()))
    if record:
        Ledger.load(paper.id).record_mutation(report, paper)


@app.command()
def count(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID...", help="Papers, or whole families.", autocompletion=completion.names),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every paper whose module holds a network.")] = False,
    variant: Annotated[
        str | None,
        typer.Option(metavar="VARIANT", help="Only this network, stage by stage.", autocompletion=completion.variants),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Keep what was counted, in the results of the project.")
    ] = False,
    jobs: _Jobs = None,
    as_json: _Json = False,
) -> None:
    """Count parameters, multiply-accumulates and bytes of a paper's networks, and where in them they are.

    Every variant is counted with the input that the paper's claims name. Ctrl-C stops at once, and loses nothing that
    was recorded.
    """
    from catalog.progress import counting
    from catalog.show_networks import networks_view
    from catalog.verify import networks
    from catalog.verify.isolated import cores
    from catalog.verify.ledger import Ledger

    if bool(names) == everything:
        raise CatalogError("name the papers whose networks are to be counted, or say --all")
    if record and variant is not None:
        raise CatalogError("what is recorded are all networks of a paper: --record or --variant")
    library = _library()
    chosen = [paper for name in names or () for paper in library.resolve(name)] or library.papers
    papers = list({paper.id: paper for paper in chosen}.values())
    wanted = networks.variants(papers, variant)
    _say_whose_code()
    done: list[networks.Counted] = []
    total = sum(map(len, wanted.values()))
    with counting("networks", total) as tell:
        try:
            for found in networks.count(papers, variant=variant, jobs=jobs or cores(), on_variant=tell):
                done.append(found)
                if record and not found.failed:
                    Ledger.load(found.paper.id).record_networks(found.networks, found.paper)
        except KeyboardInterrupt:
            _say(f"interrupted: {len(done)} of {len(wanted)} papers are done{', and recorded' if record else ''}")
            raise
    done.sort(key=lambda found: list(wanted).index(found.paper.id))
    if as_json:
        documents = [found.as_dict() for found in done]
        _print_json(documents[0] if names and len(documents) == 1 else {"papers": documents})
    else:
        _print(networks_view([found.as_dict() for found in done], _width(), stages=variant is not None))
    for found in done:
        if found.failed:
            _say(f"repro: the networks of {found.paper.id} could not all be counted: {found.failed}")
    if any(found.failed for found in done):
        raise typer.Exit(1)


@app.command()
def evaluate(
    name: Annotated[
        str, typer.Argument(metavar="ID", help="A paper that has a module.", autocompletion=completion.names)
    ],
    weights: Annotated[
        str,
        typer.Option(
            metavar="WEIGHTS",
            help="timm:NAME.TAG, torchvision:MODEL.WEIGHTS, pytorchcv:NAME, or a file (.safetensors, .pth, .pt, .bin), "
            "which is read without executing anything in it.",
        ),
    ],
    data: Annotated[
        str, typer.Option(metavar="NAME=DIR", help="The data set and where it lies, with a folder for each class.")
    ],
    variant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which of the paper's networks; that of the claims if omitted.")
    ] = None,
    peer: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Of a file: the model that it is for, as timm:NAME.")
    ] = None,
    crop: Annotated[
        int | None, typer.Option(min=1, metavar="PIXELS", help="Side of the crop, if not that of the weights.")
    ] = None,
    resize: Annotated[
        int | None, typer.Option(min=1, metavar="PIXELS", help="Shorter side before the crop, likewise.")
    ] = None,
    interpolation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Likewise: nearest, bilinear, bicubic or lanczos.")
    ] = None,
    mean: Annotated[str | None, typer.Option(metavar="R,G,B", help="Likewise, of channels from 0 to 1.")] = None,
    std: Annotated[str | None, typer.Option(metavar="R,G,B", help="Likewise.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only so many images; that decides nothing.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Images at a time.")] = 64,
    workers: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Processes that read images; by the cores if omitted.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="cpu or cuda; the GPU if omitted and there is one.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Keep what was decided, in the results of the project.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Carry published weights into a paper's network and measure its accuracy on images.

    The weights go into the model that they are published for and from there, by what its layers compute, into ours,
    which must give the same outputs. Images are prepared as belongs to the weights. The result is held against what the
    paper prints where its claims name these weights, data and way of measuring.
    """
    from catalog.progress import stages
    from catalog.show import evaluation_view
    from catalog.verify import evaluate as evaluation
    from catalog.verify.isolated import cores
    from catalog.verify.ledger import Inputs, Ledger

    if record and limit is not None:
        raise CatalogError("a part of the images decides nothing, so nothing could be recorded: --record or --limit")
    paper = _one_paper(name)
    ledger = Ledger.load(paper.id)
    _say_whose_code()
    with stages() as tell:
        found = evaluation.evaluate(
            paper,
            weights,
            data,
            variant=variant,
            peer=peer,
            changes=evaluation.Changes(crop, resize, interpolation, _channels("--mean", mean), _channels("--std", std)),
            batch=batch,
            workers=min(cores() - 1, 8) if workers is None else workers,
            device=device,
            limit=limit,
            tell=tell,
        )
    if as_json:
        _print_json(found.as_dict())
    else:
        _print(evaluation_view(found.as_dict(), _width()))
    if record and not found.decided:
        _say("nothing is decided, so nothing is recorded")
    elif record:
        inputs = Inputs(
            {found.data: found.folder.fingerprint}, {found.weights: found.weights_fingerprint}, found.libraries
        )
        _say_recorded(paper.id, ledger.record(found.report, found.environment, found.device, inputs))
    if found.unreadable:
        shown = "\n".join(f"    {image}" for image in found.unreadable[:5])
        more = f"\n    and {len(found.unreadable) - 5} more" if len(found.unreadable) > 5 else ""
        raise CatalogError(f"images in {found.folder.place} that cannot be read:\n{shown}{more}")
    if found.report.failed:
        raise typer.Exit(1)


def _give(text: str, output: Path | None) -> None:
    """Print a text as it is, or write it to a file."""
    if output is None:
        typer.echo(text, nl=False)
    else:
        _write(output, text)


def _one_paper(name: str, library: Library | None = None) -> Paper:
    papers = (library or _library()).resolve(name)
    if len(papers) != 1:
        raise CatalogError(f"'{name}' is a family; name one of its papers: {', '.join(paper.id for paper in papers)}")
    return papers[0]


def _channels(option: str, text: str | None) -> tuple[float, float, float] | None:
    """Three numbers, or one that counts for all channels."""
    if text is None:
        return None
    try:
        numbers = [float(number) for number in text.split(",")]
        red, green, blue = numbers * 3 if len(numbers) == 1 else numbers
    except ValueError:
        raise CatalogError(f"{option} '{text}' is not three numbers with commas, such as 0.485,0.456,0.406") from None
    return red, green, blue


# --- The site --------------------------------------------------------------------------------------------------------

_Into = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where to put it: DIR/docs and DIR/site. The folder build if omitted."),
]


@site.command(name="build")
def build_site(
    into: _Into = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar=paths.SITE_URL_VARIABLE,
            help="Where it will be published; absolute addresses begin with it. That of mkdocs.yml if omitted.",
        ),
    ] = None,
) -> None:
    """Write the site as Markdown and render it."""
    from catalog import website
    from catalog.website.libraries import missing

    started = time.perf_counter()
    if url is not None:
        os.environ[paths.SITE_URL_VARIABLE] = url
    folder = website.build(_library(), into)
    if why := missing():
        _say(why)
    _print([f"{_nearby(folder)} ({time.perf_counter() - started:.0f} s)"])


@site.command()
def serve(
    into: _Into = None, port: Annotated[int, typer.Option(min=1, max=65535, help="Port of 127.0.0.1.")] = 8000
) -> None:
    """Show the site on this machine, and build it again whenever something changes."""
    from catalog import website

    website.serve(into=into, port=port)


# --- Printing --------------------------------------------------------------------------------------------------------


def _library() -> Library:
    from catalog.library import Library

    return Library.load()


def _width() -> int:
    from catalog.text import page_width

    return page_width()


def _nearby(path: Path) -> Path:
    """A path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _print(lines: Iterable[str]) -> None:
    """Print text; colour stays where a terminal shows it and nobody objects (https://no-color.org)."""
    for line in lines:
        typer.echo(line, color=False if os.environ.get("NO_COLOR") else None)


def _write(file: Path, text: str) -> None:
    """Write a file that somebody asked for, all of it or nothing."""
    from catalog.layout import write_atomically

    try:
        write_atomically(file, text)
    except OSError as error:
        raise CatalogError(f"{file} cannot be written: {error.strerror or error}") from None


def _print_json(data: object) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def _say(message: str) -> None:
    """Print what is no result."""
    typer.echo(message, err=True)


def _say_whose_code() -> None:
    """Before modules are imported: say from where, if not from the project."""
    if (own := paths.own_reproductions()) is not None:
        _say(f"running the code in {_nearby(own)}")


def _print_papers(papers: Sequence[Paper]) -> None:
    from catalog.show import paper_table

    _print(paper_table(papers, {paper.id: _recorded(paper) for paper in papers}))


def _print_record(library: Library, record: Paper | ExternalWork | Family) -> None:
    from catalog import show as views
    from catalog.records import Family, Paper

    match record:
        case Paper():
            from catalog.verify.ledger import Ledger

            errors = Ledger.load(record.id).mutation
            _print(views.paper_view(library, record, _recorded(record), _width(), errors=errors))
        case Family():
            _print(views.family_view(library, record, _width()))
        case _:
            _print(views.work_view(library, record, _width()))


def _recorded(paper: Paper) -> dict[str, str]:
    from catalog.verify.ledger import recorded

    return recorded(paper)
