"""Sever (Diakonikolas, Kamath, Kane, Li, Steinhardt, Stewart, ICML 2019), for workers and samples.

    G = gradients of those that are in, about their mean;  v = top right singular vector of G
    tau_i = (v' G_i)^2;  those with the largest tau leave; repeat

Bad gradients can only matter together if they make a direction of large variance, and then they
have the largest scores along it. Here eps is the share that may be bad. As the authors run it, the
top eps/2 leave in each of 4 rounds, 2 eps in all; what is fitted in between is the user's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saddleproof import arguments
from saddleproof.aggregators.algorithm2.prune import prune
from saddleproof.aggregators.algorithm2.rank_one import leading
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.weighted import WeightedRule
from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError

Mask = NDArray[np.bool_]
#: Squared norms from which sums of them overflow.
HUGE = 1e290


@dataclass(frozen=True)
class Sever(WeightedRule):
    """Sever with one gradient per worker: drop 2b rows by their scores, average the rest.

    Conventions: 2b rows leave in all, bad or not, in `rounds` steps of ceil(2b / rounds), by
    default one row a step; the last two rows stay, since no score can tell them apart. One a step
    is what the breakdown point (m - 1)//2 rests on: while a row is far from the honest ones, the
    largest score is never an honest row's. With several a step, far rows in different directions
    can outlast the steps. Rows with NaN or Inf leave first, and count. The inexactness is the rank
    bound of `saddleproof.aggregators.inexactness`. Cost: two passes over the messages, O(m^2 d),
    and one eigenvector of an m x m matrix a step.

    Args:
        rounds: steps, at least 1; None for 2b, one row each. The authors take 4.

    Raises:
        OptionError: fewer than one round.

    >>> x = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [90.0, -90.0]])
    >>> Sever().estimate(x, b=1).kept
    array([False,  True,  True, False])
    """

    rounds: int | None = None

    def __post_init__(self) -> None:
        check_options(self)
        if self.rounds is not None and self.rounds < 1:
            raise OptionError(f"rounds must be at least 1, or None for 2b; got {self.rounds}")

    def breakdown(self, m: int) -> int:
        """(m - 1)//2, strictly fewer than half; for `rounds=None` only, see the class."""
        return (m - 1) // 2

    def weights(self, gram: Gram, b: int) -> Vector:
        """Even weights on the rows that are left."""
        m = len(gram)
        stays, pruned, _ = prune(gram.matrix[None], b / m, None)
        inside = stays[0] > 0
        a_step = 1 if self.rounds is None else math.ceil(2 * b / self.rounds)
        while (excess := int(inside.sum()) - max(m - 2 * b, 2)) > 0:
            p = leading(pruned, inside[None].astype(float), cap=1.0).p[0]
            leaves = highest(np.where(inside, p**2, 0.0), min(a_step, excess))
            if not leaves.any():
                break  # the rows that are left agree
            inside = inside & ~leaves
        with np.errstate(invalid="ignore"):  # where no row is finite, the answer is NaN
            found: Vector = inside / inside.sum()
        return found


def highest(tau: Vector, count: int) -> Mask:
    """(n,): the `count` largest scores; scores of 0 are never among them."""
    found = np.zeros(len(tau), dtype=bool)
    found[np.argsort(-tau, kind="stable")[:count]] = True
    return found & (tau > 0)


@dataclass(frozen=True)
class Severed:
    """What `sever_samples` found: w (d,) fitted to the samples that are `kept`, (n,) boolean."""

    w: Vector
    kept: Mask


def sever_samples(
    fit: Callable[[Mask], Vector],
    gradients: Callable[[Vector], Vector],
    n: int,
    *,
    epsilon: float,
    rounds: int = 4,
) -> Severed:
    """Sever against poisoned data: fit, drop the samples whose gradients stand out, fit again.

    Args:
        fit: (n,) boolean, the samples to use, to (d,): an approximate stationary point of their
            mean loss, by whatever learner.
        gradients: (d,) to (n, d), every sample's gradient of its loss there.
        n: number of samples.
        epsilon: the share of samples that may be bad, in [0, 1/2).
        rounds: fits after the first; ceil(epsilon n / 2) samples leave before each.

    Returns:
        Severed. Samples whose gradient is not finite, or overflows when squared, leave at once.

    Raises:
        OptionError: epsilon or rounds outside its range, fewer samples than are to leave, or
            gradients of another shape.

    Ten samples of a mean; the loss of sample z is (w - z)^2 / 2:

    >>> z = np.array([0.1, -0.1, 0.2, -0.2, 0.0, 0.1, -0.1, 0.0, 0.0, 50.0])[:, None]
    >>> found = sever_samples(lambda kept: z[kept].mean(axis=0), lambda w: w - z, 10, epsilon=0.1)
    >>> bool(found.kept[9]), bool(abs(found.w[0]) < 0.1)
    (False, True)

    Reference: Sever, Algorithm 1, with the filter of its experiments. Cost: rounds + 1 fits, and
    as many eigenvectors of min(n, d) sized matrices.
    """
    arguments.whole("n", n, least=1)
    arguments.whole("rounds", rounds, least=1)
    if not 0 <= arguments.real("epsilon", epsilon) < 0.5:
        raise OptionError(f"epsilon is a share of the samples in [0, 1/2); got {epsilon}")
    leave = math.ceil(epsilon * n / 2 - 1e-9)
    if n <= leave * rounds:
        raise OptionError(f"{rounds} rounds of {leave} would leave none of {n} samples")
    kept = np.ones(n, dtype=bool)
    w = fit(kept)
    for _ in range(rounds if leave else 0):
        rows = np.asarray(gradients(w), dtype=np.float64)
        if rows.shape != (n, len(w)):
            raise OptionError(f"gradients must have shape {(n, len(w))}; got {rows.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            kept = kept & ((rows**2).sum(axis=1) < HUGE)
        tau = np.zeros(n)
        tau[kept] = outlyingness(rows[kept])
        kept = kept & ~highest(tau, leave)
        w = fit(kept)
    return Severed(w, kept)


def outlyingness(rows: Vector) -> Vector:
    """(n, d) to (n,): squared projections of the centred rows on their top singular vector."""
    centred = rows - rows.mean(axis=0)
    n, d = centred.shape
    if n <= d:
        values, vectors = np.linalg.eigh(centred @ centred.T)
        return np.asarray(values[-1] * vectors[:, -1] ** 2)
    v = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    return np.asarray((centred @ v) ** 2)
