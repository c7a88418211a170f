"""Check a folder of records: every record by its type, and every reference between records.

All problems are found in one go. A record with a mistake in it still exists: one slip does not make every reference to
it wrong as well.
"""

from __future__ import annotations

import ast
from contextlib import nullcontext
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError

import reproductions
from catalog import paths
from catalog.errors import Problem
from catalog.names import closest, normal, same
from catalog.outline import identifier
from catalog.records import ExternalWork, Family, Paper, Record, Topic
from catalog.source import Document, File, Place, SourceError, human, parse, printable
from catalog.wording import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["Checked", "Families", "Taxonomy", "check"]

BLANK = "FILL IN"
"""How a text begins that somebody still has to write; :mod:`catalog.new` puts such into new files."""

MOST_PROBLEMS = 50
"""Problems that are reported of one file; nobody reads more before mending the first."""


class Taxonomy(Record):
    """What ``taxonomy.yaml`` holds: the topics, in the order in which they are shown."""

    topics: list[Topic]


class Families(Record):
    """What ``families.yaml`` holds."""

    families: list[Family]


_TAXONOMY = "topics: [{id: kernels, name: Convolutional Kernels}]"

R = TypeVar("R", bound=Record)


@dataclass(slots=True)
class _Entry(Generic[R]):
    """A file, what it says, and its record, as far as it got.

    Lines and records are made again where a rule asks for them: those of a hundred thousand files fill the memory.
    """

    file: File
    model: type[R]
    data: dict[str, Any] | None = None
    """What the file says; none where it cannot be read."""
    valid: bool = False
    """Whether that is a record, looked at on its own."""
    problems: list[Problem] = field(default_factory=list)
    unsaid: int = 0
    """Problems beyond those."""
    _document: Document | None = None

    @property
    def record(self) -> R | None:
        return self.model.model_validate(self.data) if self.valid else None

    @property
    def document(self) -> Document | None:
        if self._document is None and self.data is not None:
            self._document = parse(self.file.content)
        return self._document

    def complain(self, place: Place, message: str) -> None:
        """Say what is wrong with a value."""
        assert self.document is not None
        self.problems.append(Problem(self.file.name, self.document.line(place), human(place), message))

    def texts(self, *pattern: str) -> Iterator[tuple[Place, str]]:
        """Each text of the file whose place has this pattern, in which ``*`` stands for any entry of a list.

        Blanks are passed over: nothing is wrong with them but that they are there.
        """
        places: list[tuple[Place, Any]] = [] if self.data is None else [((), self.data)]
        for step in pattern:
            if step == "*":
                places = [
                    ((*place, number), member)
                    for place, value in places
                    if isinstance(value, list)
                    for number, member in enumerate(value)
                ]
            else:
                places = [
                    ((*place, step), value[step])
                    for place, value in places
                    if isinstance(value, dict) and step in value
                ]
        return ((place, value) for place, value in places if isinstance(value, str) and not value.startswith(BLANK))


@dataclass(frozen=True, slots=True)
class Checked:
    """The files of a folder of which nothing is wrong, and all that is wrong with the others."""

    sound: list[tuple[File, dict[str, Any]]]
    """Each of these files and what it says."""
    problems: list[Problem]


def check(folder: Path, files: Iterable[File], known: Mapping[str, dict[str, Any]] = MappingProxyType({})) -> Checked:
    """Check the files of a folder of records, each on its own and all together.

    Args:
        folder: where they are.
        files: all of them.
        known: what files say, by name, that were sound before; how they go together with the others is checked again.
    """
    files = list(files)
    unread = sum(file.name not in known for file in files)
    with _progress(unread) as tell:

        def read(kind: str, model: type[R]) -> list[_Entry[R]]:
            entries = []
            for file in files:
                if file.kind == kind and file.name in known:
                    entries.append(_Entry(file, model, known[file.name], valid=True))
                elif file.kind == kind:
                    entries.append(_read(file, model))
                    tell(file)
            return entries

        papers, external = read("paper", Paper), read("external", ExternalWork)
        taxonomy, families = (
            next(iter(read("taxonomy", Taxonomy)), None),
            next(iter(read("families", Families)), None),
        )
    works: list[_Entry[Any]] = [*papers, *external]
    problems = []
    if taxonomy is None:
        problems.append(
            Problem(f"{folder.resolve().name}/taxonomy.yaml", None, "", f"is missing; it lists the topics: {_TAXONOMY}")
        )

    _check_ids(works, taxonomy, families)
    _check_references(works, taxonomy, families)
    _check_names(works, families)
    _check_descent(papers, works)
    _check_dates(works)
    _check_links(works)
    modules = paths.reproductions_folder()
    if modules is not None and folder.resolve() == paths.records_folder():
        for paper in papers:
            if paper.file.name not in known:
                _check_reproduction(paper, modules)

    entries = [entry for entry in (*works, taxonomy, families) if entry is not None]
    for entry in entries:
        if entry.problems:
            problems += sorted(entry.problems, key=lambda problem: problem.line or 0)[:MOST_PROBLEMS]
            if more := max(len(entry.problems) - MOST_PROBLEMS, 0) + entry.unsaid:
                problems.append(Problem(entry.file.name, None, "", f"has {more:,} problems more than those shown"))
    sound = [(entry.file, entry.data) for entry in entries if entry.data is not None and not entry.problems]
    return Checked(sound, problems)


