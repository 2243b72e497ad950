"""How inexact robust aggregation is: Theorems 5-8, Table 3, Observation 2 (Yin et al. 2019).

    alpha          Byzantine share b / m
    m, n, d        workers, samples a worker, dimension
    smoothness L   of every f(.; z); for `median` and `trimmed_mean` L^ = sqrt(sum_k L_k^2), the
                   Lipschitz constants of the partial derivatives (Assumption 4)
    diameter D     of the region that the bound holds in, 2 `iterate_radius` (Proposition 2)
    c              the absolute constant, which the paper does not give: with the default 1 the
                   results have the right slopes and an unknown height

All bounds hold uniformly in the region, with probability 1 - o(1).
"""

from __future__ import annotations

import math
from typing import Literal

from saddleproof.errors import OptionError
from saddleproof.theory.arguments import at_most, not_negative, positive

Rule = Literal["median", "trimmed_mean", "filtering"]


def filtering_inexactness(
    alpha: float,
    m: int,
    n: int,
    d: int,
    *,
    sigma: float,
    zeta: float,
    smoothness: float,
    diameter: float,
    c: float = 1.0,
) -> float:
    """Theorem 5: iterative filtering.

        Delta <= c ((sigma + zeta) sqrt(alpha / n) + zeta sqrt(d / (n m))) sqrt(log(n m D L))

    Args:
        alpha: in [0, 1/4].
        m: >= 1.
        n: >= 1.
        d: >= 1.
        sigma: >= 0, largest standard deviation of the gradient in a direction.
        zeta: >= 0, sub-Gaussian constant of the gradient (Assumption 2).
        smoothness: L > 0.
        diameter: D > 0.
        c: > 0, unknown.

    Raises:
        OptionError: a value outside its range.
    """
    _sizes(m, n, d, c)
    at_most(0.25, alpha=alpha)
    not_negative(sigma=sigma, zeta=zeta)
    rate = (sigma + zeta) * math.sqrt(alpha / n) + zeta * math.sqrt(d / (n * m))
    return c * rate * math.sqrt(_log(n, m, diameter, smoothness))


def median_inexactness(
    alpha: float,
    m: int,
    n: int,
    d: int,
    *,
    deviation: float,
    skewness: float,
    smoothness: float,
    diameter: float,
    c: float = 1.0,
) -> float:
    """Theorem 7: the coordinate-wise median.

        Delta <= c (v / sqrt(n)) (alpha + sqrt(d log(n m D L^) / m) + s / sqrt(n)) + O(1 / (n m))

    without the last term, whose constant is unknown too. `median_applies` says when.

    Args:
        alpha: in [0, 1/2].
        m: >= 1.
        n: >= 1.
        d: >= 1.
        deviation: v >= 0, standard deviation of the whole gradient; sqrt(d) times that of one
            coordinate.
        skewness: s >= 0, largest absolute skewness of a coordinate.
        smoothness: L^ > 0.
        diameter: D > 0.
        c: c_3 > 0, unknown.

    Raises:
        OptionError: a value outside its range.
    """
    _sizes(m, n, d, c)
    at_most(0.5, alpha=alpha)
    not_negative(deviation=deviation, skewness=skewness)
    spread = math.sqrt(d * _log(n, m, diameter, smoothness) / m)
    return c * deviation / math.sqrt(n) * (alpha + spread + skewness / math.sqrt(n))


def median_applies(
    alpha: float,
    m: int,
    n: int,
    d: int,
    *,
    skewness: float,
    smoothness: float,
    diameter: float,
    c1: float = 1.0,
    c2: float = 0.0,
) -> bool:
    """The condition of Theorem 7: enough honest workers for d coordinates at once.

        alpha + sqrt(d log(1 + n m D L^) / (m (1 - alpha))) + c_1 s / sqrt(n)  <=  1/2 - c_2

    Args:
        alpha: in [0, 1/2].
        m: >= 1.
        n: >= 1.
        d: >= 1.
        skewness: s >= 0.
        smoothness: L^ > 0.
        diameter: D > 0.
        c1: > 0, unknown.
        c2: >= 0, unknown.
    """
    _sizes(m, n, d, c1)
    at_most(0.5, alpha=alpha)
    positive(smoothness=smoothness, diameter=diameter)
    not_negative(skewness=skewness, c2=c2)
    log = math.log1p(n * m * diameter * smoothness)
    spread = math.sqrt(d * log / (m * (1 - alpha)))
    return alpha + spread + c1 * skewness / math.sqrt(n) <= 0.5 - c2


