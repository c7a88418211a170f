"""Two networks side by side: which step of one is which step of the other, and in what the two differ.

The steps of two traces are aligned like two texts: a layer that is left out, put in or changed stays one difference,
and what comes behind it is compared with what it should be compared with.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from catalog.text import counted, listed
from catalog.verify.functions import COMMUTATIVE, GROUP
from catalog.verify.trace import INPUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from catalog.verify.trace import Source, Step, Trace

__all__ = ["Alignment", "Difference", "align"]

CELLS = 1_500_000
"""Pairs of steps that an alignment looks at; of longer networks, only those near the diagonal."""

FEW = 3
"""Steps that are named one by one."""

_GAP, _OTHER_KIND, _OTHER_SETTINGS, _SETTING, _NEVER = 1.0, 1.2, 0.3, 0.1, 3.0
"""What it costs to take no step for one, one of another kind but of the same group, one with other settings (and for
each of these), or one of another group; less than the cost of taking none for both, two, or more."""

_FROM_OUTSIDE = frozenset({"inputs", "channels"})
"""Settings that a layer has because of what the layers before it give."""


class Pair(NamedTuple):
    """A step of ours and the one of theirs at the same place, by number; none where one of the two has no such step."""

    ours: int | None
    theirs: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that one of the two does otherwise."""

    what: str
    """``stride 1 where resnet50 has 2``"""
    ours: tuple[int, ...]
    """Numbers of the steps."""
    theirs: tuple[int, ...]
    after: int | None
    """Step of theirs behind which something is missing."""
    kind: str
    """Of the layer that differs, or of the layer in front of what is missing or too many."""
    parameters: int
    """How many more theirs has because of it."""
    macs: int
    in_training: bool = False
    """Whether it makes a difference in training alone."""
    detail: str = ""
    """What else there is to say of this one place."""


class Alignment(NamedTuple):
    """Which step is which, and what differs, in the order of our network."""

    pairs: list[Pair]
    differences: list[Difference]


def align(ours: Trace, theirs: Trace, name: str) -> Alignment:
    """Put the steps of two networks side by side.

    Args:
        ours: the paper's network.
        theirs: another.
        name: what to call ours.
    """
    here, there = [ours.steps[number] for number in ours.order], [theirs.steps[number] for number in theirs.order]
    places = _aligned(here, there)
    pairs = [Pair(None if a is None else ours.order[a], None if b is None else theirs.order[b]) for a, b in places]
    return Alignment(pairs, [*_differences(ours, theirs, pairs, name)])


# --- The alignment ---------------------------------------------------------------------------------------------------


Key = tuple[str, str]
Places = list[tuple[int | None, int | None]]


def _aligned(here: Sequence[Step], there: Sequence[Step]) -> Places:
    """The cheapest way to turn one sequence into the other, by places in the two."""
    a, b = [step.key for step in here], [step.key for step in there]
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    mine, others = a[start:], b[start:]
    cost = _costs(dict(zip(mine, here[start:], strict=True)), dict(zip(others, there[start:], strict=True)))
    middle = _cheapest(mine, others, cost)
    same: Places = [(place, place) for place in range(start)]
    return same + [(None if i is None else i + start, None if j is None else j + start) for i, j in middle]


