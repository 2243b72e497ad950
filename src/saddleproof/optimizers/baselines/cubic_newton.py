"""Byzantine-robust cubic-regularised Newton, an idea of Ghosh et al. 2021 and 2024 (DIST-CURE).

    g_i, H_i, s_i    a worker's gradient, Hessian and step
    M                cubic
    eta              step
    beta             belongs to the rule, `NormTrimming`: share of the longest s_i that is dropped

Every worker solves its own cubic model,

    s_i = argmin_s  <g_i, s> + s'H_i s / 2 + (M/6) |s|^3,

and w <- w + eta * (the rule over the s_i). `NormTrimming(beta)` drops the longest s_i and averages
the rest: the "norm based thresholding on the local solutions" of DIST-CURE. Any other rule works
as well.

The idea is read from the abstracts of Ghosh et al. The model, its exact solution and every default
value are choices of this library, in the notation of Nesterov and Polyak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.curvature.stencils import around, hessian
from saddleproof.optimizers.base import RUNNING, Machine, Reading, Status
from saddleproof.optimizers.gradient_descent import check_positive
from saddleproof.words import Ending

#: Share of R^2 that s must lack for the hard case; below it is round-off.
HARD = 1e-10


@dataclass(frozen=True)
class CubicState:
    """Cubic Newton between two rounds.

    Attributes:
        w: (d,).
        moved: |s| of the last step; inf before the first one.
    """

    w: Vector
    moved: float = np.inf


@dataclass(frozen=True)
class CubicNewton(Machine):
    """Workers' cubic-regularised Newton steps, aggregated: w <- w + eta * rule(s_1, ..., s_m).

    Cubic Newton needs no perturbations: where grad F = 0 and lambda_min < 0, each s_i is a step
    of length 2|lambda_min|/M or more along the lowest eigenvector. The *sign* of s_i, though, is
    set by the worker's own small gradient: at an exact saddle honest workers leave to both sides,
    and their steps cancel. All workers break ties the same way.

        rule = sp.aggregators.NormTrimming(0.3)
        sp.minimize(problem, sp.optimizers.CubicNewton(cubic=10.0), aggregator=rule, b=4)

    Args:
        cubic: M > 0. From M = rho on the model is an upper bound of F; 10 is a choice of this
            library.
        step: eta > 0.
        tolerance: end with status "stationary" at |s| <= tolerance, in the unit of w. None: never.

    Raises:
        OptionError: an option outside its range.

    Cost: one round; 2d + 1 gradients of every worker and O(d^3) a worker on the server. Workers
    that solve their own model would send one d-vector instead. b liars choose b of the s_i freely.

    Reference: Ghosh, Maity, Mazumdar, Ramchandran 2021, "Escaping saddle points in distributed
    Newton's method with communication efficiency and Byzantine resilience", arXiv:2103.09424;
    Ghosh, Maity, Mazumdar 2024, "DIST-CURE", ISIT. Both for the idea.
    """

    cubic: float = 10.0
    step: float = 1.0
    tolerance: float | None = None

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(cubic=self.cubic, step=self.step, tolerance=self.tolerance)

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> CubicState:
        """The state before the first round; nothing here is random."""
        return CubicState(w0)

    def ask(self, state: CubicState) -> Vector:
        """(2d + 1, d): w and its neighbours."""
        return around(state.w)

    @np.errstate(over="ignore", invalid="ignore")  # a run that diverges ends by a status
    def tell(self, state: CubicState, reading: Reading) -> CubicState:
        """One aggregated step."""
        w, points = state.w, around(state.w)
        steps = reading.per_worker(lambda g: cubic_step(g[0], hessian(g, points), self.cubic))
        s = self.step * steps.vector[0]
        return CubicState(w + s, float(np.linalg.norm(s)))

    def status(self, state: CubicState) -> Status:
        """Running, or "stationary" once the tolerance is met."""
        if self.tolerance is not None and state.moved <= self.tolerance:
            return Status(Ending.STATIONARY, f"the last step was {state.moved:.3g} long")
        return RUNNING

    def point(self, state: CubicState) -> Vector:
        """(d,): w."""
        return state.w


def cubic_step(g: Vector, H: Vector, M: float) -> Vector:
    """The global minimum of <g, s> + s'Hs/2 + (M/6)|s|^3 over s.

    s = -(H + (M R/2) I)^-1 g with R = |s| and H + (M R/2) I >= 0. R solves |s(R)| = R, which has
    one root above max(0, -2 lambda_min/M): |s(R)| falls and R grows. In the hard case, where g has
    no part along the lowest eigenvector v, the rest of the length goes along v, to the side on
    which its largest entry grows.

    Args:
        g: (d,) gradient.
        H: (d, d) symmetric.
        M: > 0.

    Returns:
        (d,); NaN where the model is not finite. O(d^3).

    >>> cubic_step(np.array([-2.0]), np.array([[0.0]]), 1.0)  # -2 + s|s|/2 = 0
    array([2.])
    """
    if not (np.isfinite(g).all() and np.isfinite(H).all()):
        return np.full_like(g, np.nan)
    eigenvalues, V = np.linalg.eigh(H)
    c = V.T @ g
    least = max(0.0, -2 * float(eigenvalues[0]) / M)
    # In x = R - least the smallest shift is M x / 2 without cancellation.
    raised = eigenvalues - min(float(eigenvalues[0]), 0.0)

    def step(x: float) -> Vector:  # in the eigenbasis; 0/0 in the hard case is 0
        return np.divide(-c, raised + M * x / 2, out=np.zeros_like(c), where=c != 0)

    # |s| <= 2|g| / (M x), which is below R from here on.
    low, high = 0.0, 2 * np.sqrt(float(np.linalg.norm(g)) / M)
    for _ in range(80):  # bisection, to the last digit
        x = (low + high) / 2
        low, high = (x, high) if np.linalg.norm(step(x)) > least + x else (low, x)
    s = step(high)
    short = (least + high) ** 2 - float(s @ s)
    if eigenvalues[0] < 0 and short > HARD * least**2:
        lowest = V[:, 0]
        side = np.sign(c[0]) or -np.sign(lowest[np.abs(lowest).argmax()])
        s[0] -= side * np.sqrt(short)
    found: Vector = V @ s
    return found
