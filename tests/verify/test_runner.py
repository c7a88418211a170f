"""The runner: every claim gets a verdict, whatever the code under it does."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

from catalog.errors import CatalogError
from catalog.records import Paper, Status, Tier
from catalog.verify import peers
from catalog.verify.runner import ClaimReport, PaperReport, verify

if TYPE_CHECKING:
    from collections.abc import Callable

XCEPTION = {"variant": "xception", "input": [3, 75, 75]}


def paper(*claims: dict[str, Any], name: str = "xception") -> Paper:
    return Paper.model_validate(
        {
            "id": name,
            "name": "A paper",
            "title": "A paper",
            "authors": ["A. Person"],
            "published": "2020",
            "taxonomy": ["topic"],
            "summary": "It says something.",
            "claims": [{"statement": "something holds"} | claim for claim in claims],
        }
    )


def structure(**fields: Any) -> dict[str, Any]:
    return {
        "id": "parameters",
        "basis": "peer",
        "tier": "structure",
        "subject": {"variant": "xception"},
        "measure": "parameters",
        "expect": {"equals": 22_855_952},
        **fields,
    }


def prop(check: str, **fields: Any) -> dict[str, Any]:
    claim = {"id": check.replace("_", "-"), "basis": "derived", "tier": "property", "check": check}
    return claim | {"expect": {"equals": 1}, **fields}


def parity(**fields: Any) -> dict[str, Any]:
    peer = {"library": "timm", "model": "legacy_xception"}
    expect = {"outputs": {"at_most": 1e-10}, "gradients": {"at_most": 1e-8}}
    claim = {"id": "parity", "basis": "peer", "tier": "parity", "subject": XCEPTION, "peer": peer, "expect": expect}
    return claim | fields


def only(report: PaperReport) -> ClaimReport:
    (claim,) = report.claims
    return claim


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put functions in the place of a paper's checks."""

    def install(paper: str = "xception", **functions: Any) -> None:
        name = f"reproductions.checks.{paper.replace('-', '_')}"
        module = types.ModuleType(name)
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, name, module)

    return install


def test_each_tier_is_measured_by_its_own_means(checks: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    checks(one=lambda: 1)
    monkeypatch.setattr("catalog.verify.parity.measure", lambda *_: {"outputs": 0.0, "gradients": 1e-9})
    reports: list[ClaimReport] = []
    report = verify(
        paper(
            structure(),
            structure(id="by-check", measure=None, check="one", expect={"equals": 1}),
            prop("one"),
            parity(),
        ),
        on_claim=reports.append,
    )
    assert [claim.status for claim in report.claims] == [
        *(Status.CONSISTENT, Status.CONSISTENT, Status.VERIFIED, Status.CONSISTENT)
    ]
    assert [claim.measured for claim in report.claims] == [22_855_952, 1, 1, {"outputs": 0.0, "gradients": 1e-9}]
    assert tuple(reports) == report.claims
    assert not report.failed
    assert all(claim.seconds > 0 for claim in report.claims)


def test_document_for_machines(checks: Callable[..., None]) -> None:
    checks(parts=lambda: {"linear": float("nan"), "with_relu": (0.5, 1)})
    expect = {"linear": {"at_most": 1e-10}, "with_relu": {"within": [0.5, 0.5]}}
    report = verify(
        paper(prop("parts", expect=expect, source="Section 1.2", edition="arXiv v3"), structure(printed="22,855,952"))
    )
    document = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert document["paper"] == "xception"
    assert document["summary"] == {
        "verified": 0,
        "consistent": 1,
        "deviates": 0,
        "failed": 1,
        "not run": 0,
        "not checkable": 0,
    }
    first, second = document["claims"]
    assert list(first) == [
        *(
            "id",
            "tier",
            "basis",
            "statement",
            "source",
            "status",
            "printed",
            "expected",
            "measured",
            "reason",
            "seconds",
        )
    ]
    assert first["source"] == "Section 1.2, arXiv v3"
    assert first["status"] == "failed"
    assert first["expected"] == expect
    assert first["measured"] == {"linear": "nan", "with_relu": [0.5, 1]}
    assert first["reason"] == "linear: measured nan, which is no finite number"
    assert second["printed"] == "22,855,952"
    assert second["expected"] == {"equals": 22_855_952}
    assert report.failed


def raising(error: BaseException) -> Callable[[], object]:
    def check() -> object:
        raise error

    return check


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no\n  good"), "ValueError: no good"),
        (KeyError("x"), "KeyError: 'x'"),
        (SystemExit(0), "SystemExit: 0"),
        (MemoryError(), "MemoryError:"),
        (RecursionError("too deep"), "RecursionError: too deep"),
    ],
)
def test_what_a_check_raises_is_its_failure(checks: Callable[..., None], error: BaseException, reason: str) -> None:
    checks(bad=raising(error), good=lambda: 1)
    bad, good = verify(paper(prop("bad"), prop("good"))).claims
    assert (bad.status, bad.reason, bad.measured) == (Status.FAILED, reason, None)
    assert good.status is Status.VERIFIED


def test_random_numbers_are_the_same_every_time(checks: Callable[..., None]) -> None:
    import torch

    checks(first=lambda: torch.rand(()).item(), second=lambda: torch.rand(()).item())
    both = verify(paper(prop("first"), prop("second")))
    alone = verify(paper(prop("second")))
    assert [claim.measured for claim in both.claims] == 2 * [alone.claims[0].measured]