def _cheapest(here: Sequence[Key], there: Sequence[Key], cost: Mapping[tuple[Key, Key], float]) -> Places:
    """Needleman and Wunsch's alignment, in a band around the diagonal; of equal ways, that with gaps at the end."""
    rows, columns = len(here), len(there)
    band = max(CELLS // (rows + 1), abs(rows - columns) + 16)
    infinite = float("inf")
    before = [place * _GAP for place in range(columns + 1)]
    moves: list[bytearray] = [bytearray(b"\x02" * (columns + 1))]  # 0 both, 1 ours alone, 2 theirs alone
    for row, mine in enumerate(here, start=1):
        middle = row * columns // rows
        low, high = max(1, middle - band), min(columns, middle + band)
        current = [infinite] * (columns + 1)
        if low == 1:
            current[0] = row * _GAP
        move = bytearray(b"\x01" * (columns + 1))
        for column in range(low, high + 1):
            both = before[column - 1] + cost[mine, there[column - 1]]
            alone = before[column] + _GAP
            extra = current[column - 1] + _GAP
            best = min(both, alone, extra)
            current[column] = best
            move[column] = 1 if alone == best else 2 if extra == best else 0
        moves.append(move)
        before = current
    result: Places = []
    row, column = rows, columns
    while row or column:
        move_here = moves[row][column] if row else 2
        if move_here != 2:
            row -= 1
        if move_here != 1:
            column -= 1
        result.append((None if move_here == 2 else row, None if move_here == 1 else column))
    return result[::-1]


def _costs(here: Mapping[Key, Step], there: Mapping[Key, Step]) -> dict[tuple[Key, Key], float]:
    """What it costs to take one step for another; taking a step for none costs one."""
    return {(a, b): _cost(mine, other) for a, mine in here.items() for b, other in there.items()}


def _cost(mine: Step, other: Step) -> float:
    if mine.key == other.key:
        return 0.0
    if mine.kind == other.kind:
        names = mine.settings.keys() | other.settings.keys()
        cost: float = _OTHER_SETTINGS
        cost += _SETTING * sum(mine.settings.get(name) != other.settings.get(name) for name in names)
        return min(cost, _OTHER_KIND)
    same_group = mine.kind in GROUP and GROUP[mine.kind] == GROUP.get(other.kind)
    return _OTHER_KIND if same_group else _NEVER


# --- Differences -----------------------------------------------------------------------------------------------------


def _differences(ours: Trace, theirs: Trace, pairs: Sequence[Pair], name: str) -> Iterator[Difference]:
    to_theirs = {INPUT[0]: INPUT[0]}
    to_theirs |= {mine: other for mine, other in pairs if mine is not None and other is not None}
    run: list[Pair] = []
    last: Pair | None = None

    def ended() -> Iterator[Difference]:
        dropout = [pair for pair in run if "dropout" in _groups(ours, theirs, pair)]
        if rest := [pair for pair in run if pair not in dropout]:
            yield _run(ours, theirs, rest, last, name)
        if dropout:
            yield replace(_run(ours, theirs, dropout, last, name), in_training=True)
        run.clear()

    for pair in pairs:
        if pair.ours is None or pair.theirs is None:
            run.append(pair)
            continue
        yield from ended()
        last = pair
        mine, other = ours.steps[pair.ours], theirs.steps[pair.theirs]
        what, detail = _settings_in_words(mine, other, name), ""
        if not what:
            what, detail = _wiring(theirs, mine, other, to_theirs, name)
        if what:
            costs = other.parameters - mine.parameters, other.macs - mine.macs
            yield Difference(what, (pair.ours,), (pair.theirs,), None, other.kind, *costs, detail=detail)
        for key, here in mine.in_training.items():
            there = other.in_training.get(key)
            if mine.kind == other.kind and there != here:
                what = f"{key} {setting(key, there)} where {name} has {setting(key, here)}"
                yield Difference(what, (pair.ours,), (pair.theirs,), None, other.kind, 0, 0, in_training=True)
    yield from ended()


def _groups(ours: Trace, theirs: Trace, pair: Pair) -> set[str | None]:
    return {
        GROUP.get(trace.steps[number].kind)
        for trace, number in zip((ours, theirs), pair, strict=True)
        if number is not None
    }


def _run(ours: Trace, theirs: Trace, run: Sequence[Pair], last: Pair | None, name: str) -> Difference:
    """Steps without counterpart between two that have one."""
    mine = tuple(pair.ours for pair in run if pair.ours is not None)
    others = tuple(pair.theirs for pair in run if pair.theirs is not None)
    here, there = [ours.steps[number] for number in mine], [theirs.steps[number] for number in others]
    if here and there:
        what = f"{in_short(there)} where {name} has {in_short(here)}"
    elif there:
        what = f"{in_short(there)} that {name} does not have"
    else:
        what = f"no {in_short(here)}" if len(here) <= FEW else f"without {in_short(here)} of {name}"
    after = last.theirs if last is not None else None
    return Difference(
        what,
        mine,
        others,
        after,
        theirs.steps[after].kind if after is not None else "",
        sum(step.parameters for step in there) - sum(step.parameters for step in here),
        sum(step.macs for step in there) - sum(step.macs for step in here),
    )


def _settings_in_words(mine: Step, other: Step, name: str) -> str:
    if mine.kind != other.kind:
        return f"{other.kind} where {name} has {mine.kind}"
    names = [key for key in mine.settings | other.settings if key not in _FROM_OUTSIDE]
    values = [(key, other.settings.get(key), mine.settings.get(key)) for key in names]
    words: list[str] = []
    for key, there, here in values:
        if there != here:
            what = f"{other.kind} " if key in {"arguments", "with"} else ""
            words.append(what + _setting_in_words(key, there, here, "it" if words else name))
    return "; ".join(words)


def _setting_in_words(key: str, there: Any, here: Any, name: str) -> str:
    if isinstance(there, bool) and isinstance(here, bool) and not key.endswith("_mode"):
        article, pronoun = ("", "them") if key in {"scale and shift", "moving averages"} else ("a ", "one")
        return f"no {key} where {name} has {pronoun}" if here else f"{article}{key} where {name} has none"
    if key == "outputs":
        return f"{there} outputs where {name} has {here}"
    if key == "groups":
        return f"{counted(there, 'group')} where {name} has {here}"
    if key in {"arguments", "with"}:
        return f"{there or 'of nothing else'} where {name} has {here or 'none'}"
    return f"{key} {setting(key, there)} where {name} has {setting(key, here)}"


def setting(key: str, value: Any) -> str:
    """A setting as one writes it: ``3x3``, ``1``, ``0 before and 1 behind``."""
    if not isinstance(value, list):
        return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    if key == "kernel" or not value:
        return "x".join(map(str, value))
    if isinstance(value[0], list):  # before and behind, for each direction
        sides = [
            str(before) if before == behind else f"{before} before and {behind} behind" for before, behind in value
        ]
    else:
        sides = [setting("", part) for part in value]
    return sides[0] if len(set(sides)) == 1 else " and ".join(sides)


def _wiring(theirs: Trace, mine: Step, other: Step, to_theirs: Mapping[int, int], name: str) -> tuple[str, str]:
    """In words, where a step of theirs takes what it takes, if that is somewhere else than with us; and in detail."""
    have_counterparts = set(to_theirs.values())
    if not all(number in to_theirs for number, _ in mine.inputs):
        return "", ""
    if not all(number in have_counterparts for number, _ in other.inputs):
        return "", ""
    wanted = [(to_theirs[number], output) for number, output in mine.inputs]
    given = list(other.inputs)
    if mine.kind in COMMUTATIVE:
        wanted.sort()
        given.sort()
    if wanted == given:
        return "", ""

    def named(sources: Iterable[Source]) -> str:
        steps = [None if number == INPUT[0] else theirs.steps[number] for number, _ in sources]
        return listed("the input" if step is None else f"{step.name} ({step.place})" for step in steps)

    too_many, missing = Counter(given) - Counter(wanted), Counter(wanted) - Counter(given)
    if not too_many and not missing:
        return f"another order of what {name} takes too", ""
    what = f"takes the output of another step than {name}"
    if not too_many:
        return what, f"not {named(missing)}"
    return what, named(too_many) + (f" instead of {named(missing)}" if missing else "")


def in_short(steps: Sequence[Step]) -> str:
    """``Conv2d 3x3 from 64 to 128, BatchNorm2d and ReLU``; of many steps, how many of each kind."""
    if len(steps) <= FEW:
        return listed(described(step) for step in steps)
    kinds = Counter(step.kind for step in steps)
    return f"{len(steps)} steps ({', '.join(f'{count} {kind}' for kind, count in kinds.items())})"


def described(step: Step) -> str:
    """``Conv2d 3x3 from 64 to 128 with stride 2``."""
    words = [step.kind]
    get = step.settings.get
    if (kernel := get("kernel")) is not None:
        words.append(setting("kernel", kernel))
    if get("outputs") is not None:
        words.append(f"from {get('inputs')} to {get('outputs')}")
    if set(stride := get("stride", [1])) != {1}:
        words.append(f"with stride {setting('stride', stride)}")
    if get("groups") not in (None, 1):
        words.append(f"in {get('groups')} groups")
    if given := [str(get(key)) for key in ("arguments", "with") if get(key)]:
        words.append(f"({', '.join(given)})")
    return " ".join(words)
