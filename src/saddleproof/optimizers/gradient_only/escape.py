"""One escape: starts around an anchor, descending the centred function side by side.

Each start runs heavy-ball descent on the *centred* loss F(w) - <grad F(w~), w - w~>. The gradient
of the centred loss is the worker-wise difference AGG(g_i(x) - g_i(w~)), so the noise that all
points near the anchor share cancels. That noise is what holds a plain iterate at a fake minimum.
Every second round integrates the segments from the anchor to all starts (segments.py). A start is

    clear       when the intervals of the loss and of the centred loss are both below zero;
    curved      when the centred loss fell, from a start well inside the quadratic model: the
                Hessian has negative curvature there, even if no decrease of the loss is clear;
    likely      when the start is curved and the loss probably fell.

The intervals are ranks and two standard errors. They steer the run, and prove nothing about the
mean.

The centred loss "fell" when its decrease exceeds what a curvature of -gamma_T explains
(`EscapeSearch.visible`). Along a flat valley, such as the orbit of a symmetry, no start is curved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.optimizers.base import Reading
from saddleproof.optimizers.gradient_only.constants import (
    ACCEPT,
    CURVED_LEVEL,
    FIRST_TEST,
    IMPROVES,
    LEVELS,
    MOMENTUM,
    ROUNDS,
    TEST_EVERY,
    TINY,
    VISIBLE,
)
from saddleproof.optimizers.gradient_only.point_blocks import PointBlocks
from saddleproof.optimizers.gradient_only.probe import LocalModel
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
class EscapeSearch:
    """The starts of one escape, and what their tests have shown so far.

    Attributes:
        anchor: (d,) w~.
        model: what the probe round told about the anchor.
        step: eta of the starts.
        points, previous: (s, d) where the starts are and were.
        began: (s,) radius at which each start began.
        modest: (s,) whether it began well inside the quadratic model, as a curved start must.
        rounds: rounds done.
        best: the best clear landing so far.
        likely: the lowest landing so far that is only likely.
        curved: (s,) which starts are curved; see the head of this file.
        improving: whether the last test improved `best` enough to go on.
    """

    anchor: Vector
    model: LocalModel
    step: float
    points: Vector
    previous: Vector
    began: Vector
    modest: NDArray[np.bool_]
    curved: NDArray[np.bool_]
    rounds: int = 0
    best: Landing | None = None
    likely: Landing | None = None
    improving: bool = True

    @property
    def any_curved(self) -> bool:
        """Whether any start is curved."""
        return bool(self.curved.any())

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


def begin(anchor: Vector, model: LocalModel, step: float, directions: Vector) -> EscapeSearch:
    """Place the starts, each with its mirror image.

    Args:
        anchor: (d,) w~.
        model: the anchor's survey.
        step: eta of the starts.
        directions: (len(LEVELS), d) random unit directions, one a level.
    """
    levels = np.repeat(LEVELS, 2)
    pairs = np.repeat(directions, 2, axis=0) * np.tile([1.0, -1.0], len(LEVELS))[:, None]
    began = model.radius * levels
    points = anchor + began[:, None] * pairs
    nobody = np.zeros(len(points), dtype=bool)
    return EscapeSearch(anchor, model, step, points, points, began, levels <= CURVED_LEVEL, nobody)


def proceed(escape: EscapeSearch, reading: Reading, batch: PointBlocks) -> EscapeSearch:
    """The escape after a round with blocks "anchor", "starts" and "nodes"."""
    if len(batch.blocks["nodes"]):
        escape = _test(escape, reading, batch)
    centred = reading.combination(batch.minus("starts", "anchor")).vector
    speed = escape.points - escape.previous
    forward = escape.points + MOMENTUM * speed - _steps(escape, centred) * centred
    # A start that overflows all the same stays where it is: its tests claim nothing.
    forward = np.where(np.isfinite(forward).all(axis=1, keepdims=True), forward, escape.points)
    return replace(escape, points=forward, previous=escape.points, rounds=escape.rounds + 1)


def _steps(escape: EscapeSearch, centred: Vector) -> Vector:
    """(s, 1) steps: the escape's own, shorter where the secant to the anchor is too steep."""
    length = np.linalg.norm(escape.points - escape.anchor, axis=1)
    steepest = np.linalg.norm(centred, axis=1) / np.maximum(length, TINY)
    steps: Vector = np.minimum(escape.step, ACCEPT / np.maximum(steepest, TINY))
    return steps[:, None]


def _test(escape: EscapeSearch, reading: Reading, batch: PointBlocks) -> EscapeSearch:
    moved = escape.points - escape.anchor
    fall = decrease(reading, batch.at("anchor")[0], batch.at("nodes"), batch.at("starts"), moved)
    length = np.linalg.norm(moved, axis=1)
    claimed = -escape.visible * length**2 / 2 - fall.allowance
    clear = (fall.centred.high < claimed) & (fall.raw.high + fall.allowance < 0)
    inside = (length > escape.began) & (length <= 2 * escape.model.radius)
    curved = escape.curved | ((fall.centred.vote < claimed) & inside & escape.modest)
    old, new = escape.best, _lowest(escape, reading, batch, fall, clear)
    improving = old is None or (new is not None and new.change < IMPROVES * old.change)
    likely = _lowest(escape, reading, batch, fall, curved & (fall.raw.mid < 0))
    lower = likely is not None and (escape.likely is None or likely.change < escape.likely.change)
    return replace(
        escape,
        best=new if improving else old,
        likely=likely if lower else escape.likely,
        curved=curved,
        improving=improving,
    )


def _lowest(
    escape: EscapeSearch,
    reading: Reading,
    batch: PointBlocks,
    fall: Decrease,
    allowed: NDArray[np.bool_],
) -> Landing | None:
    """The allowed start with the lowest middle estimate, with its aggregate."""
    if not allowed.any():
        return None
    row = int(np.argmin(np.where(allowed, fall.raw.mid, np.inf)))
    found = reading.combination(batch.at("starts")[row : row + 1])
    inexactness = np.inf if found.inexactness is None else float(found.inexactness[0])
    return Landing(escape.points[row], found.vector[0], inexactness, float(fall.raw.mid[row]))
