"""model-index, the format in which model zoos told Papers with Code what they hold.

A collection is a paper that has a module, a model is one of its variants. Metadata are what was measured and recorded:
parameters and multiply-accumulates. Results are the figures that the paper reports for that variant, and no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.figures import Figure
from catalog.formats.publication import address
from catalog.records import Paper, Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from catalog.records import Claim, Work

__all__ = ["model_index"]

_MEASURES = {"parameters": "Parameters", "macs": "Multiply-accumulates", "flops": "FLOPs"}
_METRICS = {
    "top-1": "Top 1 Accuracy",
    "top-5": "Top 5 Accuracy",
    "top-1-error": "Top 1 Error",
    "top-5-error": "Top 5 Error",
}


def model_index(works: Iterable[Work]) -> str:
    """YAML with a collection for every paper that has a module, and a model for every variant."""
    import yaml

    papers = [work for work in works if isinstance(work, Paper) and work.reproduction == "complete"]
    document = {
        "Collections": [_collection(paper) for paper in papers],
        "Models": [model for paper in papers for model in _models(paper)],
    }
    text: str = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=120)
    return text


def _collection(paper: Paper) -> dict[str, Any]:
    return {
        "Name": paper.name,
        "Paper": _paper(paper),
        "README": paper.summary,
        "Code": {"URL": f"reproductions/{paper.id.replace('-', '_')}.py"},
    }


def _paper(paper: Paper) -> dict[str, str]:
    found = {"Title": paper.title, "URL": address(paper)}
    return {name: value for name, value in found.items() if value}


def _models(paper: Paper) -> Iterator[dict[str, Any]]:
    import reproductions
    from catalog.verify.ledger import Ledger

    ledger = Ledger.load(paper.id)
    for variant in reproductions.variants(paper.id):
        claims = [claim for claim in paper.claims if claim.subject is not None and claim.subject.variant == variant]
        metadata: dict[str, Any] = {}
        for claim in claims:
            if claim.tier is not Tier.STRUCTURE or claim.measure is None or _is_special(claim):
                continue
            entry = ledger.entry(claim.id)
            if (name := _MEASURES.get(claim.measure.quantity)) and entry and isinstance(entry.measured, int):
                metadata.setdefault(name, entry.measured)
        found = {
            "Name": f"{paper.name}: {variant}",
            "In Collection": paper.name,
            "Paper": _paper(paper),
            "Metadata": metadata or None,
            "Results": [result for claim in claims for result in _results(claim)] or None,
        }
        yield {name: value for name, value in found.items() if value}


def _is_special(claim: Claim) -> bool:
    """Whether a claim is of a part, or of a network built with options."""
    return claim.subject is not None and bool(claim.subject.part or claim.subject.options)


def _results(claim: Claim) -> Iterator[dict[str, Any]]:
    """What the paper reports, where the claim says by which measure and on which data."""
    if claim.tier is not Tier.HEADLINE or claim.measure is None or claim.subject is None:
        return
    metric = _METRICS.get(claim.measure.quantity)
    if metric and claim.subject.data and isinstance(claim.printed, str):
        # Papers print 0.790 or 79.0 %; the format has per cent.
        yield {
            "Task": "Image Classification",
            "Dataset": claim.subject.data,
            "Metrics": {metric: float(100 * Figure.read(claim.printed).value)},
        }
