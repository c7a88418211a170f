"""What the shell may complete, read from the files of the records directly.

It answers while somebody types, so it is quick, and a file with which something is wrong just has nothing to offer. All
that could stand in a place is returned; Typer keeps what begins as the person has begun.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import typer  # noqa: TC002 - Typer looks at the annotations to see what a function wants to know

from catalog import paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["claims", "families", "names", "tiers", "topics"]


def _never_failing(complete: Callable[..., list[str]]) -> Callable[..., list[str]]:
    @wraps(complete)
    def quietly(*args: Any, **kwargs: Any) -> list[str]:
        try:
            return complete(*args, **kwargs)
        except Exception:
            return []

    return quietly


def _data(path: Path) -> Any:
    import yaml

    return yaml.safe_load(path.read_bytes())


@_never_failing
def _papers() -> list[str]:
    files = paths.records_folder().glob("*.yaml")
    return sorted(path.stem for path in files if path.stem not in {"taxonomy", "families"})


@_never_failing
def families() -> list[str]:
    """Ids of the families."""
    return [family["id"] for family in _data(paths.records_folder() / "families.yaml")["families"]]


@_never_failing
def topics() -> list[str]:
    """Ids of the topics."""
    return [topic["id"] for topic in _data(paths.records_folder() / "taxonomy.yaml")["topics"]]


def names() -> list[str]:
    """Ids of the papers and of the families."""
    return _papers() + families()


@_never_failing
def tiers() -> list[str]:
    """The tiers of claims."""
    from catalog.records import Tier

    return [tier.value for tier in Tier]


@_never_failing
def claims(ctx: typer.Context) -> list[str]:
    """Ids of the claims of the papers that are on the command line already."""
    known = set(_papers())
    # Where the line ends in `--claim`, as it mostly does here, nothing has become a parameter yet.
    asked = [name for name in (*(ctx.params.get("names") or ()), *ctx.args) if name in known]
    files = [paths.records_folder() / f"{paper}.yaml" for paper in asked]
    return [claim["id"] for file in files for claim in _data(file).get("claims", ())]
