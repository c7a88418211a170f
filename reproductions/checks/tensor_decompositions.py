"""Measurements of the products and decompositions."""

from __future__ import annotations

from functools import partial, reduce
from itertools import pairwise, permutations
from math import inf
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reproductions.checks.measuring import distance
from reproductions.tensor_decompositions import (
    CP,
    cp_als,
    cp_to_tensor,
    fold,
    hooi,
    hosvd,
    k_rank,
    khatri_rao,
    kruskal_condition,
    mode_product,
    project,
    rank_2x2x2,
    tucker_to_tensor,
    unfold,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Named = dict[str, float | int | list[float] | list[int]]

# Until a sweep changes nothing that could be told from rounding.
_als = partial(cp_als, tolerance=1e-10)
_hooi = partial(hooi, sweeps=1000, tolerance=1e-12)


def _generator(seed: int) -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda *size: torch.randn(*size, dtype=torch.float64, generator=generator)


def _relative(a: Tensor, b: Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


def _ones(rank: int) -> Tensor:
    return torch.ones(rank, dtype=torch.float64)


# --- Matrices and products -------------------------------------------------------------------------------------------


def _example() -> tuple[Tensor, Tensor]:
    """The tensor of the survey, 1 to 24 in a 3 x 4 x 2 array with earlier indices fastest, and its matrix U."""
    return torch.arange(1, 25).reshape(2, 4, 3).permute(2, 1, 0), torch.tensor([[1, 3, 5], [2, 4, 6]])


def worked_unfoldings() -> Named:
    """First rows of the three unfoldings of the survey's example, their shapes, and what folding them changes."""
    x, _ = _example()
    matrices = [unfold(x, mode) for mode in range(3)]
    rows: Named = {f"row_{mode + 1}": matrix[0].tolist() for mode, matrix in enumerate(matrices)}
    shapes: Named = {f"shape_{mode + 1}": list(matrix.shape) for mode, matrix in enumerate(matrices)}
    folded = [distance(fold(matrix, mode, x.shape), x) for mode, matrix in enumerate(matrices)]
    return rows | shapes | {"folded": max(folded)}


def worked_mode_product() -> Named:
    """The rows of both frontal slices of X x_1 U."""
    y = mode_product(*_example(), 0)
    return {f"slice_{k + 1}_row_{i + 1}": y[i, :, k].tolist() for k in range(2) for i in range(2)}


def mode_products() -> Named:
    """Products in two modes in either order; two in one mode against one with the product, and with the wrong one."""
    random = _generator(1)
    x, a, b, c = random(3, 4, 5, 2), random(6, 4), random(7, 2), random(6, 6)
    twice = mode_product(mode_product(x, a, 1), c, 1)
    either = mode_product(mode_product(x, a, 1), b, 3), mode_product(mode_product(x, b, 3), a, 1)
    return {
        "different_modes": distance(*either),
        "same_mode": distance(twice, mode_product(x, c @ a, 1)),
        "transposed": distance(twice, mode_product(x, c.T @ a, 1)),
        "summed": distance(mode_product(x, a, 1), torch.einsum("ijkl,mj->imkl", x, a)),
    }


def khatri_rao_identities() -> Named:
    """The identities of Section 2.6 for random matrices of 5, 4 and 6 rows and 3 columns."""
    random = _generator(2)
    a, b, c = random(5, 3), random(4, 3), random(6, 3)
    product, gram = khatri_rao(a, b), (a.T @ a) * (b.T @ b)
    columns = torch.stack([torch.kron(a[:, r], b[:, r]) for r in range(3)], dim=1)
    return {
        "columns": distance(product, columns),
        "gram": distance(product.T @ product, gram),
        "pseudo_inverse": distance(torch.linalg.pinv(product), torch.linalg.pinv(gram) @ product.T),
        "associative": distance(khatri_rao(product, c), khatri_rao(a, khatri_rao(b, c))),
        "of_three": distance(khatri_rao(a, b, c), khatri_rao(product, c)),
        "swapped": distance(product, khatri_rao(b, a)),
    }


def matricised() -> Named:
    """Unfoldings of CP and Tucker tensors with four modes against their matrix forms; and with products reversed."""
    random = _generator(3)
    sizes, rank, ranks = (3, 4, 5, 2), 3, (2, 3, 2, 2)
    weights, factors = random(rank), [random(size, rank) for size in sizes]
    core, matrices = random(*ranks), [random(*shape) for shape in zip(sizes, ranks, strict=True)]
    cp, tucker = cp_to_tensor(weights, factors), tucker_to_tensor(core, matrices)
    differences: dict[str, list[float]] = {"cp": [], "cp_reversed": [], "tucker": [], "tucker_reversed": []}
    for mode in range(4):
        others = [other for other in range(4) if other != mode]
        for name, order in (("", others[::-1]), ("_reversed", others)):
            right = khatri_rao(*(factors[other] for other in order)).T
            differences[f"cp{name}"].append(distance(unfold(cp, mode), factors[mode] * weights @ right))
            right = reduce(torch.kron, [matrices[other] for other in order]).T
            form = matrices[mode] @ unfold(core, mode) @ right
            differences[f"tucker{name}"].append(distance(unfold(tucker, mode), form))
    summed = torch.einsum("r,ir,jr,kr,lr->ijkl", weights, *factors)
    multiplied = torch.einsum("abcd,ia,jb,kc,ld->ijkl", core, *matrices)
    return {
        "cp_summed": distance(cp, summed),
        "tucker_summed": distance(tucker, multiplied),
        "cp": max(differences["cp"]),
        "tucker": max(differences["tucker"]),
        "cp_reversed": min(differences["cp_reversed"]),
        "tucker_reversed": min(differences["tucker_reversed"]),
    }


# --- Rank ------------------------------------------------------------------------------------------------------------


def typical_ranks() -> Named:
    """Shares of 2,000,000 Gaussian 2 x 2 x 2 tensors that have rank 2 and rank 3."""
    generator = torch.Generator().manual_seed(0)
    draws = [rank_2x2x2(torch.randn(500_000, 2, 2, 2, generator=generator)) for _ in range(4)]
    ranks = torch.cat(draws)
    return {f"rank_{rank}": (ranks == rank).double().mean().item() for rank in (2, 3)}


def _rotation() -> Tensor:
    """The survey's example: its frontal slices are the identity and a rotation, which has no real eigenvector."""
    return torch.stack([torch.eye(2), torch.tensor([[0.0, 1.0], [-1.0, 0.0]])], dim=-1).double()


def known_ranks() -> Named:
    """How many of 1000 sums of two random rank-one tensors are given rank 2; and two tensors of rank 3."""
    a, b, c = _generator(4)(3, 1000, 2, 2)
    sums = torch.einsum("sir,sjr,skr->sijk", a, b, c)
    limit = torch.zeros(2, 2, 2)  # a1 b1 c2 + a1 b2 c1 + a2 b1 c1
    limit[0, 0, 1] = limit[0, 1, 0] = limit[1, 0, 0] = 1
    return {
        "sums_of_two": int((rank_2x2x2(sums) == 2).sum()),
        "rotation": int(rank_2x2x2(_rotation())),
        "limit": int(rank_2x2x2(limit)),
    }


def rank_and_field() -> Named:
    """The survey's three real outer products and two complex ones against the one tensor that both add up to."""
    real = [[[1, 0, 1], [0, 1, -1]], [[1, 0, 1], [0, 1, 1]], [[1, 1, 0], [-1, 1, 1]]]
    # With the factor 1/sqrt(2) of each of the first two matrices in the third.
    imaginary = [[[1, 1], [-1j, 1j]], [[1, 1], [1j, -1j]], [[0.5, 0.5], [-0.5j, 0.5j]]]
    three = [torch.tensor(factor, dtype=torch.float64) for factor in real]
    two = [torch.tensor(factor, dtype=torch.complex128) for factor in imaginary]
    return {
        "three_real": distance(cp_to_tensor(_ones(3), three), _rotation()),
        "two_complex": distance(cp_to_tensor(_ones(2).to(torch.complex128), two), _rotation()),
    }


def border_rank() -> Named:
    """A sum of three outer products and its approximations by two, for t = 10, 100 and 1000.

    ``norm`` is that of one of the two. ``ranks`` are those of 2 x 2 x 2 tensors that are made in the same way.
    """
    random = _generator(5)
    a, b, c = random(4, 2), random(5, 2), random(6, 2)

    def tensors(a: Tensor, b: Tensor, c: Tensor, t: float) -> tuple[Tensor, CP]:
        x = cp_to_tensor(_ones(3), [a[:, [0, 0, 1]], b[:, [0, 1, 0]], c[:, [1, 0, 0]]])
        pairs = [torch.stack([m[:, 0] + m[:, 1] / t, m[:, 0]], dim=1) for m in (a, b, c)]
        return x, CP(torch.tensor([t, -t], dtype=torch.float64), pairs)

    errors, norms, predicted, ranks = [], [], [], []
    unit = torch.eye(2, dtype=torch.float64)
    for t in (10.0, 100.0, 1000.0):
        x, y = tensors(a, b, c, t)
        rest = [a[:, [1, 1, 0, 1]], b[:, [1, 0, 1, 1]], c[:, [0, 1, 1, 1]]]
        formula = cp_to_tensor(torch.tensor([1, 1, 1, 1 / t], dtype=torch.float64), rest).norm().item() / t
        errors.append((x - cp_to_tensor(*y)).norm().item())
        norms.append(cp_to_tensor(y.weights[:1], [m[:, :1] for m in y.factors]).norm().item())
        predicted.append(abs(errors[-1] / formula - 1))
        ranks.append(int(rank_2x2x2(cp_to_tensor(*tensors(unit, unit, unit, t)[1]))))
    return {
        "error": errors,
        "falls_by": [errors[0] / errors[1], errors[1] / errors[2]],
        "off_formula": max(predicted),
        "norm": norms,
        "ranks": ranks,
    }


def fast_multiplication() -> Named:
    """Strassen's seven products against the tensor of 2 x 2 matrix multiplication, and what that looks like."""
    target = torch.zeros(4, 4, 4, dtype=torch.float64)
    for i in range(2):
        for j in range(2):
            for k in range(2):
                target[2 * i + k, 2 * k + j, 2 * i + j] = 1  # entries of A, of B and of their product, row by row
    # A column for each of Strassen's products: what it takes of A and of B, and where it goes.
    a = [[1, 0, 1, 0, 1, -1, 0], [0, 0, 0, 0, 1, 0, 1], [0, 1, 0, 0, 0, 1, 0], [1, 1, 0, 1, 0, 0, -1]]
    b = [[1, 1, 0, -1, 0, 1, 0], [0, 0, 1, 0, 0, 1, 0], [0, 0, 0, 1, 0, 0, 1], [1, 0, -1, 0, 1, 0, 1]]
    c = [[1, 0, 0, 1, -1, 0, 1], [0, 0, 1, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0, 0], [1, -1, 1, 0, 0, 1, 0]]
    factors = [torch.tensor(factor, dtype=torch.float64) for factor in (a, b, c)]
    return {
        "difference": distance(cp_to_tensor(_ones(7), factors), target),
        "products": factors[0].shape[1],
        "ones": int(target.sum()),
        "mode_ranks": [int(torch.linalg.matrix_rank(unfold(target, mode))) for mode in range(3)],
    }


# --- Alternating least squares ---------------------------------------------------------------------------------------


def _start(random: Callable[..., Tensor], sizes: Sequence[int], rank: int) -> list[Tensor]:
    return [random(size, rank) for size in sizes]


def one_sweep() -> Named:
    """One sweep over a tensor with four modes against least squares by an orthogonal factorisation, mode by mode."""
    random = _generator(6)
    x, rank = random(4, 3, 5, 2), 3
    start = _start(random, x.shape, rank)
    a, b, c, d = start

    def solve(products: Tensor, mode: int) -> Tensor:
        return torch.linalg.lstsq(products.flatten(0, 2), x.movedim(mode, -1).flatten(0, 2)).solution.T

    a = solve(torch.einsum("jr,kr,lr->jklr", b, c, d), 0)
    b = solve(torch.einsum("ir,kr,lr->iklr", a, c, d), 1)
    c = solve(torch.einsum("ir,jr,lr->ijlr", a, b, d), 2)
    d = solve(torch.einsum("ir,jr,kr->ijkr", a, b, c), 3)
    cp = _als(x, rank, start=start, sweeps=1)
    lengths = torch.stack([factor.norm(dim=0) for factor in cp.factors])
    return {
        "tensor": distance(cp_to_tensor(*cp), torch.einsum("ir,jr,kr,lr->ijkl", a, b, c, d)),
        "lengths": distance(lengths, torch.ones_like(lengths)),
        "smallest_weight": cp.weights.min().item(),
    }


def sweeps_of_als() -> Named:
    """Relative errors after 1 to 30 sweeps, how far apart from those a tolerance stops, and a start left to chance."""
    random = _generator(7)
    x = random(5, 6, 7)
    start, norm = _start(random, x.shape, 3), x.norm()

    def error(sweeps: int, tolerance: float) -> float:
        cp = cp_als(x, 3, start=start, sweeps=sweeps, tolerance=tolerance)
        return ((x - cp_to_tensor(*cp)).norm() / norm).item()

    errors = [error(sweeps, -inf) for sweeps in range(1, 31)]
    gains = [before - after for before, after in pairwise(errors)]
    first = next(number for number, gain in enumerate(gains) if gain < 1e-3)
    torch.manual_seed(0)
    return {
        "largest_rise": max(-gain for gain in gains),
        "stops_late": error(100, 1e-3) - errors[first + 1],
        "last_gain": gains[first],
        "gain_before": gains[first - 1],
        "from_chance": _relative(cp_to_tensor(*_als(x, 3, sweeps=100)), x),
    }


def k_ranks() -> Named:
    """k-ranks of matrices of which they are known, and whether Kruskal's condition holds at and beyond its limit."""
    random = _generator(8)
    generic, equal = random(6, 4), random(6, 4)
    equal[:, 1] = -2 * equal[:, 0]
    dependent = torch.eye(4, 3)
    dependent[:, 2] = dependent[:, 0] + dependent[:, 1]
    cubes = {rank: [random(4, rank) for _ in range(3)] for rank in (5, 6)}
    return {
        "generic": k_rank(generic),
        "wide": k_rank(random(4, 6)),
        "two_collinear": k_rank(equal),
        "three_in_a_plane": k_rank(torch.cat([dependent, torch.eye(4)[:, 3:]], dim=1)),
        "a_zero_column": k_rank(torch.eye(4, 3) * torch.tensor([1.0, 0.0, 1.0])),
        "unique_4x4x4_of_5": kruskal_condition(cubes[5]),
        "unique_4x4x4_of_6": kruskal_condition(cubes[6]),
        "unique_with_collinear": kruskal_condition([equal, random(7, 4), random(8, 4)]),
        "unique_with_four_modes": kruskal_condition([random(2, 2) for _ in range(4)]),
        "unique_with_four_modes_of_3": kruskal_condition([random(2, 3) for _ in range(4)]),
    }


def _match(found: Sequence[Tensor], true: Sequence[Tensor]) -> float:
    """Products of cosines between columns of two sets of factors: the smallest, for the assignment that is best."""
    unit = [[factor / factor.norm(dim=0) for factor in factors] for factors in (found, true)]
    cosines = reduce(torch.mul, [(a.T @ b).abs() for a, b in zip(*unit, strict=True)])
    rank = range(len(cosines))
    return max(cosines[rank, list(order)].min().item() for order in permutations(rank))


def _decompositions(sizes: Sequence[int], rank: int, starts: int, sweeps: int) -> list[tuple[float, float]]:
    """For seeds 0 to 9, the error of the best of so many starts (or of the first exact one) and its match."""
    best = []
    for seed in range(10):
        random = _generator(seed)
        factors = _start(random, sizes, rank)
        x, found = cp_to_tensor(_ones(rank), factors), []
        while len(found) < starts and min(found, default=(1.0,))[0] > 1e-6:
            cp = _als(x, rank, start=_start(random, sizes, rank), sweeps=sweeps)
            found.append((_relative(cp_to_tensor(*cp), x), _match(cp.factors, factors)))
        best.append(min(found))
    return best


def uniqueness() -> Named:
    """Decompositions of tensors that meet Kruskal's condition, and two of one that does not meet it.

    ``found`` counts exact ones, ``match`` is their worst; ``error_when_astray`` is the smallest with wrong factors.
    """
    easy = _decompositions((6, 7, 8), 4, starts=3, sweeps=500)
    hard = _decompositions((4, 4, 4), 5, starts=1, sweeps=1000)
    matches = [[match for error, match in results if error < 1e-6] for results in (easy, hard)]
    random = _generator(9)
    a, b, c = true = [random(size, 4) for size in (6, 7, 8)]
    a[:, 1] = a[:, 0]
    mixing = torch.tensor([[1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64)
    other = [a, b.clone(), c.clone()]
    other[1][:, :2] = b[:, :2] @ mixing
    other[2][:, :2] = c[:, :2] @ torch.linalg.inv(mixing).T
    return {
        "found_6x7x8": len(matches[0]),
        "match_6x7x8": min(matches[0], default=0.0),
        "found_4x4x4": len(matches[1]),
        "match_4x4x4": min(matches[1], default=0.0),
        "error_when_astray": min((error for error, match in hard if match < 0.6), default=1.0),
        "collinear_difference": distance(cp_to_tensor(_ones(4), true), cp_to_tensor(_ones(4), other)),
        "collinear_match": _match(other, true),
    }


# --- Tucker ----------------------------------------------------------------------------------------------------------


def hosvd_and_hooi() -> Named:
    """Errors of rank (3, 3, 3) approximations to five Gaussian tensors of 8 x 9 x 10."""
    measured: dict[str, list[float]] = {}
    for seed in range(5):
        x = _generator(seed)(8, 9, 10)
        errors = {}
        for name, method in (("hosvd", hosvd), ("hooi", _hooi)):
            core, factors = method(x, (3, 3, 3))
            errors[name] = (x - tucker_to_tensor(core, factors)).norm().item()
            pythagoras = x.norm() ** 2 - core.norm() ** 2 - errors[name] ** 2
            measured.setdefault(f"{name}_pythagoras", []).append(abs(pythagoras.item()))
            skew = max(distance(f.T @ f, torch.eye(3, dtype=x.dtype)) for f in factors)
            measured.setdefault(f"{name}_skew", []).append(skew)
        discarded = sum(torch.linalg.svdvals(unfold(x, mode))[3:].square().sum().item() for mode in range(3))
        measured.setdefault("hosvd_over_hooi", []).append(errors["hosvd"] / errors["hooi"])
        measured.setdefault("room_to_bound", []).append(discarded - errors["hosvd"] ** 2)
    return dict(measured)


def full_ranks() -> Named:
    """A tensor of mode ranks (2, 3, 2) from cores of that size and of one less; and the core of a whole HOSVD.

    ``not_orthogonal`` is the largest product of two slices of that core, ``rise`` by how much one is longer than the
    one before, at most.
    """
    random = _generator(10)
    x = tucker_to_tensor(random(2, 3, 2), [random(5, 2), random(6, 3), random(4, 2)])
    core, _ = hosvd(random(3, 4, 5), (3, 4, 5))
    grams = [matrix @ matrix.T for matrix in (unfold(core, mode) for mode in range(3))]
    return {
        "hosvd": _relative(tucker_to_tensor(*hosvd(x, (2, 3, 2))), x),
        "hooi": _relative(tucker_to_tensor(*_hooi(x, (2, 3, 2))), x),
        "too_small": _relative(tucker_to_tensor(*_hooi(x, (2, 2, 2))), x),
        "not_orthogonal": max((gram - gram.diag().diag()).abs().max().item() for gram in grams),
        "rise": max(gram.diag().diff().max().item() for gram in grams),
    }


def sweeps_of_hooi() -> Named:
    """One sweep against eigenvectors, mode by mode; the core's length after 0 to 30, and where a tolerance stops."""
    x, ranks = _generator(11)(8, 9, 10), (2, 3, 4)
    factors = hosvd(x, ranks).factors
    for mode, rank in enumerate(ranks):
        matrix = unfold(project(x, factors, keep=mode), mode)
        factors[mode] = torch.linalg.eigh(matrix @ matrix.T).eigenvectors[:, -rank:]
    once = tucker_to_tensor(*_hooi(x, ranks, sweeps=1))
    lengths = [_hooi(x, ranks, sweeps=sweeps, tolerance=-1.0).core.norm().item() for sweeps in range(31)]
    gains = [after / before - 1 for before, after in pairwise(lengths)]
    first = next(number for number, gain in enumerate(gains) if gain < 1e-3)
    return {
        "sweep": distance(once, tucker_to_tensor(project(x, factors), factors)),
        "none": distance(tucker_to_tensor(*_hooi(x, ranks, sweeps=0)), tucker_to_tensor(*hosvd(x, ranks))),
        "smallest_gain": min(gains),
        "stops_late": _hooi(x, ranks, tolerance=1e-3).core.norm().item() - lengths[first + 1],
        "gain_before": gains[first - 1],
    }


# --- Parity ----------------------------------------------------------------------------------------------------------


def tensorly_products() -> Named:
    """Products and whole tensors against TensorLy, which unfolds with later indices fastest."""
    import tensorly as tl

    random = _generator(12)
    sizes, ranks = (3, 4, 5, 2), (2, 3, 2, 2)
    weights, factors = random(3), [random(size, 3) for size in sizes]
    core, matrices = random(*ranks), [random(*shape) for shape in zip(sizes, ranks, strict=True)]
    x = random(*sizes)

    def difference(ours: Tensor, theirs: object) -> float:
        return distance(ours, torch.as_tensor(theirs))

    numpy = [factor.numpy() for factor in factors]
    backwards = x.permute(3, 2, 1, 0).numpy()
    return {
        "khatri_rao": difference(khatri_rao(*factors), tl.tenalg.khatri_rao(numpy)),
        "mode_product": difference(
            mode_product(x, matrices[2].T, 2), tl.tenalg.mode_dot(x.numpy(), matrices[2].T.numpy(), 2)
        ),
        "cp": difference(cp_to_tensor(weights, factors), tl.cp_to_tensor((weights.numpy(), numpy))),
        "tucker": difference(
            tucker_to_tensor(core, matrices), tl.tucker_to_tensor((core.numpy(), [m.numpy() for m in matrices]))
        ),
        "unfold_backwards": max(difference(unfold(x, n), tl.unfold(backwards, 3 - n)) for n in range(4)),
        "unfold": min(difference(unfold(x, n), tl.unfold(x.numpy(), n)) for n in range(3)),
    }


def tensorly_parafac() -> Named:
    """Five sweeps of alternating least squares from the same start, and twenty, with TensorLy's own."""
    import tensorly as tl
    from tensorly.decomposition import parafac

    random = _generator(13)
    x, rank = random(5, 6, 7), 3
    start = _start(random, x.shape, rank)
    measured = {}
    for sweeps in (5, 20):
        init = tl.cp_tensor.CPTensor((_ones(rank).numpy(), [factor.numpy() for factor in start]))
        theirs = parafac(x.numpy(), rank, n_iter_max=sweeps, init=init, tol=0, normalize_factors=False)
        ours = cp_als(x, rank, start=start, sweeps=sweeps, tolerance=-inf)
        measured[f"sweeps_{sweeps}"] = distance(cp_to_tensor(*ours), torch.as_tensor(tl.cp_to_tensor(theirs)))
    return measured


def tensorly_tucker() -> Named:
    """Errors of HOOI and TensorLy's iteration from the same HOSVD, for five tensors, and both errors for the first."""
    import numpy as np
    import tensorly as tl
    from tensorly.decomposition import tucker

    differences, errors = [], []
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=(8, 9, 10))
        theirs = tucker(x, [3, 3, 3], init="svd", tol=1e-12, n_iter_max=5000)
        ours = tucker_to_tensor(*_hooi(torch.from_numpy(x), (3, 3, 3)))
        errors.append(np.linalg.norm(x - ours.numpy()).item())
        differences.append(abs(errors[-1] - np.linalg.norm(x - tl.tucker_to_tensor(theirs)).item()))
    first = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 9, 10)))
    return {
        "difference": differences,
        "hooi": errors[0],
        "hosvd": (first - tucker_to_tensor(*hosvd(first, (3, 3, 3)))).norm().item(),
    }


def scipy_products() -> Named:
    """The Khatri-Rao product and the subspaces of the HOSVD against SciPy."""
    from scipy import linalg

    random = _generator(14)
    a, b, x = random(5, 3), random(4, 3), random(4, 5, 6)
    factors = hosvd(x, (2, 3, 4)).factors
    spans = []
    for mode, factor in enumerate(factors):
        left = torch.from_numpy(linalg.svd(unfold(x, mode).numpy(), full_matrices=False)[0][:, : factor.shape[1]])
        spans.append(distance(factor @ factor.T, left @ left.T))
    return {
        "khatri_rao": distance(khatri_rao(a, b), torch.from_numpy(linalg.khatri_rao(a.numpy(), b.numpy()))),
        "subspaces": max(spans),
    }