def test_interrupt_passes_through(checks: Callable[..., None]) -> None:
    checks(slow=raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        verify(paper(prop("slow")))


def test_what_a_check_prints_stays_out_of_the_results(
    checks: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    checks(loud=lambda: print("hello") or 1)  # type: ignore[func-returns-value]
    verify(paper(prop("loud")))
    assert capsys.readouterr() == ("", "hello\n")


def test_checks_that_are_not_there(checks: Callable[..., None]) -> None:
    checks(extreme_inception=lambda: 1, _hidden=1)
    report = only(verify(paper(prop("extreme_inceptions"))))
    assert report.status is Status.FAILED
    assert report.reason == (
        "reproductions/checks/xception.py has no function extreme_inceptions(); did you mean extreme_inception()?"
    )
    report = only(verify(paper(prop("something"), name="no-such-paper")))
    assert report.status is Status.FAILED
    assert report.reason == "there is no reproductions/checks/no_such_paper.py, which has to hold the check something()"


def test_checks_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ModuleNotFoundError("No module named 'nowhere'", name="nowhere")

    monkeypatch.setattr("catalog.verify.runner.importlib.import_module", broken)
    report = only(verify(paper(prop("something"))))
    assert (report.status, report.reason) == (Status.FAILED, "ModuleNotFoundError: No module named 'nowhere'")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"subject": {"variant": "exception"}},
            "UnknownVariant: xception has no variant 'exception'; there are xception,",
        ),
        ({"subject": {"variant": "xception", "part": "exi"}}, "xception has no part 'exi'; it has exit among others"),
        (
            {"subject": {"variant": "xception", "options": {"clases": 1}}},
            "TypeError: build() got an unexpected keyword",
        ),
        ({"expect": {"equals": 22_855_953}}, "measured 22,855,952, expected 22,855,953"),
    ],
)
def test_structure_that_fails(fields: dict[str, Any], reason: str) -> None:
    report = only(verify(paper(structure(**fields))))
    assert report.status is Status.FAILED
    assert report.reason.startswith(reason)


def test_paper_without_a_module() -> None:
    report = only(verify(paper(structure(), name="no-such-paper")))
    assert report.status is Status.FAILED
    assert report.reason.startswith("UnknownReproduction: no module reproduces 'no-such-paper'")


def test_peer_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise peers.PeerNotInstalledError(name)

    monkeypatch.setattr(peers, "import_library", absent)
    report = only(verify(paper(parity())))
    assert (report.status, report.reason) == (Status.NOT_RUN, "needs timm: pip install 'repro[peers]'")


@pytest.mark.parametrize(
    ("library", "status", "reason"),
    [
        ("tensorly", Status.NOT_RUN, "needs tensorly: pip install 'repro[peers]'"),
        ("tensorli", Status.FAILED, "ModuleNotFoundError: No module named 'tensorli'"),
    ],
)
def test_check_whose_library_is_not_installed(
    checks: Callable[..., None], library: str, status: Status, reason: str
) -> None:
    def absent() -> float:
        raise ModuleNotFoundError(f"No module named '{library}'", name=library)

    checks(absent=absent)
    report = only(verify(paper(prop("absent"))))
    assert (report.status, report.reason) == (status, reason)


def test_what_is_not_run_says_what_it_needs() -> None:
    headline = {"basis": "printed", "tier": "headline", "printed": "79.0 %"}
    subject = {"variant": "xception", "weights": "timm:x", "data": "imagenet", "protocol": "single crop 299"}
    training = {"basis": "analogue", "tier": "training", "training": {"data": "digits", "protocol": "two arms"}}
    full = training | {"training": {"scale": "full", "data": "cifar10", "protocol": "64k steps"}}
    training["training"] = {"scale": "quick", "data": "digits", "protocol": "two arms"}
    report = verify(
        paper(
            {"id": "top-1", "subject": subject} | headline,
            {"id": "map"} | headline,
            {"id": "converges"} | training,
            {"id": "accuracy"} | full,
            {"id": "jft", "basis": "printed", "tier": "headline", "not_checkable": "a private data set"},
        )
    )
    assert [(claim.status.value, claim.reason) for claim in report.claims] == [
        (
            "not run",
            "needs the data set imagenet (single crop 299) and the weights timm:x; no measurement is recorded for it",
        ),
        ("not run", "needs data of the paper and trained weights, and none are named"),
        ("not run", "no experiment is written yet"),
        ("not run", "no experiment is written yet"),
        ("not checkable", "a private data set"),
    ]
    assert not report.failed


def test_selection(checks: Callable[..., None]) -> None:
    checks(one=lambda: 1, two=lambda: 1)
    record = paper(prop("one"), prop("two"), structure())

    def chosen(**selection: Any) -> list[str]:
        return [claim.id for claim in verify(record, **selection).claims]

    assert chosen() == ["one", "two", "parameters"]
    assert chosen(tiers=["structure"]) == ["parameters"]
    assert chosen(tiers=[Tier.PROPERTY, Tier.PARITY]) == ["one", "two"]
    assert chosen(claims=["parameters", "one"]) == ["one", "parameters"]
    assert chosen(claims=["two"], tiers=["structure"]) == []
    assert chosen(claims=[]) == []


def test_selection_of_what_is_not_there(checks: Callable[..., None]) -> None:
    record = paper(prop("one"), structure())
    with pytest.raises(CatalogError, match=r"no claim of xception is called 'parameter'; did you mean 'parameters'\?"):
        verify(record, claims=["parameter"])
    with pytest.raises(CatalogError, match=r"no tier is called 'structur'; did you mean 'structure'\?"):
        verify(record, tiers=["structur"])
    with pytest.raises(CatalogError, match="no claim of xception is called 'zzz'; there are one, parameters"):
        verify(record, claims=["zzz"])


def test_importing_the_verifier_does_not_import_torch() -> None:
    modules = [
        f"catalog.verify.{name}"
        for name in ("evaluate", "images", "ledger", "parity", "peers", "runner", "structure", "verdict", "weights")
    ]
    program = f"import sys, {', '.join(modules)}; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
