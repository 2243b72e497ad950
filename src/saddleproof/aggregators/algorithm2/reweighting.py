"""Algorithm 2: score the rows, take weight from those that stand out, drop, and stop in time.

    tau_i = (x_i - X W_i)' U (x_i - X W_i)             scores, from the method
    sum_i c_i tau_i <= 8 m sigma^2:  return the mean of A
    c_i <- (1 - tau_i / tau_max) c_i,   A <- A without {i: c_i <= 1/2}

A row that is out has weight 0 here, so c alone is the state and A = {c > 0}.

sigma enters the stop alone, not the path. If (61) holds for some sigma, Algorithm 2 with that sigma
stops before it has removed more than (9/7) alpha m of weight (docs/filtering.md, 1 and 3). So the
path that never asks for sigma, cut off there, passes through that state too, and its state of
least spread is at least as good. A sigma with which the stop does not come in time breaks (61).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.algorithm2.rank_one import Scores, View, leading
from saddleproof.arrays import Vector

#: A fall of the spread by more than this, one step beyond the budget, is no tail of honest rows.
SUSPICIOUS_FALL = 10.0


#: What a round sees to its scores.
Method = Callable[[View], Scores]


@dataclass(frozen=True)
class Reweighting:
    """The states that were chosen, one a query point.

    Attributes:
        c: (q, m) weights, in (1/2, 1], or 0 for rows that are out.
        spread: (q,) largest eigenvalue of the c-weighted scatter of the rows.
        primal, dual: (q,) bounds of the saddle value; dual <= saddle value <= primal.
        rounds: (q,) updates that led to the chosen state.
        stopped: (q,) whether the threshold was met within the budget.
        fell: (q,) whether the spread fell more than tenfold one step beyond the budget.
    """

    c: Vector
    spread: Vector
    primal: Vector
    dual: Vector
    rounds: NDArray[np.int_]
    stopped: NDArray[np.bool_]
    fell: NDArray[np.bool_]


def reweight(
    gram: Vector, start: Vector, alpha: float, threshold: Vector, method: Method
) -> Reweighting:
    """Follow Algorithm 2 from weights `start`, each query point on its own path.

    Args:
        gram: (q, m, m) Gram matrices with zeros at the rows that `start` leaves out.
        start: (q, m) weights, 1 or 0.
        alpha: the share of Byzantine rows.
        threshold: (q,) 8 m sigma^2; 0 where sigma is unknown.
        method: makes the scores.

    Returns:
        Reweighting, with the first state at the threshold where `stopped`, else with the state of
        least spread among those that have removed at most (9/7) alpha m of weight.
    """
    q, m = start.shape
    cap, budget = cap_of(alpha, m), budget_of(alpha, m)
    c, at = start.copy(), np.arange(q)  # at: the points that are still under way
    best, spread = start.copy(), np.full(q, np.inf)
    primal, dual, rounds = np.zeros(q), np.zeros(q), np.zeros(q, dtype=int)
    stopped, fell = np.zeros(q, dtype=bool), np.zeros(q, dtype=bool)
    for step in range(m + 1):  # every update drops a row
        removed = m - c[at].sum(axis=1)
        over = removed > budget * (1 + 1e-12)
        view = leading(gram if len(at) == q else gram[at], c[at], cap)
        fell[at] = over & (view.spread * SUSPICIOUS_FALL < spread[at])
        if step == 0:  # what is over from the start is the answer all the same, and looks bad
            spread[:], primal[:] = view.spread, view.spread
        at, view = at[~over], view.of(~over)
        if not len(at):
            break
        scores = method(view)
        total, highest = (c[at] * scores.tau).sum(axis=1), scores.tau.max(axis=1)
        done = (total <= threshold[at]) | (highest <= 0)
        better = (view.spread < spread[at]) | (done & (threshold[at] > 0)) | (step == 0)
        now = at[better]
        best[now], spread[now], rounds[now] = c[now], view.spread[better], step
        primal[now], dual[now] = scores.primal[better], scores.dual[better]
        stopped[at] = done
        at, tau, highest = at[~done], scores.tau[~done], highest[~done]
        shrunk = c[at] * (1 - tau / highest[:, None])
        c[at] = np.where(shrunk > 0.5, shrunk, 0.0)
        if not len(at):
            break
    return Reweighting(best, spread, primal, dual, rounds, stopped, fell)


def budget_of(alpha: float, m: int) -> float:
    """(9/7) alpha m: the most weight that Algorithm 2 removes under (61)."""
    return 9 / 7 * alpha * m


def cap_of(alpha: float, m: int) -> float:
    """The largest entry of W, (3 + alpha) / ((1 - alpha)(3 - alpha) m); m counts all rows."""
    return (3 + alpha) / ((1 - alpha) * (3 - alpha) * m)
