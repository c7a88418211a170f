"""How papers evaluate: what the protocol of a headline claim says of networks, crops and their size."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Protocol", "read"]


class Protocol(NamedTuple):
    """What decides whether two accuracies may be compared."""

    networks: int
    """Whose outputs are averaged."""
    many_crops: bool | None
    """Whether the outputs for several crops of each image are averaged; none where the protocol does not say."""
    side: int | None
    """Of a crop, in pixels."""


_WORDS = {"single": 1, "one": 1, "centre": 1, "central": 1, "two": 2, "four": 4, "six": 6, "seven": 7, "ten": 10}
_NUMBER = rf"(\d+|{'|'.join(_WORDS)})"
_NETWORKS = re.compile(rf"\b{_NUMBER} (?:models?|networks?)\b")
_CROPS = re.compile(rf"\b(?:{_NUMBER}|multiple) (?:crops?|views?)\b(?:(?: of)? (\d+)\b)?")
_CENTRE = re.compile(r"\bcentral (\d+) pixels\b")


def read(protocol: str | None) -> Protocol:
    """Read ``single crop of 224 from a shorter side of 256``, ``six networks, 144 crops`` or ``one model``."""
    text = protocol or ""
    networks, crops, centre = (pattern.search(text) for pattern in (_NETWORKS, _CROPS, _CENTRE))
    return Protocol(
        _number(networks[1]) if networks else 1,
        False if centre else crops[1] is None or _number(crops[1]) > 1 if crops else None,
        int(centre[1]) if centre else int(crops[2]) if crops and crops[2] else None,
    )


def _number(word: str) -> int:
    return _WORDS[word] if word in _WORDS else int(word)