def _progress(files: int) -> AbstractContextManager[Callable[[object], None]]:
    """Says how far it is where that takes more than a moment."""
    if files < 2000:
        return nullcontext(lambda _: None)
    from catalog.progress import counting

    return counting("reading records", files)


def _read(file: File, model: type[R]) -> _Entry[R]:
    entry: _Entry[R] = _Entry(file, model)
    if file.error is not None:
        entry.problems.append(Problem(file.name, None, "", file.error))
        return entry
    try:
        document = parse(file.content)
    except SourceError as error:
        entry.problems.append(Problem(file.name, error.line, human(error.place), error.message))
        return entry
    entry.data = document.data
    blanks = dict(_blanks(document.data, ()))
    for place, text in blanks.items():
        entry.complain(place, _still_blank(text))
    try:
        model.model_validate(document.data)
        entry.valid = True
    except ValidationError as error:
        explained, entry.unsaid = explain(error, model, document, MOST_PROBLEMS)
        for place, message in explained:
            if not any(blank[: len(place)] == place for blank in blanks):  # nor what holds one
                entry.complain(place, message)
    return entry


def _blanks(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str) and value.startswith(BLANK):
        yield place, value
    elif isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _blanks(inner, (*place, step))


def _still_blank(text: str) -> str:
    wanted = text.removeprefix(BLANK).strip(": \"'")
    return f"is still blank: {printable(wanted, 120)}" if wanted else "is still blank"


def _check_ids(works: list[_Entry[Any]], taxonomy: _Entry[Any] | None, families: _Entry[Any] | None) -> None:
    files: dict[str, str] = {}
    for work in works:
        for place, key in work.texts("id"):
            if key != work.file.stem:
                work.complain(place, f"'{printable(key)}' is not the name of the file, '{printable(work.file.stem)}'")
        if work.file.stem in files and work.data is not None:
            work.complain(("id",), f"{files[work.file.stem]} has this id too")
        files.setdefault(work.file.stem, work.file.name)
    for entry, name in ((taxonomy, "topics"), (families, "families")):
        if entry is None:
            continue
        ids: dict[str, int] = {}
        for place, key in entry.texts(name, "*", "id"):
            assert entry.document is not None
            if key in ids:
                entry.complain(place, f"'{printable(key)}' is there twice; the first is in line {ids[key]}")
            ids.setdefault(key, entry.document.line(place))
        if name == "topics":
            for place, key in entry.texts(name, "*", "id"):
                parent = key.rpartition("/")[0]
                if parent and parent not in ids:
                    entry.complain(place, f"lies under '{printable(parent)}', which is no topic; list that topic too")


def _check_references(works: list[_Entry[Any]], taxonomy: _Entry[Any] | None, families: _Entry[Any] | None) -> None:
    known = _Known(
        "paper", [work.file.stem for work in works], "a work outside the catalogue gets a record in external/"
    )
    # Where the list itself cannot be read, its mistakes are enough.
    topics = _listed("topic", "topics", taxonomy) if taxonomy is not None else None
    groups = _listed("family", "families", families) if families is not None else _Known("family", [], "")
    for work in works:
        for name in ("builds_on", "compares_with"):
            known.check(work, (name, "*", "paper"))
            for place, key in work.texts(name, "*", "paper"):
                if key == work.file.stem:
                    work.complain(place, "is the paper itself")
        known.check(work, ("comments", "*", "source"))
        if topics is not None:
            topics.check(work, ("taxonomy", "*"))
        if groups is not None:
            groups.check(work, ("family",))
        seen: set[str] = set()
        for place, key in work.texts("taxonomy", "*"):
            if key in seen:
                work.complain(place, f"'{printable(key)}' is there twice")
            seen.add(key)
    if taxonomy is not None:
        known.check(taxonomy, ("topics", "*", "comments", "*", "source"))


