"""The rounds of `HessianPGD` that look at curvature: what they ask, and what the answers prove."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.optimizers.base import Reading
from saddleproof.optimizers.gradient_only import segments
from saddleproof.optimizers.gradient_only.batch import Batch
from saddleproof.optimizers.curvature import (
    Curvature,
    by_oracle,
    by_workers,
    lowest,
    narrow,
    stencil,
    wide,
)
from saddleproof.optimizers.krylov import Krylov

#: Lengths of a line round, in units of the shortest.
LENGTHS = 2.0 ** np.arange(16)
#: Shortest length along v over 1 + |w|.
SHORTEST = 1e-4


@dataclass(frozen=True)
class Bounds:
    """What bounds the errors: rho, a known Delta, ranks over workers.

    Attributes:
        rho: Lipschitz constant of grad^2 F, or None: the oracle's bound is then out of reach.
        inexactness: Delta of an oracle that errs without showing it, or None: the messages show
            it, and ranks over workers hold.
    """

    rho: float | None
    inexactness: float | None

    def known(self, reading: Reading) -> Vector:
        """(q,): Delta at each point of a round."""
        if self.inexactness is None:
            return reading.inexactness
        return np.full(len(reading.gradient), self.inexactness)

    def steps(self, w: Vector, inexactness: float) -> dict[str, float]:
        """h of each stencil about w: "oracle" where rho is known, "workers" where ranks hold."""
        steps = {}
        if self.rho is not None:
            steps["oracle"] = wide(w, inexactness, self.rho)
        if self.inexactness is None:
            steps["workers"] = narrow(w)
        return steps

    def hessian_batch(self, w: Vector, inexactness: float) -> Batch:
        """w and 2d points a stencil."""
        axes = np.eye(len(w))
        steps = self.steps(w, inexactness)
        return Batch({"here": w[None]} | {n: stencil(w, axes, h) for n, h in steps.items()})

    def hessian(self, reading: Reading, w: Vector, inexactness: float) -> Curvature:
        """The smaller of the bounds, from the round at `hessian_batch`."""
        batch, steps = self.hessian_batch(w, inexactness), self.steps(w, inexactness)
        first = {name: int(np.argmax(batch.at(name)[0])) for name in steps}
        estimates = []
        if self.rho is not None:
            near = first["oracle"], steps["oracle"]
            estimates.append(by_oracle(reading, *near, self.known(reading), self.rho))
        if self.inexactness is None:
            estimates.append(by_workers(reading, first["workers"], steps["workers"], w))
        best, v, low = lowest(estimates)
        value, size = float(v @ best.matrix @ v), float(np.linalg.norm(best.matrix, 2))
        slope = self._slope(reading, v)
        return Curvature(v, value, best.error, low, *slope, size, best.method)

    def product(self, w: Vector) -> tuple[float, float]:
        """h of a Hessian-vector product, and what it errs by beyond what workers show."""
        if self.inexactness is None or self.rho is None:
            return narrow(w), 0.0
        h = wide(w, self.inexactness, self.rho)
        return h, self.inexactness / h + self.rho * h / 2

    def krylov(self, reading: Reading, space: Krylov) -> Curvature:
        """The lowest curvature of a space, with the last of its rounds."""
        value, v = space.lowest()
        slope = self._slope(reading, v)
        return Curvature(v, value, space.error, -np.inf, *slope, space.size, "krylov")

    def _slope(self, reading: Reading, v: Vector) -> tuple[float, float]:
        """<g_hat(w), v> and its error: of the oracle, or by ranks."""
        if self.inexactness is not None:
            return float(reading.gradient[0] @ v), self.inexactness
        found = reading.contrast(np.eye(len(reading.gradient))[:1], v[None])[0]
        return float(found.mid), float(max(found.high - found.mid, found.mid - found.low))


def line_batch(w: Vector, found: Curvature, step: Vector) -> Batch:
    """48 segments from w: 16 lengths along v, from where curvature could win, -v and -g_hat.

    Args:
        w: (d,) the point.
        found: v and the slope along it.
        step: (d,) eta g_hat, the descent's own step; the lengths go from 1/16 of it.
    """
    size, slope = 1 + float(np.abs(w).max()), found.slope_error - abs(found.slope)
    even = 2 * slope / -found.value if found.value < 0 else 0.0
    shortest = min(max(even, SHORTEST * size), size)
    ways = np.stack([shortest * found.downhill, -shortest * found.downhill, -step / 16])
    ends = (w + np.kron(ways, LENGTHS[:, None])).astype(w.dtype)
    inner = segments.interior(w, ends).astype(w.dtype)
    return Batch({"here": w[None], "inner": inner, "ends": ends})


def lowest_end(reading: Reading, batch: Batch) -> tuple[Vector, float]:
    """The step D whose end the workers prove lowest, one number each, and F(w + D) - F(w)."""
    steps = batch.blocks["ends"] - batch.blocks["here"]
    change = segments.decrease(
        reading, batch.at("here")[0], batch.at("inner"), batch.at("ends"), steps
    )
    return _lowest(steps, change.raw.high + change.allowance)


def lowest_pair(reading: Reading, batch: Batch) -> tuple[Vector, float]:
    """The step D along v for which the mean of F(w + D) and F(w - D) is proved lowest, less F(w).

    Worker i's own mean of the two differences; the slope, which is what liars hide best, cancels.
    """
    n, q = len(LENGTHS), len(batch.points)
    steps = batch.blocks["ends"][:n] - batch.blocks["here"]
    inner, ends = batch.at("inner").reshape(-1, 3, q), batch.at("ends")

    def halves(weights: Vector) -> Vector:
        lines = np.einsum("k,pkq->pq", weights[1:-1], inner) + weights[-1] * ends
        half: Vector = (lines[:n] - lines[n : 2 * n]) / 2  # the second n run along -D
        return half

    fine, coarse = halves(segments.WEIGHTS), halves(segments.COARSE)
    change = reading.contrast(fine, steps)
    error = reading.contrast(fine - coarse, steps)
    return _lowest(steps, change.high + np.maximum(np.abs(error.low), np.abs(error.high)))


def _lowest(steps: Vector, changes: Vector) -> tuple[Vector, float]:
    known = np.nan_to_num(changes, nan=np.inf)
    best = int(np.argmin(known))
    return steps[best], float(known[best])
