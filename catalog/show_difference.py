"""What changed from one paper to another, as text for a terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from catalog.show_answers import said_view
from catalog.show_model import differences_table, places
from catalog.text import added, bold, columns, dim, heading, listed, number, removed, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.difference import Code, Said
    from catalog.library import Library
    from catalog.verify.difference import Networks

__all__ = ["difference_view"]


def difference_view(
    library: Library, said: Said, networks: Networks | None, remark: str, code: Code | None, width: int
) -> Iterator[str]:
    """What the records say, what the networks have and cost, and how the modules are written.

    Args:
        library: where the papers come from.
        said: what the records say.
        networks: the networks of both, if both have one.
        remark: why they have not.
        code: the modules of both, if both have one.
        width: columns to fill.
    """
    yield from said_view(library, said, width)
    yield ""
    if networks is None:
        yield from wrap(f"No networks are compared: {remark}.", width)
    else:
        yield from _networks(networks, width)
    if code is not None:
        yield from _code(library, code, width)


def _networks(networks: Networks, width: int) -> Iterator[str]:
    old, new = networks.old, networks.new
    inputs = ["x".join(map(str, one.input)) for one in (old, new)]
    sizes = inputs[0] if inputs[0] == inputs[1] else f"{inputs[0]} and of {inputs[1]}"
    yield heading("Networks")
    named = f"From {bold(old.variant)} to {bold(new.variant)}, with an input of {sizes}"
    yield from wrap(f"{named}; MACs are multiply-accumulates", width)
    yield ""
    rows: list[tuple[str, ...]] = [("", dim("maps"), "", dim("parameters"), "", dim("MACs"), "")]
    rows.append(tuple(map(dim, ("side", *("from", "to") * 3))))
    for stage in networks.stages:
        figures = (stage.old.parameters, stage.new.parameters, stage.old.macs, stage.new.macs)
        rows.append((stage.maps, stage.old_size or "–", stage.new_size or "–", *map(number, figures)))
    rows.append(("in all", "", "", *map(number, (old.parameters, new.parameters, old.macs, new.macs))))
    yield from columns(rows, right=range(1, 7))
    elsewhere = networks.elsewhere
    together = new.parameters - old.parameters, new.macs - old.macs
    yield from differences_table([asdict(one) for one in networks.differences], elsewhere, together, width)
    for finding in networks.in_training:
        yield ""
        yield from wrap(f"Only in training, {places(asdict(finding))}: {finding.what}", width, "", "  ")


def _code(library: Library, code: Code, width: int) -> Iterator[str]:
    yield ""
    yield heading("Code")
    for one in code.imports:
        paper, other = (bold(library.outlines[work].name) for work in (one.paper, one.other))
        yield from wrap(f"{paper} takes from {other}: {listed(one.names)}", width, "", "  ")
    yield ""
    for line in code.diff.splitlines():
        match line[:1]:
            case "+":
                yield added(line)
            case "-":
                yield removed(line)
            case "@":
                yield dim(line)
            case _:
                yield line
