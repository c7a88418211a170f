"""Training runs: the loop, what an interruption costs, how seeds are read, and what is not run."""

from __future__ import annotations

import importlib
import json
import math
import os
import shutil
import subprocess
import sys
import time
import types
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from catalog import Library, paths
from catalog.datasets import NAMES, Dataset, Source, Split, load
from catalog.figures import Figure
from catalog.records import Claim, Paper, Status, Subject, Tier
from catalog.verify import MeasurementError, training
from catalog.verify.ledger import Ledger
from catalog.verify.runner import forget, verify
from catalog.verify.training import (
    CannotRunError,
    Run,
    accuracy,
    constant,
    cosine,
    measure,
    outputs,
    padded_crops_and_flips,
    steps,
)
from catalog.verify.verdict import judge
from tests.test_datasets import MNIST, idx, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Install = Callable[..., None]


@pytest.fixture(autouse=True)
def _cache_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def claim(**fields: Any) -> Claim:
    how = {"scale": "quick", "data": "synthetic", "seeds": [1, 2, 3], "minutes": 2, "protocol": "two arms"}
    given = {
        "id": "converges",
        "statement": "it converges",
        "basis": "analogue",
        "tier": "training",
        "check": "converges",
        "expect": {"at_least": 0},
        **fields,
    }
    return Claim.model_validate({**given, "training": how | fields.get("training", {})})


def examples(n: int = 50, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(classes, (n,), generator=generator)
    images = torch.randn(n, 1, 4, 4, generator=generator) + labels[:, None, None, None]
    return images, labels


def network(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, classes))


