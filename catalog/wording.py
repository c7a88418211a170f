"""Say in plain words what pydantic has against a record, and where."""

from __future__ import annotations

import re
import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from catalog.names import closest
from catalog.source import Document, Place, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["explain"]

_ADDRESS = "is no web address; it begins with http:// or https://"
_PATTERNS = {
    "taxonomy": "is no topic; a topic is a path of ids, such as 'kernels/dilated'",
    "published": "is no date; write a year, a month or a day: 2016, 2016-10 or 2016-10-07",
    "arxiv": "is no arXiv number, such as '1610.02357' (without version)",
    "doi": "is no DOI, such as '10.1109/CVPR.2017.195' (without https://doi.org/)",
    "url": _ADDRESS,
    "pdf": _ADDRESS,
    "code": _ADDRESS,
    "check": "is no name of a function: lower-case words joined by underscores",
}
_IDENTIFIER = "is no id; an id is lower-case words and numbers joined by hyphens, such as 'dual-path-networks'"

# What a value should have been, by the error that says it is not.
_EXPECTED = {
    "string_type": "a text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "fields",
    "model_type": "fields",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
}


def explain(
    error: ValidationError, model: type[BaseModel], document: Document, most: int
) -> tuple[list[tuple[Place, str]], int]:
    """The first things that are wrong with a record, at most so many: where, and what in words; and how many follow."""
    # The members of a union complain one by one about the same value; people see one value and one complaint.
    found: dict[tuple[Place, bool], list[dict[str, Any]]] = {}
    for place, details in _errors(error, (), document):
        found.setdefault((place, details["type"] in _EXPECTED), []).append(details)
    said: list[tuple[Place, str]] = []
    for (place, mismatch), complaints in sorted(found.items(), key=lambda item: document.line(item[0][0]))[:most]:
        if mismatch:
            wanted = dict.fromkeys(_EXPECTED[details["type"]] for details in complaints)
            said.append((place, _mismatch(list(wanted), place, document, model)))
        else:
            said += [(place, _words(details, place, model)) for details in complaints]
    return said, max(len(found) - most, 0)


def _errors(error: ValidationError, prefix: Place, document: Document) -> Iterator[tuple[Place, dict[str, Any]]]:
    for details in error.errors(include_url=False):
        place = _place((*prefix, *details["loc"]), details["type"], document)
        inner = details.get("ctx", {}).get("error")
        if isinstance(inner, ValidationError):
            yield from _errors(inner, place, document)
        else:
            yield place, dict(details)


def _place(location: Place, kind: str, document: Document) -> Place:
    """The place in the file that pydantic means.

    Its locations also name members of unions (``printed.dict[str,…]``) and validators, which no file has.
    """
    place: Place = ()
    for step in location:
        if (*place, step) in document.lines:
            place = (*place, step)
    if kind == "missing" and isinstance(location[-1], str):
        place = (*place, location[-1])
    return place


def _words(details: dict[str, Any], place: Place, model: type[BaseModel]) -> str:
    kind, context = details["type"], details.get("ctx", {})
    shown = f"'{printable(str(details['input']))}'"
    match kind:
        case "missing":
            return "is missing" if isinstance(details["loc"][-1], str) else "has too few entries"
        case "extra_forbidden":
            return _unknown_field(str(place[-1]), _fields(model, place[:-1]))
        case "string_too_short":
            return "is empty"
        case "string_too_long":
            return f"is longer than {context['max_length']} characters"
        case "too_short":
            return "needs at least one entry"
        case "too_long":
            return "has too many entries"
        case "string_pattern_mismatch":
            name = next((step for step in reversed(place) if isinstance(step, str)), "")
            return f"{shown} {_PATTERNS.get(name, _IDENTIFIER)}"
        case "enum" | "literal_error" if details["input"] is None:
            return f"is empty; expected {context['expected']}"
        case "enum" | "literal_error":
            near = closest(str(details["input"]), re.findall(r"'([^']+)'", context["expected"]), 1)
            return f"{shown} is none of {context['expected'].replace('True', 'true')}" + (
                f"; did you mean '{near[0]}'?" if near else ""
            )
        case "value_error":
            return str(context["error"])
        case _:
            message: str = details["msg"]
            return message[:1].lower() + message[1:]


def _unknown_field(name: str, known: list[str]) -> str:
    near = closest(name, known, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
    return f"unknown field '{printable(name)}'; {hint}"


def _mismatch(wanted: list[str], place: Place, document: Document, model: type[BaseModel]) -> str:
    expected = " or ".join(wanted)
    written = document.written.get(place)
    found = _value(document.data, place)
    if found is None:
        return f"is empty; expected {expected}"
    if wanted[0] == "a text" and written is not None:
        return f'is read as {_kind(found)}; put it in quotes: "{printable(written)}"'
    if "fields" in wanted and (known := _fields(model, place)):
        expected += f" ({', '.join(known)})"
    return f"expected {expected}, not {_kind(found)}"


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "fields"
        case _:
            return f"'{printable(str(value))}'"


def _value(data: Any, place: Place) -> Any:
    for step in place:
        data = data[step]
    return data


def _fields(model: type[BaseModel], place: Place) -> list[str]:
    """The fields that a record may have at this place; none where its fields are free."""
    options: list[Any] = [model]
    for step in place:
        options = [inner for option in options for inner in _step(option, step)]
    return [
        name
        for option in options
        if isinstance(option, type) and issubclass(option, BaseModel)
        for name in option.model_fields
    ]


def _step(annotation: Any, step: str | int) -> list[Any]:
    """The types that a member of a value of some type may have."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(step))
        return _alternatives(field.annotation) if field else []
    if origin is list and isinstance(step, int):
        return _alternatives(arguments[0])
    if origin is dict:
        return _alternatives(arguments[1])
    return []


def _alternatives(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        return [inner for member in get_args(annotation) for inner in _alternatives(member)]
    return [annotation]
