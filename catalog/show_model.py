"""What came of holding somebody else's model against a paper, as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.conventions import MEASURES
from catalog.text import bold, columns, dim, expectation, heading, listed, number, shortened, status, wrap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["differences_table", "model_view", "places"]

MOST = 12
"""Differences that are listed one by one."""

_QUANTITIES = {"parameters": "parameters", "macs": "multiply-accumulates", "flops": "floating-point operations"}


def model_view(report: Mapping[str, Any], width: int) -> Iterator[str]:
    """A model of somebody else's beside the network of a paper: claims, where they part, what it costs, and figures.

    Args:
        report: what `repro verify --model --json` prints.
        width: columns to fill.
    """
    name = _named(report)
    if report["model"] is not None:
        against = f"{bold(report['model'])} against {bold(name)} of {bold(report['paper'])}"
        yield from wrap(f"{against}, with an input of {_sides(report['input'])}", width)
        yield from _claims(report, width)
        yield ""
        yield from _comparison(report, width)
    for explanation in report["explanations"]:
        if report["model"] is not None or explanation is not report["explanations"][0]:
            yield ""
        yield from _explanation(explanation, "your model" if report["model"] else name, report, width)


def _named(report: Mapping[str, Any]) -> str:
    options = ", ".join(f"{option}={value}" for option, value in report["options"].items())
    return f"{report['variant']} with {options}" if options else str(report["variant"])


# --- Claims ----------------------------------------------------------------------------------------------------------


def _claims(report: Mapping[str, Any], width: int) -> Iterator[str]:
    rows = [("verdict", "claim", "the paper", report["variant"], "your model", "difference")]
    reasons = []
    for claim in report["claims"]:
        figure = claim["printed"] or expectation(claim["expected"])
        values = number(claim["ours"]), number(claim["theirs"]), _signed(claim["difference"])
        rows.append((status(claim["status"]), bold(claim["id"]), figure, *values))
        reasons.append(claim["reason"] if claim["theirs"] is None else "")
    totals = report["totals"]
    for quantity in ("parameters", "macs"):
        if not any(claim["quantity"] == quantity for claim in report["claims"]):
            mine, other = totals["ours"][quantity], totals["theirs"][quantity]
            label = dim(f"{_QUANTITIES[quantity]}, no claim")
            rows.append(("", label, "", number(mine), number(other), _signed(other - mine)))
            reasons.append("")
    head, *others = columns(rows, right=(2, 3, 4, 5))
    yield ""
    yield dim(head)
    for row, reason in zip(others, reasons, strict=True):
        yield row
        if reason:
            yield from wrap(reason, width, " " * 4)


# --- The comparison --------------------------------------------------------------------------------------------------


def _comparison(report: Mapping[str, Any], width: int) -> Iterator[str]:
    comparison, name = report["comparison"], _named(report)
    if comparison["same"]:
        yield from wrap(f"{heading('The same function.')} {_agreement(comparison, report['input'])}", width)
    else:
        yield from wrap(_parting(comparison, name), width)
    if comparison["remark"]:
        yield from wrap(f"Note: {comparison['remark']}.", width)
    if report["alike"] is not None:
        words = ", ".join(f"{option}={value}" for option, value in report["alike"].items())
        flags = " ".join(f"--option {option}={str(value).lower()}" for option, value in report["alike"].items())
        yield from wrap(
            f"It is the same function as {report['variant']} with {words}; {bold(flags)} holds it against that.", width
        )
    elif report["hints"]:
        parameters = report["totals"]["theirs"]["parameters"]
        yield from wrap(f"{parameters:,} parameters are those of {listed(report['hints'], 'or')}.", width)
    totals = report["totals"]
    yield from differences_table(
        comparison["differences"],
        (comparison["elsewhere_parameters"], comparison["elsewhere_macs"]),
        tuple(totals["theirs"][quantity] - totals["ours"][quantity] for quantity in ("parameters", "macs")),
        width,
    )
    if comparison["in_training"]:
        yield ""
        yield "What only training shows, and what was switched off here:"
        for finding in comparison["in_training"]:
            yield from wrap(f"{places(finding)}: {finding['what']}", width, "  ", "    ")


def _agreement(comparison: Mapping[str, Any], full: Sequence[int]) -> str:
    words = [f"the outputs for an input of {_sides(comparison['input'])} differ {_by(comparison['outputs'])}"]
    if comparison["gradients"] is not None:
        words.append(f"the gradients in training mode {_by(comparison['gradients'])}")
    if comparison["outputs_in_full"] is not None:
        words.append(f"the outputs for {_sides(full)} {_by(comparison['outputs_in_full'])}")
    return f"With the same weights, {listed(words)}, in double precision."


def _by(difference: float) -> str:
    return f"by {number(difference)} of the largest" if difference else "not at all"


def _parting(comparison: Mapping[str, Any], name: str) -> str:
    first = comparison["first"]
    if comparison["same_outputs"]:
        return heading("The same outputs, but not the same network.")
    if first is None:
        return heading("Not the same function.")
    line = f" ({first['lines'][0]})" if first["lines"] else ""
    if first["theirs"]:
        where = f"at {bold(first['theirs'][0])}{line}"
    else:
        where = f"behind {bold(first['after'][0])}{line}" if first["after"] else "at the input"
    what = f"{first['what']}: {first['detail']}" if first["detail"] else first["what"]
    ours = f" In {name} that is {bold(first['ours'][0])}." if first["ours"] else ""
    return f"{heading('They part')} {where}: {what}.{ours}"


def differences_table(
    findings: Sequence[Mapping[str, Any]], elsewhere: Sequence[int], together: Sequence[int], width: int
) -> Iterator[str]:
    """In what one network differs from another, what each difference costs, and where it is; below an empty line.

    Args:
        findings: differences, as JSON.
        elsewhere: parameters and multiply-accumulates that are more in layers without a difference of their own.
        together: the same of the whole network.
        width: columns to fill.
    """
    if not findings:
        return
    rows: list[tuple[str, ...]] = [("", "parameters", "multiply-accumulates", "where")]
    rows += [
        (finding["what"], _signed(finding["parameters"]), _signed(finding["macs"]), places(finding))
        for finding in findings[:MOST]
    ]
    if rest := findings[MOST:]:
        costs = [sum(finding[quantity] for finding in rest) for quantity in ("parameters", "macs")]
        rows.append((f"and {len(rest)} more (--json lists them)", *map(_signed, costs), ""))
    if any(elsewhere):
        rows.append(("other layers, which get larger, smaller or other maps", *map(_signed, elsewhere), ""))
    if len(rows) > 2:
        rows.append(("together", *map(_signed, together), ""))
    yield ""
    # What differs is said in full; where is cut to what is left.
    widest = max(width - 60, 36)
    folded = [("\n".join(wrap(row[0], widest)), *row[1:]) for row in rows]
    head, *others = columns(folded, right=(1, 2), width=width)
    yield dim(head)
    yield from others


def places(finding: Mapping[str, Any]) -> str:
    """Where a difference is found, in the other model: the first few places."""
    names = list(dict.fromkeys(finding["theirs"] or finding["after"]))
    text = listed(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"
    behind = "behind " if finding["after"] and not finding["theirs"] else ""
    many = f"{finding['count']} places: " if finding["count"] > len(names) else ""
    return f"{many}{behind}{text}"


# --- Figures ---------------------------------------------------------------------------------------------------------


def _explanation(explanation: Mapping[str, Any], whose: str, report: Mapping[str, Any], width: int) -> Iterator[str]:
    quantity = _QUANTITIES[explanation["quantity"]]
    printed = f", which the paper prints ({explanation['claim']})" if explanation["claim"] else ""
    words = [f"{bold(explanation['figure'])} {quantity}{printed}:"]
    found, ours = explanation["found"], explanation["in_ours"]
    if found:
        words.append(_made(explanation, found, whose))
    else:
        usual = explanation["usual"]
        words.append(
            f"no way of counting known here makes it of {whose}, which has {usual['value']:,} as usually counted "
            f"({usual['convention']})."
        )
    if ours:
        words.append(f"{_named(report)} makes it: {_made(explanation, ours, 'it')}")
    if explanation["elsewhere"]:
        words.append(f"It would be right for {listed(explanation['elsewhere'], 'or')}.")
    if explanation["printed_by"]:
        words.append(f"The paper prints it ({', '.join(explanation['printed_by'])}).")
    if explanation["remark"] and not found:
        # Of a network that is another anyway, why the paper's own does not make it is of no interest.
        comparison = report["comparison"]
        why = f". {explanation['remark']}" if comparison is None or comparison["same"] else ""
        words.append(f"Nor does the paper's own network make it{why or '.'}")
    yield from wrap(" ".join(words), width, "", "    ")


def _made(explanation: Mapping[str, Any], found: Sequence[Mapping[str, Any]], whose: str) -> str:
    first, *others = found
    name, convention = first["quantity"], first["convention"]
    meaning = (MEASURES[name].conventions | MEASURES[name].elsewhere)[convention]
    text = f"{first['value']:,} {_QUANTITIES[name]} of {whose}, counted as {bold(convention)}: {meaning}."
    if name != explanation["quantity"]:
        text += {
            "macs": " Floating-point operations would be twice as many.",
            "flops": " Multiply-accumulates are half as many.",
        }[name]
    alike = [f"{count['convention']} ({count['value']:,})" for count in others if count["quantity"] == name]
    if alike:
        text += f" Its digits do not tell it from {shortened(listed(alike), 200)}."
    return text


def _signed(value: int | None) -> str:
    return "–" if value is None else f"{value:+,}" if value else "0"


def _sides(size: Sequence[int]) -> str:
    return "x".join(map(str, size))