def sgd(of: nn.Module, rate: float = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD(of.parameters(), lr=rate, momentum=0.9)


# --- Learning rates --------------------------------------------------------------------------------------------------


def test_schedules() -> None:
    assert [constant(step, 4) for step in range(4)] == [1, 1, 1, 1]
    assert [steps(2, 3)(step, 4) for step in range(4)] == pytest.approx([1, 1, 0.1, 0.01])
    assert steps(1, factor=0.5)(1, 9) == 0.5
    assert [cosine(step, 4) for step in range(5)] == pytest.approx(
        [1, (1 + math.sqrt(0.5)) / 2, 0.5, 0.1464, 0], abs=1e-4
    )


def test_the_schedule_multiplies_each_learning_rate() -> None:
    seen: list[list[float]] = []

    class Watching(torch.optim.SGD):
        def step(self, *_: Any, **__: Any) -> None:
            seen.append([group["lr"] for group in self.param_groups])

    net = network()
    optimiser = Watching([{"params": net[0].parameters(), "lr": 1.0}, {"params": net[4].parameters(), "lr": 0.1}])
    Run(0).train("a", net, optimiser, *examples(), batch=10, steps=3, schedule=steps(1, 2))
    assert seen == [pytest.approx(rates) for rates in ([1, 0.1], [0.1, 0.01], [0.01, 0.001])]


# --- The loop --------------------------------------------------------------------------------------------------------


def batches(seed: int, **how: Any) -> list[list[int]]:
    """The examples of each step."""
    seen: list[list[int]] = []

    def loss(out: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        seen.append(numbers.tolist())
        return out.sum()

    net = nn.Linear(1, 1)
    Run(seed).train("a", net, sgd(net), torch.zeros(10, 1), torch.arange(10), loss=loss, **how)
    return seen


def test_order_of_the_data() -> None:
    order = batches(1, batch=4, epochs=3)
    assert [len(batch) for batch in order] == [4] * 6, "what is no whole batch sits out"
    for first, second in zip(order[::2], order[1::2], strict=True):
        assert len({*first, *second}) == 8, "nothing twice in an epoch"
    assert order[:2] != order[2:4], "another order in every epoch"
    assert batches(1, batch=4, epochs=3) == order
    assert batches(2, batch=4, epochs=3) != order
    assert batches(1, batch=4, steps=5) == order[:5]
    assert [sorted(batch) for batch in batches(1, batch=64, epochs=2)] == [list(range(10))] * 2


def test_arms_see_the_same_batches_and_the_same_dropout() -> None:
    run, images, labels = Run(3), *examples()
    histories = []
    for arm in ("one", "two"):
        net = network()
        histories.append(run.train(arm, net, sgd(net), images, labels, batch=8, epochs=2))
        torch.rand(7)  # whatever happens between the arms
    assert histories[0].losses == histories[1].losses
    other = network()
    assert Run(4).train("one", other, sgd(other), images, labels, batch=8, epochs=2).losses != histories[0].losses


def test_history() -> None:
    net, readings = network(), iter(range(99))
    run = Run(0)
    modes = []

    def read() -> dict[str, float]:
        modes.append(net.training)
        return {"error": next(readings)}

    history = run.train("a", net, sgd(net), *examples(50), batch=8, steps=14, each_epoch=read)
    assert len(history.losses) == 14
    assert history.steps_per_epoch == 6
    assert history.last_epoch == pytest.approx(sum(history.losses[-6:]) / 6)
    assert history.mean_loss(2) == pytest.approx(sum(history.losses[-2:]) / 2)
    assert history.readings == {"error": [0, 1, 2]}
    assert modes == [False] * 3
    assert net.training
    assert run.curves["a"]["error"] == [[6, 0.0], [12, 1.0], [14, 2.0]]
    assert [step for step, _ in run.curves["a"]["loss"]] == list(range(1, 15))


def test_it_learns() -> None:
    net, (images, labels) = network(), examples()
    history = Run(0).train("a", net, sgd(net), images, labels, batch=10, epochs=20)
    assert history.last_epoch < 0.5 * history.losses[0]
    assert (outputs(net, images).argmax(dim=1) == labels).float().mean() > 0.9


def test_curves_are_thinned() -> None:
    net = nn.Linear(1, 1)
    run = Run(0)
    history = run.train(
        "a", net, sgd(net, 1e-4), torch.randn(9, 1), torch.zeros(9, 1), batch=3, steps=1000, loss=nn.MSELoss()
    )
    curve = run.curves["a"]["loss"]
    assert len(curve) == training.POINTS
    assert curve[-1][0] == 1000
    assert curve[0] == [3, pytest.approx(sum(history.losses[:3]) / 3, rel=1e-4)]
    assert training._thinned([1, 2], [float("nan"), 1.0]) == [[1, None], [2, 1.0]], "JSON knows no nan"


@pytest.mark.parametrize("how", [{}, {"steps": 1, "epochs": 1}])
def test_a_budget_is_needed(how: dict[str, int]) -> None:
    net = network()
    with pytest.raises(ValueError, match="a number of epochs or of steps"):
        Run(0).train("a", net, sgd(net), *examples(), batch=8, **how)


def test_two_arms_of_one_name() -> None:
    run, net = Run(0), network()
    run.train("a", net, sgd(net), *examples(), batch=8, steps=1)
    with pytest.raises(ValueError, match="two arms are called 'a'"):
        run.train("a", net, sgd(net), *examples(), batch=8, steps=1)


def test_mixed_precision_and_channels_last() -> None:
    kinds = []

    class Watching(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            kinds.append((x.dtype, x.is_contiguous(memory_format=torch.channels_last)))
            return x

    def trained(**how: Any) -> list[float]:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(2, 4, 3), Watching(), nn.Flatten(), nn.Linear(16, 3))
        images, labels = examples()
        return Run(0).train("a", net, sgd(net), images.expand(-1, 2, -1, -1), labels, batch=10, epochs=5, **how).losses

    plain = trained()
    mixed = trained(mixed_precision=True, channels_last=True)
    assert kinds[0] == (torch.float32, False)
    assert kinds[-1] == (torch.bfloat16, True)
    assert plain != mixed
    assert plain[:5] == pytest.approx(mixed[:5], rel=0.02)


def test_outputs() -> None:
    net, (images, _) = network(), examples()
    net.train()
    first = outputs(net, images, batch=7)
    assert net.training, "the mode is left as it was"
    assert not first.requires_grad
    torch.testing.assert_close(first, outputs(net, images))
    torch.testing.assert_close(first, net.eval()(images))


def test_accuracy() -> None:
    net = nn.Sequential(nn.Dropout(1.0), nn.Linear(3, 3, bias=False))
    nn.init.eye_(net[1].weight)
    assert accuracy(net, torch.eye(3)[[0, 1, 2, 0, 1]], torch.tensor([0, 1, 2, 1, 2])) == 0.6


def test_crops_and_flips() -> None:
    images = torch.arange(1, 1 + 64 * 2 * 5 * 6).view(64, 2, 5, 6)
    changed = padded_crops_and_flips(images, torch.Generator().manual_seed(0), padding=2)
    padded = nn.functional.pad(images, (2, 2, 2, 2))
    found = set()
    for image, result in zip(padded, changed, strict=True):
        places = [
            (top, left, mirrored)
            for top in range(5)
            for left in range(5)
            for mirrored in (False, True)
            if torch.equal(result.flip(2) if mirrored else result, image[:, top : top + 5, left : left + 6])
        ]
        assert len(places) == 1, "each is a crop of its own image, mirrored or not"
        found.update(places)
    assert {top for top, _, _ in found} == {left for _, left, _ in found} == set(range(5))
    assert {mirrored for *_, mirrored in found} == {False, True}


# --- Interruptions ---------------------------------------------------------------------------------------------------

VICTIM = """
import json, os, signal, sys, traceback
import torch
from torch import nn
torch.set_num_threads(1)
torch.optim.Adam([nn.Parameter(torch.zeros(1))]).zero_grad()  # imports much; the children need not
from tests.verify.test_training import claim, examples, sgd
from catalog.verify import training

steps_done = 0

def check(run):
    def loss(outputs, labels):
        global steps_done
        steps_done += 1
        if steps_done == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return nn.functional.cross_entropy(outputs, labels)

    found = {}
    for arm in ("first arm", "second arm"):
        # Not seeded: the second network depends on how the first one was trained.
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.3), nn.Linear(16, 3))
        images, labels = examples()
        history = run.train(
            arm, net, torch.optim.Adam(net.parameters(), lr=0.01), images, labels, batch=8, steps=20, loss=loss,
            schedule=training.cosine, each_epoch=lambda: {"sum": net[4].weight.sum().item()},
            augment=lambda x, generator: x + 0.1 * torch.randn(x.shape, generator=generator),
        )
        bits = b"".join(tensor.numpy().tobytes() for tensor in net.state_dict().values())
        found[arm] = int.from_bytes(__import__("hashlib").sha256(bits).digest()[:6])
        found[arm + " loss"] = sum(history.losses)
        found[arm + " reading"] = history.readings["sum"][-1]
    found["next random number"] = torch.rand(()).item()
    return found

def killed_while_saving(content, path, save=torch.save):
    global saves
    saves += 1
    save(content, path)
    if saves == dies_in_save:
        os.truncate(path, 1000)
        os.kill(os.getpid(), signal.SIGKILL)

for folder, dies_at, dies_in_save, every in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        try:
            saves = 0
            torch.save = killed_while_saving
            os.environ["XDG_CACHE_HOME"] = folder
            experiment = claim(training={"seeds": [5, 6]})
            outcome = training.measure("no-such-paper", experiment, check, checkpoint_every=every)
            print(json.dumps([steps_done, outcome.measured, outcome.curves]), flush=True)
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        print("null", flush=True)
"""


def test_killed_and_resumed_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    """Twice two arms of twenty steps, killed in steps, in a write, between arms and between seeds."""
    never, resumed, coarse = (str(tmp_path / name) for name in ("never", "resumed", "coarse"))
    plan = [
        (never, 0, 0, 0),
        *((resumed, at, 0, 0) for at in (1, 8, 13, 2, 20)),  # each counts from where the last one ended
        (resumed, 0, 3, 0),  # in the middle of writing a checkpoint
        (resumed, 0, 0, 0),
        (coarse, 30, 0, 1e9),  # only the end of an arm is kept: the second arm begins again
        (coarse, 0, 0, 1e9),
    ]
    found = subprocess.run(
        [sys.executable, "-c", VICTIM, json.dumps(plan)], capture_output=True, text=True, check=True, cwd=paths.CHECKOUT
    )
    assert not found.stderr
    results = [json.loads(line) for line in found.stdout.splitlines()]
    assert len(results) == len(plan)
    whole = results[0]
    assert [result is None for result in results[1:]] == [True] * 6 + [False, True, False]
    assert whole[0] == 80
    for done in (results[7], results[9]):
        assert done[1:] == whole[1:], "the very bits: weights, losses, readings, random numbers, curves"
    # 1 - 1, 8 - 1, 13 - 1, 2 - 1, 20 - 1 whole steps and 3 in the write, whose last step is lost
    assert results[7][0] == 80 - (0 + 7 + 12 + 1 + 19 + 2)
    assert results[9][0] == 60
    assert len(set(whole[1]["first arm"])) == 2, "seeds differ"


REPORT = """

def _report(loss):
    import os
    with open(os.environ["LOSSES"], "a+") as file:
        print(loss.item().hex(), file=file, flush=True)
        file.seek(0)
        if len(file.readlines()) == int(os.environ["WAITS_AT"]):
            time.sleep(600)
"""


def test_killed_and_resumed_by_the_command_line(tmp_path: Path) -> None:
    """LeNet's experiment, on noise: killed with its second seed and resumed, it takes the steps of a whole run.

    A copy of the project keeps a checkpoint of every step, writes down each loss, and waits at one to be killed.
    """
    assert paths.CHECKOUT is not None
    root, skip = tmp_path / "project", shutil.ignore_patterns("__pycache__", "results")
    for part in ("catalog", "reproductions", "papers"):
        shutil.copytree(paths.CHECKOUT / part, root / part, ignore=skip)
    shutil.copy(paths.CHECKOUT / "pyproject.toml", root)
    loop = root / "catalog/verify/training.py"
    code = loop.read_text()
    for old, new in (
        ("CHECKPOINTS = 60.0", "CHECKPOINTS = 0.0"),
        ("            state.step += 1\n", "            state.step += 1\n            _report(value)\n"),
    ):
        assert code.count(old) == 1
        code = code.replace(old, new)
    loop.write_text(code + REPORT)
    mnist = write(tmp_path / "mnist", noise(train=160, test=50))
    curves = root / "reproductions/results/curves/lenet/learns-digits.json"
    cache = tmp_path / "cache/repro/training/lenet/learns-digits"

    def start(name: str, waits_at: int) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-c",
            "from catalog.cli import main; main()",
            "verify",
            "lenet",
            "--record",
            "--json",
        ]
        command += ["--claim", "learns-digits", "--data", str(mnist), "--accept-data-mismatch"]
        own = {"PYTHONPATH": str(root), "LOSSES": str(tmp_path / name), "WAITS_AT": str(waits_at)}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=root, env=os.environ | own, stdout=pipe, stderr=pipe, text=True)

    def losses(name: str) -> list[str]:
        file = tmp_path / name
        return file.read_text().split() if file.exists() else []

    def finished(name: str) -> tuple[Any, bytes]:
        output, _ = start(name, waits_at=0).communicate(timeout=120)
        assert not cache.exists(), "nothing is kept of what is recorded"
        recorded = curves.read_bytes()
        shutil.rmtree(root / "reproductions/results")
        return [claim["measured"] for claim in json.loads(output)["claims"]], recorded

    def killed(name: str, at: int) -> None:
        with start(name, waits_at=at) as process:
            while len(losses(name)) < at:
                assert process.poll() is None, process.communicate()
                time.sleep(0.05)
            process.kill()
        assert not curves.exists()

    expected = finished("whole")
    steps = losses("whole")
    assert len(steps) == 3 * 40
    killed("killed", at=55)
    assert len(list(cache.rglob("*.json"))) == 1, "the result of the first seed"
    assert losses("killed") == steps[:55]
    assert finished("resumed") == expected
    assert losses("resumed") == steps[54:], "the very bits; the step that was killed has no checkpoint and comes again"


