"""The command reference, made from the program itself: what ``--help`` prints, as a page."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from catalog.cli import EXIT_STATUSES, app
from catalog.website.page import File, Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catalog.website.content import Catalogue

__all__ = ["Command", "Parameter", "commands", "every_command"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument or an option."""

    anchor: str
    written: str
    """As one types it: ``--limit N``."""
    meaning: str
    details: str
    """Whether it is required, what stands for it if it is left out, and which values it takes."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or the program as a whole."""

    name: str
    """With those that it belongs to: ``repro site build``."""
    anchor: str
    usage: str
    help: tuple[str, ...]
    """Paragraphs; the first says in short what it does."""
    examples: tuple[str, ...]
    arguments: tuple[Parameter, ...]
    options: tuple[Parameter, ...]


_ENVIRONMENT = {
    "REPRO_PAPERS": "a folder of records, like --papers",
    "REPRO_REPRODUCTIONS": "their modules, checks and results, like --reproductions",
    "REPRO_DATA": "where data sets lie, like verify --data; otherwise they are downloaded into the cache",
    "REPRO_CONTACT": "an e-mail address that is told to the servers of which repro new asks for metadata",
    "REPRO_SITE_URL": "the address at which the site is published; absolute addresses on its pages begin with it",
    "REPRO_ISSUES_URL": "the form for a new issue, to which every claim of the site leads",
    "XDG_CACHE_HOME": "where what can be made again is kept: the index of the records, downloads; ~/.cache if omitted",
    "XDG_DATA_HOME": "where an installed copy keeps its own measurements; ~/.local/share if omitted",
    "NO_COLOR": "if it is set, nothing is printed in colour",
}


def commands(_site: Catalogue) -> Iterator[Page | File]:
    """The page of all commands."""
    program, *others = every_command()
    values = {"program": program, "commands": others, "statuses": EXIT_STATUSES, "variables": _ENVIRONMENT}
    yield Page("commands/index.md", "commands", values=values)


def every_command() -> list[Command]:
    """The program as a whole, and after it each of its commands in the order of its help."""
    program = typer.main.get_command(app)
    context = typer.Context(program, info_name="repro", **program.context_settings)
    return list(_described(program, context))


def _described(command: Any, context: typer.Context) -> Iterator[Command]:
    """A command, or those of a group of them."""
    members = getattr(command, "commands", {})
    is_program = context.parent is None
    if is_program or not members:
        anchor = "-".join(context.command_path.split()[1:])
        text, examples = _examples(inspect.cleandoc(command.help or ""))
        parameters = [parameter for parameter in command.get_params(context) if is_program or parameter.name != "help"]
        yield Command(
            name=context.command_path,
            anchor=anchor,
            usage=" ".join([context.command_path, *command.collect_usage_pieces(context)]),
            help=text,
            examples=(*examples, *getattr(command, "examples", ())),
            arguments=tuple(_parameters(parameters, "argument", anchor, context)),
            options=tuple(_parameters(parameters, "option", anchor, context)),
        )
    for name, member in members.items():
        yield from _described(member, typer.Context(member, info_name=name, parent=context))


def _parameters(parameters: list[Any], kind: str, anchor: str, context: typer.Context) -> Iterator[Parameter]:
    for parameter in parameters:
        if parameter.param_type_name == kind and (record := parameter.get_help_record(context)):
            written, help_text = record
            meaning, _, details = help_text.partition("  [")
            name = max(parameter.opts, key=len).strip("-") if kind == "option" else parameter.name
            yield Parameter("-".join(filter(None, (anchor, name))), written, meaning, details.removesuffix("]"))


def _examples(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The paragraphs of a help text without what they end with, as in "For example: repro fmt"; and these commands."""
    paragraphs, found = [], []
    for paragraph in (" ".join(part.split()) for part in text.split("\n\n")):
        if match := re.fullmatch(r"(?:(.*\.) )?([^.]*): (repro .*)", paragraph):
            before, occasion, command = match.groups()
            paragraphs += [before] if before else []
            found.append(command if occasion == "For example" else f"{command}  # {occasion[:1].lower()}{occasion[1:]}")
        else:
            paragraphs.append(paragraph)
    return tuple(paragraphs), tuple(found)