def trimmed_mean_inexactness(
    alpha: float,
    m: int,
    n: int,
    d: int,
    *,
    xi: float,
    smoothness: float,
    diameter: float,
    c: float = 1.0,
) -> float:
    """Theorem 8: the coordinate-wise trimmed mean, which drops a share c_4 alpha on each side.

        Delta <= c xi d (alpha / sqrt(n) + 1 / sqrt(n m)) sqrt(log(n m D L^))

    Args:
        alpha: in [0, 1/2).
        m: >= 1.
        n: >= 1.
        d: >= 1.
        xi: >= 0, sub-exponential constant of the gradient (Assumption 5).
        smoothness: L^ > 0.
        diameter: D > 0.
        c: c_6 > 0, unknown.

    Raises:
        OptionError: a value outside its range.
    """
    _sizes(m, n, d, c)
    at_most(0.5, alpha=alpha)
    not_negative(xi=xi)
    rate = alpha / math.sqrt(n) + 1 / math.sqrt(n * m)
    return c * xi * d * rate * math.sqrt(_log(n, m, diameter, smoothness))


def table3(rule: Rule, alpha: float, m: int, n: int, d: int, c: float = 1.0) -> float:
    """Table 3 and Theorem 6: the inexactness in alpha, m, n and d alone, logarithms left out.

        median         alpha sqrt(d) / sqrt(n) + d / sqrt(n m) + sqrt(d) / n
        trimmed_mean   alpha d / sqrt(n) + d / sqrt(n m)
        filtering      sqrt(alpha) / sqrt(n) + sqrt(d) / sqrt(n m)

    Args:
        rule: "median", "trimmed_mean" or "filtering".
        alpha: in [0, 1/2], for filtering in [0, 1/4].
        m: >= 1.
        n: >= 1.
        d: >= 1.
        c: > 0, unknown.

    Raises:
        OptionError: a value outside its range, or an unknown rule.

    >>> table3("filtering", alpha=0.25, m=4, n=4, d=4)
    0.75
    """
    _sizes(m, n, d, c)
    at_most(0.25 if rule == "filtering" else 0.5, alpha=alpha)
    root = math.sqrt(n)
    if rule == "median":
        return c * (alpha * math.sqrt(d) / root + d / math.sqrt(n * m) + math.sqrt(d) / n)
    if rule == "trimmed_mean":
        return c * (alpha * d / root + d / math.sqrt(n * m))
    if rule == "filtering":
        return c * (math.sqrt(alpha) / root + math.sqrt(d / (n * m)))
    raise OptionError(f'rule must be "median", "trimmed_mean" or "filtering"; got {rule!r}')


def gradient_floor(alpha: float, m: int, n: int, d: int, c: float = 1.0) -> float:
    """Observation 2: what no algorithm's gradient norm stays below, with constant probability.

        Omega(alpha / sqrt(n) + sqrt(d) / sqrt(n m))

    on the problem f(w; z) = ||w - z||^2 / 2 with z ~ N(mu, I) (Lemma 6).

    Args:
        alpha: in [0, 1/2].
        m: >= 1.
        n: >= 1.
        d: >= 1.
        c: > 0, unknown.

    >>> gradient_floor(alpha=0.25, m=4, n=25, d=4)
    0.25
    """
    _sizes(m, n, d, c)
    at_most(0.5, alpha=alpha)
    return c * (alpha / math.sqrt(n) + math.sqrt(d / (n * m)))


def _sizes(m: int, n: int, d: int, c: float) -> None:
    positive(m=m, n=n, d=d, c=c)


def _log(n: int, m: int, diameter: float, smoothness: float) -> float:
    """log(n m D L), which the theorems take to be large."""
    positive(diameter=diameter, smoothness=smoothness)
    inside = n * m * diameter * smoothness
    if inside <= 1:
        raise OptionError(f"n m D L must exceed 1; got {inside:.3g}")
    return math.log(inside)