def noise(*, train: int, test: int) -> dict[str, bytes]:
    """The files of MNIST, with noise for images."""
    sizes = (train, 28, 28), (train,), (test, 28, 28), (test,)
    contents = [idx(*size, seed=seed, below=10 if len(size) == 1 else 256) for seed, size in enumerate(sizes)]
    return dict(zip(MNIST, contents, strict=True))


def counting(calls: list[int], fails_with: int | None = None) -> Callable[[Run], float]:
    def check(run: Run) -> float:
        if run.seed == fails_with:
            raise RuntimeError("out of memory")
        calls.append(run.seed)
        net = network()
        run.train("a", net, sgd(net), *examples(), batch=8, steps=2)
        return run.seed / 10

    return check


def test_finished_seeds_are_not_trained_again_until_forgotten(tmp_path: Path) -> None:
    calls: list[int] = []
    with pytest.raises(RuntimeError):
        measure("p", claim(), counting(calls, fails_with=3))
    assert calls == [1, 2]
    outcome = measure("p", claim(), counting(calls))
    assert calls == [1, 2, 3]
    assert outcome.measured == [0.1, 0.2, 0.3]
    assert sorted(outcome.curves) == [1, 2, 3]
    assert not list(tmp_path.rglob("*.pt")), "no checkpoint of a finished seed is left"
    training.forget("p", claim())
    assert not (tmp_path / "cache/repro/training/p/converges").exists()
    measure("p", claim(), counting(calls))
    assert calls == [1, 2, 3, 1, 2, 3]


