"""The pages that explain what was measured and how: their examples are claims of the catalogue as they stand."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from catalog.records import Basis, DeviationCause, Tier
from catalog.website.content import ORDER
from catalog.website.page import File, Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from catalog.records import Paper
    from catalog.website.content import Catalogue, Result

__all__ = ["Shown", "verification"]


class Shown(NamedTuple):
    """A claim that stands as an example."""

    paper: Paper
    result: Result


def verification(site: Catalogue) -> Iterator[Page | File]:
    """How verification works, what a verdict means, and what is counted how."""
    known = [Shown(paper, result) for paper in site.with_claims for result in site.results[paper.id]]
    known.sort(key=_effort)
    scores = [found[0] for paper in site.with_claims if (found := site.errors(paper)) and found[0].score is not None]
    values = {
        "by_tier": _by(known, Tier, lambda result: result.claim.tier),
        "by_basis": _by(known, Basis, lambda result: result.claim.basis),
        "scores": scores,
    }
    yield Page("verification/index.md", "verification", values=values)
    values = {
        "by_status": _by(known, ORDER, lambda result: result.status),
        "by_cause": _by(known, DeviationCause, _cause),
        "stale": [shown for shown in known if shown.result.stale],
    }
    yield Page("verification/status/index.md", "verdicts", values=values)
    counted = Counter(
        (measure.quantity, measure.convention) for shown in known if (measure := shown.result.claim.measure) is not None
    )
    yield Page("verification/counting/index.md", "counting", values={"claims": counted})


def _by(known: list[Shown], kinds: Iterable[str], kind: Callable[[Result], str | None]) -> dict[str, list[Shown]]:
    """The claims of each kind."""
    return {one: [shown for shown in known if kind(shown.result) == one] for one in kinds}


def _cause(result: Result) -> str | None:
    return result.claim.deviation.cause if result.claim.deviation else None


def _effort(shown: Shown) -> tuple[object, ...]:
    """How much it takes to read a claim; the best examples have one measured value and few words."""
    claim, entry = shown.result.claim, shown.result.entry
    return (
        entry is None,
        shown.result.stale,
        claim.measure is None and claim.check is None and claim.peer is None,
        isinstance(claim.expect, dict),
        claim.printed is None,
        len(claim.statement),
        shown.paper.id,
        claim.id,
    )
