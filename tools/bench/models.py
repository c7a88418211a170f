"""How fast our networks are, each against the peer that its parity claim names: forward passes and training steps.

Both networks of a pair live in one process, get the same input, and take turns, so that a busy moment of the machine
hits both; what is compared are the ratios of each turn. Beside them stand the numbers of operators that torch is asked
to run, which explain most differences, and for a pair that is slower than it should be the operators of which there are
more.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import reproductions
from catalog.library import Library
from catalog.verify.peers import PeerNotInstalledError, build_peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from catalog.records import Claim, Paper

LIMIT = 1.1
"""Largest geometric mean of the ratios, ours over theirs."""
EXPLAIN = 1.2
"""From here on a pair says which operators it has more of."""
# Student's t for 95 %, by degrees of freedom; for more of them the last will do.
STUDENT = [math.inf, 12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23]


class Operators(TorchDispatchMode):
    """Counts the operators that run inside the with statement."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Ratio:
    """Ours over theirs: the geometric mean over the turns and its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, turns: list[tuple[float, float]]) -> Ratio:
        logs = [math.log(ours / theirs) for ours, theirs in turns]
        mean = statistics.fmean(logs)
        spread = 0.0
        if len(logs) > 1:
            t = STUDENT[min(len(logs) - 1, len(STUDENT) - 1)]
            spread = t * statistics.stdev(logs) / math.sqrt(len(logs))
        return cls(math.exp(mean), math.exp(mean - spread), math.exp(mean + spread))

    def __str__(self) -> str:
        return f"{self.mean:5.2f} [{self.low:.2f}, {self.high:.2f}]"


def pairs(papers: list[Paper]) -> Iterator[tuple[Paper, Claim]]:
    """The parity claims with a network as peer, one for each variant."""
    for paper in papers:
        seen = set()
        for claim in paper.claims:
            if claim.peer is None or claim.subject is None or claim.subject.part is not None:
                continue
            if (key := (claim.subject.variant, str(claim.subject.options))) not in seen:
                seen.add(key)
                yield paper, claim


def outputs(result: Any) -> list[Tensor]:
    """The tensors that a network gives."""
    if isinstance(result, torch.Tensor):
        return [result]
    parts = result.values() if isinstance(result, dict) else result
    return [tensor for part in parts if part is not None for tensor in outputs(part)]


def forward(network: nn.Module, images: Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            network(images)

    return run


def training_step(network: nn.Module, images: Tensor) -> Callable[[], None]:
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.9)

    def run() -> None:
        optimiser.zero_grad()
        sum(output.square().mean() for output in outputs(network(images))).backward()
        optimiser.step()

    return run


def seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compare(ours: Callable[[], None], theirs: Callable[[], None], turns: int) -> Ratio:
    found = []
    for turn in range(turns + 1):  # the first one warms up
        first, second = (ours, theirs) if turn % 2 else (theirs, ours)
        a, b = seconds(first), seconds(second)
        found.append((a, b) if turn % 2 else (b, a))
    return Ratio.of(found[1:])


def operators(work: Callable[[], None]) -> Counter[str]:
    with Operators() as counted:
        work()
    return counted.counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ids", nargs="*", help="papers or families; all that have a peer if omitted")
    parser.add_argument("--turns", type=int, default=5, help="turns of each pair (default 5)")
    parser.add_argument("--batch", type=int, default=2, help="images in a batch (default 2)")
    arguments = parser.parse_args()
    library = Library.load()
    named = [paper for name in arguments.ids for paper in library.resolve(name)]
    torch.set_num_threads(1)
    ratios: dict[str, list[float]] = {"forward": [], "training": []}
    print(f"{'network':44}  {'forward':18}  {'training step':18}  operators, ours/theirs, forward and training")
    for paper, claim in pairs(named or list(library.papers)):
        subject, peer = claim.subject, claim.peer
        assert subject is not None
        assert peer is not None
        assert subject.input is not None
        torch.manual_seed(0)
        images = torch.randn(arguments.batch, *subject.input)
        try:
            theirs = build_peer(peer)
        except PeerNotInstalledError as absent:
            print(f"{paper.id} {subject.variant}: {absent}")
            continue
        ours = reproductions.build(paper.id, subject.variant, **subject.options)
        steps = {}
        for name, mode in (("forward", forward), ("training", training_step)):
            for network in (ours, theirs):
                network.train(name == "training")
            mine, others = mode(ours, images), mode(theirs, images)
            ratio = compare(mine, others, arguments.turns)
            ratios[name].append(ratio.mean)
            steps[name] = (ratio, operators(mine), operators(others))
        label = f"{paper.id} {subject.variant} / {peer.library}"
        counts = "  ".join(f"{mine.total():,}/{others.total():,}" for _, mine, others in steps.values())
        print(f"{label:44}  {steps['forward'][0]!s:18}  {steps['training'][0]!s:18}  {counts}", flush=True)
        for name, (ratio, mine, others) in steps.items():
            if ratio.mean > EXPLAIN:
                more = ", ".join(f"{n} {operator}" for operator, n in (mine - others).most_common(5))
                print(f"    {name}: more of {more or 'no operator'}")
    if not ratios["forward"]:
        print("no network has a peer")
        return 2
    means = {name: statistics.geometric_mean(found) for name, found in ratios.items()}
    for name, mean in means.items():
        print(f"geometric mean, {name}: {mean:.3f} over {len(ratios[name])} networks, allowed {LIMIT}")
    return 0 if all(mean <= LIMIT for mean in means.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