def test_what_belongs_to_another_state_of_things_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    measure("p", claim(), counting(calls))
    measure("p", claim(training={"protocol": "otherwise"}), counting(calls))
    assert calls == [1, 2, 3] * 2, "another claim"
    monkeypatch.setattr("catalog.verify.ledger.fingerprints", lambda *_: {"code": "changed"})
    measure("p", claim(training={"protocol": "otherwise"}), counting(calls))
    assert calls == [1, 2, 3] * 3, "other code"


def test_other_data_are_another_state(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = load("digits")
    on_digits, calls = claim(training={"data": "digits"}), []
    monkeypatch.setattr(Source, "load", lambda *_: digits)
    measure("p", on_digits, counting(calls))
    monkeypatch.setattr(Source, "load", lambda *_: replace(digits, fingerprint="another"))
    assert measure("p", on_digits, counting(calls)).data == "another"
    assert calls == [1, 2, 3] * 2


def test_damaged_leftovers_are_ignored(tmp_path: Path) -> None:
    calls: list[int] = []
    expected = measure("p", claim(), counting(calls)).curves
    for file in tmp_path.rglob("*.json"):
        file.write_text("{")
        place = file.with_suffix("")
        place.mkdir()
        run = Run(0, folder=place)
        checkpoint = run._checkpoint("a")
        assert checkpoint is not None
        checkpoint.write_bytes(b"PK\3\4 no checkpoint")
    assert measure("p", claim(), counting(calls)).curves == expected
    assert calls == [1, 2, 3] * 2


def test_without_a_cache_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "cache_folder", lambda: None)
    calls: list[int] = []
    assert measure("p", claim(), counting(calls)).measured == [0.1, 0.2, 0.3]
    training.forget("p", claim())