class _Known:
    """The ids to which a kind of reference may point."""

    def __init__(self, what: str, ids: Iterable[str], otherwise: str) -> None:
        self._what, self._ids, self._otherwise = what, dict.fromkeys(ids), otherwise

    def check(self, entry: _Entry[Any], pattern: tuple[str, ...]) -> None:
        for place, key in entry.texts(*pattern):
            if key not in self._ids:
                near = closest(key, self._ids, 1)
                hint = f"did you mean '{near[0]}'?" if near else self._otherwise
                entry.complain(place, f"no {self._what} '{printable(key)}'" + (f"; {hint}" if hint else ""))


def _listed(what: str, name: str, entry: _Entry[Any]) -> _Known | None:
    if entry.data is None:
        return None
    return _Known(what, [key for _, key in entry.texts(name, "*", "id")], f"{name} are listed in {entry.file.name}")


def _check_names(works: list[_Entry[Any]], families: _Entry[Any] | None) -> None:
    """Nothing is called like something else, so that every name finds one thing."""
    owners: dict[tuple[str, str], str] = {}

    def note(entry: _Entry[Any], owner: str, what: str, key: str, place: Place, text: str) -> None:
        other = owners.setdefault((what, key), owner)
        if other != owner:
            entry.complain(place, f"'{printable(text)}' is the {what} of {other} too; a {what} stands for one thing")

    # Ids are names too: somebody will type them.
    for work in works:
        owners.setdefault(("name", same(work.file.stem)), work.file.name)
    if families is not None:
        ids = {place[1]: key for place, key in families.texts("families", "*", "id")}
        for pattern in (("id",), ("name",), ("aliases", "*")):
            for place, text in families.texts("families", "*", *pattern):
                note(families, f"the family '{ids.get(place[1], place[1])}'", "name", same(text), place, text)
    for work in works:
        for pattern in (("name",), ("aliases", "*")):
            for place, text in work.texts(*pattern):
                note(work, work.file.name, "name", same(text), place, text)
        for place, text in work.texts("title"):
            note(work, work.file.name, "title", normal(text), place, text)
        for what, pattern in (("arXiv number", ("links", "arxiv")), ("DOI", ("links", "doi"))):
            for place, text in work.texts(*pattern):
                note(work, work.file.name, what, identifier(text) or text, place, text)


def _check_dates(works: list[_Entry[Any]]) -> None:
    """Nothing appears after its preprint, and nobody speaks of a paper before there is one."""
    published = _dates(works)
    for work in works:
        if not work.valid or work.data is None:
            continue
        date, number = published[work.file.stem], (work.data.get("links") or {}).get("arxiv")
        if number is not None and _later(date, month := _month(number)):
            work.complain(
                ("published",),
                f"arXiv number {number} is of {month}, before {date}; published is the day on which it first appeared",
            )
        for place, source in work.texts("comments", "*", "source"):
            if source == work.file.stem:
                work.complain(place, "is the paper itself; comments are what others say")
            # Only the year: papers say things in later editions too, and the first of these is dated.
            elif source in published and _later(date[:4], published[source]):
                work.complain(
                    place,
                    f"'{source}' ({published[source]}) is older than this paper ({date}), so it says nothing of it; "
                    "correct the source or a date",
                )


def _dates(works: list[_Entry[Any]]) -> dict[str, str]:
    return {work.file.stem: str(work.data["published"]) for work in works if work.valid and work.data}


def _month(arxiv: str) -> str:
    """The month that an arXiv number names: ``2016-10`` of ``1610.02357``, ``1998-11`` of ``hep-th/9811001``."""
    digits = arxiv.rpartition("/")[2]
    return f"{'19' if '/' in arxiv and digits[0] == '9' else '20'}{digits[:2]}-{digits[2:4]}"


def _later(date: str, other: str) -> bool:
    """Whether a date is later than another, as far as both are known: of 2016 and 2016-10-07 only the year counts."""
    digits = min(len(date), len(other))
    return date[:digits] > other[:digits]


