"""Everything that moves in a run of `HessianPGD`: its phases, each a value, and its state."""

from __future__ import annotations

from dataclasses import dataclass, replace

from saddleproof.arrays import Vector
from saddleproof.curvature.krylov import Krylov
from saddleproof.curvature.stencils import Measurement
from saddleproof.errors import StoreError
from saddleproof.optimizers.base import Status
from saddleproof.optimizers.gradient_descent import Descent
from saddleproof.optimizers.hessian.round import Found
from saddleproof.optimizers.randomness import RandomKey


@dataclass(frozen=True)
class Descend:
    """The coming round asks for the gradient at a trial point."""


@dataclass(frozen=True)
class Measure:
    """The coming round asks for gradients around w.

    Attributes:
        measurement: the steps; None where the inexactness is known, and one stencil is enough.
    """

    measurement: Measurement | None


@dataclass(frozen=True)
class Multiply:
    """The coming round multiplies the block of a Krylov space."""

    space: Krylov


@dataclass(frozen=True)
class Rate:
    """The coming round asks every worker for its curvature along what the space found."""

    space: Krylov


@dataclass(frozen=True)
class Line:
    """The coming round asks for gradients along lines out of w."""


@dataclass(frozen=True)
class Ended:
    """Nothing is asked any more."""

    status: Status


@dataclass(frozen=True)
class HessianState:
    """`HessianPGD` between two rounds.

    Attributes:
        descent: the trajectory, k = 1.
        random: the server's random numbers, for the start of a Krylov space and for the coin.
        phase: what the coming round is for.
        found: what is known of the Hessian at the point where the run stands.
        unseen: what a Krylov search may have missed there; see `Krylov.unseen`.
        escaped: how many steps were taken out of a small gradient.
        largest: the largest gain of a line.
        event: what the last round led to.
    """

    descent: Descent
    random: RandomKey
    phase: Descend | Measure | Multiply | Rate | Line | Ended
    found: Found | None = None
    unseen: float | None = None
    escaped: int = 0
    largest: float = 0.0
    event: str = "running"

    @property
    def w(self) -> Vector:
        """(d,) where the run stands."""
        w: Vector = self.descent.w[0]
        return w

    @property
    def known(self) -> Found:
        """What a line is asked about."""
        if self.found is None:
            raise StoreError("this state is torn: a line needs what was found")
        return self.found


def ended(state: HessianState, status: Status) -> HessianState:
    """The state of a run that ends with `status`."""
    return replace(state, phase=Ended(status))