def test_a_cache_that_cannot_be_written_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", no_space)
    monkeypatch.setattr("catalog.layout.write_atomically", no_space)
    assert measure("p", claim(training={"seeds": [1]}), counting([]), checkpoint_every=0).measured == [0.1]


# --- Seeds -----------------------------------------------------------------------------------------------------------


def measured(values: Callable[[Run], object], **how: Any) -> Any:
    asked = claim(training=how)
    training.forget("p", asked)
    return measure("p", asked, values).measured


def test_each_seed_or_their_mean() -> None:
    assert measured(lambda run: run.seed) == [1, 2, 3]
    assert measured(lambda run: {"gap": run.seed, "loss": 1}) == {"gap": [1, 2, 3], "loss": [1, 1, 1]}
    assert measured(lambda run: run.seed, aggregate="mean") == 2
    assert measured(lambda run: {"gap": run.seed**2}, aggregate="mean") == {"gap": pytest.approx(14 / 3)}
    assert measured(lambda run: {"gap": run.seed}, seeds=[7]) == {"gap": [7]}


def test_a_function_over_the_seeds() -> None:
    outcome = measure("p", claim(), lambda run: {"a": run.seed}, lambda series: {"best": min(series["a"])})
    assert outcome.measured == {"best": 1}


def test_each_and_mean_are_judged_as_they_are_meant() -> None:
    at_least = {"gap": {"at_least": 1.5}}
    values = {"gap": [1, 2, 3]}
    assert judge(claim(expect=at_least), values).reason.startswith("gap: measured 1, which is member 1 of 3")
    assert judge(claim(expect=at_least), {"gap": 2.0}).status is Status.CONSISTENT


