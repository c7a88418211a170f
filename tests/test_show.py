"""What the catalogue knows, as text for a terminal."""

from __future__ import annotations

import re
from typing import Any

from catalog import show


def claim(status: str, **changes: Any) -> dict[str, Any]:
    """A claim as a report in JSON has it."""
    return {
        "id": "sizes",
        "tier": "structure",
        "basis": "printed",
        "statement": "the maps have these sizes",
        "source": "Section 3 and, for the variants, the table in the appendix of the second edition",
        "status": status,
        "printed": None,
        "expected": {f"stage_{n}": {"equals": n} for n in range(6)},
        "measured": {f"stage_{n}": n for n in range(6)},
        "reason": "because " * 60,
        "seconds": 0.5,
    } | changes


def lines(*claims: dict[str, Any], full: bool = False, width: int = 90) -> list[str]:
    statuses = [claim["status"] for claim in claims]
    report = {"paper": "a", "claims": claims, "summary": {status: statuses.count(status) for status in statuses}}
    text = "\n".join(show.report_view(report, width, full=full))
    return re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()


def test_of_what_agrees_the_beginning_is_enough() -> None:
    short = lines(claim("verified"))
    assert sum("stage_" in line for line in short) == 3
    assert sum(line.endswith("…") for line in short) == 1
    assert any(line.split() == ["and", "3", "more"] for line in short)
    assert not any("because" in line for line in short)
    assert max(map(len, short)) <= 90
    full = lines(claim("verified"), full=True)
    assert sum("stage_" in line for line in full) == 6
    assert not any("…" in line for line in full)


def test_of_a_failure_everything_is_shown() -> None:
    shown = lines(claim("failed", measured={f"stage_{n}": n + 1 for n in range(6)}))
    assert [line.split()[-2:] for line in shown if "stage_" in line][1:] == [[str(n + 1), str(n)] for n in range(1, 6)]
    assert " ".join(shown).count("because") == 60


def test_a_long_explanation_is_cut_unless_asked_for() -> None:
    for status, most in (("deviates", 2), ("not run", 1), ("not checkable", 1)):
        reasons = [line for line in lines(claim(status)) if "because" in line]
        assert len(reasons) == most
        assert reasons[-1].endswith("…")
        assert max(map(len, reasons)) <= 90
        assert " ".join(lines(claim(status), full=True)).count("because") == 60


def test_what_the_paper_prints_stands_beside_what_was_measured() -> None:
    (row,) = [
        line
        for line in lines(
            claim("verified", printed="22,855,952", expected={"equals": 22855952}, measured=22855952, source="Table 3")
        )
        if line.startswith("verified")
    ]
    assert row.split() == ["verified", "sizes", "22,855,952", "22,855,952", "Table", "3"]


def test_what_was_not_measured_shows_what_it_should_be() -> None:
    shown = lines(claim("not run", measured=None, expected={"loss": {"at_least": 0.4}}, source=None))
    assert any(line.split() == ["not", "run", "sizes", "loss", "≥", "0.4"] for line in shown)
    shown = lines(claim("not run", measured=None, expected=None, printed="79.0 %", source=None))
    assert any(line.split() == ["not", "run", "sizes", "79.0", "%"] for line in shown)


def test_a_value_that_is_missing_is_seen() -> None:
    shown = lines(claim("failed", expected={"a": {"equals": 1}, "b": {"equals": 2}}, measured={"a": 1, "c": 3}))
    cells = [line.split() for line in shown]
    assert any(cell[:2] == ["b", "–"] for cell in cells)
    assert any(cell[:2] == ["c", "3"] for cell in cells)


def test_the_summary_counts() -> None:
    shown = lines(claim("verified", id="one"), claim("failed", id="two"), claim("verified", id="three"))
    assert shown[-1] == "a: 2 verified, 1 failed, in 1.5 s"
