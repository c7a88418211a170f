"""JSON Schemas of the files of records, made from the record types, for editors and other programs.

An editor completes names of fields and marks mistakes while one types when the first line of a file names its schema.
The address in that line is relative to the file, so that it works in every checkout, on every branch with that branch's
schema, and without a network. A schema says what can be said of one file; what holds between files, or between the
fields of a claim, is for ``repro validate``.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import BaseModel
    from pydantic.json_schema import GenerateJsonSchema

__all__ = ["FOLDER", "Kind", "dump", "reference", "schema", "text", "together"]

FOLDER = "schema"
"""The folder of the schemas, beside the records and on the site."""


class Kind(StrEnum):
    """A kind of files in a folder of records."""

    PAPER = "paper"
    EXTERNAL = "external"
    TAXONOMY = "taxonomy"
    FAMILIES = "families"


def schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a kind of files."""
    from catalog.records import ExternalWork, Paper
    from catalog.validation import Families, Taxonomy

    models: dict[Kind, type[BaseModel]] = {
        Kind.PAPER: Paper,
        Kind.EXTERNAL: ExternalWork,
        Kind.TAXONOMY: Taxonomy,
        Kind.FAMILIES: Families,
    }
    generator = _untitled()
    return {"$schema": generator.schema_dialect, **models[kind].model_json_schema(schema_generator=generator)}


def together(models: Sequence[type[BaseModel]], address: str) -> dict[str, Any]:
    """One JSON Schema of several kinds of documents, each under its name in ``$defs``.

    Args:
        models: the kinds.
        address: of the schema.
    """
    from pydantic.json_schema import models_json_schema

    generator = _untitled()
    _, made = models_json_schema([(model, "validation") for model in models], schema_generator=generator)
    any_of = [{"$ref": f"#/$defs/{model.__name__}"} for model in models]
    return {"$schema": generator.schema_dialect, "$id": address, "anyOf": any_of, **made}


def _untitled() -> type[GenerateJsonSchema]:
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        """Without the titles that pydantic makes of names; descriptions say more."""

        def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
            return False

    return Untitled


def text(kind: Kind) -> str:
    """The schema of a kind of files as it is written to a file."""
    return dump(schema(kind))


def dump(made: Mapping[str, Any]) -> str:
    """A schema as it is written to a file."""
    return json.dumps(made, ensure_ascii=False, indent=2) + "\n"


def reference(path: Path) -> str:
    """The line at the top of a file of records that names its schema; empty where the folder has no schemas."""
    from catalog.source import kind_of

    kind = kind_of(path)
    folder, up = (path.parent.parent, "../") if kind == "external" else (path.parent, "")
    if not (folder / FOLDER / f"{kind}.json").is_file():
        return ""
    return f"# yaml-language-server: $schema={up}{FOLDER}/{kind}.json"
