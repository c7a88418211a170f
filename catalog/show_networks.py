"""What networks cost, as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.text import bold, columns, dim, megabytes, number, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["networks_view"]


def networks_view(reports: Sequence[Mapping[str, Any]], width: int, *, stages: bool) -> Iterator[str]:
    """A table of the networks of papers.

    Args:
        reports: what `repro count --json` prints of each paper.
        width: columns to fill.
        stages: whether to show where in each network its cost is.
    """
    rows = [("", "", "input", "parameters", "multiply-accumulates", "MB")]
    not_run: dict[str, list[str]] = {}
    for report in reports:
        name = report["paper"]
        for network in report["networks"]:
            cost = number(network["parameters"]), number(network["macs"]), megabytes(network["bytes"])
            rows.append((bold(name), network["variant"], _sides(network["input"]), *cost))
            name = ""
            if network["why_not"]:
                not_run.setdefault(network["why_not"], []).append(f"{report['paper']} {network['variant']}")
    head, *others = columns(rows, right=(3, 4, 5))
    yield dim(head)
    yield from others
    for why, names in not_run.items():
        yield ""
        yield from wrap(f"Not run ({why}): {', '.join(names)}", width)
    for report in reports if stages else ():
        for network in report["networks"]:
            if network["stages"]:
                yield ""
                yield from _stages(network)


def _stages(network: Mapping[str, Any]) -> Iterator[str]:
    rows = [(f"stage of {network['variant']} at {_sides(network['input'])}", "output", "parameters", "", "macs", "")]
    for stage in network["stages"]:
        outputs = ", ".join(map(_sides, stage["outputs"]))
        costs = [
            text
            for quantity in ("parameters", "macs")
            for text in (number(stage[quantity]), f"{stage[quantity] / max(network[quantity], 1):.1%}")
        ]
        rows.append((stage["name"], outputs, *costs))
    head, *others = columns(rows, right=(2, 3, 4, 5))
    yield dim(head)
    yield from others


def _sides(size: Sequence[int] | None) -> str:
    return "x".join(map(str, size)) if size else "–"
