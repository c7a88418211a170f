"""Lineage for other programs: Mermaid and DOT."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from catalog.formats import arrows, dot, mermaid
from catalog.graph import Lineage, Step, lineage

if TYPE_CHECKING:
    from catalog import Library

MERMAID_NODE = re.compile(r'    paper_(\w+)\["([^"#&<>`\\]|#\d+;)*"\]')
MERMAID_ARROW = re.compile(r"    paper_(\w+) (-->|-\.->)\|(\w+)\| paper_(\w+)")
DOT_STRING = r'"(?:[^"\\]|\\.)*"'
DOT_NODE = re.compile(rf"    ({DOT_STRING}) \[label={DOT_STRING}(, penwidth=[\d.]+)?\];")
DOT_ARROW = re.compile(
    rf"    ({DOT_STRING}) -> ({DOT_STRING}) \[label={DOT_STRING}, tooltip={DOT_STRING}(, style=dashed)?\];"
)


@pytest.fixture(scope="module", params=[False, True], ids=["descendants", "ancestors"])
def inception(request: pytest.FixtureRequest, library: Library) -> Lineage:
    return lineage(library, ["inception"], ancestors=request.param)


def test_arrows_lead_from_the_older_work_to_what_builds_on_it(library: Library, inception: Lineage) -> None:
    found = list(arrows(inception))
    assert len(found) == sum(len(step.also) + (step.parent is not None) for step in inception.papers)
    for arrow in found:
        edges = library.outlines[arrow.younger].builds_on
        assert (arrow.older, arrow.relation, arrow.what) in [(edge.paper, edge.relation, edge.what) for edge in edges]


def test_mermaid_has_every_work_and_every_arrow(inception: Lineage) -> None:
    first, *lines, style, asked = mermaid.lineage(inception).splitlines()
    assert first == "flowchart LR"
    nodes = [match[1] for line in lines if (match := MERMAID_NODE.fullmatch(line))]
    found = [match.groups() for line in lines if (match := MERMAID_ARROW.fullmatch(line))]
    assert len(nodes) + len(found) == len(lines), "a line is neither"
    assert nodes == [step.id.replace("-", "_") for step in inception.papers]
    assert found == [
        (
            arrow.older.replace("-", "_"),
            "-->" if arrow.relation.is_descent else "-.->",
            arrow.relation,
            arrow.younger.replace("-", "_"),
        )
        for arrow in arrows(inception)
    ]
    assert style.split() == ["classDef", "asked", "stroke-width:3px"]
    assert len(asked.split(",")) == len(inception.of)


def test_dot_has_every_work_and_every_arrow(inception: Lineage) -> None:
    first, *lines, last = dot.lineage(inception).splitlines()
    assert (first, last) == ("digraph lineage {", "}")
    nodes = [match for line in lines if (match := DOT_NODE.fullmatch(line))]
    found = [match for line in lines if (match := DOT_ARROW.fullmatch(line))]
    assert len(nodes) + len(found) == len(lines) - 2, "a line is neither"
    assert [match[1].strip('"') for match in nodes] == [step.id for step in inception.papers]
    assert [(match[1].strip('"'), match[2].strip('"')) for match in found] == [
        (arrow.older, arrow.younger) for arrow in arrows(inception)
    ]
    assert [bool(match[3]) for match in found] == [not arrow.relation.is_descent for arrow in arrows(inception)]
    assert [match[1].strip('"') for match in nodes if match[2]] == [
        step.id for step in inception.papers if step.id in inception.of
    ]


def test_no_name_can_end_its_quotation_marks() -> None:
    step = Step(
        id="end",
        name='"] --> x & <b>`y`\\',
        year=2016,
        published="2016",
        depth=0,
        parent=None,
        relation=None,
        what=None,
        part=None,
        external=False,
        also=(),
    )
    shown = Lineage(("end",), "descendants", (step,))
    node = mermaid.lineage(shown).splitlines()[1]
    assert MERMAID_NODE.fullmatch(node)
    assert "#34;#93;" in node or "#34;]" in node
    assert DOT_NODE.fullmatch(dot.lineage(shown).splitlines()[3])
