"""One step and one escape round with a Delta-inexact oracle (Yin et al. 2019, Appendix B).

inexactness Delta       of the gradient oracle (Definition 3)
smoothness L            of F; every step has length eta = 1/L
hessian_lipschitz rho   of F
curvature gamma         lambda_min(Hessian at w~) <= -gamma < 0
r, R, T_th              as in Algorithm 1
width mu                of the stuck region along the eigenvector e of lambda_min
stuck region            starts in the ball of radius r around w~ from which some adversary
                        keeps all T_th steps within R of the start (Definition 5)
"""

from __future__ import annotations

import math

from saddleproof.theory.arguments import at_most, not_negative, positive


def descent_decrease(gradient_norm: float, inexactness: float, smoothness: float) -> float:
    """How much one inexact gradient step lowers F at least; negative where it may rise (Lemma 1).

        F(w) - F(w - g_hat / L)  >=  (||grad F(w)||^2 - Delta^2) / (2 L)

    Equality where F is ||.||^2 L / 2 and the error has norm Delta, whatever its direction.

    Args:
        gradient_norm: ||grad F(w)||, >= 0.
        inexactness: Delta, >= 0.
        smoothness: L > 0.

    Raises:
        OptionError: a value outside its range.

    >>> descent_decrease(gradient_norm=2.0, inexactness=1.0, smoothness=1.0)
    1.5
    """
    not_negative(gradient_norm=gradient_norm, inexactness=inexactness)
    positive(smoothness=smoothness)
    return (gradient_norm**2 - inexactness**2) / (2 * smoothness)


def walking_decrease(inexactness: float, smoothness: float) -> float:
    """How much a step lowers F at least where the aggregate exceeds 3 Delta: equation (5).

        ||g_hat|| > 3 Delta  =>  ||grad F|| >= 2 Delta  =>  F falls by 3 Delta^2 / (2 L)

    Args:
        inexactness: Delta, >= 0.
        smoothness: L > 0.

    >>> walking_decrease(inexactness=1.0, smoothness=1.0)
    1.5
    """
    return descent_decrease(2 * inexactness, inexactness, smoothness)


def escape_time(width: float, r: float, R: float, curvature: float, smoothness: float) -> float:
    """Steps after which two starts `width` apart cannot both be near: equation (7).

        T_th = (2 L / gamma) log_{9/4}(2 (R + r) / mu)

    A real number, which Lemma 2 takes for an integer: round it up, since a longer round only
    makes the stuck region smaller. 9/4 is (1 + eta gamma / 2)^(2 / (eta gamma)) at its least, at
    eta gamma = 1.

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
    return 2 * smoothness / curvature * _doublings(width, r, R)


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
    """The conditions of Lemma 2 that do not hold, a phrase each; empty where the lemma applies.

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
    least = 24 * reach * _doublings(width, r, R)
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


def stuck_bound(width: float, r: float, d: int) -> float:
    """How likely a uniform start in the ball lies in the stuck region, at most (Lemma 3).

        2 mu sqrt(d) / r

    It may exceed 1, and is then no bound. The proof counts 2 mu on every line along e, where
    Lemma 2 leaves the stuck region a length of mu: half of the bound holds as well.

    Args:
        width: mu > 0, for which `width_conditions` is empty.
        r: > 0, radius of the ball.
        d: dimension, >= 1.

    >>> stuck_bound(width=0.1, r=1.0, d=4)
    0.4
    """
    positive(width=width, r=r, d=d)
    return 2 * width * math.sqrt(d) / r


def stuck_volume_bound(width: float, r: float, d: int) -> float:
    """The sharper bound inside the proof of Lemma 3, before Gamma functions are estimated.

        2 mu Vol(B^(d-1)) / Vol(B^d)  =  (2 mu / (sqrt(pi) r)) Gamma(d/2 + 1) / Gamma(d/2 + 1/2)

    Args:
        width: mu > 0.
        r: > 0.
        d: dimension, >= 1.

    >>> round(stuck_volume_bound(width=0.1, r=1.0, d=1), 12)  # the line itself: 2 mu / (2 r)
    0.1
    """
    positive(width=width, r=r, d=d)
    ratio = math.exp(math.lgamma(d / 2 + 1) - math.lgamma(d / 2 + 0.5))
    return 2 * width / (math.sqrt(math.pi) * r) * ratio


def escape_decrease(
    r: float, R: float, T_th: float, inexactness: float, smoothness: float
) -> float:
    """How much a successful escape round lowers F at least, from w~ on: Lemma 4, (11).

        F(w~) - F(w_t)  >=  L R^2 / (4 T_th) - Delta^2 T_th / L - 4 Delta r - L r^2 / 2

    for a start within r of w~, where ||g_hat(w~)|| <= 3 Delta, and the first t <= T_th with
    ||w_t - w_0|| >= R. Negative where the displacement alone shows no decrease.

    Args:
        r: >= 0.
        R: > 0.
        T_th: >= 1.
        inexactness: Delta, >= 0.
        smoothness: L > 0.

    >>> escape_decrease(r=0.0, R=2.0, T_th=4.0, inexactness=0.1, smoothness=1.0)
    0.21
    """
    positive(R=R, T_th=T_th, smoothness=smoothness)
    not_negative(r=r, inexactness=inexactness)
    L, Delta = smoothness, inexactness
    return L * R**2 / (4 * T_th) - Delta**2 * T_th / L - 4 * Delta * r - L * r**2 / 2


def failure_bound(saddles: float, Q: float, stuck: float = 0.5) -> float:
    """How likely one of the escapes fails, at most: the union bound before equation (24).

        saddles * stuck^Q

    Args:
        saddles: escapes that the run may need, >= 0.
        Q: perturbation rounds of an escape, >= 1.
        stuck: how likely one round is stuck, in [0, 1].

    >>> failure_bound(saddles=4, Q=3)
    0.5
    """
    not_negative(saddles=saddles)
    positive(Q=Q)
    at_most(1, stuck=stuck)
    return saddles * math.pow(stuck, Q)


def _doublings(width: float, r: float, R: float) -> float:
    """log_{9/4}(2 (R + r) / mu)."""
    return math.log(2 * (R + r) / width) / math.log(9 / 4)
