"""The errors that people make with tensor decompositions, each made on purpose: a claim must turn red."""

from __future__ import annotations

import pytest
import torch

from catalog import Library
from catalog.records import Status, Tier
from catalog.verify.runner import verify
from reproductions.tensor_decompositions import CP, cp_als, cp_to_tensor, fold, hooi, k_rank, tucker_to_tensor, unfold
from tests.reproductions.broken import CHEAP, red_claims

# An error, what is changed into what, and one claim that must notice.
# fmt: off
ERRORS = {
    # The order in which an unfolding runs through the other modes
    "later indices fastest": (
        "for other in reversed(range(modes)) if other != mode", "for other in range(modes) if other != mode",
        "unfoldings"),
    "cyclic order": (
        "[mode, *(other for other in reversed(range(modes)) if other != mode)]",
        "[(mode + i) % modes for i in range(modes)]", "unfoldings"),
    "tensor folded in another order": (".movedim(list(range(len(shape))), order)", ".permute(order)", "unfoldings"),
    "mode not moved back": ("return fold(u @ unfold(x, mode), mode, shape)",
                            "return (u @ unfold(x, mode)).reshape(shape)", "worked-mode-product"),
    # Products
    "Khatri-Rao in the other order": ("(a[:, None] * b)", "(a * b[:, None])", "khatri-rao-identities"),
    "CP with the first mode first": (
        "matrix = first * weights @ khatri_rao(*reversed(others)).T",
        "matrix = first * weights @ khatri_rao(*others).T", "matricised-forms"),
    "CP without weights": ("matrix = first * weights @", "matrix = first @", "matricised-forms"),
    # Rank
    "sign of the discriminant": ("linear**2 > 4", "linear**2 < 4", "typical-ranks"),
    "discriminant without its 4": ("> 4 * constant", "> constant", "typical-ranks"),
    "mixed term not isolated": ("torch.det(a + b) - constant - quadratic", "torch.det(a + b)", "known-ranks"),
    "k-rank as rank": (".min() < k", ".max() < k", "k-ranks"),
    "k-rank off by one": ("return k - 1", "return k", "k-ranks"),
    "Kruskal's condition for matrices": ("+ len(factors) - 1", "+ 1", "k-ranks"),
    "Kruskal's condition always for three": ("+ len(factors) - 1", "+ 2", "k-ranks"),
    # Alternating least squares
    "all factors from those before": (
        "others = factors[:mode] + factors[mode + 1 :]", "others = [*start[:mode], *start[mode + 1 :]]", "als-sweep"),
    "Gram matrices added": ("reduce(torch.mul, [other.T", "reduce(torch.add, [other.T", "als-sweep"),
    "Gram matrices multiplied": ("reduce(torch.mul, [other.T", "reduce(torch.matmul, [other.T", "als-sweep"),
    "no inverse": (" @ torch.linalg.pinv(gram)", "", "als-sweep"),
    "columns not normalised": ("normalize(factor, dim=0)", "factor", "als-sweep"),
    "rows normalised": ("normalize(factor, dim=0)", "normalize(factor, dim=1)", "als-sweep"),
    "stops where it should go on": ("before - error < tolerance", "before - error > tolerance", "als-improves"),
    "never stops": ("before - error < tolerance", "error < tolerance", "als-improves"),
    "start ignored": ("list(start or [", "list([", "als-sweep"),
    # Tucker
    "HOSVD for HOOI": (
        "    for _ in range(sweeps):\n        before = core.norm()", "    for _ in ():\n        before = core.norm()",
        "hosvd-and-hooi"),
    "smallest singular vectors": (".U[:, :rank]", ".U[:, -rank:]", "full-ranks"),
    "core in another order": (
        "mode_product(x, factor.T, mode)", "mode_product(x, factor.T.flip(0), mode)", "full-ranks"),
    "core of the sweep before": ("        core = project(x, factors)\n", "", "hooi-sweep"),
    "nothing projected": (
        "leading(unfold(project(x, factors, keep=mode), mode), rank)", "leading(unfold(x, mode), rank)", "hooi-sweep"),
}
# fmt: on


@pytest.mark.parametrize(("old", "new", "claim"), ERRORS.values(), ids=ERRORS)
def test_an_error_turns_a_claim_red(old: str, new: str, claim: str) -> None:
    assert red_claims("tensor_decompositions", old, new, claims=[claim]) == {claim}


def test_reversed_factors_part_from_tensorly() -> None:
    pytest.importorskip("tensorly")
    claim = "parity-tensorly-parafac"
    assert red_claims(
        "tensor_decompositions",
        "unfold(x, mode) @ khatri_rao(*reversed(others))",
        "unfold(x, mode) @ khatri_rao(*others)",
        tiers=[Tier.PARITY],
        claims=[claim],
    ) == {claim}


def test_without_an_error_nothing_is_red() -> None:
    report = verify(Library.load()["tensor-decompositions"], tiers=CHEAP)
    assert not [(claim.id, claim.reason) for claim in report.claims if claim.status is not Status.VERIFIED]


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4, 5)])
def test_folding_undoes_unfolding(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    for mode in range(len(shape)):
        assert torch.equal(fold(unfold(x, mode), mode, shape), x)


def test_two_modes_are_the_singular_value_decomposition() -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 4, dtype=torch.float64)
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    best = u[:, :2] * s[:2] @ vh[:2]
    tucker = hooi(x, (2, 2), sweeps=100, tolerance=1e-14)
    assert torch.allclose(tucker_to_tensor(*tucker), best)
    assert torch.allclose(cp_to_tensor(*cp_als(x, 2, sweeps=1000, tolerance=1e-14)), best, atol=1e-6)


def test_a_cp_tensor_without_error_is_left_alone() -> None:
    torch.manual_seed(0)
    factors = [torch.randn(size, 2, dtype=torch.float64) for size in (3, 4, 5)]
    cp = CP(torch.ones(2, dtype=torch.float64), factors)
    again = cp_als(cp_to_tensor(*cp), 2, sweeps=10, tolerance=1e-10, start=factors)
    assert torch.allclose(cp_to_tensor(*again), cp_to_tensor(*cp))
    assert k_rank(factors[0]) == 2
