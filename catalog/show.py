"""What the catalogue knows, as text for a terminal.

Every function gives whole lines, in colour; :mod:`catalog.cli` takes the colour out where there is no terminal.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from catalog.relations import Relation
from catalog.source import printable
from catalog.text import (
    bold,
    columns,
    counted,
    dim,
    expectation,
    heading,
    listed,
    measurement,
    number,
    shortened,
    status,
    wrap,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from catalog.graph import Lineage, Step
    from catalog.library import Library
    from catalog.questions import Remark
    from catalog.records import ExternalWork, Family, Paper, Work
    from catalog.search import Found
    from catalog.verify.ledger import MutationScore

__all__ = [
    "NOT_MEASURED",
    "family_view",
    "in_short",
    "lineage_tree",
    "mutation_view",
    "nothing_found",
    "paper_table",
    "paper_view",
    "remark_lines",
    "report_line",
    "report_view",
    "search_view",
    "work_view",
]

NOT_MEASURED = "not measured yet"
"""What stands where nobody has recorded a measurement of a claim."""


# --- Lineage ---------------------------------------------------------------------------------------------------------


def lineage_tree(
    library: Library, shown: Lineage, width: int, *, depth: int | None = None, all_relations: bool = False
) -> Iterator[str]:
    """A lineage as a tree, the oldest branch first. What is reached twice is shown once and names the other ways to it.

    Args:
        library: where the lineage comes from.
        shown: the lineage.
        width: columns to fill.
        depth: the largest number of steps that was asked for.
        all_relations: whether every relation was followed.
    """
    below: dict[str | None, list[Step]] = {}
    for step in shown.papers:
        below.setdefault(step.parent, []).append(step)

    def branch(step: Step, first: str, rest: str) -> Iterator[str]:
        children = below.get(step.id, [])
        inner = rest + ("│  " if children else "   ")
        yield from wrap(_step(step, shown.direction), width, first, inner)
        if step.also:
            yield from wrap(dim(f"also {_other_ways(library, step, shown.direction)}"), width, inner, inner)
        for child in children:
            last = child is children[-1]
            yield from branch(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))

    yield from wrap(_lineage_header(library, shown, depth, all_relations), width)
    for root in below.get(None, []):
        yield ""
        yield from branch(root, "", "")
    yield ""
    descent = listed(relation for relation in Relation if relation.is_descent)
    other = listed((relation for relation in Relation if not relation.is_descent), "or")
    footer = f"Lineage follows {descent}; what only {other} is shown as a leaf. --all-relations follows all of them."
    yield from wrap(dim("Lineage follows every relation." if all_relations else footer), width)


def _step(step: Step, direction: str) -> str:
    # Whatever builds on the other is the subject: "Xception extends: …" below Inception-v3, but where ancestors are
    # shown, "extends Inception-v3: …" below Xception.
    if step.relation is None:
        return f"{step.year} {bold(step.name)}"
    if direction == "descendants":
        return f"{step.year} {bold(step.name)} {_how(step.relation, step.part)}: {step.what}"
    return f"{step.relation} {step.year} {_with_part(bold(step.name), step.part)}: {step.what}"


def _other_ways(library: Library, step: Step, direction: str) -> str:
    names = [library.outlines[link.parent].name for link in step.also]
    links = zip(step.also, names, strict=True)
    if direction == "descendants":
        return ", ".join(f"{link.relation} {_with_part(name, link.part)}" for link, name in links)
    return "an ancestor of " + listed(f"{name} ({_how(link.relation, link.part)})" for link, name in links)


def _lineage_header(library: Library, shown: Lineage, depth: int | None, all_relations: bool) -> str:
    outlines = [library.outlines[work] for work in shown.of]
    family = outlines[0].family
    if len(outlines) > 1 and family and all(outline.family == family for outline in outlines):
        name = f"{bold(library.family_names[family].name)}, {counted(len(outlines), 'paper')} of the family"
    else:
        name = listed(bold(outline.name) for outline in outlines)
    it = "them" if len(outlines) > 1 else "it"
    within = "" if depth is None else f" within {depth} {'step' if depth == 1 else 'steps'}"
    others = [step for step in shown.papers if step.id not in shown.of]
    leaves = 0 if all_relations else sum(step.relation is not None and not step.relation.is_descent for step in others)
    trunk = len(others) - leaves
    if shown.direction == "ancestors":
        parts = [counted(trunk, "ancestor") + within] if trunk or not leaves else []
        more = "more work" if trunk else "work"
        parts += [f"{counted(leaves, more)} combined, applied or analysed on the way"] if leaves else []
    elif all_relations:
        parts = [f"{counted(trunk, 'paper builds', 'papers build')} on {it}, directly or through others{within}"]
    else:
        parts = (
            [f"{counted(trunk, 'paper descends', 'papers descend')} from {it}{within}"] if trunk or not leaves else []
        )
        more, one = ("more", "one of these") if trunk else ("paper", it)
        parts += (
            [
                counted(
                    leaves,
                    f"{more} combines, applies or analyses {one}",
                    f"{more.replace('paper', 'papers')} combine, apply or analyse {one}",
                )
            ]
            if leaves
            else []
        )
    return f"{name}: {'; '.join(parts)}."


def _how(relation: Relation, part: str | None) -> str:
    return f"{relation} {part}" if part else str(relation)


def _with_part(name: str, part: str | None) -> str:
    return f"{name} ({part})" if part else name


# --- Papers and families ---------------------------------------------------------------------------------------------


def paper_view(
    library: Library, paper: Paper, statuses: Mapping[str, str], width: int, *, errors: MutationScore | None = None
) -> Iterator[str]:
    """Everything about a paper.

    Args:
        library: where it comes from.
        paper: the paper.
        statuses: the recorded verdict on each of its claims; one that is missing is not measured yet.
        width: columns to fill.
        errors: how many deliberate errors in its module its claims were found to catch.
    """

    def work(key: str) -> str:
        return f"{library.outlines[key].year} {bold(library.outlines[key].name)}"

    yield from wrap(bold(paper.title), width)
    yield from _work_facts(paper, width)
    facts = [("family", f"{library.family_names[paper.family].name} ({paper.family})")] if paper.family else []
    topics = columns([(topic, library.topic_names[topic].name) for topic in paper.taxonomy])
    facts += [("topics", "\n".join(topics))]
    yield from columns(_labelled(facts), width=width)
    yield ""
    yield from wrap(paper.summary, width)

    builds_on = [f"{edge.relation} {_with_part(work(edge.paper), edge.part)}: {edge.what}" for edge in paper.builds_on]
    yield from _section("Builds on", builds_on, width)
    compared = [f"{work(other.paper)}: {other.what}" for other in paper.compares_with]
    yield from _section("Compares itself with", compared, width)
    yield from _section("Led to", _led_to_lines(library, paper.id), width)
    said = (f"{work(comment.source)}: {_remark(comment.text, comment.quotation)}" for comment in paper.comments)
    yield from _section("What later works say", said, width)

    if paper.claims:
        verdicts = [_verdict(claim.id, claim.not_checkable, statuses) for claim in paper.claims]
        yield ""
        yield f"{heading('Claims')}  {in_short(Counter(verdicts))}"
        rows = []
        for claim, verdict in zip(paper.claims, verdicts, strict=True):
            source = f" {dim(f'({claim.source})')}" if claim.source else ""
            rows.append((f"  {status(verdict)}", f"{bold(claim.id)}: {claim.statement}{source}"))
        yield from columns(rows, width=width)
    if errors is not None and errors.score is not None:
        made = errors.errors - errors.equivalent
        yield ""
        yield from wrap(
            f"They catch {errors.caught} of {made} deliberate errors in the module ({errors.score:.0%}).", width
        )
    yield from _section("How to run it", _how_to_run(paper), width)


def work_view(library: Library, work: ExternalWork, width: int) -> Iterator[str]:
    """What is known of a work outside the catalogue."""
    yield from wrap(bold(work.title), width)
    yield from _work_facts(work, width)
    yield ""
    yield "A work outside the catalogue."
    yield from _section("Led to", _led_to_lines(library, work.id), width)


def family_view(library: Library, family: Family, width: int) -> Iterator[str]:
    """A family and its members, the oldest first."""
    yield bold(family.name)
    yield from columns(_labelled([("id", family.id), *_also_called(family)]), width=width)
    yield ""
    yield from wrap(family.summary, width)
    yield ""
    yield heading(counted(len(library.members(family.id)), "paper").capitalize())
    yield from columns(
        [(f"  {paper.year}", bold(paper.name), paper.id, paper.title) for paper in library.members(family.id)],
        width=width,
    )


def _led_to_lines(library: Library, work: str) -> list[str]:
    return [
        f"{outline.year} {bold(outline.name)} {_how(edge.relation, edge.part)}: {edge.what}"
        for outline, edge in library.led_to(work)
    ]


def _work_facts(work: Work, width: int) -> Iterator[str]:
    yield from wrap(", ".join(work.authors), width)
    yield " · ".join(part for part in (work.published, work.venue) if part)
    yield ""
    links = work.links
    addresses = {
        "arXiv": links.arxiv and f"https://arxiv.org/abs/{links.arxiv}",
        "DOI": links.doi and f"https://doi.org/{links.doi}",
        "page": links.url,
        "PDF": links.pdf,
        "code": links.code,
    }
    facts = [("id", work.id), ("name", work.name), *_also_called(work)]
    facts += [(label, address) for label, address in addresses.items() if address]
    yield from columns(_labelled(facts), width=width)


def _also_called(thing: Work | Family) -> list[tuple[str, str]]:
    return [("also", ", ".join(thing.aliases))] if thing.aliases else []


def _labelled(facts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(dim(f"{label:<6}"), text) for label, text in facts]


def _topic_path(library: Library, topic: str) -> str:
    """``Light-Weight Networks › MobileNet``."""
    parts = topic.split("/")
    return " › ".join(library.topic_names["/".join(parts[: depth + 1])].name for depth in range(len(parts)))


def _section(title: str, paragraphs: Iterable[str], width: int) -> Iterator[str]:
    """A heading and its paragraphs, or nothing where there are none."""
    for index, paragraph in enumerate(paragraphs):
        if index == 0:
            yield ""
            yield heading(title)
        yield from wrap(paragraph, width, "  ", "    ")


def _remark(text: str, quotation: bool) -> str:
    return f"“{text}”" if quotation else f"{text} {dim('(in the words of the survey)')}"


def _how_to_run(paper: Paper) -> list[str]:
    import reproductions

    lines = [f"repro verify {paper.id}"] if paper.claims else []
    try:
        variants = reproductions.variants(paper.id)
    except reproductions.UnknownReproduction:
        return lines or ["Nothing reproduces this paper yet."]
    module = "reproductions." + paper.id.replace("-", "_")
    if variants:
        lines.append(f'from reproductions import build; build("{paper.id}")')
        if len(variants) > 1:
            lines.append(f"variants: {', '.join(variants)}")
    else:
        lines.append(f"import {module}")
    return lines


def as_data(library: Library, record: Paper | ExternalWork | Family, statuses: Mapping[str, str]) -> dict[str, Any]:
    """A record for JSON, with what the catalogue knows of it besides: descendants, members, verdicts."""
    data = record.model_dump(mode="json", exclude_none=True)
    for claim in data.get("claims", ()):
        claim["status"] = _verdict(claim["id"], claim.get("not_checkable"), statuses)
    if record.id in library.family_names:
        return data | {"papers": [paper.id for paper in library.members(record.id)]}
    data["led_to"] = [
        {"paper": outline.id} | {name: value for name, value in edge._asdict().items() if name != "paper" and value}
        for outline, edge in library.led_to(record.id)
    ]
    return data


def _verdict(claim: str, not_checkable: str | None, statuses: Mapping[str, str]) -> str:
    return "not checkable" if not_checkable else statuses.get(claim, NOT_MEASURED)


def in_brief(paper: Paper, statuses: Mapping[str, str]) -> dict[str, Any]:
    """A paper as one row of a list."""
    return {
        "id": paper.id,
        "name": paper.name,
        "title": paper.title,
        "published": paper.published,
        "year": paper.year,
        "family": paper.family,
        "taxonomy": paper.taxonomy,
        "claims": len(paper.claims),
        "verified": list(statuses.values()).count("verified"),
    }


def paper_table(papers: Sequence[Paper], statuses: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """One line a paper: id, year, name, family, and how many of its claims are verified."""
    head = tuple(map(dim, ("id", "year", "name", "family", "claims", "verified")))
    rows = []
    for row in (in_brief(paper, statuses[paper.id]) for paper in papers):
        counts = (number(row["claims"]), number(row["verified"])) if row["claims"] else ("", "")
        rows.append((bold(row["id"]), str(row["year"]), row["name"], row["family"] or "", *counts))
    if rows:
        yield from columns([head, *rows], right=(4, 5))
        yield ""
    yield counted(len(papers), "paper")


def remark_lines(library: Library, remarks: Sequence[Remark], width: int) -> Iterator[str]:
    """What works say of papers and topics, grouped by what they speak of."""
    about = None
    for remark in remarks:
        if remark.about != about:
            about = remark.about
            name = library.outlines[about].name if about in library.outlines else _topic_path(library, about)
            yield bold(name)
        source = library.outlines[remark.source]
        yield from wrap(
            f"{source.year} {bold(source.name)}: {_remark(remark.text, remark.quotation)}", width, "  ", "    "
        )


def search_view(found: Found, width: int) -> Iterator[str]:
    """What a search finds: each thing with the place where the words are, which are bold."""
    for hit in found.hits:
        kind = "a work outside" if hit.kind == "external" else "" if hit.kind == "paper" else f"a {hit.kind}"
        label = " ".join(filter(None, (hit.id, kind and f"({kind})")))
        yield f"{'' if hit.year is None else hit.year:>4} {bold(hit.name)}  {dim(label)}"
        snippet = "".join(bold(text) if is_word else text for text, is_word in hit.snippet)
        yield from wrap(f"{dim(f'{hit.where}:')} {snippet}", width, "     ")
    if len(found.hits) < found.count:
        yield ""
        yield f"{len(found.hits):,} of {found.count:,}; --limit shows more"


def nothing_found(found: Found) -> Iterator[str]:
    """Why a search finds nothing, and what to search for instead."""
    for word, near in found.suggestions.items():
        hint = f"; did you mean {listed(map(repr, near), 'or')}?" if near else ""
        yield f"'{printable(word)}' is found nowhere{hint}"
    if not found.suggestions:
        yield f"nothing holds all of this: {printable(found.words)}; fewer words find more"


# --- Verification ----------------------------------------------------------------------------------------------------


def report_view(
    report: Mapping[str, Any], width: int, *, full: bool = False, nothing: str = "no claims are recorded yet"
) -> Iterator[str]:
    """The claims of one paper after measuring, one row each, and beneath what is not as it should be: why.

    Args:
        report: a paper's report as `repro verify --json` prints it.
        width: columns to fill.
        full: every named value of every claim and every reason to its end, instead of the first lines.
        nothing: what to say of a report without claims.
    """
    claims = report["claims"]
    if not claims:
        yield f"{bold(report['paper'])}: {nothing}"
        return
    yield bold(report["paper"])
    rows = [("verdict", "claim", "measured", "printed or expected", "source")]
    for claim in claims:
        values = _values(claim, full=full)
        rows.append((status(claim["status"]), bold(claim["id"]), *values, claim["source"] or ""))
    head, *others = columns(rows, width=width, cut=not full)
    yield dim(head)
    for claim, row in zip(claims, others, strict=True):
        yield row
        yield from _reason(claim, width, full=full)
    yield f"{report['paper']}: {in_short(report['summary'])}, in {sum(claim['seconds'] for claim in claims):.1f} s"


def _reason(claim: Mapping[str, Any], width: int, *, full: bool) -> list[str]:
    """Why a verdict is not that the claim holds; of a failure everything, of the others the beginning."""
    if claim["status"] in {"verified", "consistent"}:
        return []
    lines = wrap(claim["reason"], width, " " * 4)
    most = {"deviates": 2, "not run": 1, "not checkable": 1}.get(claim["status"], len(lines))
    if not full and len(lines) > most:
        lines = [*lines[: most - 1], shortened(f"{lines[most - 1]} {lines[most].lstrip()}", width)]
    return lines if claim["status"] in {"failed", "deviates"} else list(map(dim, lines))


def _values(claim: Mapping[str, Any], *, full: bool) -> tuple[str, str]:
    """The cells for what was measured and what it should be, a line for each named value."""
    expected, printed = claim["expected"] or {}, claim["printed"]
    # Named, {"linear": {"at_most": 1e-10}}, or not, {"at_most": 1e-10}.
    if not all(isinstance(comparator, dict) for comparator in expected.values()):
        expected = {"": expected}
    wanted = {name: expectation(comparator) for name, comparator in expected.items()}
    if printed is not None:
        wanted |= printed if isinstance(printed, dict) else {"": printed}
    measured = {} if claim["measured"] is None else dict(measurement(claim["measured"]))
    names = list(dict.fromkeys([*wanted, *measured]))
    rest = []
    full = full or claim["status"] in {"failed", "deviates"}
    if len(names) > 4 and not full:
        rest = [f"and {len(names) - 3} more"]
        names = names[:3]
    longest = max(map(len, names), default=0)
    if measured:
        left = [f"{name:<{longest}} {measured.get(name, '–')}".lstrip() for name in names]
        right = [wanted.get(name, "") for name in names]
    else:
        left, right = [], [f"{name:<{longest}} {wanted[name]}".lstrip() for name in names]
    if not full:
        left, right = ([shortened(line, 36) for line in lines] for lines in (left, right))
    return "\n".join([*left, *(rest if measured else [])]), "\n".join([*right, *([] if measured else rest)])


def evaluation_view(evaluation: Mapping[str, Any], width: int) -> Iterator[str]:
    """What was evaluated, how, what came out, and what that decides.

    Args:
        evaluation: as `repro evaluate --json` prints it.
        width: columns to fill.
    """
    data, images, preparation = evaluation["data"], evaluation["images"], evaluation["preparation"]
    yield f"{bold(evaluation['paper'])}, {evaluation['variant']}, with {evaluation['weights']['name']}"
    carried = "from nowhere: they are of the paper's module itself"
    if (peer := evaluation["peer"]) is not None:
        difference = number(evaluation["difference"])
        apart = (
            f"outputs differ by at most {difference} of the largest"
            if evaluation["difference"]
            else "no output differs"
        )
        carried = f"from {peer}; on a random input, in double precision, {apart}"
    channels = ", ".join(f"{name} {' '.join(f'{value:g}' for value in preparation[name])}" for name in ("mean", "std"))
    facts = [
        ("carried", carried),
        ("weights", f"{evaluation['weights']['fingerprint']} (BLAKE2 of all tensors)"),
        (
            "data",
            f"{data['name']}, {data['folder']}: {counted(data['images'], 'image')} in {data['classes']:,} classes",
        ),
        ("", f"{data['fingerprint']} (BLAKE2 of names and sizes)"),
        (
            "inputs",
            f"shorter side to {preparation['resize']} ({preparation['interpolation']}), the middle "
            f"{preparation['crop']} × {preparation['crop']}, {channels}",
        ),
        (
            "took",
            f"{evaluation['seconds']:.1f} s on {evaluation['device'] or evaluation['environment']}, "
            f"{images / max(evaluation['seconds'], 1e-9):,.1f} images a second",
        ),
    ]
    yield from columns([(dim(f"{label:<8}"), text) for label, text in facts], width=width)
    yield ""
    if images < data["images"]:
        yield from wrap(f"Of only {images:,} of {data['images']:,} images:", width)
    measured, right = evaluation["measured"], evaluation["right"]

    def percent(share: float) -> str:
        return f"{100 * share:.3f} %"

    rows = [
        (bold(name), percent(measured[name]), f"error {percent(measured[f'{name}-error'])}", f"{count:,} of {images:,}")
        for name, count in right.items()
    ]
    yield from columns(rows, right=(1, 2, 3))
    yield ""
    if evaluation["remark"]:
        yield from wrap(f"This decides no claim: {evaluation['remark']}.", width)
    for claim in evaluation["claims"]:
        figures = [f"printed {claim['printed']}"]
        if claim["measured"] is not None:
            figures.insert(0, f"measured {number(claim['measured'])}")
        # The reason of a failure says them itself.
        said = ", ".join(figures if claim["status"] != "failed" else []) + (
            f" ({claim['source']})" if claim["source"] else ""
        )
        yield f"{status(claim['status'])}  {bold(claim['id'])}  {said.strip()}"
        yield from _reason(claim, width, full=True)


def report_line(
    report: Mapping[str, Any], width: int, *, seconds: float, megabytes: int | None, pad: int
) -> Iterator[str]:
    """One line for a paper among others, and beneath it what failed and why.

    Args:
        report: a paper's report as `repro verify --json` prints it.
        width: columns to fill.
        seconds: how long the paper took.
        megabytes: the most memory that its process held, if it had one.
        pad: columns for the names of papers.
    """
    used = f"{seconds:7.1f} s" + (f"{megabytes:7,} MB" if megabytes else " " * 10)
    name = report["paper"]
    yield f"{bold(name)}{' ' * (pad - len(name))}{used}  {in_short(report['summary']) or 'nothing to verify'}"
    for claim in report["claims"]:
        if claim["status"] == "failed":
            yield from wrap(f"{status('failed')} {bold(claim['id'])}: {claim['reason']}", width, " " * 4, " " * 8)


def mutation_view(report: Mapping[str, Any], known: Mapping[str, str], width: int) -> Iterator[str]:
    """The deliberate errors that no claim noticed, and how many there were.

    Args:
        report: what `repro mutate --json` prints.
        known: why some of them need not be noticed, by their change.
        width: columns to fill.
    """
    for mutant in report["mutants"]:
        if mutant["fate"] == "caught":
            continue
        yield f"{mutant['fate']}: line {mutant['line']}, {mutant['error']}"
        yield mutant["diff"]
        if mutant["fate"] == "survived":
            why = known.get(mutant["change"])
            yield from wrap(why or "not explained yet: under survivors in the record, with why", width, " " * 4)
            if why is None:
                yield f"    change: {json.dumps(mutant['change'], ensure_ascii=False)}"
        yield ""
    score = "" if report["score"] is None else f" ({report['score']:.0%})"
    yield (
        f"{report['paper']}: {counted(len(report['mutants']), 'error')} of {report['possible']} possible ones, "
        f"{report['caught']} caught{score}, {report['survived']} survived, "
        f"{report['equivalent']} make no difference"
    )


def in_short(counts: Mapping[str, int]) -> str:
    """``9 verified, 2 consistent, 3 not run``."""
    return ", ".join(f"{count} {status(verdict)}" for verdict, count in counts.items() if count)
