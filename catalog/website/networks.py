"""What the networks of a paper cost, as its page shows it: all of them in a table, and of each where the cost is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import reproductions
from catalog.website.svg import element

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catalog.verify.ledger import Network, Stage
    from catalog.website.markdown import Markdown

__all__ = ["Alike", "alike", "brief", "main_first", "sides", "stage_table"]


def brief(count: int) -> str:
    """A number of parameters or multiply-accumulates in three digits: ``22.9 M``, ``8.36 G``."""
    rounded = float(f"{count:.2e}")
    power = min(int(math.log10(rounded)) // 3, 4) if count else 0
    value = rounded / 1000**power
    digits = max(0, 2 - int(math.log10(value))) if power else 0
    return f"{value:.{digits}f} {('', 'k', 'M', 'G', 'T')[power]}".rstrip()


def sides(size: Iterable[int]) -> str:
    """``3 × 224 × 224``."""
    return " × ".join(map(str, size))


def main_first(paper: str, networks: Sequence[Network]) -> list[Network]:
    """Networks with the one in front that a module builds if none is named."""
    try:
        main = reproductions.main_variant(paper)
    except LookupError:
        main = ""
    return sorted(networks, key=lambda network: network.variant != main)


@dataclass(frozen=True, slots=True)
class Alike:
    """Networks whose stages cost the same."""

    variants: list[str]
    network: Network


def alike(networks: Iterable[Network]) -> list[Alike]:
    """Networks that have been run, those together that do not differ in what is shown; of each its usual input."""
    found: dict[object, Alike] = {}
    seen: set[str] = set()
    for network in networks:
        if network.stages and network.variant not in seen:
            seen.add(network.variant)
            shown = tuple((stage.name, stage.parameters, stage.macs, str(stage.outputs)) for stage in network.stages)
            found.setdefault((str(network.input), shown), Alike([], network)).variants.append(network.variant)
    return list(found.values())


def stage_table(one: Alike) -> Markdown:
    """Where the parameters and multiply-accumulates of a network are, in the order of execution, with bars."""
    network = one.network
    size = f", {sides(network.input)}" if network.input else ""
    head = (element("th", name, scope="col") for name in ("Stage", "Parameters", "Multiply-accumulates"))
    return element(
        "table",
        element("caption", element("strong", ", ".join(one.variants)), size),
        element("thead", element("tr", *head)),
        element("tbody", *(_row(stage, network) for stage in network.stages)),
        class_="stages",
    )


def _row(stage: Stage, network: Network) -> Markdown:
    kind = f" {stage.kind}" if stage.name.rpartition(".")[2].isdigit() and stage.kind != "Sequential" else ""
    outputs = ", ".join(map(sides, stage.outputs)) or "not run outside training"
    return element(
        "tr",
        element("th", element("code", stage.name), kind, " ", element("small", outputs), scope="row"),
        _share(stage.parameters, network.parameters, "parameters"),
        _share(stage.macs, network.macs or 0, "macs"),
    )


def _share(part: int, whole: int, quantity: str) -> Markdown:
    percent = 100 * part / whole if whole else 0.0
    bar = element(
        "svg",
        element("rect", width=percent, height=1),
        viewBox="0 0 100 1",
        preserveAspectRatio="none",
        aria_hidden="true",
        class_=f"share {quantity}",
    )
    return element("td", brief(part), " ", element("small", f"{percent:.1f} %"), bar)
