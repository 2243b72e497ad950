"""What is known about a point, in numbers and in words (Definition 1)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from saddleproof.words import Level


@dataclass(frozen=True)
class Bracket:
    """low <= lambda_min <= high, and what says so; infinite ends say nothing.

    Attributes:
        low, high: the ends.
        method: what the lower end comes from.
        frontier: b*, the most liars for which the lower end, which falls with every further liar,
            is still within the tolerance; -1 for none.
        without: the workers that must be among the liars for this to hold.
    """

    low: float = -np.inf
    high: float = np.inf
    method: str = "none"
    frontier: int = -1
    without: tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class Certificate:
    """Whether a point is (eps_g, eps_H)-second-order stationary, and how sure that is.

    F is the mean of the losses of the honest workers that were heard. What is said without a
    condition holds whoever the at most b liars are.

    Attributes:
        level: see `saddleproof.words.Level`.
        reason: the verdict in a sentence.
        gradient_norm: ||g_hat||, the aggregate's 2-norm at the point.
        inexactness: Delta_hat of the rule, about the honest median of each coordinate; it steers a
            descent, and nothing here is inferred from it. inf where the rule knows none.
        gradient_bound: ||grad F(w)|| is at most this, without a condition.
        gradient_tolerance: eps_g.
        curvature: lambda_min(grad^2 F(w)) lies in here, without a condition.
        conditional: the same if the workers that it names are among the liars; None where no
            such bracket is within the tolerance.
        majority: in every direction more than half of the honest workers have at least the
            curvature `low`, and along `v` more than half have at most `high`; None for b >= m/3,
            where liars can deny it.
        tolerance: eps_H.
        size: a lower bound of the largest curvature of the honest median worker.
        workers: how many were heard.
        b: how many of them may lie.
        risk: probability, over the workers' own random numbers, that the lower ends are wrong.
        products: Hessian-vector products, or gradients in their place, that a worker was asked for.
        assumptions: what all this rests on, a sentence each.
        numbers: further figures, by name.
        rounds: parallel iterations that the certificate cost.
        v: (d,) unit direction of the lowest curvature that was rated; None without one.
    """

    level: Level
    reason: str
    gradient_norm: float = np.nan
    inexactness: float = np.inf
    gradient_bound: float = np.inf
    gradient_tolerance: float = 0.0
    curvature: Bracket = Bracket()
    conditional: Bracket | None = None
    majority: Bracket | None = None
    tolerance: float = 0.0
    size: float = 0.0
    workers: int = 0
    b: int = 0
    risk: float = 0.0
    products: int = 0
    assumptions: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)
    rounds: int = 0
    v: np.ndarray | None = None

    @property
    def stationary(self) -> bool:
        """Whether the gradient of the honest workers' mean is proved to be within its tolerance."""
        return self.gradient_bound <= self.gradient_tolerance

    @property
    def certified(self) -> bool:
        """Whether Definition 1 is proved without a condition."""
        return self.level == Level.PROVED

    @property
    def refuted(self) -> bool:
        """Whether negative curvature of the honest workers' mean is proved."""
        return self.curvature.high < 0

    @property
    def method(self) -> str:
        """Where the lower end comes from."""
        return self.curvature.method

    def __str__(self) -> str:
        word = "certified" if self.certified else "not certified"
        found, named, most = self.curvature, self.conditional, self.majority
        lines = [
            f"{word}: {self.reason}",
            (
                f"gradient     ||grad F|| <= {self.gradient_bound:.4g}, tolerance "
                f"{self.gradient_tolerance:.4g} (||g_hat|| {self.gradient_norm:.4g})"
            ),
            (
                f"Hessian      {found.low:.4g} <= lambda_min <= {found.high:.4g}, tolerance "
                f"{self.tolerance:.4g}{self._frontier(found)}"
            ),
        ]
        if named is not None:
            lines.append(
                f"             {named.low:.4g} <= lambda_min <= {named.high:.4g} if "
                f"{', '.join(named.without)} lie{'s' if len(named.without) == 1 else ''}"
            )
        if most is not None:
            lines.append(
                f"majority     in every direction more than half of the honest workers have "
                f"curvature >= {most.low:.4g}, tolerance {self.tolerance:.4g}{self._frontier(most)}"
            )
        lines.append(f"level        {self.level}, method: {self.method}")
        if self.risk:
            lines.append(
                f"risk         the lower ends are wrong with probability <= {self.risk:.2g}"
            )
        if self.numbers:
            figures = ", ".join(f"{name} {value:.4g}" for name, value in self.numbers.items())
            lines.append(f"numbers      {figures}")
        lines += [f"assumes      {sentence}" for sentence in self.assumptions]
        lines.append(f"cost         {self.rounds} rounds, {self.products} products a worker")
        return "\n".join(lines)

    __repr__ = __str__

    def _frontier(self, claim: Bracket) -> str:
        if claim.frontier < 0:
            return ""
        return f"; within it for up to {claim.frontier} liars of {self.workers}"


def failed(why: str, rounds: int = 0) -> Certificate:
    """A certificate that came to nothing, and why."""
    return Certificate(Level.OPEN, why, rounds=rounds)
