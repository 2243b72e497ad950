"""The evidence of one round: a number a worker and kind, relative to what the others show.

    contradiction   how far its answers are from answers of one function (`contradictions`)
    distance        how far out its answers lie; of gradients, their sums over many rounds
    copies          whether another worker sent the very same answer, bit for bit

The worker of rank m - b is the worst of those that are left when the b worst are taken away. In
the first two kinds, 1 stands for `TIMES` as much as that worker shows, and a contradiction is set
against `SHARE` of the honest spread as well. With b = 0 nobody reaches 1.

Reference: sums of messages over a window, against their median: Allen-Zhu, Ebrahimianghazani, Li,
Alistarh, ICLR 2021. The other kinds are this library's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature, Question
from saddleproof.suspicion import contradictions
from saddleproof.suspicion.contradictions import Compared
from saddleproof.suspicion.said import KEPT, Said

#: A contradiction of this share of what honest numbers differ by hides in them.
SHARE = 0.1
#: How many times the worker of rank m - b is ordinary.
TIMES = 3.0
#: The most that one round tells of a worker: a loud lie is no clearer than a clear one.
MOST = 10.0
#: Rounding of a number that is compared between workers, in units of its last place.
ROUNDINGS = 64.0
#: The least distance that counts as ordinary, where equal data leave rounding alone.
LEAST = 0.1
CONTRADICTION, DISTANCE, COPIES = "contradiction", "distance", "copies"


@np.errstate(all="ignore")  # liars' numbers overflow
def weigh(
    question: Question,
    stack: Vector,
    heard: Sequence[str],
    roster: tuple[str, ...],
    b: int,
    said: Said | None,
) -> tuple[dict[str, dict[str, float]], Said | None]:
    """What one round tells of every worker, and what is to be remembered of it.

    Args:
        question: what was asked.
        stack: (m, *question.shape) the answers; (q, m, d) of `Gradients`.
        heard: the m workers' names.
        roster: all M names.
        b: the most liars among the m.
        said: what was said before; None in the first round.

    Returns:
        Kind of evidence to worker to a number in [0, 10], three digits of it. Nothing where
        b >= m/2, since the worker of rank m - b may then be a liar, or where the workers' vectors
        are too large to be remembered.
    """
    m, d = len(heard), _dimension(question)
    if not 2 * b < m or len(roster) * d > KEPT:
        return {}, None
    if said is None or not said.fits(roster, d):
        said = Said.nothing(roster, d)
    at = np.array([roster.index(name) for name in heard])
    stack = np.asarray(stack, dtype=float)
    if isinstance(question, Gradients):
        said = said.at(question.points[0]).with_gradients(stack[0], at)
        parts = [contradictions.curls(question.points, stack, b)] if len(stack) > 2 else []
        numbers, size = said.sums[at], _size(stack[0])
        rows = np.moveaxis(stack, 1, 0).reshape(m, -1)
    else:
        said = said.at(question.w)
        parts = _against(question, stack, said, at, b)
        rows = stack.reshape(m, -1)
        numbers = rows[:, :3] if isinstance(question, LeastCurvature) else rows
        size = _size(numbers)
        if isinstance(question, Curvatures):
            ends = said.placed(stack, at)
            said = replace(said, directions=question.directions, ends=ends)
        elif isinstance(question, LeastCurvature):
            said = replace(said, least=said.placed(stack, at))
    kinds = {
        CONTRADICTION: _contradiction(parts, m, b),
        DISTANCE: _distance(numbers, size, b),
        COPIES: _copies(rows),
    }
    evidence = {
        kind: {n: float(f"{found[i]:.3g}") for i, n in enumerate(heard) if not np.isnan(found[i])}
        for kind, found in kinds.items()
    }
    return {kind: numbers for kind, numbers in evidence.items() if numbers}, said


def _dimension(question: Question) -> int:
    points = question.points if isinstance(question, Gradients) else question.w
    return int(points.shape[-1])


def _against(
    question: Changes | Curvatures | LeastCurvature,
    stack: Vector,
    said: Said,
    at: NDArray[np.int64],
    b: int,
) -> list[Compared]:
    """Answers against what the same workers said before; NaN for those that were not heard then."""
    found = []

    def compare(before: Vector, part: contradictions.Comparing) -> None:
        then = before[at]
        both = ~np.isnan(then).reshape(len(at), -1).any(axis=1)
        if before.size and 2 * b < both.sum():
            residuals, spreads = part(stack[both], then[both])
            if not residuals.shape[1]:  # too few lengths to tell a slope from a bend
                return
            every = np.full((len(at), residuals.shape[1]), np.nan)
            every[both] = residuals
            found.append((every, spreads))

    if isinstance(question, Changes):
        compare(said.gradients, lambda now, then: contradictions.slopes(question, now, then, b))
        compare(
            said.ends,
            lambda now, then: contradictions.bends(question, now, said.directions, then, b),
        )
    if isinstance(question, Curvatures) and len(question.directions):
        compare(
            said.least,
            lambda now, then: contradictions.extremes(then, question.directions, now, b),
        )
    return found


def _contradiction(parts: list[Compared], m: int, b: int) -> Vector:
    """(m,) the mean over the comparisons, of the part that is worst for each; NaN for none.

    The mean: an honest worker may stand at a kink of its loss along one direction.
    """
    worst = np.full(m, np.nan)
    for residuals, spreads in parts:
        ordinary = SHARE * spreads + TIMES * _ranked(residuals, b)
        each = np.clip(np.where(residuals > 0, residuals / ordinary, residuals), 0.0, MOST)
        known = ~np.isnan(each)
        worst = np.fmax(worst, np.where(known, each, 0.0).sum(axis=1) / known.sum(axis=1))
    return worst


def _size(numbers: Vector) -> Vector:
    """(p,) the size of what (m, p) numbers were rounded from."""
    return np.asarray(np.sort(np.abs(numbers), axis=0)[len(numbers) // 2])


def _distance(numbers: Vector, size: Vector, b: int) -> Vector:
    """(m,) how far out (m, p) numbers lie: root mean square of the distances from medians.

    A number that more than b workers call infinite compares nobody.
    """
    known = (~np.isfinite(numbers)).sum(axis=0) <= b
    numbers, size = numbers[:, known], size[known]
    if not numbers.shape[1]:
        return np.full(len(numbers), np.nan)
    middle = np.median(numbers, axis=0)
    away = np.abs(numbers - middle)
    ordinary = _ranked(away, b) + ROUNDINGS * float(np.finfo(float).eps) * size
    units = np.clip(np.where(away > 0, away / ordinary, 0.0), 0.0, TIMES * MOST)
    far = np.sqrt((np.nan_to_num(units, nan=TIMES * MOST) ** 2).mean(axis=1))
    limit = TIMES * np.maximum(_ranked(far[:, None], b), LEAST)
    return np.clip(np.where(far > 0, far / limit, 0.0), 0.0, MOST)


def _ranked(x: Vector, b: int) -> Vector:
    """(p,) what the worker of rank m - b shows, of the m that show anything; NaN for none."""
    ordered = np.sort(x, axis=0)  # NaN stands last
    known = (~np.isnan(x)).sum(axis=0)
    at = np.maximum(known - b - 1, 0)
    found: Vector = np.take_along_axis(ordered, at[None], axis=0)[0]
    return found


def _copies(rows: Vector) -> Vector:
    """(m,) 0, or `TIMES` where another worker sent the same bits.

    Zeros, and any other single number repeated, may come from equal silence. Where most workers
    share their answers, the data are equal, and nobody copies.
    """
    finite = np.isfinite(rows)
    lowest = np.where(finite, rows, np.inf).min(axis=1)
    telling = lowest < np.where(finite, rows, -np.inf).max(axis=1)
    keys = [row.tobytes() for row in rows]
    counts = Counter(key for key, tells in zip(keys, telling, strict=True) if tells)
    copied = np.array([counts[key] > 1 for key in keys])
    return np.where(copied & (2 * copied.sum() <= len(rows)), TIMES, 0.0)
