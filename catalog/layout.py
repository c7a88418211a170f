"""How the files of the catalogue look: one canonical YAML layout, and writing that never leaves half a file.

People and programs write the same records, so a program's lines have to be the lines a person would have written:
fields in the order of :mod:`catalog.records`, short mappings on one line, long texts folded at 120 columns, quotation
marks only where YAML would read something else than the text.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import os
import re
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import yaml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["WIDTH", "dump", "insert", "write_atomically"]

WIDTH = 120

# Entries that people compare line by line, or that are too big to be read on one line, however short they happen to be.
_ALWAYS_BLOCK = frozenset({"claims", "comments", "families", "topics"})

# PyYAML reads 1e3 as text and an editor, by YAML 1.2, as a number.
_LOOKS_LIKE_A_NUMBER = re.compile(r"[-+]?(\.?\d[\d_.,]*([eE][-+]?\d+)?|0[ox][\da-fA-F]+)")
_DATE = re.compile(r"\d{4}-\d\d(-\d\d)?")


def dump(data: Mapping[str, Any]) -> str:
    """The canonical text of a record, of the taxonomy (``{topics: […]}``) or of the families (``{families: […]}``).

    :func:`yaml.safe_load` reads the same data from it, save that it takes the day in ``published`` for a date. Nothing
    is added or left out: whoever wants no defaults in the file leaves them out of ``data``.

    Raises:
        TypeError: for a value that YAML has no plain form for (a set, a path, an object of one's own).
    """
    return "".join(f"{line}\n" for line in _block(data, 0, _root(data))) or "{}\n"


def insert(text: str, path: Sequence[str | int], items: Sequence[Any], position: int | None = None) -> str:
    """``text``, a YAML file, with ``items`` added to the list at ``path``; every other byte of it stays as it is.

    The list is written as it was before, in brackets or one item below the other; where there is none yet, it gets its
    place in the order of fields. ``path`` leads to it by names and numbers: ``("topics", 3, "comments")``. ``position``
    is the number of the item that the first new one comes before; without it they come last.

    Raises:
        yaml.YAMLError: ``text`` is not YAML.
        ValueError: there is something else than a list at ``path``, or the file is written in a way (with aliases, say)
            in which nothing can be added without touching what is there.
    """
    if not items:
        return text
    expected = yaml.safe_load(text)
    parent = expected
    for step in path[:-1]:
        parent = parent[step]
    if not isinstance(parent, dict) or not parent:
        raise ValueError("holds no fields")
    present = parent.get(path[-1]) or []
    if not isinstance(present, list):
        raise ValueError(f"{path[-1]} is no list")
    position = len(present) if position is None else position
    parent[path[-1]] = [*present[:position], *items, *present[position:]]

    changed = _with_items(text, path, items, position)
    # YAML has more ways of writing a list than are foreseen here; none of them may cost a person's work.
    with contextlib.suppress(yaml.YAMLError):
        if yaml.safe_load(changed) == expected:
            return changed
    raise ValueError(f"{path[-1]} is written in a way that nothing can be added to; please add {list(items)} by hand")


def write_atomically(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, all of it or nothing, whatever interrupts it.

    Raises:
        OSError: the folder does not exist or cannot be written to; the old file is then untouched.
    """
    path = path.resolve()  # the file that a link points to is replaced, not the link
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


# --- The order of fields ---------------------------------------------------------------------------------------------


def _root(names: Mapping[str, Any]) -> type | None:
    """The record type at the top of a file; the lists of topics and of families have none of their own."""
    from catalog.records import Paper  # pydantic takes its time, and writing results needs none of it

    return None if names.keys() & {"topics", "families"} else Paper


@cache
def _fields(model: type | None) -> dict[str, type | None]:
    """Names of a record's fields in order, each with the type of the records inside it."""
    from catalog.records import Family, Record, Topic

    if model is None:
        return {"topics": Topic, "families": Family}
    if not issubclass(model, Record):
        return {}

    def record_in(annotation: Any) -> type | None:
        if isinstance(annotation, type) and issubclass(annotation, Record):
            return annotation
        return next(filter(None, map(record_in, get_args(annotation))), None)

    # A mapping whose values are records of no known type has no order of its own: object has no fields.
    return {name: record_in(field.annotation) or object for name, field in model.model_fields.items()}


def _ordered(mapping: Mapping[str, Any], model: type | None) -> list[tuple[str, Any, type | None]]:
    """Entries in the order of the record's fields, then those that are no fields, in the order given.

    The latter are the named values of ``expect``, say: each of them is a record of the same type.
    """
    fields = _fields(model)
    known = [(name, mapping[name], fields[name]) for name in fields if name in mapping]
    return known + [(name, value, model) for name, value in mapping.items() if name not in fields]


# --- Collections -----------------------------------------------------------------------------------------------------


def _block(mapping: Mapping[str, Any], indent: int, model: type | None) -> list[str]:
    """The lines of a mapping, one entry after the other."""
    lines = []
    for name, value, inner in _ordered(mapping, model):
        lines += _entry(f"{' ' * indent}{_scalar(name, flow=False)}:", value, indent, str(name), inner)
    return lines


def _entry(prefix: str, value: Any, indent: int, field: str, model: type | None) -> list[str]:
    """The lines of ``prefix`` (``name:`` or ``-``, indented) and its value."""
    if not _is_collection(value):
        return _scalar_entry(prefix, value, indent, field)
    if not value or (field not in _ALWAYS_BLOCK and not _has_mappings(value)):
        one_line = f"{prefix} {_flow(value, field, model)}"
        if not value or len(one_line) <= WIDTH:
            return [one_line]
    if isinstance(value, Mapping):
        return [prefix, *_block(value, indent + 2, model)]
    if not _has_mappings(value):
        items = [_flow(item, field, model) for item in value]
        if max(map(len, items)) <= WIDTH - indent - 4:
            return _wrapped(f"{prefix} [", items, indent + 2)
    lines = [prefix]
    for item in value:
        lines += _item(item, indent + 2, field, model)
    return lines


def _item(value: Any, indent: int, field: str, model: type | None) -> list[str]:
    """The lines of one item of a list that is written one item below the other."""
    dash = f"{' ' * indent}-"
    if isinstance(value, Mapping) and value:
        one_line = f"{dash} {_flow(value, field, model)}"
        if field not in _ALWAYS_BLOCK and len(one_line) <= WIDTH:
            return [one_line]
        first, *others = _block(value, indent + 2, model)
        return [f"{dash} {first[indent + 2 :]}", *others]
    return _entry(dash, value, indent, field, model)


def _flow(value: Any, field: str, model: type | None) -> str:
    """A value in one line, with brackets."""
    if isinstance(value, Mapping):
        entries = (
            f"{_scalar(name, flow=True)}: {_flow(inner, field if field == 'printed' else str(name), kind)}"
            for name, inner, kind in _ordered(value, model)
        )
        return f"{{{', '.join(entries)}}}"
    if _is_collection(value):
        return f"[{', '.join(_flow(item, field, model) for item in value)}]"
    return _scalar(value, flow=True, field=field)


def _wrapped(start: str, items: Sequence[str], indent: int) -> list[str]:
    """A list in brackets over as many lines as it takes; no item is split."""
    lines, line = [], start
    for number, item in enumerate(items, 1):
        piece = f"{item}{',' if number < len(items) else ']'}"
        space = "" if line == start else " "
        if len(line) + len(space) + len(piece) > WIDTH:
            lines.append(line)
            line, space = " " * indent, ""
        line += space + piece
    return [*lines, line]


def _is_collection(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str | bytes))