def _check_links(works: list[_Entry[Any]]) -> None:
    """What has a number is named by it: numbers stay, and two records of one paper are recognised by them."""
    for work in works:
        for name in ("url", "pdf"):
            for place, address in work.texts("links", name):
                kind, _, number = (identifier(address) or "").partition(":")
                if kind in ("arxiv", "doi"):
                    work.complain(place, f"is the address of a number; write it as {kind}: {number}")


def _check_descent(papers: list[_Entry[Paper]], works: list[_Entry[Any]]) -> None:
    """Nothing builds on what came later, on itself, or twice on the same in the same way."""
    published = _dates(works)
    for paper in papers:
        if not paper.valid or paper.data is None:
            continue
        date = published[paper.file.stem]
        seen: dict[tuple[str, str, str], int] = {}
        for number, edge in enumerate(paper.data.get("builds_on", ())):
            place: Place = ("builds_on", number)
            ancestor, younger_because = edge["paper"], edge.get("younger_because")
            first = seen.setdefault((ancestor, edge["relation"], (edge.get("part") or "").strip()), number)
            if first != number:
                paper.complain(
                    place, f"says the same as builds_on[{first}]; join them, or say which part is meant (part)"
                )
            other = published.get(ancestor)
            if other is None or ancestor == paper.file.stem:
                continue
            younger = _later(other, date)
            if younger and younger_because is None:
                paper.complain(
                    (*place, "paper"),
                    f"'{ancestor}' ({other}) is younger than this paper ({date}); correct a date, or say in "
                    "younger_because how that can be",
                )
            elif not younger and younger_because is not None:
                paper.complain((*place, "younger_because"), f"'{ancestor}' ({other}) is not younger; delete this")

    entries = {paper.file.stem: paper for paper in papers}
    graph = {
        stem: [other for _, other in paper.texts("builds_on", "*", "paper") if other in entries and other != stem]
        for stem, paper in entries.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # Each member of the cycle is an ancestor of the next, the last of the first.
        cycle: list[str] = error.args[1]
        descendant, ancestor = cycle[1], cycle[0]
        place = next(
            place for place, other in entries[descendant].texts("builds_on", "*", "paper") if other == ancestor
        )
        way = " → ".join(f"'{stem}'" for stem in reversed(cycle))
        entries[descendant].complain(place, f"these papers build on one another in a circle: {way}")


def _check_reproduction(paper: _Entry[Paper], modules: Path) -> None:
    """What a record says of the paper's module and checks is true of them; they are read, not imported."""
    name = paper.file.stem.replace("-", "_")
    module, checks = f"reproductions/{name}.py", f"reproductions/checks/{name}.py"
    for shown in (module, checks):
        file = modules / shown.removeprefix("reproductions/")
        lines = file.read_text("utf-8", errors="replace").splitlines() if file.is_file() else []
        for line, text in enumerate(lines, 1):
            if BLANK in text:
                paper.problems.append(Problem(shown, line, "", _still_blank(text[text.index(BLANK) :])))
    record = paper.record
    if record is None:
        return
    if not (modules / f"{name}.py").is_file():
        if record.reproduction is not None:
            paper.complain(("reproduction",), f"there is no {module}")
        return
    try:
        variants = reproductions.variants(paper.file.stem)
        functions = _functions(modules / "checks" / f"{name}.py")
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        paper.complain(("reproduction",), f"{module} or {checks} is not Python: {error}")
        return
    for number, claim in enumerate(record.claims):
        place: Place = ("claims", number)
        if claim.subject is not None and claim.subject.variant not in variants:
            offered = f"has {', '.join(variants)}" if variants else "has no variants"
            paper.complain((*place, "subject", "variant"), f"no variant '{claim.subject.variant}'; {module} {offered}")
        if claim.check is not None and claim.check not in functions:
            near = closest(claim.check, functions, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            paper.complain((*place, "check"), f"no function '{claim.check}' in {checks}{hint}")
        if claim.training is not None and claim.training.aggregate not in ("each", "mean", *functions):
            paper.complain(
                (*place, "training", "aggregate"),
                f"'{claim.training.aggregate}' is neither each nor mean nor a function in {checks}",
            )


def _functions(file: Path) -> list[str]:
    if not file.is_file():
        return []
    return [node.name for node in ast.parse(file.read_bytes()).body if isinstance(node, ast.FunctionDef)]
