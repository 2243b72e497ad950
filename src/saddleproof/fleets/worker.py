"""The worker's side, the same on every engine: a loss, and data that never leave it.

    Gradients        the loss's own gradient
    Changes          its values at both ends, on the same rows, rounded upwards
    Curvatures       its own Hessian-vector products, or differences of its gradient
    LeastCurvature   Lanczos on the same products (`saddleproof.curvature.lanczos`)

A worker alone and all workers of a problem together (`reply_together`) answer with the same bytes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.curvature import noise
from saddleproof.curvature.differences import Differences, norm
from saddleproof.curvature.lanczos import Bound, least_eigenvalues
from saddleproof.curvature.noise import Products
from saddleproof.errors import FleetError, OptionError
from saddleproof.questions import (
    QUESTIONS,
    Changes,
    Curvatures,
    Gradients,
    LeastCurvature,
    Question,
)

#: Rounding errors of a value, in units of its last place.
ROUNDINGS = 16.0
#: A product that differs from differences of the gradient by this share of its size is wrong.
UNLIKE = 0.05


@runtime_checkable
class AnswersTogether(Protocol):
    """A problem that answers for all its workers in one vectorised call."""

    m: int

    def values_at(self, points: Vector) -> Vector:
        """F_i at every point: (q, d) to (q, m)."""

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """H_i(w) v of every worker's own vectors: (d,) and (m, p, d) to (m, p, d)."""


@dataclass(frozen=True, repr=False)  # data do not belong in logs and tracebacks
class Worker:
    """One worker: what it says of its own loss F_i.

    Args:
        loss: anything with `gradient(points, data)`, (q, d) to (q, d), and `value(w, data)`; see
            `saddleproof.problems.base.Loss`. A `product(w, v, data)`, (d,) and (d,) to (d,), is
            used in the place of differences.
        data: the worker's shard, whatever the loss reads.
    """

    loss: Any
    data: Any

    @np.errstate(over="ignore", invalid="ignore")  # judging messages is the oracle's business
    def answer(self, points: Vector, *, losses: bool = False) -> tuple[Vector, Vector | None]:
        """The gradients (q, d) at (q, d) points, and with `losses` the (q,) losses beside them.

        Raises:
            FleetError: the loss answers with another shape; told where the loss was written, not
                to the server.
        """
        gradient = self._gradient(points)
        if not losses:
            return gradient, None
        values = [float(self.loss.value(w, self.data)) for w in points]
        return gradient, np.array(values, dtype=points.dtype)

    @np.errstate(over="ignore", invalid="ignore")
    def reply(self, question: Question) -> Vector:
        """The answer to any question, of the question's own shape and dtype.

        Raises:
            FleetError: the loss answers with another shape.
        """
        if isinstance(question, Gradients):
            return self._gradient(question.points)
        found: Vector
        if isinstance(question, Changes):
            found = self._changes(question)[:, :, 0]
            return found
        if isinstance(question, Curvatures):
            (found,) = _curvatures(self._products(question.w), question, 1)
            return found
        if isinstance(question, LeastCurvature):
            (found,) = _least(self._products(question.w), question, 1)
            return found
        raise OptionError(f"a worker has no answer to {type(question).__name__}")

    def vote(self, question: Question, *, losses: bool = False) -> tuple[Vector, Vector | None]:
        """The answer to a question, and with `losses` the (q,) losses beside its gradients.

        Raises:
            FleetError: the loss answers with another shape.
        """
        if isinstance(question, Gradients):
            return self.answer(question.points, losses=losses)
        return self.reply(question), None

    def _gradient(self, points: Vector) -> Vector:
        gradient = np.asarray(self.loss.gradient(points, self.data), dtype=points.dtype)
        if gradient.shape != points.shape:
            raise FleetError(
                f"the loss's gradient must return shape {points.shape}, a row a point; "
                f"got {gradient.shape}"
            )
        return gradient

    def _changes(self, question: Changes) -> Vector:
        together: Callable[..., Any] | None = getattr(self.loss, "values_at", None)

        def values_at(points: Vector) -> Vector:
            if together is not None:
                return np.asarray(together(points, self.data))[:, None]
            return np.array([[float(self.loss.value(w, self.data))] for w in points])

        return changes(values_at, question)

    def _products(self, w: Vector) -> Products:
        """One vector at a time, by the loss's own product or by differences."""
        own: Callable[..., Any] | None = getattr(self.loss, "product", None)
        if own is None:
            return Differences(self._gradient, w).products

        def product(vectors: Vector) -> Vector:
            assert own is not None  # noqa: S101 (for the type checker)
            image: Vector = np.asarray(own(w, vectors[0], self.data), dtype=np.float64)
            if image.shape != w.shape:
                raise FleetError(
                    f"the loss's product must return shape {w.shape}; got {image.shape}"
                )
            return image[None]

        self._compare(product, w)
        return noise.with_rounding(product, 1, len(w))

    def _compare(self, product: Callable[[Vector], Vector], w: Vector) -> None:
        """Refuse a product that is not the derivative of the gradient, along one direction."""
        if isinstance(self.loss, RowOf):
            return
        r = noise.line_through(len(w))
        expected = Differences(self._gradient, w).product(r)
        image = product(r[None])[0]
        apart, size = norm(image - expected.vector), max(norm(image), norm(expected.vector))
        if apart > UNLIKE * size + 8 * expected.error:
            raise FleetError(
                "the loss's product is not the derivative of its gradient: along one direction "
                f"they differ by {apart / size:.2g} of their size"
            )


