"""Lemma 2 (Appendix B): two starts far enough apart cannot both be stuck.

The stuck region holds the starts in the ball of radius r around w~ from which some adversary keeps
all T_th steps within R of the start (Definition 5). Its width mu is measured along e, the
eigenvector of lambda_min(Hessian at w~) <= -gamma < 0. `lemma3` holds the experiment.
"""

from __future__ import annotations

import math

from saddleproof.paper.arguments import not_negative, positive


def escape_time(width: float, r: float, R: float, curvature: float, smoothness: float) -> float:
    """Equation (7): steps after which one of two starts `width` apart along e has escaped.

        T_th = (2 L / gamma) log_{9/4}(2 (R + r) / mu)

    Lemma 2 takes this real number for an integer. Round it up: a longer round only makes the
    stuck region smaller. 9/4 is the least value of (1 + eta gamma / 2)^(2 / (eta gamma)) for
    eta gamma <= 1.

    Args:
        width: mu, in (0, 2 (R + r)).
        r: > 0, perturbation radius.
        R: > 0, displacement that counts as an escape.
        curvature: gamma > 0.
        smoothness: L > 0.

    >>> escape_time(width=16 / 9, r=1.0, R=1.0, curvature=0.5, smoothness=1.0)
    4.0
    """
    positive(width=width, r=r, R=R, curvature=curvature, smoothness=smoothness)
    return 2 * smoothness / curvature * _log_of_growth(width, r, R)


def width_conditions(
    width: float,
    r: float,
    R: float,
    T_th: float,
    *,
    curvature: float,
    inexactness: float,
    smoothness: float,
    hessian_lipschitz: float,
) -> tuple[str, ...]:
    """The violated conditions of Lemma 2, a phrase each; empty where the lemma applies.

    Of two starts mu or more apart along e, at most one lies in the stuck region, if

        mu < r,   gamma <= L,
        T_th >= (2 L / gamma) log_{9/4}(2 (R + r) / mu),           (7)
        R >= mu,                                                   (8)
        rho (R + r) mu >= Delta,                                   (9)
        gamma >= 24 rho (R + r) log_{9/4}(2 (R + r) / mu).         (10)

    The paper prints (7) as an equality; a longer round only makes the stuck region smaller.

    Args:
        width: mu > 0.
        r: > 0.
        R: > 0.
        T_th: steps of a round, > 0.
        curvature: gamma > 0.
        inexactness: Delta, >= 0; 0 gives the conditions (50)-(52) of Theorem 4.
        smoothness: L > 0.
        hessian_lipschitz: rho > 0.

    Raises:
        OptionError: a value outside its range.

    >>> constants = dict(inexactness=0.1, smoothness=1.0, hessian_lipschitz=0.001)
    >>> width_conditions(0.5, r=1.0, R=1.0, T_th=6, curvature=1.0, **constants)
    ('(9) rho (R + r) mu = 0.001 < Delta = 0.1',)
    """
    positive(T_th=T_th, hessian_lipschitz=hessian_lipschitz)
    not_negative(inexactness=inexactness)
    needed = escape_time(width, r, R, curvature, smoothness)
    reach = hessian_lipschitz * (R + r)
    least = 24 * reach * _log_of_growth(width, r, R)
    close = 1 - 1e-12  # the printed schedule meets (7) with equality
    failed = {
        f"mu = {width:.3g} >= r = {r:.3g}": width >= r,
        f"gamma = {curvature:.3g} > L = {smoothness:.3g}": curvature > smoothness,
        f"(7) T_th = {T_th:.3g} < {needed:.3g}": T_th < needed * close,
        f"(8) R = {R:.3g} < mu = {width:.3g}": width * close > R,
        f"(9) rho (R + r) mu = {reach * width:.3g} < Delta = {inexactness:.3g}": (
            reach * width < inexactness * close
        ),
        f"(10) gamma = {curvature:.3g} < {least:.3g}": curvature < least * close,
    }
    return tuple(phrase for phrase, fails in failed.items() if fails)


def _log_of_growth(width: float, r: float, R: float) -> float:
    """log_{9/4}(2 (R + r) / mu)."""
    return math.log(2 * (R + r) / width) / math.log(9 / 4)
