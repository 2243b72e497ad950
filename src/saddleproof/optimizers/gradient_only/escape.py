"""One escape: starts around an anchor, descending the centred function side by side.

Each start runs heavy-ball descent on the *centred* loss F(w) - <grad F(w~), w - w~>, whose gradient
is the worker-wise difference AGG(g_i(x) - g_i(w~)): what holds a plain iterate at a fake minimum,
the noise that all points near the anchor share, is not in it. Every second round the segments from
the anchor to all starts are integrated (segments.py). A start is

    clear       when the intervals of the loss and of the centred loss are both below zero;
    a witness   when the centred loss fell, from a start well inside the quadratic model:
                there is negative curvature, even if no decrease is clear;
    likely      when it is a witness and the loss probably fell.

The intervals are ranks and two standard errors. They steer, and prove nothing about the mean.

The centred loss "fell" when it lost more than a curvature of -gamma_T would have made it lose
(`Escape.visible`): along a flat valley, such as the orbit of a symmetry, nothing is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.optimizers.base import Reading
from saddleproof.optimizers.gradient_only.batch import Batch
from saddleproof.optimizers.gradient_only.constants import (
    ACCEPT,
    FIRST_TEST,
    IMPROVES,
    LEVELS,
    MOMENTUM,
    ROUNDS,
    TEST_EVERY,
    TINY,
    VISIBLE,
    WITNESS_LEVEL,
)
from saddleproof.optimizers.gradient_only.probe import Terrain
from saddleproof.optimizers.gradient_only.segments import Decrease, decrease, interior


@dataclass(frozen=True)
class Landing:
    """A point that an escape may jump to.

    Attributes:
        w, gradient, inexactness: the point and its aggregate.
        change: the middle estimate of F(w) - F(anchor), negative.
    """

    w: Vector
    gradient: Vector
    inexactness: float
    change: float


@dataclass(frozen=True)
class Escape:
    """An escape in motion.

    Attributes:
        anchor: (d,) w~.
        terrain: what the probe round told about the anchor.
        step: eta of the starts.
        points, previous: (s, d) where the starts are and were.
        began: (s,) radius at which each start began.
        modest: (s,) whether it began well inside the quadratic model, so that it can be a witness.
        rounds: rounds done.
        best: the best clear landing so far.
        likely: the lowest landing of all tests so far that is only likely.
        witnesses: (s,) which starts are witnesses.
        improving: whether the last test improved `best` enough to go on.
    """

    anchor: Vector
    terrain: Terrain
    step: float
    points: Vector
    previous: Vector
    began: Vector
    modest: NDArray[np.bool_]
    witnesses: NDArray[np.bool_]
    rounds: int = 0
    best: Landing | None = None
    likely: Landing | None = None
    improving: bool = True

    @property
    def witness(self) -> bool:
        """Whether any start is a witness."""
        return bool(self.witnesses.any())

    @property
    def visible(self) -> float:
        """gamma_T, the least negative curvature that an escape makes visible.

        Along an eigenvector of curvature -gamma a start moves by x+ = (1 + beta + eta gamma) x -
        beta x_-, whose larger root z grows like z^T. A random start has a share of some 1/sqrt(d)
        in that direction, visible once z^T = 6 sqrt(d); then gamma = (z - 1)(z - beta)/(z eta).
        """
        z = (VISIBLE * np.sqrt(self.anchor.size)) ** (1 / ROUNDS)
        return float((z - 1) * (z - MOMENTUM) / (z * self.step))

    @property
    def tests(self) -> bool:
        """Whether the coming round is a test."""
        t = self.rounds + 1
        return t >= FIRST_TEST and (t - FIRST_TEST) % TEST_EVERY == 0

    @property
    def inner(self) -> Vector:
        """(3 s, d) inner nodes of all segments, or (0, d) when the coming round is no test."""
        ends = self.points if self.tests else self.points[:0]
        return interior(self.anchor, ends)


def begin(anchor: Vector, terrain: Terrain, step: float, directions: Vector) -> Escape:
    """Place the starts, each with its mirror image.

    Args:
        anchor: (d,) w~.
        terrain: the anchor's survey.
        step: eta of the starts.
        directions: (len(LEVELS), d) random unit directions, one a level.
    """
    levels = np.repeat(LEVELS, 2)
    pairs = np.repeat(directions, 2, axis=0) * np.tile([1.0, -1.0], len(LEVELS))[:, None]
    began = terrain.radius * levels
    points = anchor + began[:, None] * pairs
    nobody = np.zeros(len(points), dtype=bool)
    return Escape(anchor, terrain, step, points, points, began, levels <= WITNESS_LEVEL, nobody)


def proceed(escape: Escape, reading: Reading, batch: Batch) -> Escape:
    """The escape after a round with blocks "anchor", "starts" and "nodes"."""
    if len(batch.blocks["nodes"]):
        escape = _test(escape, reading, batch)
    centred = reading.combination(batch.minus("starts", "anchor")).vector
    speed = escape.points - escape.previous
    forward = escape.points + MOMENTUM * speed - _steps(escape, centred) * centred
    # A start that overflows all the same stays where it is: its tests claim nothing.
    forward = np.where(np.isfinite(forward).all(axis=1, keepdims=True), forward, escape.points)
    return replace(escape, points=forward, previous=escape.points, rounds=escape.rounds + 1)


def _steps(escape: Escape, centred: Vector) -> Vector:
    """(s, 1) steps: the escape's own, shorter where the secant to the anchor is too steep."""
    length = np.linalg.norm(escape.points - escape.anchor, axis=1)
    steepest = np.linalg.norm(centred, axis=1) / np.maximum(length, TINY)
    steps: Vector = np.minimum(escape.step, ACCEPT / np.maximum(steepest, TINY))
    return steps[:, None]


def _test(escape: Escape, reading: Reading, batch: Batch) -> Escape:
    moved = escape.points - escape.anchor
    fall = decrease(reading, batch.at("anchor")[0], batch.at("nodes"), batch.at("starts"), moved)
    length = np.linalg.norm(moved, axis=1)
    claimed = -escape.visible * length**2 / 2 - fall.allowance
    clear = (fall.centred.high < claimed) & (fall.raw.high + fall.allowance < 0)
    inside = (length > escape.began) & (length <= 2 * escape.terrain.radius)
    witnesses = escape.witnesses | ((fall.centred.vote < claimed) & inside & escape.modest)
    old, new = escape.best, _lowest(escape, reading, batch, fall, clear)
    improving = old is None or (new is not None and new.change < IMPROVES * old.change)
    likely = _lowest(escape, reading, batch, fall, witnesses & (fall.raw.mid < 0))
    lower = likely is not None and (escape.likely is None or likely.change < escape.likely.change)
    return replace(
        escape,
        best=new if improving else old,
        likely=likely if lower else escape.likely,
        witnesses=witnesses,
        improving=improving,
    )


def _lowest(
    escape: Escape, reading: Reading, batch: Batch, fall: Decrease, allowed: NDArray[np.bool_]
) -> Landing | None:
    """The allowed start with the lowest middle estimate, with its aggregate."""
    if not allowed.any():
        return None
    row = int(np.argmin(np.where(allowed, fall.raw.mid, np.inf)))
    found = reading.combination(batch.at("starts")[row : row + 1])
    inexactness = np.inf if found.inexactness is None else float(found.inexactness[0])
    return Landing(escape.points[row], found.vector[0], inexactness, float(fall.raw.mid[row]))
