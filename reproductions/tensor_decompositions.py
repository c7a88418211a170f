"""Tensor Decompositions and Applications (Kolda, Bader, 2009).

Psychometrics, chemometrics and signal processing found their own ways to take arrays with more than two indices apart.
This survey puts them into one notation. CP writes a tensor as a sum of few outer products, Tucker as a small core that
is multiplied by a matrix in every mode. With two modes both are the singular value decomposition; beyond, each keeps
half of its virtues. The terms of CP have rank one and are often unique, but no direct method finds them, and the best
may not even exist. The factors of Tucker are orthogonal and easily truncated with little loss, but not unique.

Modes are counted from 0, and earlier indices vary fastest. The Kronecker product is ``torch.kron``, the Hadamard ``*``.
"""

from __future__ import annotations

from functools import reduce
from itertools import combinations
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

if TYPE_CHECKING:
    from collections.abc import Sequence

# --- Matrices and products (Sections 2.4 to 2.6) ---------------------------------------------------------------------


def _order(mode: int, modes: int) -> list[int]:
    """The order of the modes in which an unfolding, read row by row, runs through them."""
    return [mode, *(other for other in reversed(range(modes)) if other != mode)]


def unfold(x: Tensor, mode: int) -> Tensor:
    """The matrix X_(n) whose columns are the mode-n fibres: (I_0, I_1, ...) to (I_n, product of the others)."""
    return x.permute(_order(mode, x.ndim)).reshape(x.shape[mode], -1)


def fold(matrix: Tensor, mode: int, shape: Sequence[int]) -> Tensor:
    """The tensor of this shape whose mode-n unfolding is ``matrix``."""
    order = _order(mode, len(shape))
    return matrix.reshape([shape[i] for i in order]).movedim(list(range(len(shape))), order)


def mode_product(x: Tensor, u: Tensor, mode: int) -> Tensor:
    """Y = X x_n U, every mode-n fibre multiplied by the matrix: Y_(n) = U X_(n)."""
    shape = [*x.shape[:mode], len(u), *x.shape[mode + 1 :]]
    return fold(u @ unfold(x, mode), mode, shape)


def khatri_rao(*matrices: Tensor) -> Tensor:
    """Kronecker products column by column: (I, R), (J, R), ... to (I J ..., R)."""
    return reduce(lambda a, b: (a[:, None] * b).flatten(0, 1), matrices)


# --- The CP decomposition (Section 3) --------------------------------------------------------------------------------


class CP(NamedTuple):
    """A sum of outer products: the r-th columns of all factors, times weight r."""

    weights: Tensor  # R
    factors: list[Tensor]  # (I_n, R) for each mode, with columns of length one


def cp_to_tensor(weights: Tensor, factors: Sequence[Tensor]) -> Tensor:
    """The tensor X with X_(0) = A diag(weights) (... C (Khatri-Rao) B)^T."""
    first, *others = factors
    matrix = first * weights @ khatri_rao(*reversed(others)).T
    return fold(matrix, 0, [len(factor) for factor in factors])


def cp_als(x: Tensor, rank: int, *, sweeps: int, tolerance: float, start: Sequence[Tensor] | None = None) -> CP:
    """Alternating least squares: each factor in turn is the best one for the others as they are (Figure 3.3).

    Where it ends depends on the start, and on the way there it can crawl through a swamp where hardly anything changes.

    Args:
        x: the tensor.
        rank: number of outer products.
        sweeps: at most so many rounds over all factors.
        tolerance: a sweep that gains less than this share of the norm of ``x`` is the last.
        start: factors to begin with; Gaussian if omitted.
    """
    factors = list(start or [x.new_empty(size, rank).normal_() for size in x.shape])
    error = inf
    for _ in range(sweeps):
        for mode in range(x.ndim):
            others = factors[:mode] + factors[mode + 1 :]
            gram = reduce(torch.mul, [other.T @ other for other in others])
            factor = unfold(x, mode) @ khatri_rao(*reversed(others)) @ torch.linalg.pinv(gram)
            weights, factors[mode] = factor.norm(dim=0), normalize(factor, dim=0)
        before, error = error, (x - cp_to_tensor(weights, factors)).norm() / x.norm()
        if before - error < tolerance:
            break
    return CP(weights, factors)


def k_rank(a: Tensor) -> int:
    """The largest k for which any k columns are linearly independent (Section 3.2)."""
    for k in range(1, a.shape[1] + 1):
        choices = torch.stack([a[:, columns] for columns in combinations(range(a.shape[1]), k)])
        if torch.linalg.matrix_rank(choices).min() < k:
            return k - 1
    return a.shape[1]


def kruskal_condition(factors: Sequence[Tensor]) -> bool:
    """Whether the k-ranks add up to 2 R + N - 1, which makes a CP decomposition unique (Section 3.2)."""
    return sum(map(k_rank, factors)) >= 2 * factors[0].shape[1] + len(factors) - 1


def rank_2x2x2(x: Tensor) -> Tensor:
    """The rank over the real numbers of tensors in general position, 2 or 3: (..., 2, 2, 2) to (...) (Section 3.1).

    It is 2 where two combinations of the frontal slices A and B have rank one: where det(A + t B) has two real roots.
    """
    a, b = x.unbind(-1)
    constant, quadratic = torch.det(a), torch.det(b)
    linear = torch.det(a + b) - constant - quadratic
    return torch.where(linear**2 > 4 * constant * quadratic, 2, 3)


# --- The Tucker decomposition (Section 4) ----------------------------------------------------------------------------


class Tucker(NamedTuple):
    """A core multiplied by a factor in every mode."""

    core: Tensor  # R_0, R_1, ...
    factors: list[Tensor]  # (I_n, R_n) for each mode, with orthonormal columns


def tucker_to_tensor(core: Tensor, factors: Sequence[Tensor]) -> Tensor:
    """G x_0 A x_1 B x_2 C ..."""
    for mode, factor in enumerate(factors):
        core = mode_product(core, factor, mode)
    return core


def project(x: Tensor, factors: Sequence[Tensor], keep: int | None = None) -> Tensor:
    """X x_0 A^T x_1 B^T ..., but for the mode that is kept as it is."""
    for mode, factor in enumerate(factors):
        if mode != keep:
            x = mode_product(x, factor.T, mode)
    return x


def leading(matrix: Tensor, rank: int) -> Tensor:
    """The left singular vectors of the largest singular values."""
    return torch.linalg.svd(matrix, full_matrices=False).U[:, :rank]


def hosvd(x: Tensor, ranks: Sequence[int]) -> Tucker:
    """The higher-order SVD, truncated: each factor from its own unfolding (Figure 4.3)."""
    factors = [leading(unfold(x, mode), rank) for mode, rank in enumerate(ranks)]
    return Tucker(project(x, factors), factors)


def hooi(x: Tensor, ranks: Sequence[int], *, sweeps: int, tolerance: float) -> Tucker:
    """Higher-order orthogonal iteration: each factor from what the others leave of the tensor (Figure 4.4).

    Args:
        x: the tensor.
        ranks: size of the core.
        sweeps: at most so many rounds over all factors, after the HOSVD.
        tolerance: a sweep that lengthens the core by less than this share is the last.
    """
    core, factors = hosvd(x, ranks)
    for _ in range(sweeps):
        before = core.norm()
        for mode, rank in enumerate(ranks):
            factors[mode] = leading(unfold(project(x, factors, keep=mode), mode), rank)
        core = project(x, factors)
        if core.norm() < before * (1 + tolerance):
            break
    return Tucker(core, factors)
