"""What came of questions about several papers, as text for a terminal: paths, common ancestors, influence, verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.show import called, how, lineage_tree, remark_lines
from catalog.text import bold, columns, counted, dim, listed, number, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from catalog.difference import Said
    from catalog.graph import Common, Derivation, Influence, Path, Waypoint
    from catalog.library import Library
    from catalog.questions import Answer, Reproduction, Speaker

__all__ = ["answer_view", "common_view", "path_view", "said_view"]

MOST = 10
"""Common ancestors, or papers by influence, that are shown; --json has all."""


def answer_view(library: Library, answer: Answer, width: int) -> Iterator[str]:
    """The answer to a question about more than one record."""
    found: Any = answer.result
    match answer.kind:
        case "lineage":
            yield from lineage_tree(library, found, width)
        case "path":
            yield from path_view(library, found, width)
        case "common":
            yield from common_view(library, found, width)
        case "difference":
            yield from said_view(library, found, width)
        case "remarks":
            yield from remark_lines(library, found, width) if found else ["no remark"]
        case "speakers":
            yield from _speakers(found)
        case "influence":
            yield from _influence(found, width)
        case "reproductions":
            yield from _reproductions(found, width)


# --- Paths -----------------------------------------------------------------------------------------------------------


def path_view(library: Library, derivation: Derivation, width: int) -> Iterator[str]:
    """How one work led to another, step by step; or that it did not, and what both come from."""
    start, goal = called(library, derivation.start), called(library, derivation.goal)
    if derivation.common is not None:
        yield from wrap(f"{start} did not lead to {goal}, nor the other way round.", width)
        yield ""
        yield from common_view(library, derivation.common, width)
        return
    words = ""
    if derivation.direction == "backward":
        words, start, goal = f"{start} did not lead to {goal}, but the other way round: ", goal, start
    steps = counted(len(derivation.paths[0]) - 1, "step")
    shown = len(derivation.paths)
    if derivation.count > shown:
        others = counted(derivation.count - shown, "other way is", "other ways are")
        more = f" {others} as short; repro path --all shows them."
    else:
        more = f" There are {shown} such ways." if shown > 1 else ""
    yield from wrap(f"{words}{start} led to {goal} in {steps}, {_by(derivation.paths)}.{more}", width)
    for path in derivation.paths:
        yield ""
        yield f"{path[0].year} {bold(path[0].name)}"
        yield from _steps(path, width, "")


def _by(paths: Iterable[Path]) -> str:
    links = [point.links[0] for path in paths for point in path[1:]]
    is_descent = all(link.relation.is_descent for link in links)
    return "by descent" if is_descent else "not by descent alone but by any relation"


def _steps(path: Path, width: int, indent: str) -> Iterator[str]:
    for point in path[1:]:
        yield from wrap(_step(point), width, f"{indent}→ ", f"{indent}  ")


def _step(point: Waypoint) -> str:
    changes = "; ".join(f"{how(link.relation, link.part)}: {link.what}" for link in point.links)
    return f"{point.year} {bold(point.name)} {changes}"


def common_view(library: Library, common: Common, width: int) -> Iterator[str]:
    """What several works come from, and how each does."""
    names = [called(library, works) for works in common.of]
    if not common.ancestors:
        yield from wrap(f"{listed(names)} have no common ancestor.", width)
        return
    what = counted(len(common.ancestors), "nearest common ancestor")
    by = _by(path for ancestor in common.ancestors for path in ancestor.paths)
    yield from wrap(f"{listed(names)} have {what}, {by}.", width)
    for ancestor in common.ancestors[:MOST]:
        yield ""
        yield f"{ancestor.year} {bold(ancestor.name)}"
        for name, path in zip(names, ancestor.paths, strict=True):
            if len(path) > 1:
                yield f"  to {name}"
                yield from _steps(path, width, "  ")
    if len(common.ancestors) > MOST:
        yield ""
        yield f"and {len(common.ancestors) - MOST} more (--json lists them)"


def said_view(library: Library, said: Said, width: int) -> Iterator[str]:
    """What the records say of two works: how one led to the other, and what each says of the other."""
    yield from path_view(library, said.derivation, width)
    for contrast in said.contrasts:
        paper, other = library.outlines[contrast.paper], library.outlines[contrast.other]
        yield ""
        yield from wrap(f"{bold(paper.name)} compares itself with {bold(other.name)}: {contrast.what}", width, "", "  ")
    if said.remarks:
        yield ""
        yield from remark_lines(library, said.remarks, width)


# --- Tables ----------------------------------------------------------------------------------------------------------


def _speakers(speakers: Sequence[Speaker]) -> Iterator[str]:
    rows = [(dim("id"), dim("year"), dim("name"), dim("remarks"))]
    for speaker in speakers:
        name = f"{speaker.name} {dim('(outside the catalogue)')}" if speaker.external else speaker.name
        rows.append((bold(speaker.id), str(speaker.year), name, number(speaker.remarks)))
    if speakers:
        yield from columns(rows, right=(3,))
        yield ""
    yield counted(len(speakers), "work says something about it", "works say something about it")


def _influence(papers: Sequence[Influence], width: int) -> Iterator[str]:
    if not papers:
        yield "no paper"
        return
    rows = [tuple(map(dim, ("id", "year", "name", "directly", "in all")))]
    rows += [
        (bold(paper.id), str(paper.year), paper.name, number(paper.directly), number(paper.in_all))
        for paper in papers[:MOST]
    ]
    yield from columns(rows, right=(3, 4))
    yield ""
    shown = f", of which these are the first {MOST} (--json lists all)" if len(papers) > MOST else ""
    yield counted(len(papers), "paper") + shown
    yield from wrap(dim(INFLUENCE), width)


INFLUENCE = (
    "Influence is how many papers of this catalogue build on one: directly, by any relation, which decides the order; "
    "and in all, as repro lineage finds them, through others too. Citations outside the catalogue do not count."
)
"""What the numbers mean."""


def _reproductions(papers: Sequence[Reproduction], width: int) -> Iterator[str]:
    rows = [tuple(map(dim, ("id", "year", "claims", "which")))]
    for paper in papers:
        some = paper.claims if len(paper.claims) <= 4 else (*paper.claims[:3], f"{len(paper.claims) - 3} more")
        rows.append((bold(paper.id), str(paper.year), f"{len(paper.claims)} of {paper.of}", listed(some)))
    if papers:
        yield from columns(rows, right=(2,), width=width)
        yield ""
    claims = counted(sum(len(paper.claims) for paper in papers), "claim")
    yield f"{counted(len(papers), 'paper')}, {claims}" if papers else "no paper"
    if stale := sum(len(paper.stale) for paper in papers):
        yield from wrap(f"{stale:,} of these were measured with other code than there is now (stale).", width)
    if papers:
        yield from wrap(dim("repro show ID says what each claims; repro verify ID measures it again."), width)
