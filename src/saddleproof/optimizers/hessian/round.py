"""What `HessianPGD` makes of a round about curvature, and the lines that it asks about.

**Through workers.** Each worker's own Hessian, slope and change of loss, from its own gradients,
with an error of its own; `saddleproof.claims` says what follows about the honest mean.

**From aggregates** of a known inexactness, with rho: the classical bound
(`saddleproof.curvature.stencils.classical`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.claims import CurvatureFacts, Demands, conclude, gradient_facts
from saddleproof.curvature.stencils import ROUNDINGS, classical, precisions, spans
from saddleproof.optimizers.base import Reading, Status
from saddleproof.optimizers.certified.line import NEAR, scaled
from saddleproof.optimizers.gradient_only.point_blocks import PointBlocks
from saddleproof.optimizers.gradient_only.segments import COARSE, WEIGHTS, interior
from saddleproof.ranks import mean_bounds
from saddleproof.words import Ending

#: A step c/rho is taken where c^2 >= MARGIN rho s: it then lowers F by c^3/(6 rho^2) or more.
MARGIN = 6.0
#: Lengths of a line, in units of the length that doubles some coordinate.
LENGTHS = 4.0 ** np.array(NEAR)


@dataclass(frozen=True)
class Found:
    """What is known about H = grad^2 F(w), and about F along one direction.

    Attributes:
        direction: (d,) unit v, turned downhill.
        value: v'Hv as it was measured.
        low, high: lambda_min(H) >= low and v'Hv <= high, proved.
        slope: <grad F(w), v> <= slope, proved.
        size: the largest curvature, as far as it was seen.
        tolerance: eps_H that the end is held against.
        end: how a run ends that finds no way down from here.
    """

    direction: Vector
    value: float
    low: float
    high: float
    slope: float
    size: float
    tolerance: float
    end: Status

    @property
    def error(self) -> float:
        """high - value."""
        return self.high - self.value

    @property
    def proved(self) -> bool:
        """Whether this is a second-order stationary point."""
        return self.end.name is Ending.SECOND_ORDER

    def length(self, rho: float) -> float:
        """c/rho, where a step of this length is proved to lower F; else 0."""
        c = -self.high
        return c / rho if c > 0 and c**2 >= MARGIN * rho * max(self.slope, 0.0) else 0.0


def by_workers(
    reading: Reading, facts: CurvatureFacts, tolerance: float | None, why: str = ""
) -> Found:
    """What the workers' own numbers prove about the mean of the honest ones.

    Args:
        reading: a round whose first point is w.
        facts: about their Hessians there.
        tolerance: eps_H; None for that of `Demands`.
        why: what to say instead where nothing is proved either way.
    """
    rows = np.asarray(reading.stack[0], dtype=float)
    gradient = gradient_facts(
        rows, reading.gradient[0], float(reading.inexactness[0]), reading.workers, reading.b
    )
    found = conclude(gradient, facts, reading.b, Demands(tolerance=tolerance))
    end = Status(found.level.ending, found.reason)
    if why and end.name is Ending.OPEN:
        end = Status(Ending.NO_ESCAPE_FOUND, why)
    v = facts.directions[0]
    noise = ROUNDINGS * precisions(reading.stack[:1]) * np.abs(rows).max(axis=1) * np.sqrt(len(v))
    up = float(mean_bounds(rows @ v + noise, reading.b)[1])
    down = float(mean_bounds(noise - rows @ v, reading.b)[1])
    return Found(
        direction=v if up <= down else -v,
        value=float(np.median(facts.highs[0])),
        low=found.curvature.low,
        high=found.curvature.high,
        slope=min(up, down),
        size=found.size,
        tolerance=found.tolerance,
        end=end,
    )


def by_aggregates(
    reading: Reading, points: Vector, inexactness: float, rho: float, tolerance: float | None
) -> Found:
    """What aggregates within `inexactness` of grad F prove, at w and its stencil.

    Without a tolerance, 2 e + sqrt(6 rho Delta) is allowed, which the theorem promises.
    """
    gradient, known = reading.gradient, np.full(len(points) - 1, inexactness)
    matrix, error = classical(gradient[1:], points[1:], known, rho)
    values, vectors = np.linalg.eigh(matrix)
    v, value = vectors[:, 0], float(values[0])
    low, high = value - error, value + error
    if tolerance is None:
        tolerance = 2 * error + float(np.sqrt(MARGIN * rho * inexactness))
    if -np.inf < low >= -tolerance:
        end = Status(
            Ending.SECOND_ORDER, f"lambda_min >= {low:.3g} proved (asked: {-tolerance:.3g})"
        )
    elif high < 0:
        end = Status(Ending.SADDLE, f"lambda_min <= {high:.3g}, but no step is proved to descend")
    else:
        why = f"lambda_min >= {low:.3g} is all that is proved (asked: {-tolerance:.3g})"
        end = Status(Ending.OPEN, why)
    direction = v if float(gradient[0] @ v) <= 0 else -v
    size = float(np.abs(values).max())
    return Found(direction, value, low, high, inexactness, size, tolerance, end)


def by_direction(
    reading: Reading, points: Vector, v: Vector, known: tuple[float, float], why: str
) -> Found:
    """What aggregates prove along one direction, at w and its stencil along v.

    Args:
        reading: the round at `points`.
        points: (3, d).
        v: (d,) unit vector.
        known: Delta and rho.
        why: what to say where no negative curvature is proved.
    """
    (inexactness, rho), gradient = known, reading.gradient
    apart = float(spans(points[1:], v[None])[0])
    value = float((gradient[1] - gradient[2]) @ v) / apart
    high = value + 2 * inexactness / apart + rho * apart / 4
    end = Status(Ending.NO_ESCAPE_FOUND, why)
    if high < 0:
        end = Status(Ending.SADDLE, f"lambda_min <= {high:.3g}, but no step is proved to descend")
    direction = v if float(gradient[0] @ v) <= 0 else -v
    return Found(direction, value, -np.inf, high, inexactness, abs(value), 0.0, end)


def overflows(reading: Reading) -> bool:
    """Whether a point of the round does."""
    return bool(np.isnan(reading.gradient).any())


def line_batch(w: Vector, v: Vector, gradient: Vector) -> PointBlocks:
    """Segments from w along v, -v and -g_hat, at all lengths; (3p, 14) of them or (2p, 14)."""
    ways = np.stack([v, -v, -gradient])
    ways = scaled(w, ways[np.linalg.norm(ways, axis=1) > 0])
    ends = (w + (LENGTHS[:, None] * ways[:, None, :]).reshape(-1, w.size)).astype(w.dtype)
    inner = interior(w, ends).astype(w.dtype)
    return PointBlocks({"here": w[None], "inner": inner, "ends": ends})


@np.errstate(over="ignore", invalid="ignore")
def line_changes(reading: Reading, batch: PointBlocks) -> Vector:
    """(ways, lengths, m) upper ends of F_i(end) - F_i(w), each by its worker's own line integral.

    What the finer and the coarser quadrature differ by is added, and the rounding of gradients.
    """
    w, ends = batch.blocks["here"], batch.blocks["ends"]
    n, m = len(ends), reading.stack.shape[1]
    stack = np.asarray(reading.stack, dtype=float)
    steps = np.asarray(ends, dtype=float) - w
    here, inner, last = stack[0], stack[1 : 3 * n + 1], stack[3 * n + 1 :]
    nodes = np.empty((5, n, m))
    nodes[0] = steps @ here.T
    nodes[1:4] = np.einsum("nkmd,nd->knm", inner.reshape(n, 3, m, -1), steps)
    nodes[4] = np.einsum("nmd,nd->nm", last, steps)
    fine, coarse = np.tensordot(WEIGHTS, nodes, 1), np.tensordot(COARSE, nodes, 1)
    # Rounding of the gradients of each segment; a float32 worker may send float64.
    size = np.abs(steps) @ np.abs(here).T + np.einsum("nmd,nd->nm", np.abs(last), np.abs(steps))
    noise = ROUNDINGS * precisions(reading.stack) * size
    changes: Vector = np.nan_to_num(fine + np.abs(fine - coarse) + noise, nan=np.inf, posinf=np.inf)
    void = np.asarray(np.isnan(reading.gradient).any(axis=1))
    lost = void[:1] | void[1 : 3 * n + 1].reshape(n, 3).any(axis=1) | void[3 * n + 1 :]
    changes[lost] = np.inf
    return changes.reshape(-1, len(LENGTHS), m)