def test_seeds_that_do_not_fit_together() -> None:
    with pytest.raises(MeasurementError, match="the check measured b with one seed and a with another"):
        measured(lambda run: {"a": 1} if run.seed == 1 else {"b": 1})
    with pytest.raises(MeasurementError, match=r"a: measured nan with one of the seeds, which is no finite number"):
        measured(lambda run: {"a": float("nan") if run.seed == 2 else 1.0}, aggregate="mean")
    nan = measured(lambda run: float("nan") if run.seed == 2 else 1.0)
    assert judge(claim(), nan).status is Status.FAILED


def test_every_seed_starts_alike_whatever_ran_before() -> None:
    draws: list[float] = []
    measured(lambda run: draws.append(torch.rand(()).item()) or 1)
    torch.rand(5)
    measured(lambda run: draws.append(torch.rand(()).item()) or 1)
    assert draws[:3] == draws[3:]
    assert len(set(draws)) == 3


# --- Data ------------------------------------------------------------------------------------------------------------


def test_data_of_a_run() -> None:
    digits = load("digits")
    assert Run(5, load=lambda _: digits).data("digits") is digits
    assert Run(0).data("digits").train.images.shape == (1297, 1, 8, 8), "tried by hand"


def test_only_the_data_that_the_claim_declares() -> None:
    with pytest.raises(MeasurementError, match="asks for the data set 'digits', the claim declares 'synthetic'"):
        measured(lambda run: len(run.data("digits").train.labels))
    with pytest.raises(MeasurementError, match="asks for the data set 'mnist', the claim declares 'digits'"):
        measured(lambda run: len(run.data("mnist").train.labels), data="digits")


def test_data_that_are_not_there() -> None:
    source = Source(absent={"mnist": "needs MNIST; no network"})
    with pytest.raises(CannotRunError, match="needs MNIST; no network"):
        measure("p", claim(training={"data": "mnist"}), lambda run: 1, source=source)


