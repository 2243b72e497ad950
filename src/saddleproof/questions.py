"""What a server may ask in one round: four questions, each with the shape of its answer.

    Gradients(points)                     (q, d)    grad F_i at q points: the question of the paper
    Changes(w, directions, lengths)       (p, t)    F_i(w + t v) - F_i(w), from above
    Curvatures(w, directions)             (2, p)    v'H_i v, from below and from above
    LeastCurvature(w)                     (3 + d,)  lambda_min(H_i) from below, and where it is seen

A question is broadcast to all workers, and worker i answers it about its own loss F_i alone, with
H_i = grad^2 F_i(w). Every fleet answers `Gradients`. A fleet that answers the others too says so
by its attribute `questions`; `saddleproof.fleets.worker` holds the worker's side.

A question holds read-only copies of its arrays, in C order. The bits of a sum depend on how its
terms lie in memory, and over a wire they always lie in C order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from saddleproof.arrays import Vector, plain
from saddleproof.border import kept
from saddleproof.errors import OptionError


@dataclass(frozen=True, eq=False)
class Gradients:
    """grad F_i at every point.

    Attributes:
        points: (q, d); their dtype is the dtype of an answer.
    """

    points: Vector

    def __post_init__(self) -> None:
        _keep(self, "points")

    @property
    def shape(self) -> tuple[int, ...]:
        """(q, d)."""
        return self.points.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the points."""
        return self.points.dtype


@dataclass(frozen=True, eq=False)
class Changes:
    """F_i(w + t v) - F_i(w) for every direction and every length, rounded upwards.

    A worker adds the rounding error of its own two values, so a decrease that it states is a
    decrease. A value that overflows counts as +inf.

    Attributes:
        w: (d,) float64.
        directions: (p, d) float64, of any length.
        lengths: (t,) float64 multiples of each direction.
    """

    w: Vector
    directions: Vector
    lengths: Vector

    def __post_init__(self) -> None:
        _keep(self, "w", "directions", "lengths")

    @property
    def shape(self) -> tuple[int, ...]:
        """(p, t)."""
        return len(self.directions), len(self.lengths)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64."""
        return np.dtype(np.float64)

    def along(self, k: int) -> Vector:
        """(t, d): the points w + t v on direction k, as all workers and the server compute them."""
        points: Vector = self.w + self.lengths[:, None] * self.directions[k]
        return points


@dataclass(frozen=True, eq=False)
class Curvatures:
    """v'H_i v for every direction: a lower and an upper end.

    The ends differ by the rounding of a worker's products, or by the error of its differences.

    Attributes:
        w: (d,) float64.
        directions: (p, d) float64, of any length.
    """

    w: Vector
    directions: Vector

    def __post_init__(self) -> None:
        _keep(self, "w", "directions")

    @property
    def shape(self) -> tuple[int, ...]:
        """(2, p)."""
        return 2, len(self.directions)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64."""
        return np.dtype(np.float64)


@dataclass(frozen=True, eq=False)
class LeastCurvature:
    """A proved lower bound of lambda_min(H_i), and the direction of the lowest curvature seen.

    An answer is (l, theta_1, theta_k, v): l <= lambda_min(H_i) with probability 1 - delta over the
    worker's own random start, the extreme Ritz values, and the unit vector v of theta_1.

    Attributes:
        w: (d,) float64.
        steps: k >= 1, the most Hessian-vector products that a worker spends.
        delta: admitted probability that l is too large, in (0, 1).
        seconds: time after which a worker stops with the bound that it has.
        seed: for experiments only. None lets every worker draw its start from its own entropy,
            after w is fixed, so that no liar can have steered w to spoil it.
    """

    w: Vector
    steps: int = 60
    delta: float = 0.0025
    seconds: float = float("inf")
    seed: int | None = None

    def __post_init__(self) -> None:
        _keep(self, "w")

    @property
    def shape(self) -> tuple[int, ...]:
        """(3 + d,)."""
        return (3 + len(self.w),)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64."""
        return np.dtype(np.float64)


def _keep(question: object, *names: str) -> None:
    for name in names:
        whose = f"{type(question).__name__}.{name}"
        object.__setattr__(question, name, kept(plain(getattr(question, name), whose)))


Question: TypeAlias = Gradients | Changes | Curvatures | LeastCurvature
#: Every question, in the order of the head of this file.
QUESTIONS: tuple[type, ...] = (Gradients, Changes, Curvatures, LeastCurvature)


def answered_by(fleet: object) -> Sequence[type]:
    """The questions that a fleet answers; one that does not say answers gradients alone."""
    kinds: Sequence[type] = getattr(fleet, "questions", (Gradients,))
    return kinds


def as_question(asked: object) -> Question:
    """What an optimizer asks as a question: an array of points stands for their gradients."""
    if isinstance(asked, QUESTIONS):
        return asked  # type: ignore[return-value]
    kinds = ", ".join(kind.__name__ for kind in QUESTIONS)
    if hasattr(asked, "shape") and not hasattr(asked, "__array__"):
        raise OptionError(
            f"an optimizer asks one of {kinds}, or (q, d) points; got {type(asked).__name__}, "
            "which no worker answers. A new question needs a worker's side, in "
            "saddleproof.fleets.worker"
        )
    points = plain(asked, "what the optimizer asks")
    if points.ndim != 2 or points.dtype.kind != "f":
        raise OptionError(
            "an optimizer asks (q, d) floating-point points, or a question; got "
            f"{type(asked).__name__} of shape {points.shape}, dtype {points.dtype}"
        )
    return Gradients(points)
