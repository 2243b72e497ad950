"""Algorithm 2 to the letter, for a sigma that is given: nothing is pruned, nothing stops it early.

    repeat:  W, U <- the saddle;  tau_i <- (x_i - X W_i)' U (x_i - X W_i)
             sum_i c_i tau_i <= 8 m sigma^2:  return the mean of A
             c_i <- (1 - tau_i / tau_max) c_i,   A <- A without {i: c_i <= 1/2}

Two things can happen that the paper is silent about, because (61) rules them out. Both happen only
where sigma is too small for the rows.

* Fewer than m (1 - alpha)(3 - alpha)/(3 + alpha) rows are left: no W is feasible, so there is no
  saddle. The rows that are left are the answer.
* An update would take every row. The rows before that update are the answer.
"""

from __future__ import annotations

import numpy as np

from saddleproof.aggregators.algorithm2.rank_one import leading
from saddleproof.aggregators.algorithm2.reweighting import Method, Reweighting, cap_of
from saddleproof.arrays import Vector


def to_the_letter(
    gram: Vector, start: Vector, alpha: float, threshold: Vector, method: Method
) -> Reweighting:
    """Follow Algorithm 2 from weights `start`, each query point by itself.

    Args:
        gram: (q, m, m) Gram matrices with zeros at the rows that `start` leaves out.
        start: (q, m) weights, 1 or 0.
        alpha: the share of Byzantine rows.
        threshold: (q,) 8 m sigma^2, in squared units of the matrices.
        method: makes the scores.

    Returns:
        Reweighting: the states where Algorithm 2 returns. `stopped` is False where one of the two
        things of this file's head happened. Where no W is feasible, `primal` and `dual` are NaN.
    """
    each = [
        _one(gram[k : k + 1], start[k : k + 1], cap_of(alpha, start.shape[1]), threshold[k], method)
        for k in range(len(start))
    ]
    joined = {name: np.concatenate([vars(one)[name] for one in each]) for name in vars(each[0])}
    return Reweighting(**joined)


def _one(gram: Vector, c: Vector, cap: float, threshold: float, method: Method) -> Reweighting:
    """`to_the_letter` for one query point: arrays with a leading 1."""
    unknown = np.full(1, np.nan)
    for step in range(c.shape[1] + 1):  # every update drops the row of the largest score
        view = leading(gram, c, cap)
        if np.count_nonzero(c) * cap < 1 - 1e-12:
            return _ended(c, view.spread, unknown, unknown, step, stopped=False)
        scores = method(view)
        if float((c * scores.tau).sum()) <= threshold:
            return _ended(c, view.spread, scores.primal, scores.dual, step, stopped=True)
        shrunk = c * (1 - scores.tau / scores.tau.max())  # above a threshold >= 0: none is 0 / 0
        left = np.where(shrunk > 0.5, shrunk, 0.0)
        if not left.any():
            return _ended(c, view.spread, scores.primal, scores.dual, step, stopped=False)
        c = left
    raise AssertionError("an update dropped no row")


def _ended(
    c: Vector, spread: Vector, primal: Vector, dual: Vector, rounds: int, *, stopped: bool
) -> Reweighting:
    no = np.zeros(1, dtype=bool)
    return Reweighting(c, spread, primal, dual, np.array([rounds]), no | stopped, no)