def _has_mappings(value: Any) -> bool:
    """Whether this is a list of mappings: these are written one below the other."""
    return not isinstance(value, Mapping) and any(isinstance(item, Mapping) for item in value)


# --- Scalars ---------------------------------------------------------------------------------------------------------


def _scalar_entry(prefix: str, value: Any, indent: int, field: str) -> list[str]:
    inline = f"{prefix} {_scalar(value, flow=False, field=field)}"
    if not isinstance(value, str) or (len(inline) <= WIDTH and "\n" not in value):
        return [inline]
    style, lines = ("|-", value.split("\n")) if "\n" in value else (">-", _folded(value, WIDTH - indent - 2))
    if len(lines) == 1:  # a long address: a line of its own would not make it shorter
        return [inline]
    block = [f"{prefix} {style}", *(f"{' ' * (indent + 2)}{line}" if line else "" for line in lines)]
    # Whether a text survives a block depends on its spaces, breaks and characters: YAML itself is asked.
    with contextlib.suppress(yaml.YAMLError):
        if yaml.safe_load("\n".join([f"{' ' * indent}text: {style}", *block[1:]])) == {"text": value}:
            return block
    return [inline]


def _folded(text: str, width: int) -> list[str]:
    """Lines broken at single spaces only: YAML makes each of these breaks one space again."""
    breakable = re.sub(r"(?<! ) (?! )", "\n", text).replace(" ", "\0").replace("\n", " ")
    lines = textwrap.wrap(
        breakable, width, break_long_words=False, break_on_hyphens=False, expand_tabs=False, replace_whitespace=False
    )
    return [line.replace("\0", " ") for line in lines]


def _scalar(value: Any, *, flow: bool, field: str = "") -> str:
    """One value as YAML writes it in a line; ``flow`` inside brackets, where more characters have a meaning."""
    if value is None or isinstance(value, bool | int | float | datetime.date):
        # Left to PyYAML, which knows that 1e-10 without a point is text to YAML 1.1.
        return yaml.safe_dump(value).split("\n")[0]
    if not isinstance(value, str):
        raise TypeError(f"a record holds no {type(value).__name__}: {value!r}")
    text = str(value)
    if field == "published" and _DATE.fullmatch(text):
        return text
    # Figures are quotations of the paper, whether or not YAML would take them for numbers.
    if field != "printed" and _is_plain(text, flow):
        return text
    return _quoted(text)


