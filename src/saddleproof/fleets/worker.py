"""The worker's side, the same on every engine: a loss, and data that never leave it.

    Gradients        the loss's own gradient
    Changes          its values at both ends, on the same rows, rounded upwards
    Curvatures       its own Hessian-vector products, or differences of its gradient
    LeastCurvature   Lanczos on the same products (`saddleproof.curvature.lanczos`)

A worker alone and all workers of a problem together (`reply_together`) answer with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, assert_never, runtime_checkable

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.border import Lent, answer, label, number, shielded
from saddleproof.curvature import noise
from saddleproof.curvature.differences import Differences, norm
from saddleproof.curvature.noise import Products
from saddleproof.errors import FleetError, OptionError
from saddleproof.fleets.replies import changes, curvatures, least
from saddleproof.questions import (
    QUESTIONS,
    Changes,
    Curvatures,
    Gradients,
    LeastCurvature,
    Question,
)

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
        data: the worker's shard, whatever the loss reads; arrays are handed on as read-only views.
        name: what error messages call the worker.

    Every call of the loss goes through here: what it is handed is for reading, and what it returns
    is copied before it is called again.

    Raises:
        OptionError: a shard with masked entries, or of matrices.
    """

    loss: Any
    data: Any
    name: str = "this worker"

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", shielded(self.data, f"{self.name}'s shard"))

    @np.errstate(over="ignore", invalid="ignore")  # judging messages is the oracle's business
    def answer(self, points: Vector, *, losses: bool = False) -> tuple[Vector, Vector | None]:
        """The gradients (q, d) at (q, d) points, and with `losses` the (q,) losses beside them.

        Raises:
            OptionError: the loss answers with another shape, with something else than real
                numbers, or writes into what it was handed; told where the loss was written, not
                to the server.
        """
        gradient = self._gradient(points)
        if not losses:
            return gradient, None
        return gradient, self._values(points).astype(points.dtype, copy=False)

    @np.errstate(over="ignore", invalid="ignore")
    def reply(self, question: Question) -> Vector:
        """The answer to any question, of the question's own shape and dtype.

        Raises:
            OptionError: as `answer`.
            FleetError: the loss's product is not the derivative of its gradient.
        """
        if isinstance(question, Gradients):
            return self._gradient(question.points)
        found: Vector
        if isinstance(question, Changes):
            found = self._changes(question)[:, :, 0]
            return found
        if isinstance(question, Curvatures):
            (found,) = curvatures(self._products(question.w), question, 1)
            return found
        if isinstance(question, LeastCurvature):
            (found,) = least(self._products(question.w), question, 1)
            return found
        assert_never(question)

    def vote(self, question: Question, *, losses: bool = False) -> tuple[Vector, Vector | None]:
        """The answer to a question, and with `losses` the (q,) losses beside its gradients.

        Raises:
            OptionError: as `answer`.
            FleetError: the loss's product is not the derivative of its gradient.
        """
        if isinstance(question, Gradients):
            return self.answer(question.points, losses=losses)
        return self.reply(question), None

    def _ask(self, method: str, *given: Vector, shape: tuple[int, ...] | None) -> Any:
        """What the loss's method says of our data: a copy of this shape, or a number for None."""
        whose = f"the loss's {method} of {self.name}"
        found = Lent(*given).to(getattr(self.loss, method), self.data, whose=whose)
        if shape is None:
            return number(found, whose)
        return np.array(answer(found, shape, whose), order="C")

    def _gradient(self, points: Vector) -> Vector:
        found: Vector = self._ask("gradient", points, shape=points.shape)
        return found.astype(points.dtype, copy=False)

    def _values(self, points: Vector) -> Vector:
        return np.array([self._ask("value", w, shape=None) for w in points])

    def _changes(self, question: Changes) -> Vector:
        together = getattr(self.loss, "values_at", None) is not None

        def values_at(points: Vector) -> Vector:
            if together:
                found: Vector = self._ask("values_at", points, shape=points.shape[:1])
                return found[:, None]
            return self._values(points)[:, None]

        return changes(values_at, question)

    def _products(self, w: Vector) -> Products:
        """One vector at a time, by the loss's own product or by differences."""
        if getattr(self.loss, "product", None) is None:
            return Differences(self._gradient, w).products

        def product(vectors: Vector) -> Vector:
            image: Vector = self._ask("product", w, vectors[0], shape=w.shape)
            return image.astype(np.float64, copy=False)[None]

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
        whose, shape = "the problem's products", (m, 1, len(w))
        found = Lent(w, vectors[:, None, :]).to(problem.products, whose=whose)
        # In C order: what is summed over a row depends on how the row lies in memory.
        return np.array(answer(found, shape, whose)[:, 0], dtype=np.float64, order="C")

    def values_at(points: Vector) -> Vector:
        whose, shape = "the problem's values_at", (len(points), m)
        return np.array(answer(Lent(points).to(problem.values_at, whose=whose), shape, whose))

    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(question, Changes):
            return np.moveaxis(changes(values_at, question), 2, 0)
        products = noise.with_rounding(product, m, len(w))
        if isinstance(question, Curvatures):
            return curvatures(products, question, m)
        if isinstance(question, LeastCurvature):
            return least(products, question, m)
    assert_never(question)


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


def questions_of(problem: object) -> tuple[type, ...]:
    """The questions that the workers of `problem` can answer."""
    over_shards = hasattr(problem, "loss") and hasattr(problem, "shards")
    together = isinstance(problem, AnswersTogether)
    return QUESTIONS if together or over_shards else (Gradients,)


def names_of(problem: Any) -> tuple[str, ...]:
    """The workers' names: those that the user gave, or worker-0, worker-1 and so on."""
    given: tuple[str, ...] | None = getattr(problem, "names", None)
    return given or tuple(f"worker-{i}" for i in range(problem.m))


def workers_of(problem: Any) -> Sequence[Worker]:
    """One `Worker` a shard of `problem`.

    A benchmark problem that is no loss over shards goes to every worker whole.
    """
    names = getattr(problem, "names", None)
    if hasattr(problem, "loss") and hasattr(problem, "shards"):
        return [
            Worker(problem.loss, shard, label(names, i)) for i, shard in enumerate(problem.shards)
        ]
    row = RowOf(problem)
    return [Worker(row, i, label(names, i)) for i in range(problem.m)]
