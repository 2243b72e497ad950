"""Which of p ends the workers prefer, from one number per worker and end, b of them lies.

Worker i says F_i(end k) up to a constant of its own. Ends c and a are compared inside each worker,
x_i = F_i(c) - F_i(a), so that what workers disagree about cancels. T(c, a) is the trimmed mean of
x_1, ..., x_m: the b largest and the b smallest are left out. The winner is the end whose worst
comparison max_a T(c, a) is lowest (maximin; an end that beats all others is a Condorcet winner, and
wins). All statements are about the honest workers alone, whatever at most b < m/2 others say; D(c,
a) is the mean of their x_i, and s(c, a) its standard deviation over them (divided by their number).

**1. T is honest.** T(c, a) lies between the mean of the m - 2b smallest and the mean of the m - 2b
largest of m - b honest x_i.
    With exactly b liars, the value of rank k among all is at least the honest value of rank k - b
    and at most that of rank k; T is the mean over k = b, ..., m - b - 1.
So an end that every honest worker prefers to every other end wins.

**2. T errs by at most s(c, a) sqrt(b / (m - 2b)).**
    Let h honest values be in order, h >= m - b. By the argument of 1, T is at least the mean of a
    window of m - 2b neighbours that leaves out the b largest and at least 0 of the smallest. The
    mean of all less the mean of the window is a linear function of the values, with 1/h at the
    places outside of the window and 1/h - 1/(m - 2b) within. Among ordered vectors with s = 1 it is
    largest at the nearest ordered vector to these coefficients, which has two values, the higher
    one at the b largest places; there it is sqrt(b / (h - b)). The other side is the mirror image.

**3. No judge errs less.** Let b workers say -1, b say +1 and the others 0. The liars may be the
first b or the second: D is b / (m - b) or its opposite, s = sqrt(b (m - 2b)) / (m - b) in both,
and the answers are the same. Whatever one makes of them is wrong by s sqrt(b / (m - 2b)) once.

**4. The winner is nearly the best.** With e the largest s(c, a) sqrt(b / (m - 2b)) of all pairs,
the honest mean at the winner is at most 2 e above that at the best end.
    For the best end a*, T(a*, a) <= D(a*, a) + e <= e for all a; the winner's worst comparison is
    no higher. So D(winner, a*) <= T(winner, a*) + e <= 2 e.

**5. The worst that liars can do is a loud order.** T(c, a) does not fall where an x_i rises. So a
liar that gives the ends a strict order, with gaps beyond all honest answers, pushes every T(c, a)
as far as any answer of its own could push it in that direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import BreakdownError
from saddleproof.ranks import mean_bounds

#: Answers beyond it, infinite ones too, count as this much; sums of differences stay finite.
BEYOND = 1e290


@dataclass(frozen=True)
class Preference:
    """What the workers' answers say about p ends.

    Attributes:
        winner: the preferred end; of two that are equal, the first.
        compared: (p, p) T(c, a), in the unit of the loss; negative where c is better than a.
        low, high: (p,) the honest mean at the winner less that at each end lies in here, proved
            (`ranks.mean_bounds`).
    """

    winner: int
    compared: Vector
    low: Vector
    high: Vector

    @property
    def worst(self) -> Vector:
        """(p,) max over a of T(c, a)."""
        worst: Vector = self.compared.max(axis=1)
        return worst


def trimmed_mean(values: Vector, b: int) -> Vector:
    """The mean over the last axis without the b largest and the b smallest: (..., m) to (...).

    Raises:
        BreakdownError: nothing would be left.

    >>> float(trimmed_mean(np.array([3.0, -1e9, 1.0, 2.0]), b=1))
    1.5
    """
    m = values.shape[-1]
    if not 0 <= b < m - b:
        raise BreakdownError(f"a trimmed mean of m={m} answers needs 0 <= 2 b < m; got b={b}")
    kept: Vector = np.sort(values, axis=-1)[..., b : m - b].mean(axis=-1)
    return kept


def error_factor(m: int, b: int) -> float:
    """sqrt(b / (m - 2b)): how far T may be from D, in honest standard deviations (statement 2).

    >>> round(error_factor(20, 4), 3)
    0.577
    """
    return float(np.sqrt(b / (m - 2 * b)))


def preferred(answers: Vector, b: int) -> Preference:
    """Compare p ends by the answers of m workers, at most b of which are lies.

    Args:
        answers: (m, p), each worker's loss at every end up to a constant of its own; +inf where
            it overflows.
        b: the most Byzantine workers, 0 <= 2 b < m.

    Raises:
        BreakdownError: b is negative, or half of the workers or more.

    >>> answers = np.array([[0.0, -1.0], [0.0, -2.0], [0.0, -1.0], [-1e9, 0.0]])
    >>> found = preferred(answers, b=1)
    >>> found.winner, found.compared[1, 0].item()
    (1, -1.0)
    """
    known = np.clip(np.asarray(answers, dtype=float), -BEYOND, BEYOND)
    apart = known.T[:, None, :] - known.T[None, :, :]  # (p, p, m)
    compared = trimmed_mean(apart, b)
    winner = int(np.argmin(compared.max(axis=1)))
    low, high = mean_bounds(apart[winner], b)
    return Preference(winner, compared, low, high)
