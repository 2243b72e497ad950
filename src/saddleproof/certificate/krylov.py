"""Where 2d points are too many: the lowest curvature that some rounds of block Lanczos see.

Worker-wise products span the space, one number per worker reads the curvature off it
(`saddleproof.optimizers.krylov`), and one more round asks every worker about the direction v that
came out. A witness v'Hv < 0 is proved. Nothing is ever proved about directions that were not seen:
there is evidence, with a probability that rests on the random start.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saddleproof import oracle
from saddleproof.arrays import Vector
from saddleproof.certificate.hessian import Bracket, along, best_step, precision
from saddleproof.optimizers.base import Evidence
from saddleproof.optimizers.curvature import stencil
from saddleproof.optimizers.krylov import DELTA, ROUNDS, Krylov
from saddleproof.optimizers.randomness import Stream

#: What the evidence rests on, beyond what the ranks do.
ASSUMPTIONS = (
    "the Krylov space began at a random block that no liar could predict",
    "Lanczos with products as inexact as measured does as well as with exact ones",
)


@dataclass(frozen=True)
class Found:
    """What a Krylov search found.

    Attributes:
        space: the space in the end.
        v: (d,) unit direction of its lowest curvature.
        bracket: lambda_min <= v'Hv <= high; None where the last round failed.
        step: h of the differences.
    """

    space: Krylov
    v: Vector
    bracket: Bracket | None
    step: float

    @property
    def evidence(self) -> Evidence:
        """What the search says about directions that it did not see."""
        return Evidence(
            curvature_bound=self.space.unseen(),
            confidence=1 - DELTA,
            assumptions=ASSUMPTIONS,
            numbers={
                "Ritz value": self.space.lowest()[0],
                "residual": self.space.residual(),
                "error of a product": self.space.spread,
                "Lanczos rounds": float(self.space.rounds),
            },
        )


def search(
    ask: Callable[[Vector], oracle.MessageReading],
    w: Vector,
    step: float,
    error: float | None,
    seed: int | None,
) -> tuple[oracle.MessageReading, Found | None]:
    """Grow a space from a random block round by round, then ask about what came out.

    Args:
        ask: one round.
        w: (d,) the point.
        step: h of the differences.
        error: what a product of an oracle is wrong by, Delta/h + rho h/2; None: workers show it.
        seed: for experiments; None takes fresh entropy.

    Returns:
        The first round, and what was found as far as the workers answered; None when a point
        overflows.

    Raises:
        TooFewWorkers: in the first round already.
    """
    space, bracket = Krylov.begin(Stream.open(seed).draw()[0], len(w)), None
    first = ask(space.points(w, step))
    if (least := best_step(w, precision(first.stack))) > step:
        step, first = least, ask(space.points(w, least))
    space = space.grow(first, w, step, error or 0.0)
    with contextlib.suppress(oracle.TooFewWorkers):  # then what is there has to do
        while space.rounds < ROUNDS and len(space.block) and space.finite:
            space = space.grow(ask(space.points(w, step)), w, step, error or 0.0)
        if space.finite:
            bracket = _witness(ask, space.lowest()[1], w, step, error)
    found = Found(space, space.lowest()[1], bracket, step) if space.finite else None
    return first, found


def _witness(
    ask: Callable[[Vector], oracle.MessageReading],
    v: Vector,
    w: Vector,
    step: float,
    error: float | None,
) -> Bracket | None:
    reading = ask(np.concatenate([w[None], stencil(w, v[None], step)]))
    if reading.void.any():
        return None
    if error is None:
        return along(reading.stack, w, v, step, reading.b)
    _, plus, minus = reading.gradient @ v
    return Bracket("direction", high=float((plus - minus) / (2 * step) + error))
