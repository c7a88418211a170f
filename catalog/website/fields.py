"""What a JSON document holds, field by field: tables made from its JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalog.website.markdown import Markdown, literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Field", "Table", "tables"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object."""

    name: str
    type: Markdown
    always: bool
    """Whether it is always there."""
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """The fields of an object."""

    name: str
    meaning: str
    fields: list[Field]


def tables(definitions: Mapping[str, Any], root: str) -> Iterator[Table]:
    """The table of a type, and those of the types that it holds, each once and in the order in which they are met.

    Args:
        definitions: JSON Schemas by the name of the type, as in ``$defs``.
        root: the name of the type to begin with.
    """
    met = [root]
    for name in met:  # which grows meanwhile
        schema = definitions[name]
        required = schema.get("required", ())
        fields = [
            Field(key, _type(value, definitions), key in required, _meaning(value, definitions))
            for key, value in schema["properties"].items()
        ]
        yield Table(name, _first_sentence(schema), fields)
        held = (inner for value in schema["properties"].values() for inner in _names(value))
        met += [inner for inner in dict.fromkeys(held) if inner not in met and "properties" in definitions[inner]]


def _names(schema: Any) -> Iterator[str]:
    """The types that a schema refers to."""
    match schema:
        case {"$ref": reference}:
            yield _name(reference)
        case dict():
            for value in schema.values():
                yield from _names(value)
        case list():
            for value in schema:
                yield from _names(value)


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _type(schema: Any, definitions: Mapping[str, Any]) -> Markdown:
    match schema:
        case {"$ref": reference}:
            name = _name(reference)
            if "properties" in definitions[name]:
                return Markdown(f"[{literal(name)}](#{name.lower()})")
            return _type(definitions[name], definitions)
        case {"anyOf": options}:
            said = [_type(option, definitions) for option in options if option != {"type": "null"}]
            return Markdown(" or ".join(dict.fromkeys(said)))
        case {"const": value}:
            return literal(value)
        case {"enum": values}:
            return Markdown(f"one of {', '.join(map(literal, values))}")
        case {"type": "array", "prefixItems": items}:
            return Markdown(f"list of {' and '.join(_type(item, definitions) for item in items)}")
        case {"type": "array", "items": items}:
            return Markdown(f"list of {_type(items, definitions)}")
        case {"type": "object", "additionalProperties": dict() as values}:
            return Markdown(f"object of {_type(values, definitions)}")
        case {"type": str() as name}:
            return literal(name)
        case _:
            return literal("anything")


def _meaning(schema: Any, definitions: Mapping[str, Any]) -> str:
    """What is said of a field, or else of its type."""
    if described := schema.get("description"):
        return str(described)
    names = list(_names(schema))
    return _first_sentence(definitions[names[0]]) if len(names) == 1 else ""


def _first_sentence(schema: Mapping[str, Any]) -> str:
    return str(schema.get("description", "")).split("\n\n", 1)[0].partition(". ")[0].replace("``", "").rstrip(".")
