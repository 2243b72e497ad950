"""The truth about a point, and which claims of a certificate it makes false.

The judge knows what no server can know: the true data of every worker. It computes everything
from the problem, and shares no code with certificates, with optimizers and with the workers' own
answers, so that an error there cannot hide itself. Comparisons and the red team have this one
judge, with one set of tolerances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.claims import Bracket, Certificate
from saddleproof.lab import products

#: Largest d for which the judge computes all eigenvalues.
FULL = 256
#: What rounding may add to a number, in units of the largest numbers in play.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Truth:
    """The mean loss F of some workers at a point.

    Attributes:
        gradient: ||grad F||.
        lowest: lambda_min(grad^2 F); beyond d = 256 the lowest Ritz value, which is not lower. NaN
            where the loss overflows.
        below: 0, or beyond d = 256 the residual of the Ritz value: about as much as lambda_min may
            be lower than `lowest`.
        direction: (d,) unit vector of `lowest`.
        slack: how far these numbers may be off: the error of differences where the problem has no
            products of its own, and rounding. inf where the loss overflows: the judge finds no
            claim false there.
        curvatures: v to v'H_i v of each of these h workers, (h,), and the errors that they may
            have, (h,).
    """

    gradient: float
    lowest: float
    below: float
    direction: Vector
    slack: float
    curvatures: Callable[[Vector], tuple[Vector, Vector]]


@np.errstate(over="ignore", invalid="ignore")
def truth(problem: Any, w: Vector, workers: Sequence[int]) -> Truth:
    """The mean loss of some workers at w, by their true data.

    Args:
        problem: `m`, `gradients`, and `products` where it has them.
        w: (d,).
        workers: positions of the workers, at least one: the honest ones where claims are judged,
            all m for F itself.
    """
    rows = problem.gradients(w[None])[0, list(workers)]  # (h, d)
    norm, d = float(np.linalg.norm(rows.mean(axis=0))), len(w)
    of = products.own if hasattr(problem, "products") else products.differences

    def curvatures(v: Vector) -> tuple[Vector, Vector]:
        images, errors = of(problem, w, v[None], workers)
        off = errors[:, 0] + ROUNDING * np.linalg.norm(images[:, 0], axis=1)
        return images[:, 0] @ v, off * float(np.linalg.norm(v)) + ROUNDING

    def mean(vectors: Vector) -> tuple[Vector, Vector]:
        images, errors = of(problem, w, vectors, workers)
        return images.mean(axis=0), errors.mean(axis=0)

    if d <= FULL:
        found, errors = mean(np.eye(d))
        below = 0.0
        if np.isfinite(found).all():
            values, vectors = np.linalg.eigh((found + found.T) / 2)
            direction = vectors[:, 0]
    else:
        found, errors, values, direction, below = products.lowest(mean, d)
    error = float(np.linalg.norm(errors))
    if not (np.isfinite(found).all() and np.isfinite(rows).all() and np.isfinite(error)):
        return Truth(norm, np.nan, 0.0, np.zeros(d), np.inf, curvatures)
    size = float(np.abs(values).max()) + float(np.abs(rows).max())
    slack = error + ROUNDING * (1 + size)
    return Truth(norm, float(values[0]), below, direction, slack, curvatures)


def end(problem: Any, w: Vector) -> tuple[bool, float]:
    """Whether a run that ended at w left the saddle, and what is left of the loss there.

    Args:
        problem: `excess`, and `left_saddle` where it has a saddle; without one a run counts as
            having left when it lost more than half of what there was to lose.
        w: (d,).

    Returns:
        The answer, and the loss: 1 at the saddle (or the start), 0 at the minimum.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        excess = float(problem.excess(w))
        left = problem.left_saddle(w) if hasattr(problem, "left_saddle") else excess < 0.5
        return bool(left), excess


def knows(problem: Any) -> bool:
    """Whether it can be said what is left of the loss: whether somebody knows a minimum."""
    return hasattr(problem, "excess")


def pooled(problem: Any, w: Vector) -> float:
    """F(w), the mean loss of all workers' true data; NaN of a problem that has no `value`."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(problem.value(w)) if hasattr(problem, "value") else float("nan")


def honest(m: int, liars: Sequence[int]) -> tuple[int, ...]:
    """The positions of m workers that are not among the liars."""
    lying = set(liars)
    return tuple(i for i in range(m) if i not in lying)


def false_claims(
    found: Certificate, here: Truth, workers: Sequence[str], liars: Sequence[int]
) -> Iterator[str]:
    """What a certificate says that the honest workers' mean contradicts, a phrase each.

    Args:
        found: the certificate.
        here: the truth of the honest workers at its point.
        workers: the roster.
        liars: positions of the liars on it; a conditional bracket promises something only where all
            workers that it names are among them.
    """
    slack = here.slack
    if not np.isfinite(slack):
        return
    if here.gradient > found.gradient_bound + slack:
        yield "the gradient is above its bound"
    if found.certified and here.lowest < -found.tolerance - slack:
        yield "certified, but lambda_min is below minus the tolerance"
    yield from _false_bracket("the bracket", found.curvature, here)
    named = found.conditional
    if named is not None and set(named.without) <= {workers[i] for i in liars}:
        yield from _false_bracket("the conditional bracket", named, here)
    most = found.majority
    if most is not None:
        along, off = here.curvatures(here.direction)
        if 2 * (along >= most.low - np.maximum(off, slack)).sum() <= len(along):
            yield "no majority of the honest workers has curvature above the majority's lower end"
        if found.v is not None:
            along, off = here.curvatures(found.v)
            if 2 * (along <= most.high + np.maximum(off, slack)).sum() <= len(along):
                yield "no majority of the honest workers has curvature below the upper end along v"


def _false_bracket(name: str, bracket: Bracket, here: Truth) -> Iterator[str]:
    if bracket.low > here.lowest + here.slack:
        yield f"{name} begins above lambda_min"
    if bracket.high < here.lowest - here.below - here.slack:
        yield f"{name} ends below lambda_min"