@cache
def _dumper() -> Any:
    """PyYAML's own judgement of what may stand without quotation marks (Any: its stubs leave these methods untyped)."""
    return yaml.SafeDumper(io.StringIO(), allow_unicode=True)


def _is_plain(text: str, flow: bool) -> bool:
    """Whether YAML reads the bare text as this text."""
    if _LOOKS_LIKE_A_NUMBER.fullmatch(text):
        return False
    analysis = _dumper().analyze_scalar(text)
    return (
        not analysis.multiline
        and (analysis.allow_flow_plain if flow else analysis.allow_block_plain)
        and _dumper().resolve(yaml.ScalarNode, text, (True, False)) == "tag:yaml.org,2002:str"
    )


def _quoted(text: str) -> str:
    """In double quotation marks, or in single ones where these spare the reader backslashes."""
    analysis = _dumper().analyze_scalar(text)
    if ('"' in text or "\\" in text) and analysis.allow_single_quoted and not analysis.multiline:
        return "'" + text.replace("'", "''") + "'"
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**9).removesuffix("\n")


# --- Insertion -------------------------------------------------------------------------------------------------------


def _with_items(text: str, path: Sequence[str | int], items: Sequence[Any], position: int) -> str:
    """:func:`insert` without its check: where PyYAML's marks say that the list is, or where it should be."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    model = _root({name.value: None for name, _ in node.value})
    for step in path[:-1]:
        if isinstance(step, str):
            model = _fields(model)[step]
            node = next(value for name, value in node.value if name.value == step)
        else:
            node = node.value[step]
    field, order = str(path[-1]), list(_fields(model))
    inner = _fields(model)[field]
    entries = {name.value: (name, value) for name, value in node.value}

    if field not in entries:
        if node.flow_style:
            end = node.value[-1][1].end_mark.index
            return f"{text[:end]}, {field}: {_flow(items, field, inner)}{text[end:]}"
        indent = node.value[0][0].start_mark.column
        earlier = [name for name in entries if name in order and order.index(name) < order.index(field)]
        _, neighbour = entries[(earlier or list(entries))[-1]]
        lines = _entry(f"{' ' * indent}{field}:", items, indent, field, inner)
        return _with_lines(text, _end(neighbour, text), lines)

    name, value = entries[field]
    start, end = value.start_mark.index, value.end_mark.index
    if not value.value or value.tag == "tag:yaml.org,2002:null":  # empty brackets, or nothing at all
        first, *lines = _entry(f"{field}:", items, name.start_mark.column, field, inner)
        text = f"{text[: name.start_mark.index]}{first}{text[end:]}"
        return _with_lines(text, name.start_mark.index, lines)
    if value.flow_style:
        return _with_flow_items(text, value, [_flow(item, field, inner) for item in items], position)
    lines = [line for item in items for line in _item(item, value.start_mark.column, field, inner)]
    if position == 0:
        return _with_lines(text, text.rfind("\n", 0, start), lines)
    return _with_lines(text, _end(value.value[position - 1], text), lines)


def _with_flow_items(text: str, node: Any, items: Sequence[str], position: int) -> str:
    """More items within brackets, on further lines where the line would become too long."""
    if position == 0:
        start = node.start_mark.index + 1
        return f"{text[:start]}{', '.join(items)}, {text[start:]}"
    end = node.value[position - 1].end_mark.index
    used, added = end - text.rfind("\n", 0, end) - 1, ""
    line = text[text.rfind("\n", 0, node.start_mark.index) + 1 :]
    indent = " " * (len(line) - len(line.lstrip(" ")) + 2)
    for item in items:
        fits = used + len(item) + 3 <= WIDTH  # with ", " before it and a bracket or comma behind it
        added += f", {item}" if fits else f",\n{indent}{item}"
        used = (used + 2 if fits else len(indent)) + len(item)
    return text[:end] + added + text[end:]


def _end(node: Any, text: str) -> int:
    """Where the content of a node ends: a block's own mark lies behind the blank lines and comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, yaml.MappingNode) else last, text)
    end: int = node.end_mark.index
    return len(text[:end].rstrip(" \r\n")) if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") else end


def _with_lines(text: str, index: int, lines: Sequence[str]) -> str:
    """``lines`` below the line that ``index`` lies in; -1 above all."""
    newline = "\r\n" if "\r\n" in text else "\n"
    end = text.find("\n", index) if index >= 0 else -1
    if end < 0 <= index:
        text, end = text + newline, len(text + newline) - 1
    return text[: end + 1] + "".join(line + newline for line in lines) + text[end + 1 :]
