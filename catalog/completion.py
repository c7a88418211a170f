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

__all__ = ["claims", "families", "files", "names", "tiers", "topics", "variants"]


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
def files() -> list[str]:
    """Names of all files of records, without .yaml."""
    return sorted(path.stem for path in paths.records_folder().rglob("*.yaml"))


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


def _asked(ctx: typer.Context) -> list[str]:
    """The papers that are on the command line already."""
    known = set(_papers())
    # Where the line ends in `--claim`, as it mostly does here, nothing has become a parameter yet.
    given = [value for values in ctx.params.values() for value in (values if isinstance(values, list) else [values])]
    return [name for name in (*given, *ctx.args) if name in known]


@_never_failing
def variants(ctx: typer.Context) -> list[str]:
    """Variants of the papers that are on the command line already."""
    import reproductions

    return [variant for paper in _asked(ctx) for variant in reproductions.variants(paper)]


@_never_failing
def claims(ctx: typer.Context) -> list[str]:
    """Ids of the claims of the papers that are on the command line already."""
    files = [paths.records_folder() / f"{paper}.yaml" for paper in _asked(ctx)]
    return [claim["id"] for file in files for claim in _data(file).get("claims", ())]
