"""The pages of papers, and the training curves that they draw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import log2
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from catalog import difference, paths, text
from catalog.formats import export
from catalog.records import Comparator, Paper, Tier
from catalog.verify.runner import needs
from catalog.website import curves, svg
from catalog.website.content import module, place
from catalog.website.listing import numbered
from catalog.website.markdown import Markdown, address, fenced
from catalog.website.page import File, Page
from catalog.website.published import issues

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from catalog.records import Claim
    from catalog.website.content import Catalogue, Result

__all__ = ["papers", "values"]


def papers(site: Catalogue) -> Iterator[Page | File]:
    """A page for every paper, and the curves of its training runs as they were recorded."""
    form = issues()
    modules = {paper.id: module(paper.id) for paper in site.papers}
    for paper in site.papers:
        drawn = {claim.id: found for claim in paper.claims if (found := _curves(paper, claim))}
        values = {
            "module": modules[paper.id],
            "changes": _changes(site, paper, {name for name, found in modules.items() if found}),
            "groups": _groups(site.results[paper.id]),
            "needs": partial(_need, paper),
            "curves": {claim: found.charts for claim, found in drawn.items()},
            "drawn": _drawn,
            "errors": site.errors(paper),
            "form": form,
            "report": partial(_report, site, form, paper),
            "formats": _formats(site, paper),
            "places": _places(paper),
            "numbered": numbered,
            "element": svg.element,
        }
        yield Page(
            place(paper)[0],
            "paper",
            paper,
            title=paper.name,
            search=round(1 + log2(1 + len(site.led_to[paper.id])) / 4, 2),  # of two that fit, what others build on
            keywords=(paper.name, *paper.aliases, paper.title, *paper.authors),
            values=values,
        )
        for claim, found in drawn.items():
            yield File(f"papers/{paper.id}/curves/{claim}.json", found.content)


# --- Claims ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Group:
    """Claims that stand in one table."""

    heading: str
    results: list[Result]
    tier: Tier | None = None
    """Of all of them, if they have one in common."""


def _groups(results: list[Result]) -> list[_Group]:
    """The claims of a paper as its page lists them: what failed, what deviates, and the others by tier."""
    failed = [result for result in results if result.status == "failed"]
    apart = [result for result in results if result.claim.deviation and result not in failed]
    others = [result for result in results if result not in failed and result not in apart]
    found = [_Group("Failed", failed), _Group("Where the paper and its network part", apart)]
    found += (
        _Group(tier.capitalize(), [result for result in others if result.claim.tier is tier], tier) for tier in Tier
    )
    return [group for group in found if group.results]


def values(claim: Claim, measured: Any) -> list[tuple[str, str, str, str]]:
    """The values of a claim: name (empty for the only one), as printed, as expected, as measured."""
    expect = {"": claim.expect} if isinstance(claim.expect, Comparator) else claim.expect or {}
    printed, expected, found = (
        dict(text.measurement(claim.printed)) if claim.printed else {},
        {name: text.expectation(comparator.model_dump()) for name, comparator in expect.items()},
        dict(text.measurement(measured)) if measured is not None else {},
    )
    names = dict.fromkeys([*expected, *printed, *found])
    return [(name, printed.get(name, ""), expected.get(name, ""), found.get(name, "")) for name in names]


def _need(paper: Paper, result: Result) -> str:
    """What is not at hand to measure a claim, or why nobody can; empty for what was measured and can be."""
    if result.entry is not None:
        return result.entry.reason if result.status == "not run" else ""
    _, reason = needs(paper, result.claim) or ("", "")
    return reason


def _report(site: Catalogue, form: str, paper: Paper, claim: Claim) -> Markdown:
    """Where to report an error: a form with the claim filled in, or, where there is none, what the page says of it."""
    if not form:
        return Markdown("#found-an-error")
    parts = (
        site.url(place(paper)[0], f"claim-{claim.id}"),
        f"> {claim.statement}",
        "What is wrong with it:",
        f"What `repro verify {paper.id} --claim {claim.id}` prints:",
    )
    filled = urlencode({"title": f"{paper.name}: {claim.id}", "body": "\n\n".join(parts)})
    return address(f"{form}{'&' if '?' in form else '?'}{filled}")


@dataclass(frozen=True, slots=True)
class _Curves:
    """What was recorded of a training claim."""

    content: bytes
    charts: list[curves.Chart]


def _curves(paper: Paper, claim: Claim) -> _Curves | None:
    if claim.training is None or (content := curves.recorded(paper.id, claim.id)) is None:
        return None
    return _Curves(content, curves.charts(content, f"results/curves/{paper.id}/{claim.id}.json"))


def _drawn(charts: list[curves.Chart], claim: Claim) -> Markdown:
    """The charts of a claim side by side, with what their lines are."""
    assert claim.training is not None  # otherwise there are no charts
    seeds = text.listed(dict.fromkeys(seed for chart in charts for arm in chart.arms for seed in arm.seeds))
    caption = f"{claim.id}, on {claim.training.data}. Thin lines are the seeds {seeds}, thick ones their mean."
    return svg.figure(Markdown("".join(chart.drawn() for chart in charts)), caption)


# --- Code ------------------------------------------------------------------------------------------------------------


def _changes(site: Catalogue, paper: Paper, shown: Collection[str]) -> list[tuple[Paper, difference.Changes]]:
    """What the module of a paper takes from those of its ancestors, in the order of the record.

    Args:
        site: the catalogue.
        paper: the paper.
        shown: the papers whose modules have a place on the site, to which the page can link.
    """
    ancestors = [site.library[step.paper] for step in paper.builds_on if step.paper in shown]
    return [(site.library[other], found) for other, found in difference.changes(paper, ancestors).items()]


def _places(paper: Paper) -> list[str]:
    """The files of a reproduction; none where these records have no modules."""
    folder, name = paths.reproductions_folder(), paper.id.replace("-", "_")
    return [f"{folder.name}/{name}.py", f"{folder.name}/checks/{name}.py"] if folder else []


def _formats(site: Catalogue, paper: Paper) -> list[tuple[str, Markdown]]:
    """The paper as bibliographies want it: what to call the format, and the text."""
    languages = {"BibTeX": "bibtex", "RIS": "text", "CSL-JSON": "json", "JSON-LD": "json"}
    return [
        (name, fenced(export.write(site.library, name.lower(), [paper], lambda _: {}), language))
        for name, language in languages.items()
    ]