def reply_together(problem: AnswersTogether, question: Question) -> Vector:
    """Every worker's answer in one array, workers first: (m, *question.shape).

    Args:
        problem: answers for all workers at once.
        question: any but `Gradients`, which the problem answers itself.
    """
    if isinstance(question, Gradients):
        raise OptionError("a problem answers for its gradients itself")
    w, m = question.w, problem.m

    def product(vectors: Vector) -> Vector:
        # In C order: what is summed over a row depends on how the row lies in memory.
        images = np.asarray(problem.products(w, vectors[:, None, :])[:, 0], dtype=np.float64)
        return np.ascontiguousarray(images)

    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(question, Changes):
            return np.moveaxis(changes(problem.values_at, question), 2, 0)
        products = noise.with_rounding(product, m, len(w))
        if isinstance(question, Curvatures):
            return _curvatures(products, question, m)
        return _least(products, question, m)


def changes(values_at: Callable[[Vector], Vector], question: Changes) -> Vector:
    """F_i(w + t v) - F_i(w), rounded upwards, for all workers of `values_at`.

    The rounding of a value shows in two ways: in units of its last place, and in how much the
    value scatters when w moves by its own last place. A loss that subtracts large numbers hides
    the first and shows the second.

    Args:
        values_at: (q, d) points to (q, m) values.
        question: w, p directions and t lengths.

    Returns:
        (p, t, m); inf where an end overflows.
    """
    w = question.w
    neighbours = np.stack([w, np.nextafter(w, np.inf), np.nextafter(w, -np.inf)])
    here, above, below = np.asarray(values_at(neighbours), dtype=float)  # (m,) each
    ends = np.stack([values_at(question.along(k)) for k in range(question.shape[0])])  # (p, t, m)
    eps = np.array([noise.precision(x) for x in ends.reshape(-1, len(here)).T])
    scatter = np.maximum(np.abs(above - here), np.abs(below - here))
    slack = ROUNDINGS * (eps * (np.abs(here) + np.abs(ends)) + scatter)
    upper: Vector = ends - here + slack
    return np.where(np.isfinite(upper), upper, np.inf)


def start_of(question: LeastCurvature, n: int) -> Vector:
    """(n, d) starts, drawn after w is fixed; with a seed, the same one for all."""
    d = len(question.w)
    if question.seed is None:
        return np.random.default_rng().standard_normal((n, d))
    at = hashlib.blake2b(question.w.tobytes(), digest_size=16).digest()
    generator = np.random.default_rng([question.seed, int.from_bytes(at, "big")])
    return np.repeat(generator.standard_normal((1, d)), n, axis=0)


def _curvatures(products: Products, question: Curvatures, n: int) -> Vector:
    """(n, 2, p) ends of v'H_i v."""
    ends = np.empty((n, *question.shape))
    for k, v in enumerate(question.directions):
        images, errors = products(np.repeat(v[None], n, axis=0))
        # One product a worker, and not one of a matrix: the bits must not depend on n.
        middle = np.matmul(images[:, None, :], v)[:, 0]
        slack = errors * np.linalg.norm(v)
        lost = ~(np.isfinite(middle) & np.isfinite(slack))
        ends[:, 0, k] = np.where(lost, -np.inf, middle - slack)
        ends[:, 1, k] = np.where(lost, np.inf, middle + slack)
    return ends


def _least(products: Products, question: LeastCurvature, n: int) -> Vector:
    """(n, 3 + d) answers to `LeastCurvature`."""
    found = least_eigenvalues(
        products,
        start_of(question, n),
        steps=question.steps,
        delta=question.delta,
        deadline=time.monotonic() + question.seconds,
    )
    return np.stack([_packed(bound) for bound in found])


def _packed(bound: Bound) -> Vector:
    return np.concatenate([[bound.low, bound.ritz, bound.top], bound.vector])


@dataclass(frozen=True, repr=False)
class RowOf:
    """Worker `data` of a problem that has no loss over shards: one row of all workers' answers."""

    problem: Any

    def gradient(self, points: Vector, data: int) -> Vector:
        """grad F_i at (q, d) points, as (q, d); computes all m of them."""
        row: Vector = self.problem.gradients(points)[:, data]
        return row

    def value(self, w: Vector, data: int) -> float:
        """F_i(w); computes all m of them."""
        return float(self.problem.values(w)[data])

    def values_at(self, points: Vector, data: int) -> Vector:
        """F_i at (q, d) points, as (q,): the bits that the problem has for all its workers."""
        column: Vector = np.asarray(self.problem.values_at(points))[:, data]
        return column

    def product(self, w: Vector, v: Vector, data: int) -> Vector:
        """H_i(w) v; computes all m of them."""
        vectors = np.repeat(v[None, None], self.problem.m, axis=0)
        row: Vector = self.problem.products(w, vectors)[data, 0]
        return row


def questions_of(problem: Any) -> tuple[type, ...]:
    """The questions that the workers of `problem` can answer."""
    over_shards = hasattr(problem, "loss") and hasattr(problem, "shards")
    together = isinstance(problem, AnswersTogether)
    return QUESTIONS if together or over_shards else (Gradients,)


def workers_of(problem: Any) -> Sequence[Worker]:
    """One `Worker` a shard of `problem`.

    A benchmark problem that is no loss over shards goes to every worker whole.
    """
    if hasattr(problem, "loss") and hasattr(problem, "shards"):
        return [Worker(problem.loss, shard) for shard in problem.shards]
    row = RowOf(problem)
    return [Worker(row, i) for i in range(problem.m)]
