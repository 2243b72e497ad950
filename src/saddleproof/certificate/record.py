"""What is known about a point, in numbers and in words (Definition 1)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from saddleproof.certificate.hessian import Bracket
from saddleproof.optimizers.base import Evidence


@dataclass(frozen=True, repr=False)
class Certificate:
    """Whether a point is (eps_g, eps_H)-second-order stationary, and how sure that is.

    Attributes:
        level: "proved": lambda_min >= -tolerance follows from the messages and `assumptions`;
            "witness": negative curvature is present; "evidence": escapes failed or Lanczos found
            nothing, no more; "none".
        reason: the verdict in a sentence.
        gradient_norm: ||g_hat||, the aggregate's 2-norm at the point.
        inexactness: Delta_hat, how far g_hat may be from grad F; inf where unknown.
        stationary: whether ||g_hat|| is as small as Delta_hat lets anyone tell; an unknown one
            lets nobody.
        brackets: bounds of lambda_min, one a method; they hold together.
        tolerance: eps_H.
        evidence: what the optimizer knows of failed escapes.
        lanczos: what a Krylov search says of directions that it did not see; None without one.
        assumptions: what all this rests on, a sentence each.
        numbers: residuals and step sizes, by name.
        rounds: parallel iterations that the certificate cost.
        v: (d,) unit direction of the lowest measured curvature; None without a Hessian.
    """

    level: str
    reason: str
    gradient_norm: float = np.nan
    inexactness: float = np.inf
    stationary: bool = False
    brackets: tuple[Bracket, ...] = ()
    tolerance: float = 0.0
    evidence: Evidence | None = None
    lanczos: Evidence | None = None
    assumptions: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)
    rounds: int = 0
    v: np.ndarray | None = None

    @property
    def gradient_bound(self) -> float:
        """||grad F(w)|| <= ||g_hat|| + Delta_hat."""
        return self.gradient_norm + self.inexactness

    @property
    def curvature(self) -> Bracket:
        """All brackets intersected; `method` names the one with the highest lower end."""
        return intersection(self.brackets)

    @property
    def method(self) -> str:
        """Where the verdict on the Hessian comes from."""
        if self.level == "evidence":
            return "failed escapes" if self.lanczos is None else "Lanczos"
        if self.level == "witness":
            return min(self.brackets, key=lambda one: one.high).method
        return self.curvature.method if self.curvature.low > -np.inf else "none"

    @property
    def certified(self) -> bool:
        """Whether Definition 1 is proved; failed escapes alone never make it true."""
        return self.level == "proved" and self.stationary

    @property
    def refuted(self) -> bool:
        """Whether Definition 1 is disproved: lambda_min < -tolerance along a direction."""
        return self.level == "witness" and self.curvature.high < -self.tolerance

    def __str__(self) -> str:
        word = "certified" if self.certified else "not certified"
        norm, error, found = self.gradient_norm, self.inexactness, self.curvature
        lines = [
            f"{word}: {self.reason}",
            f"gradient     ||grad F|| <= {norm + error:.4g} (||g_hat|| {norm:.4g} + {error:.4g})",
            f"Hessian      {found.low:.4g} <= lambda_min <= {found.high:.4g}",
            f"tolerance    {self.tolerance:.4g}",
            *(f"             [{x.low:.4g}, {x.high:.4g}] by {x.method}" for x in self.brackets),
            f"level        {self.level}, method: {self.method}",
        ]
        if self.evidence is not None and self.evidence.curvature_bound is not None:
            confidence = self.evidence.confidence
            lines.append(
                f"evidence     {self.evidence.escapes_failed} escapes failed: a saddle with "
                f"lambda_min < {-self.evidence.curvature_bound:.4g} would have been left with "
                f"probability >= {'unknown' if confidence is None else f'{confidence:.3g}'}"
            )
        if self.lanczos is not None and self.lanczos.curvature_bound is not None:
            lines.append(
                f"evidence     Lanczos from a random start would have seen lambda_min < "
                f"{-self.lanczos.curvature_bound:.4g} with probability >= "
                f"{self.lanczos.confidence:.3g}"
            )
        if self.numbers:
            figures = ", ".join(f"{name} {value:.4g}" for name, value in self.numbers.items())
            lines.append(f"numbers      {figures}")
        lines += [f"assumes      {sentence}" for sentence in self.assumptions]
        lines.append(f"rounds       {self.rounds}")
        return "\n".join(lines)

    __repr__ = __str__


def intersection(brackets: tuple[Bracket, ...]) -> Bracket:
    """All brackets at once; `method` names the one with the highest lower end."""
    best = max(brackets, key=lambda one: one.low, default=Bracket("none"))
    return Bracket(best.method, best.low, min((one.high for one in brackets), default=np.inf))


def verdict(
    brackets: tuple[Bracket, ...],
    tolerance: float,
    size: float,
    evidence: Evidence | None,
    lanczos: Evidence | None = None,
) -> tuple[str, str]:
    """Level and reason, the strongest that holds.

    Args:
        brackets: what is known about lambda_min.
        tolerance: eps_H.
        size: ||H_hat||_2; a flat answer, size 0, proves nothing.
        evidence: what the optimizer knows.
        lanczos: what a Krylov search says.
    """
    low, high = intersection(brackets).low, intersection(brackets).high
    if low > high:
        return "none", (
            f"the bounds contradict each other, lambda_min >= {low:.4g} and <= {high:.4g}: more "
            "than b liars, or honest Hessians with strong skew"
        )
    # Of a tolerance as large as the Hessian itself every point is "second-order stationary".
    says_nothing = tolerance >= size and high < 0
    if -np.inf < low >= -tolerance and size > 0 and not says_nothing:
        return "proved", f"lambda_min >= {low:.4g}, no less than -{tolerance:.4g}"
    if high < 0:
        return "witness", f"negative curvature witnessed, lambda_min <= {high:.4g}"
    # A bound beyond the Hessian itself is true of every point and says nothing about this one.
    bound = None if evidence is None else evidence.curvature_bound
    if (
        evidence is not None
        and evidence.escapes_failed
        and bound is not None
        and not bound >= size > 0
    ):
        return "evidence", (
            f"{evidence.escapes_failed} escapes failed, which is evidence for lambda_min >= "
            f"{-bound:.4g}, not proof"
        )
    if lanczos is not None and np.isfinite(lanczos.curvature_bound or 0.0) and size > 0:
        found = lanczos.numbers
        return "evidence", (
            f"Lanczos found no curvature below {found['Ritz value']:.4g} in "
            f"{found['Lanczos rounds']:.0f} rounds (residual {found['residual']:.2g}), which is "
            "evidence, not proof"
        )
    why = f"lambda_min >= {low:.4g} is all that follows, less than -{tolerance:.4g}"
    if lanczos is not None:
        why = f"Lanczos found no curvature below {lanczos.numbers['Ritz value']:.4g}, no more"
    elif not brackets:
        why = "the Hessian was not measured, and no escape failed here"
    elif size == 0:
        why = "the messages show no curvature at all, and a flat answer proves nothing"
    return "none", why
