"""The JSON Schemas of the records."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from catalog import paths
from catalog.schema import FOLDER, Kind, reference, schema, text
from catalog.source import File, files, parse
from catalog.website import build

if TYPE_CHECKING:
    from pathlib import Path

    from catalog import Library
    from tests.conftest import Records

VALIDATORS = {kind: jsonschema.Draft202012Validator(schema(kind)) for kind in Kind}


@pytest.mark.parametrize("kind", Kind)
def test_a_schema_is_one_and_is_up_to_date(kind: Kind) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))
    there = (paths.RECORDS / FOLDER / f"{kind}.json").read_text("utf-8")
    assert there == text(kind), f"Run 'repro schema --output papers/{FOLDER}': the record types have changed."


@pytest.mark.parametrize("file", files(paths.RECORDS), ids=lambda file: file.stem)
def test_every_record_fits_its_schema_and_names_it(file: File) -> None:
    errors = [
        f"{error.json_path}: {error.message}"
        for error in VALIDATORS[Kind(file.kind)].iter_errors(parse(file.content).data)
    ]
    assert not errors
    first = file.content.decode().splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named, f"Run 'repro fmt {file.stem}': the first line of {file.name} names no schema."
    folder = paths.RECORDS / ("external" if file.kind == "external" else "")
    assert (folder / named[1]).resolve() == paths.RECORDS / FOLDER / f"{file.kind}.json"


# A piece of the small Xception record, what is written instead, and where an editor then shows a mistake.
BROKEN = {
    "a field that does not exist": ("summary:", "sumary:", "$"),
    "a field that is missing": ("title: \"Xception: Deep Learning with Depthwise Separable Convolutions\"\n", "", "$"),
    "an id with capitals": ("id: xception", "id: Xception", "$.id"),
    "one author without brackets": ("authors: [François Chollet]", "authors: François Chollet", "$.authors"),
    "no author": ("authors: [François Chollet]", "authors: []", "$.authors"),
    "a date in another order": ("published: 2016-10-07", "published: 07-10-2016", "$.published"),
    "an arXiv number with its version": ('arxiv: "1610.02357"', "arxiv: 1610.02357v3", "$.links.arxiv"),
    "an arXiv number without quotes": ('arxiv: "1610.02357"', "arxiv: 1610.02357", "$.links.arxiv"),
    "a relation that does not exist": ("relation: extends", "relation: improves", "$.builds_on[0].relation"),
    "a topic with capitals": ("[inception, kernels]", "[Inception, kernels]", "$.taxonomy[0]"),
    "a tier that does not exist": ("tier: structure", "tier: structural", "$.claims[0].tier"),
    "a measure that does not exist": ("measure: parameters", "measure: params", "$.claims[0].measure"),
    "a convention that does not exist": ("measure: parameters", "measure: {parameters: all}", "$.claims[0].measure"),
    "a figure without quotes": ('printed: "22,855,952"', "printed: 22855952", "$.claims[0].printed"),
    "two comparisons": ("{equals: 22855952}", "{equals: 22855952, at_most: 3}", "$.claims[0].expect"),
    "a comparison that does not exist": ("{equals: 22855952}", "{is: 22855952}", "$.claims[0].expect"),
}  # fmt: skip


@pytest.mark.parametrize("slip", BROKEN)
def test_an_editor_sees_what_validate_sees(records: Records, slip: str) -> None:
    old, new, place = BROKEN[slip]
    records.change("xception.yaml", old, new)
    data = parse((records.folder / "xception.yaml").read_bytes()).data
    assert place in {error.json_path for error in VALIDATORS[Kind.PAPER].iter_errors(data)}
    assert any(problem.startswith("papers/xception.yaml") for problem in records.problems())


def test_a_measure_and_an_expectation_have_several_forms() -> None:
    claim: dict[str, Any] = {"id": "a", "statement": "b", "basis": "derived", "tier": "structure"}
    record = parse(b"id: x\nname: x\ntitle: x\nauthors: [x]\npublished: 2016\ntaxonomy: [x]\nsummary: x\n").data
    for measure in ("parameters", {"macs": "convolutions-and-linear"}):
        for expect in ({"equals": 1}, {"a": {"equals": 1}, "b": {"within": [1, 0.5]}}):
            given = record | {"claims": [claim | {"measure": measure, "expect": expect}]}
            assert VALIDATORS[Kind.PAPER].is_valid(given)


def test_a_schema_explains_fields() -> None:
    made = schema(Kind.PAPER)
    assert made["properties"]["summary"]["description"] == "two to four sentences of our own"
    assert made["properties"]["published"]["description"] == "first public appearance"


def test_schemas_are_published_with_the_site(small: Library, tmp_path: Path) -> None:
    docs = build(small, tmp_path, render=False)
    for kind in Kind:
        assert json.loads((docs / FOLDER / f"{kind}.json").read_text("utf-8")) == schema(kind)


def test_a_folder_without_schemas_names_none(records: Records) -> None:
    assert reference(records.folder / "xception.yaml") == ""
    records.write(f"{FOLDER}/paper.json", "{}")
    assert reference(records.folder / "xception.yaml") == "# yaml-language-server: $schema=schema/paper.json"
    assert reference(records.folder / "external" / "vit.yaml") == ""
