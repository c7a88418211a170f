"""Training runs: a plain loop, one call of a claim's check for each seed, and nothing lost when it is interrupted.

A check of the training tier is a function of one :class:`Run`: it takes the data from it, builds networks, trains each
with :meth:`Run.train` and returns what it measured for that seed. All randomness comes from torch.

What is under way lies in the user's cache: checkpoints of the network that is being trained, and the results of the
seeds that are done. A run that was killed goes on where its last checkpoint left it and, on a CPU, ends with the very
bits of a run that was not. All of it belongs to one state of code, claim and data, and is ignored by any other.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import pickle
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from catalog import paths
from catalog.datasets import Dataset, Source
from catalog.errors import CatalogError
from catalog.text import counted
from catalog.verify import MeasurementError
from catalog.verify.verdict import plain

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from catalog.records import Claim, Subject

__all__ = [
    "CannotRunError",
    "Curves",
    "History",
    "Outcome",
    "Run",
    "Schedule",
    "accuracy",
    "constant",
    "cosine",
    "forget",
    "measure",
    "needs",
    "outputs",
    "padded_crops_and_flips",
    "steps",
]

Curves = dict[str, dict[str, list[list[float | None]]]]
"""By arm and quantity: pairs of step and value."""

POINTS = 300
"""Points of a curve that are kept; each is the mean of the steps up to it."""

SECONDS_BETWEEN_CHECKPOINTS = 60.0


class CannotRunError(Exception):
    """An experiment cannot be run here and now; the message says what it needs."""


# --- Learning rates --------------------------------------------------------------------------------------------------

Schedule = Callable[[int, int], float]
"""What the learning rate is multiplied by, from the number of the step, from 0, and the number of all steps."""


def constant(step: int, total: int) -> float:  # noqa: ARG001 (a schedule is asked for both)
    """The same learning rate all the time."""
    return 1.0


def cosine(step: int, total: int) -> float:
    """From 1 down to 0 along half a wave."""
    return (1 + math.cos(math.pi * step / total)) / 2


def steps(*at: int, factor: float = 0.1) -> Schedule:
    """Multiply the learning rate by a factor at each of these steps."""

    def schedule(step: int, total: int) -> float:  # noqa: ARG001
        return factor ** sum(step >= boundary for boundary in at)

    return schedule


# --- One run ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class History:
    """What was seen while a network was trained."""

    losses: list[float]
    """Of each step, on its batch, in training mode."""
    steps_per_epoch: int
    readings: dict[str, list[float]]
    """What ``each_epoch`` returned, by name."""

    def mean_loss(self, last: int) -> float:
        """The mean over this many steps at the end."""
        return fmean(self.losses[-last:])

    @property
    def last_epoch(self) -> float:
        """The mean loss of the last epoch."""
        return self.mean_loss(self.steps_per_epoch)


@dataclass
class Run:
    """What a check of the training tier is given, for one seed. ``check(Run(seed=0))`` tries a check by hand."""

    seed: int
    subject: Subject | None = None
    """That of the claim."""
    device: str = "cpu"
    load: Callable[[str], Dataset] = field(default_factory=lambda: Source().load)
    folder: Path | None = None
    """For checkpoints; there are none if omitted."""
    tell: Callable[[str], None] = lambda _: None
    """Told how far it is."""
    checkpoint_every: float = SECONDS_BETWEEN_CHECKPOINTS
    curves: Curves = field(default_factory=dict)

    def data(self, name: str) -> Dataset:
        """The data set that the claim declares."""
        return self.load(name)

    def train(
        self,
        arm: str,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        images: Tensor,
        labels: Tensor,
        *,
        batch: int,
        epochs: int | None = None,
        steps: int | None = None,
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        schedule: Schedule = constant,
        augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        each_epoch: Callable[[], Mapping[str, float]] | None = None,
        mixed_precision: bool = False,
        channels_last: bool = False,
    ) -> History:
        """Train a network in place, on the device of the run.

        The order of the data comes from the seed alone, so the arms of an experiment see the same batches. An epoch is
        as many whole batches as there are; what is left over, other images each time, waits for the next.

        Args:
            arm: what tells this network from the others of the experiment.
            network: what is trained; what it keeps outside of its state is not restored after an interruption.
            optimiser: over its parameters, with the learning rates that the schedule multiplies.
            images: one an example along the first dimension.
            labels: likewise.
            batch: examples in a step.
            epochs: how often all is seen, or
            steps: how many batches are.
            loss: of outputs and labels; cross-entropy if omitted.
            schedule: learning rate over the steps.
            augment: changes a batch before the network sees it; draws from the generator that it is given.
            each_epoch: read at the end of each epoch and of the training, in evaluation mode.
            mixed_precision: compute in bfloat16 where autocast thinks it safe; meant for a GPU.
            channels_last: keep images and weights channels-last in memory; meant for a GPU.
        """
        import torch
        from torch.nn import functional

        if arm in self.curves:
            raise ValueError(f"two arms are called '{arm}'")
        if (epochs is None) == (steps is None):
            raise ValueError("a training takes a number of epochs or of steps")
        loss = loss or functional.cross_entropy
        batch = min(batch, len(images))
        steps_per_epoch = len(images) // batch
        total = steps if steps is not None else (epochs or 0) * steps_per_epoch

        network.to(self.device).train()
        if channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images, labels = images.to(self.device), labels.to(self.device)
        rates = [group["lr"] for group in optimiser.param_groups]
        torch.manual_seed(self.seed)  # for what the network draws, such as dropout
        losses = torch.zeros(total, device=self.device)
        state = _State(network, optimiser, torch.Generator().manual_seed(self.seed), losses)
        if (checkpoint := self._checkpoint(arm)) is not None:
            state.restore(checkpoint)
        saved = told = time.monotonic()

        while state.step < total:
            position = state.step % steps_per_epoch
            if position == 0:
                state.order = torch.randperm(len(images), generator=state.generator)
            chosen = state.order[position * batch : (position + 1) * batch]
            x, y = images[chosen], labels[chosen]
            if augment is not None:
                x = augment(x, state.generator)
            if channels_last:
                x = x.contiguous(memory_format=torch.channels_last)
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * schedule(state.step, total)
            with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=mixed_precision):
                value = loss(network(x), y)
            optimiser.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()

            state.losses[state.step] = value.detach()
            state.step += 1
            ends = state.step == total
            if each_epoch is not None and (position + 1 == steps_per_epoch or ends):
                network.eval()
                for name, reading in each_epoch().items():
                    state.readings.setdefault(name, []).append(float(reading))
                network.train()
            now = time.monotonic()
            if checkpoint is not None and (ends or now - saved >= self.checkpoint_every):
                state.save(checkpoint)
                saved = now
            if ends or now - told >= 1:
                self.tell(f"seed {self.seed}, {arm}: {state.step:,} of {total:,} steps")
                told = now

        history = History(state.losses.tolist(), steps_per_epoch, state.readings)
        self.curves[arm] = _curves(history)
        return history

    def _checkpoint(self, arm: str) -> Path | None:
        # Arms are called as it suits the reader of a curve, which may not suit a file system.
        name = hashlib.blake2b(arm.encode(), digest_size=8).hexdigest()
        return self.folder / f"{name}.pt" if self.folder is not None else None


@dataclass
class _State:
    """All that decides how a training goes on."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    generator: torch.Generator
    """Draws the order of the data and what changes them."""
    losses: Tensor
    step: int = 0
    order: Any = None
    """Of the examples in the epoch that is under way."""
    readings: dict[str, list[float]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it, so that a kill at any moment leaves the old file or the new one.

        Where it cannot be written the training goes on; an interruption then costs more.
        """
        import torch

        new = path.with_suffix(".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(
                {
                    "network": self.network.state_dict(),
                    "optimiser": self.optimiser.state_dict(),
                    "generator": self.generator.get_state(),
                    "torch": torch.get_rng_state(),
                    "cuda": torch.cuda.get_rng_state() if self.losses.is_cuda else None,
                    "losses": self.losses,
                    "step": self.step,
                    "order": self.order,
                    "readings": self.readings,
                },
                new,
            )
            new.replace(path)
        except (OSError, RuntimeError):  # torch says "full disk" by the latter
            new.unlink(missing_ok=True)

    def restore(self, path: Path) -> None:
        """Take over what was saved, if anything was; a file that cannot be read counts as none."""
        import torch

        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile):
            return
        self.network.load_state_dict(saved["network"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.generator.set_state(saved["generator"])
        torch.set_rng_state(saved["torch"])
        if saved["cuda"] is not None:
            torch.cuda.set_rng_state(saved["cuda"])
        self.losses.copy_(saved["losses"])
        self.step, self.order, self.readings = saved["step"], saved["order"], saved["readings"]


def _curves(history: History) -> dict[str, list[list[float | None]]]:
    every_step = range(1, len(history.losses) + 1)
    curves = {"loss": _thinned(every_step, history.losses)}
    for name, readings in history.readings.items():
        ends = [min((epoch + 1) * history.steps_per_epoch, len(history.losses)) for epoch in range(len(readings))]
        curves[name] = _thinned(ends, readings)
    return curves


def _thinned(at: Sequence[int], values: Sequence[float]) -> list[list[float | None]]:
    """At most POINTS of a curve; what is no finite number is none, which JSON knows."""
    points = min(POINTS, len(values))
    bounds = [len(values) * i // points for i in range(points + 1)] if points else []
    means = [fmean(values[start:end]) for start, end in pairwise(bounds)]
    return [
        [at[end - 1], float(f"{mean:.5g}") if math.isfinite(mean) else None]
        for end, mean in zip(bounds[1:], means, strict=True)
    ]


def outputs(network: nn.Module, images: Tensor, *, batch: int = 1000) -> Tensor:
    """What a network gives for images in evaluation mode, on the CPU."""
    import torch

    device = next(network.parameters()).device
    training = network.training
    network.eval()
    with torch.no_grad():
        result = torch.cat([network(part.to(device)).float().cpu() for part in torch.split(images, batch)])
    network.train(training)
    return result


def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Share of the images to whose label a network gives the highest of its outputs."""
    right = outputs(network, images).argmax(dim=1) == labels
    return int(right.sum()) / len(labels)


def padded_crops_and_flips(images: Tensor, generator: torch.Generator, *, padding: int = 4) -> Tensor:
    """Each image padded with zeros, cropped to its size at a random place and mirrored with probability 1/2.

    The augmentation of Lee et al. (Deeply-Supervised Nets, 2014), which most of the work on CIFAR uses.
    Shapes: (batch, channels, height, width), as given.
    """
    import torch
    from torch.nn import functional

    n, _, height, width = images.shape
    padded = functional.pad(images, (padding, padding, padding, padding))
    top, left = torch.randint(2 * padding + 1, (2, n, 1), generator=generator)
    mirrored = torch.randint(2, (n, 1), generator=generator).bool()
    rows = top + torch.arange(height)
    columns = left + torch.where(mirrored, torch.arange(width).flip(0), torch.arange(width))
    # Three indices around the channels put those last: (batch, height, width, channels).
    cropped = padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return cropped.permute(0, 3, 1, 2)


# --- A claim ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the experiment of a claim."""

    measured: Any
    """A number, a series over the seeds, or these by name."""
    curves: dict[int, Curves]
    """By seed."""
    data: str | None
    """Fingerprint of the data; none where they are synthetic."""
    is_release: bool
    """Whether the data are those of the release, or synthetic."""
    environment: str
    """``cpu`` or ``cuda``."""
    device: str
    """What that is, for a person."""
    seconds: float
    """Of all seeds."""


def needs(paper: str, claim: Claim, *, asked: bool, by_name: bool) -> str:
    """What a training claim needs that it does not have; empty when it can be tried.

    Args:
        paper: id of the paper.
        claim: one of its training claims.
        asked: whether training runs are wanted at all.
        by_name: whether this very claim is, without which nobody wants days on a GPU.
    """
    assert claim.training is not None  # the record type demands it
    if claim.check is None:
        return "no experiment is written yet"
    long = _duration(claim.training.minutes or 0)
    if claim.training.scale == "full":
        if not by_name:
            return f"needs a GPU for about {long}: repro verify {paper} --claim {claim.id}"
        import torch

        return "" if torch.cuda.is_available() else f"needs a GPU for about {long}; there is none here"
    return "" if asked else f"a training run of about {long}: repro verify {paper} --tier training"


def _duration(minutes: int) -> str:
    return counted(minutes, "minute") if minutes < 180 else counted(round(minutes / 60), "hour")


def measure(
    paper: str,
    claim: Claim,
    check: Callable[[Run], object],
    aggregate: Callable[[dict[str, list[Any]]], object] | None = None,
    *,
    source: Source | None = None,
    tell: Callable[[str], None] = lambda _: None,
    checkpoint_every: float = SECONDS_BETWEEN_CHECKPOINTS,
) -> Outcome:
    """Run the experiment of a claim with each of its seeds, those excepted that an interrupted run has finished.

    What is kept of finished seeds stays until :func:`forget`.

    Args:
        paper: id of the paper.
        claim: a training claim with a check.
        check: the experiment.
        aggregate: makes of the series over the seeds, by name, what is measured; otherwise the claim says how.
        source: where the data are.
        tell: told how far it is.
        checkpoint_every: seconds.

    Raises:
        CannotRunError: the data are not to be had.
        MeasurementError: the check returns other quantities for one seed than for another, or what is no number.
    """
    import torch

    training = claim.training
    assert training is not None  # the record type demands it
    dataset = _dataset(training.data, source or Source())
    environment = "cuda" if training.scale == "full" else "cpu"

    def load(name: str) -> Dataset:
        if dataset is None or name != training.data:
            raise MeasurementError(f"the check asks for the data set '{name}', the claim declares '{training.data}'")
        return dataset

    folder = _workplace(paper, claim, dataset, environment)
    results: list[dict[str, Any]] = []
    curves: dict[int, Curves] = {}
    seconds = 0.0
    for seed in training.seeds:
        finished = folder / f"{seed}.json" if folder else None
        kept = _recalled(finished)
        if kept is None:
            started = time.monotonic()
            place = folder / str(seed) if folder else None
            run = Run(seed, claim.subject, environment, load, place, tell, checkpoint_every)
            torch.manual_seed(seed)
            values = plain(check(run))
            result = values if isinstance(values, dict) else {"": values}
            kept = {"values": result, "curves": run.curves, "seconds": round(time.monotonic() - started, 1)}
            if finished is not None and place is not None:
                _keep(finished, kept)
                shutil.rmtree(place, ignore_errors=True)
        results.append(kept["values"])
        curves[seed] = kept["curves"]
        seconds += kept["seconds"]
    return Outcome(
        measured=_over_seeds(results, training.aggregate, aggregate),
        curves=curves,
        data=dataset.fingerprint if dataset else None,
        is_release=dataset.is_release if dataset else True,
        environment=environment,
        device=torch.cuda.get_device_name() if environment == "cuda" else "",
        seconds=seconds,
    )


def forget(paper: str, claim: Claim) -> None:
    """Delete what is kept for the case that the experiment of a claim is interrupted."""
    if (folder := _claim_folder(paper, claim)) is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _dataset(name: str, source: Source) -> Dataset | None:
    if name == "synthetic":
        return None
    try:
        return source.load(name)
    except CatalogError as error:
        raise CannotRunError(str(error)) from None


def _over_seeds(
    results: list[dict[str, Any]], how: str, aggregate: Callable[[dict[str, list[Any]]], object] | None
) -> object:
    names = list(results[0])
    for result in results[1:]:
        if set(result) != set(names):
            now, before = ", ".join(result), ", ".join(names)
            raise MeasurementError(f"the check measured {now or 'nothing'} with one seed and {before} with another")
    series: dict[str, Any] = {name: [result[name] for result in results] for name in names}
    if aggregate is not None:
        return aggregate(series)
    if how == "mean":
        series = {name: _mean(name, values) for name, values in series.items()}
    return series[""] if names == [""] else series


def _mean(name: str, values: list[Any]) -> float:
    for value in values:
        if not isinstance(value, int | float):
            label = f"{name}: " if name else ""
            raise MeasurementError(f"{label}measured {value} with one of the seeds, which is no finite number")
    return fmean(values)


# --- What is kept while it is under way ------------------------------------------------------------------------------


def _claim_folder(paper: str, claim: Claim) -> Path | None:
    cache = paths.cache_folder()
    return cache / "training" / paper / claim.id if cache else None


def _workplace(paper: str, claim: Claim, dataset: Dataset | None, environment: str) -> Path | None:
    """The folder for what belongs to this state of code, claim and data; what belongs to another is deleted."""
    import torch

    from catalog.verify.ledger import fingerprints

    folder = _claim_folder(paper, claim)
    if folder is None:
        return None
    state = [
        fingerprints(paper, claim),
        dataset.fingerprint if dataset else None,
        environment,
        torch.__version__,
        Path(__file__).read_text(encoding="utf-8"),
    ]
    key = hashlib.blake2b(json.dumps(state, sort_keys=True).encode(), digest_size=8).hexdigest()
    for other in folder.glob("*"):
        if other.name != key:
            shutil.rmtree(other, ignore_errors=True)
    try:
        (folder / key).mkdir(parents=True, exist_ok=True)
    except OSError:
        return None  # an interrupted run will have to begin again
    return folder / key


def _recalled(path: Path | None) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path is not None else None
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _keep(path: Path, result: dict[str, Any]) -> None:
    from catalog.layout import write_atomically

    with contextlib.suppress(OSError):
        write_atomically(path, json.dumps(result))