# --- Claims ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"expect": None}, "expect is missing"),
        ({"training": {"seeds": []}}, "needs seeds and minutes"),
        ({"training": {"minutes": None}}, "needs seeds and minutes"),
        ({"training": {"minutes": 0}}, "greater than 0"),
        ({"training": {"seeds": [1, 1]}}, "the same seed twice"),
        ({"training": {"data": "imagenet"}}, "can use mnist, cifar10, digits, synthetic, not 'imagenet'"),
        ({"training": {"aggregate": "no-name"}}, "aggregate"),
        ({"subject": {"variant": "x"}, "measure": "parameters"}, "is measured by check"),
        ({"printed": {"b": "5 %"}, "expect": {"a": {"at_least": 0}}}, "printed names b, which expect does not"),
    ],
)
def test_claims_that_could_not_run(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        claim(**fields)


def test_a_claim_without_a_check_is_only_declared() -> None:
    declared = claim(check=None, expect=None, training={"seeds": [], "minutes": None, "data": "JFT"})
    assert training.needs("p", declared, asked=True, by_name=True) == "no experiment is written yet"


def test_a_training_run_comes_as_near_to_a_printed_figure_as_the_record_says() -> None:
    error = partial(claim, basis="printed", printed="8.75 %", expect={"within": [0.0875, 0.005]})
    assert judge(error(), [0.0861, 0.0902]).status is Status.VERIFIED
    assert judge(error(), [0.0861, 0.0930]).status is Status.FAILED
    elsewhere = judge(error(expect={"within": [0.09, 0.001]}), [0.09])
    assert elsewhere.reason == "expected 0.09 ± 0.001, which leaves out the printed 8.75 %"
    assert elsewhere.status is Status.FAILED
    deviation = {"cause": "unknown", "explanation": "nobody knows"}
    assert judge(error(expect={"within": [0.09, 0.001]}, deviation=deviation), [0.09]).status is Status.DEVIATES
    assert judge(error(deviation=deviation), [0.0875]).reason == "nothing deviates: remove the deviation"


def test_the_claims_of_the_catalogue(library: Library) -> None:
    """Names of data are known, and what a full experiment may measure holds the printed figure."""
    for paper in library:
        for written in paper.claims:
            if written.training is None or written.check is None:
                continue
            assert written.training.data in (*NAMES, "synthetic")
            match written.printed:
                case str(figure):
                    assert judge(written, [value(figure)]).status is Status.VERIFIED, f"{paper.id} {written.id}"
                case dict(figures):
                    values = {name: value(figure) for name, figure in figures.items()}
                    assert judge(written, values).status is Status.VERIFIED, f"{paper.id} {written.id}"


def value(figure: str) -> float:
    return float(Figure.read(figure).value)


# --- The runner ------------------------------------------------------------------------------------------------------


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Install:
    def install(**functions: Any) -> None:
        module = types.ModuleType("reproductions.checks.xception")
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return install


def paper(*claims: Claim) -> Paper:
    return Paper(
        id="xception",
        name="A paper",
        title="A paper",
        authors=["A. Person"],
        published="2020",
        taxonomy=["topic"],
        summary="It says something.",
        claims=list(claims),
    )


def verdicts(record: Paper, **how: Any) -> list[tuple[str, str]]:
    report = verify(record, **how)
    forget(report)
    return [(claim.status.value, claim.reason) for claim in report.claims]


def test_training_is_run_only_when_asked_for(checks: Install) -> None:
    calls: list[int] = []
    checks(converges=counting(calls))
    record = paper(claim())
    unasked = [("not run", "a training run of about 2 minutes: repro verify xception --tier training")]
    assert verdicts(record) == unasked
    assert verdicts(record, tiers=list(Tier)[:3]) == []
    assert calls == []
    done = [("consistent", "agrees with the paper's effect, in an analogue")]
    assert verdicts(record, tiers=["training"]) == done
    assert verdicts(record, tiers=[Tier.TRAINING]) == done
    assert verdicts(record, claims=["converges"]) == done
    assert calls == [1, 2, 3] * 3, "nothing is remembered once it is forgotten"


def test_what_full_experiments_need(checks: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    checks(converges=lambda run: 1)
    full = paper(claim(training={"scale": "full", "minutes": 900}))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    by_name = [("not run", "needs a GPU for about 15 hours: repro verify xception --claim converges")]
    assert verdicts(full) == by_name
    assert verdicts(full, tiers=["training"]) == by_name
    assert verdicts(full, claims=["converges"]) == [("not run", "needs a GPU for about 15 hours; there is none here")]


def test_missing_data_and_libraries_are_needs(checks: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    checks(converges=lambda run: 1)
    record = paper(claim(training={"data": "mnist"}))
    monkeypatch.delenv("REPRO_DATA", raising=False)
    ((status, reason),) = verdicts(record, tiers=["training"])
    assert status == "not run"
    assert reason.startswith("needs MNIST: --data DIR (or REPRO_DATA), a folder with its four IDX files")
    source = Source(absent={"mnist": "needs MNIST; it could not be downloaded: no connection"})
    assert verdicts(record, tiers=["training"], source=source)[0][1].endswith("no connection")


def test_failures_of_an_experiment(checks: Install) -> None:
    checks(converges=counting([], fails_with=2))
    assert verdicts(paper(claim()), tiers=["training"]) == [("failed", "RuntimeError: out of memory")]
    checks(converges=counting([]))
    low = verdicts(paper(claim(expect={"at_least": 0.15})), tiers=["training"])
    assert low == [("failed", "measured 0.1, which is member 1 of 3, expected at least 0.15")]
    missing = verdicts(paper(claim(training={"aggregate": "best"})), tiers=["training"])
    assert missing == [("failed", "reproductions/checks/xception.py has no function best()")]


def test_a_function_of_the_checks_reads_the_seeds(checks: Install) -> None:
    checks(converges=lambda run: run.seed, best=lambda series: max(series[""]))
    ok = paper(claim(training={"aggregate": "best"}, expect={"equals": 3}))
    assert verdicts(ok, tiers=["training"])[0][0] == "consistent"


def test_a_copy_of_the_data_is_consistent_at_best(checks: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4)
    copy = Dataset("mnist", Split(images, labels), Split(images, labels), "abc", is_release=False)
    monkeypatch.setattr(Source, "load", lambda *_: copy)
    checks(converges=lambda run: len(run.data("mnist").train.labels))
    record = paper(claim(basis="derived", training={"data": "mnist"}))
    expected = "agrees with the paper's statement (on a copy of mnist that differs from the release)"
    assert verdicts(record, tiers=["training"]) == [("consistent", expected)]
    monkeypatch.setattr(Source, "load", lambda *_: replace(copy, is_release=True))
    assert verdicts(record, tiers=["training"]) == [("verified", "agrees with the paper's statement")]


def test_progress_is_told(checks: Install) -> None:
    checks(converges=counting([]))
    told: list[str] = []
    verify(paper(claim()), tiers=["training"], on_step=told.append)
    assert told == [f"seed {seed}, a: 2 of 2 steps" for seed in (1, 2, 3)]


# --- The ledger ------------------------------------------------------------------------------------------------------


def test_what_is_recorded_of_a_training_run(checks: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "results_folder", lambda: tmp_path / "results")

    def check(run: Run) -> float:
        digits = run.data("digits")
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        return run.train(
            "linear", net, sgd(net, 1e-3), digits.train.images / 16, digits.train.labels, batch=64, steps=3
        ).last_epoch

    checks(converges=check)
    record = paper(claim(training={"data": "digits"}))
    ledger = Ledger("xception")
    assert ledger.record(verify(record, tiers=["training"]))
    (entry,) = Ledger.load("xception").entries
    assert (entry.environment, entry.seeds, list(entry.data)) == ("cpu", [1, 2, 3], ["digits"])
    assert entry.data["digits"] == load("digits").fingerprint
    assert len(entry.measured) == 3
    curves = json.loads((tmp_path / "results/curves/xception/converges.json").read_text())
    assert list(curves["seeds"]) == ["1", "2", "3"]
    assert [step for step, _ in curves["seeds"]["2"]["linear"]["loss"]] == [1, 2, 3]
    assert not Ledger.load("xception").is_stale(entry, record)
    again = verify(record, tiers=["training"])
    assert not Ledger.load("xception").differences(again)
    assert not Ledger.load("xception").record(again), "the same seeds give the same numbers"


# --- The experiments of the project ----------------------------------------------------------------------------------


def quick_claims() -> Iterator[Any]:
    for paper in Library.load():
        for written in paper.claims:
            if written.training is not None and written.check is not None and written.training.scale == "quick":
                yield pytest.param(paper.id, written, id=f"{paper.id}-{written.id}")


@pytest.mark.parametrize(("name", "written"), quick_claims())
def test_quick_experiments_measure_what_their_claims_expect(name: str, written: Claim) -> None:
    """All of an experiment but its length."""

    class Hasty(Run):
        def train(self, arm: str, network: Any, optimiser: Any, images: Any, labels: Any, **how: Any) -> Any:
            """Three steps, each of which is an epoch."""
            few = slice(how["batch"])
            how |= {"epochs": None, "steps": 3}
            return super().train(arm, network, optimiser, images[few], labels[few], **how)

    def data(asked: str) -> Dataset:
        assert written.training is not None
        assert asked == written.training.data
        digits = load("digits")
        if asked == "digits":
            return digits
        images, labels = nn.functional.pad(digits.train.images, (10, 10, 10, 10)), digits.train.labels
        return Dataset("mnist", Split(images, labels), Split(images[:9], labels[:9]), "", is_release=True)

    def measured(run: Run) -> Any:
        torch.manual_seed(run.seed)
        return getattr(checks, written.check or "")(run)

    checks = importlib.import_module(f"reproductions.checks.{name.replace('-', '_')}")
    assert written.training is not None
    result = measured(Hasty(0, written.subject, load=data))
    how = written.training.aggregate
    series = result if isinstance(result, dict) else {"": result}
    if how not in ("each", "mean"):
        result = getattr(checks, how)({quantity: [value] for quantity, value in series.items()})
    expected = written.expect if isinstance(written.expect, dict) else {"": written.expect}
    assert set(result if isinstance(result, dict) else {"": result}) == set(expected)
    assert all(math.isfinite(value) for value in series.values())


def test_the_recipe_for_cifar_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the full experiment but its length, on images that are mostly noise."""
    from reproductions.checks import resnet

    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (40, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (40,), generator=generator)
    cifar = Dataset("cifar10", Split(images, labels), Split(images[:9], labels[:9]), "", is_release=True)
    run = Run(0, Subject(variant="cifar-resnet20"), load=lambda _: cifar)
    error = resnet.cifar_10_error(run, iterations=5)
    assert 0 <= error <= 1
    assert run.curves["cifar-resnet20"]["test error"][-1] == [5, pytest.approx(error, rel=1e-4)]
    assert math.isfinite(run.curves["cifar-resnet20"]["loss"][-1][1] or math.nan)
