"""A problem whose workers do each other's work too, so that lies show (DRACO)."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.border import answer, number
from saddleproof.codes import Code

_VALUE, _GRADIENT, _PRODUCT = "the loss's value", "the loss's gradient", "the loss's product"


class Coded:
    """The same F, its parts handed out according to a code: worker i's F_i is sum_j W_ij F_j.

    Worker i holds the r parts with W_ij != 0 and sends one message, as before, so any fleet can
    run it; each worker computes r times as much. `saddleproof.aggregators.Draco` undoes the code.
    Workers that hold the same parts add them up in the same order and so send the same bits, as
    long as the loss itself is deterministic.

    Args:
        problem: anything with `m`, `d` and `gradients(points)`; with `loss` and `shards` it can
            also be computed by workers elsewhere, each of which is sent its own r shards.
        code: `Repetition` or `Cyclic`.

    Everything else (start, saddle, value, Hessian) is the problem's own.

    Raises:
        OptionError: there is no such code for the problem's m workers.

    >>> import saddleproof as sp
    >>> problem = sp.problems.Example2(workers=9, seed=0)
    >>> coded = sp.problems.Coded(problem, sp.codes.Repetition(s=1))
    >>> fleet = sp.Coalition(sp.LocalFleet(coded), sp.attacks.SignFlip(100.0), members=[4])
    >>> rule = sp.aggregators.Draco(sp.codes.Repetition(s=1))
    >>> options = dict(aggregator=rule, b=1, seed=0, max_rounds=9)
    >>> attacked = sp.minimize(fleet, sp.GradientDescent(step=0.1), **options)
    >>> free = sp.minimize(coded, sp.GradientDescent(step=0.1), **options)
    >>> bool((attacked.w == free.w).all())
    True
    """

    def __init__(self, problem: Any, code: Code) -> None:
        self.problem, self.code = problem, code
        self.m, self.d = int(problem.m), int(problem.d)
        W = code.matrix(self.m)
        self._rows = [[(int(j), float(row[j])) for j in np.flatnonzero(row)] for row in W]
        self._holders = [np.flatnonzero(column).tolist() for column in W.T]  # of each part
        if hasattr(problem, "loss") and hasattr(problem, "shards"):
            self.loss = CodedLoss(problem.loss)
            self.shards = tuple(tuple((c, problem.shards[j]) for j, c in row) for row in self._rows)
        if hasattr(problem, "products"):  # or a fleet would believe that there are answers
            self.products: Callable[[Vector, Vector], Vector] = self._products

    def gradients(self, points: Vector) -> Vector:
        """Every worker's coded gradient: (q, d) points to (q, m, d)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._encoded(self.problem.gradients(points))

    def values(self, w: Vector) -> Vector:
        """Every worker's coded loss: (d,) to (m,)."""
        values: Vector = self._encoded(self.problem.values(w)[None])[0]
        return values

    def values_at(self, points: Vector) -> Vector:
        """Every worker's coded loss at every point: (q, d) to (q, m)."""
        return self._encoded(self.problem.values_at(points))

    def _products(self, w: Vector, vectors: Vector) -> Vector:
        """Every worker's coded Hessian times its own vectors: (d,) and (m, p, d) to (m, p, d).

        A part is held by r workers, whose vectors differ: it is asked r times, for one of them
        each time.
        """
        found: dict[tuple[int, int], Vector] = {}  # worker and part to (p, d)
        for turn in range(max(map(len, self._holders))):
            served = [held[turn % len(held)] for held in self._holders]
            answers = self.problem.products(w, vectors[served])
            found.update({(i, j): answers[j] for j, i in enumerate(served)})
        rows = [_total([(c, found[i, j]) for j, c in row]) for i, row in enumerate(self._rows)]
        return np.stack(rows)

    def _encoded(self, pieces: Vector) -> Vector:
        """sum_j W_ij of what belongs to part j: (q, m, ...) to (q, m, ...)."""
        rows = [_total([(c, pieces[:, j]) for j, c in row]) for row in self._rows]
        return np.stack(rows, axis=1)

    def __getattr__(self, name: str) -> Any:
        """What is not coded is the problem's own."""
        if name.startswith("_") or name in ("problem", "loss", "shards"):
            raise AttributeError(name)
        return getattr(self.problem, name)


@dataclass(frozen=True)
class CodedLoss:
    """sum_j c_j f(w; part j): a loss whose data are pairs of a coefficient and a part.

    Args:
        loss: f.
    """

    loss: Any

    @property
    def d(self) -> int:
        """The loss's own."""
        return int(self.loss.d)

    def value(self, w: Vector, data: Any) -> float:
        """(d,) to a number."""
        return float(_total((c, number(self.loss.value(w, part), _VALUE)) for c, part in data))

    def gradient(self, points: Vector, data: Any) -> Vector:
        """(q, d) to (q, d)."""
        # A part at a time, so that the loss may use its buffer again.
        found: Vector = _total(
            (c, answer(self.loss.gradient(points, p), points.shape, _GRADIENT)) for c, p in data
        )
        return found

    @property
    def product(self) -> Callable[[Vector, Vector, Any], Vector] | None:
        """(d,) and (d,) to (d,); None where the loss has no product."""
        return self._product if hasattr(self.loss, "product") else None

    def _product(self, w: Vector, v: Vector, data: Any) -> Vector:
        found: Vector = _total(
            (c, answer(self.loss.product(w, v, p), w.shape, _PRODUCT)) for c, p in data
        )
        return found


def _total(terms: Iterable[tuple[float, Any]]) -> Any:
    """sum c x, in this order: equal terms give equal bits."""
    return functools.reduce(operator.add, (c * x for c, x in terms))
