"""Iterative filtering (Algorithm 2, Appendix F.1; Theorem 5): flat in d where coordinates are not.

A coalition that moves the mean far must leave a direction of large variance behind. So look for
that direction, take weight from the rows that make it large, and repeat until no direction is
suspect; then average. The error against the original points' mean is O(sigma sqrt(alpha)),
whatever d (Lemma 5), where sigma^2 bounds their covariance in every direction, (61).

    x_i, messages      c_i, weights      A, rows that are in      U, W, the saddle of Algorithm 2
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.algorithm2.as_printed import to_the_letter
from saddleproof.aggregators.algorithm2.error_bound import error_bound
from saddleproof.aggregators.algorithm2.prune import prune
from saddleproof.aggregators.algorithm2.rank_one import rank_one
from saddleproof.aggregators.algorithm2.reweighting import Reweighting, budget_of, reweight
from saddleproof.aggregators.algorithm2.saddle import saddle
from saddleproof.aggregators.base import Estimate, Rule, check_breakdown, quiet
from saddleproof.aggregators.engine.gram import combined, grams
from saddleproof.aggregators.engine.units import Gram
from saddleproof.aggregators.inexactness import stack_inexactness
from saddleproof.aggregators.weighted import like
from saddleproof.arguments import check_options
from saddleproof.arrays import Array, Vector, as_stack, namespace
from saddleproof.errors import OptionError

#: sum_i c_i tau_i <= 8 m sigma^2 stops Algorithm 2.
FACTOR = 8.0


@dataclass(frozen=True)
class FilterEstimate(Estimate):
    """An `Estimate` with what filtering saw; for a batch every field has a leading q.

    Attributes:
        scores: (m,) in [0, 1], the weight that filtering took from each row, 1 - c_i; 1 for rows
            that are out, at most 1/2 for those that were kept.
        sigma_hat: sqrt(spread / m), an estimate of the sigma of (61).
        primal: an upper bound of the saddle value at the returned state.
        dual: a lower bound of it, what `rank_one` compares with 8 m sigma^2.
        gap: (primal - dual) / primal: 0 where they meet. All three are NaN where `saddle` ended
            with so few rows that no W is feasible.
        rounds: updates of the weights before the returned state.
        suspect_alpha: one step more would have lowered the spread tenfold: more rows are bad
            than alpha allows for. Raise it; an alpha that is too large costs little.
        sigma_too_small: sigma contradicts the rows (more of them stand out than can be
            Byzantine). `rank_one` then ignores sigma for this point; `saddle` never does.
    """

    scores: Array = None
    sigma_hat: Array = None
    primal: Array = None
    dual: Array = None
    gap: Array = None
    rounds: Array = None
    suspect_alpha: Array = False
    sigma_too_small: Array = False


@dataclass(frozen=True)
class IterativeFiltering(Rule):
    """Algorithm 2: filter rows along directions of suspicious variance, average the rest.

    Conventions: `rank_one` takes U = vv', v the direction of largest variance, which has scores in
    closed form and keeps Lemma 5 (docs/filtering.md); `saddle` takes the maximizing U. Rows with
    c <= 1/2 are out; the mean of the others is unweighted. `saddle` with sigma is Algorithm 2 to
    the letter, whatever sigma is (`saddleproof.aggregators.algorithm2.as_printed`). `rank_one` with
    sigma also leaves out at once what (61) rules out, and goes on as without sigma where sigma
    contradicts the rows. Without sigma the stop is not needed: of
    the states that removed at most (9/7) alpha m of weight, the one of least spread is returned:
    no more than Algorithm 2 stops with, for any sigma with (61). So honest rows at the edge are
    left out even when nobody lies.

    Breakdown: b/m < 1/4, or b <= alpha m when alpha is given. The inexactness with sigma is a proof
    about the original points' mean, given (61); without, it is the rank bound of
    `saddleproof.aggregators.inexactness`. Rows with NaN or Inf are out from the start and count as
    Byzantine. Cost: two passes over the messages, O(m^2 d), and at most (9/7) alpha m + 2
    eigenvectors of m x m matrices; for `saddle` 10 to 10 000 times O(m^3) each.

    Args:
        sigma: of (61), in the unit of the messages, > 0: with n samples a worker about
            (sigma_1 / sqrt n)(1 + sqrt(d / m)), not the population's sigma_1. None (best in
            practice) when unknown.
        method: "rank_one" or "saddle".
        alpha: share of Byzantine rows in [0, 1/4), if it shall be more than b/m.
        tolerance: relative gap to which "saddle" solves each round.

    Raises:
        OptionError: an option outside its range.

    >>> import numpy as np
    >>> x = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [90.0, -90.0]])
    >>> estimate = IterativeFiltering().estimate(x, b=1)
    >>> estimate.vector, estimate.kept
    (array([0.5, 0.5]), array([ True,  True,  True,  True, False]))
    """

    sigma: float | None = None
    method: Literal["rank_one", "saddle"] = "rank_one"
    alpha: float | None = None
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        check_options(self)
        if self.sigma is not None and not 0 < self.sigma < np.inf:
            raise OptionError(f"sigma must be positive and finite, or None; got {self.sigma}")
        if self.alpha is not None and not 0 <= self.alpha < 0.25:
            raise OptionError(f"alpha must be in [0, 1/4), or None for b/m; got {self.alpha}")
        if not 0 < self.tolerance < 1:
            raise OptionError(f"tolerance must be in (0, 1); got {self.tolerance}")

    def breakdown(self, m: int) -> int:
        """The largest b with b/m < 1/4; with b <= alpha m when alpha is given."""
        return (m - 1) // 4 if self.alpha is None else int(self.alpha * m + 1e-9)

    @quiet
    def __call__(self, messages: Array, b: int) -> Array:
        """The filtered mean alone, (m, d) to (d,), without the cost of an inexactness."""
        stack = as_stack(messages)
        b = check_breakdown(self, int(stack.shape[0]), b)
        return self._filtered(stack[None, ...], b).vector[0, ...]

    def weights(self, gram: Gram, b: int) -> Vector:
        """The Gram matrix of m messages to (m,) weights, equal at the rows that stay."""
        one = Gram(gram.matrix[None], np.array([gram.exponent]), gram.share[None])
        found, _ = self._reweighted(one, b)
        weights: Vector = _even(found)[0]
        return weights

    def estimate(self, messages: Array, b: int) -> FilterEstimate:
        """Vector, kept and what filtering saw: (m, d) messages; see `FilterEstimate`."""
        batch = self.estimates(as_stack(messages)[None, ...], b)
        return FilterEstimate(**{name: _first(value) for name, value in vars(batch).items()})

    def _batch(self, stack: Array, b: int) -> FilterEstimate:
        found = self._filtered(stack, b)
        if self.sigma is None:
            return replace(found, inexactness=stack_inexactness(stack, found.vector, b))
        alpha = self._alpha(b, int(stack.shape[1]))
        with np.errstate(all="ignore"):
            bound = error_bound(1 - found.scores, found.sigma_hat, self.sigma, b, alpha)
        return replace(found, inexactness=np.where(found.sigma_too_small, np.inf, bound))

    def _filtered(self, stack: Array, b: int) -> FilterEstimate:
        m = int(stack.shape[1])
        given = grams(stack)
        found, misfit = self._reweighted(given, b)
        with np.errstate(over="ignore", under="ignore"):  # squares leave the range before lengths
            sigma_hat = np.ldexp(np.sqrt(found.spread / m), given.exponent)
            primal, dual = (np.ldexp(x, 2 * given.exponent) for x in (found.primal, found.dual))
        return FilterEstimate(
            namespace(stack).stack(combined(stack, _even(found))),
            None,
            like(found.c > 0, stack),
            scores=1 - found.c,
            sigma_hat=sigma_hat,
            primal=primal,
            dual=dual,
            gap=(found.primal - found.dual) / np.where(found.primal > 0, found.primal, 1.0),
            rounds=found.rounds,
            suspect_alpha=found.fell,
            sigma_too_small=misfit if self.sigma is None else misfit | ~found.stopped,
        )

    def _reweighted(self, given: Gram, b: int) -> tuple[Reweighting, NDArray[np.bool_]]:
        """The weights for q Gram matrices, in their units, and where sigma contradicts the rows."""
        m, grams = len(given), given.matrix
        alpha = self._alpha(b, m)
        sigma = None if self.sigma is None else given.length(self.sigma)
        stays, pruned, misfit = prune(grams, alpha, sigma)
        known = np.zeros(len(grams)) if sigma is None else FACTOR * m * sigma * sigma
        if self.method == "rank_one":
            return reweight(pruned, stays, alpha, np.where(misfit, 0.0, known), rank_one), misfit
        method = partial(saddle, self.tolerance)
        if self.sigma is None:
            return reweight(pruned, stays, alpha, np.zeros(len(grams)), method), misfit
        stays, finite, _ = prune(grams, alpha, None)
        found = to_the_letter(finite, stays, alpha, known, method)
        return found, misfit | (m - found.c.sum(axis=1) > budget_of(alpha, m) * (1 + 1e-12))

    def _alpha(self, b: int, m: int) -> float:
        return b / m if self.alpha is None else self.alpha


def _even(found: Reweighting) -> Vector:
    """(q, m): the plain mean of the rows that are in, as weights."""
    kept = found.c > 0
    with np.errstate(invalid="ignore"):  # where no row is finite, the answer is NaN
        weights: Vector = kept / kept.sum(axis=1, keepdims=True)
    return weights


def _first(field: Any) -> Any:
    """The first query point of a batch's field; a Python scalar where one number is left."""
    if field is None or isinstance(field, str):
        return field
    one = field[0, ...]
    return one if one.ndim else one.item()
