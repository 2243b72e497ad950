"""From the workers' proposals to directions that all rate, and from all answers to facts.

Every worker proposes the direction of its own lowest curvature. The server asks all of them about
a few, and joins what came in two or three rounds by the workers' names.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.claims import CurvatureFacts
from saddleproof.curvature.noise import CHECKS
from saddleproof.questions import LeastCurvature

#: Two proposals are one where the cosine between them is at least this.
SAME = 0.999
#: Rounding of v'H_i v, in units of the last place of a worker's largest curvature.
ROUNDINGS = 64.0


def proposals(answers: Vector, count: int) -> Vector:
    """(p, d) distinct unit directions, p <= count, those with the lowest stated Ritz values first.

    Args:
        answers: (m, 3 + d) to `LeastCurvature`.
        count: the most directions; more than b of them include an honest one.
    """
    ritz, vectors = answers[:, 1], answers[:, 3:]
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1)
    kept: list[Vector] = []
    for i in np.argsort(ritz, kind="stable"):
        if not 0 < lengths[i] < np.inf:
            continue
        v = vectors[i] / lengths[i]
        length = float(np.linalg.norm(v))
        if not length > 0 or any(abs(float(v @ u)) >= SAME for u in kept):
            continue
        kept.append(v / length)
        if len(kept) == count:
            break
    return np.stack(kept) if kept else np.empty((0, answers.shape[1] - 3))


def curvature_facts(
    said: tuple[tuple[str, ...], Vector],
    rated: tuple[tuple[str, ...], Vector],
    directions: Vector,
    question: LeastCurvature,
) -> CurvatureFacts:
    """`CurvatureFacts` of the workers that answered both rounds.

    Args:
        said: names and (m, 3 + d) answers to `question`.
        rated: names and (m, 2, p) answers to `Curvatures`.
        directions: the p directions.
        question: fixes the risk and the cost.
    """
    names = tuple(name for name in said[0] if name in rated[0])
    answers = said[1][[said[0].index(name) for name in names]]
    ends = rated[1][[rated[0].index(name) for name in names]]
    size = np.abs(answers[:, 2]) + np.abs(answers[:, 1])
    with np.errstate(over="ignore", invalid="ignore"):
        slack = ROUNDINGS * float(np.finfo(float).eps) * size
        highs = np.nan_to_num(ends[:, 1].T + slack, nan=np.inf, posinf=np.inf, neginf=-np.inf)
    certain = question.steps >= len(question.w)
    return CurvatureFacts(
        lows=answers[:, 0],
        tops=answers[:, 2],
        highs=highs,
        directions=directions,
        workers=names,
        matrices=np.empty((0, 0, 0)),
        errors=np.empty(0),
        risk=0.0 if certain else min(1.0, question.delta * len(names)),
        products=min(question.steps, len(question.w)) + len(directions) + 2 * CHECKS,
    )


def polar(d: int) -> Vector:
    """(d (d + 1) / 2, d) directions that determine a quadratic form: e_i, and e_i + e_j, i < j."""
    rows, columns = np.triu_indices(d, 1)
    axes = np.eye(d)
    return np.concatenate([axes, axes[rows] + axes[columns]])


def matrices_of(ends: Vector, d: int) -> tuple[Vector, Vector]:
    """(m, d, d) Hessians and (m,) bounds of their errors, from (m, 2, p) answers on `polar(d)`."""
    rows, columns = np.triu_indices(d, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        middle, half = ends.mean(axis=1), np.abs(ends[:, 1] - ends[:, 0]) / 2
        matrices, errors = (np.zeros((len(ends), d, d)) for _ in range(2))
        diagonal = np.arange(d)
        matrices[:, diagonal, diagonal] = middle[:, :d]
        errors[:, diagonal, diagonal] = half[:, :d]
        for out, value, sign in ((matrices, middle, -1), (errors, half, 1)):
            entry = (value[:, d:] + sign * (value[:, rows] + value[:, columns])) / 2
            out[:, rows, columns] = out[:, columns, rows] = entry
        wrong = np.linalg.norm(errors, axis=(1, 2))
    lost = ~(np.isfinite(matrices).all(axis=(1, 2)) & np.isfinite(wrong))
    matrices[lost], wrong[lost] = 0.0, np.inf
    return matrices, wrong


def polarised(known: CurvatureFacts, names: tuple[str, ...], ends: Vector) -> CurvatureFacts:
    """The facts with the Hessians of the workers that answered this round too."""
    d = known.directions.shape[1]
    both = tuple(name for name in known.workers if name in names)
    if not both:
        return known.among(both)
    old = [known.workers.index(name) for name in both]
    matrices, errors = matrices_of(ends[[names.index(name) for name in both]], d)
    eigenvalues = np.linalg.eigvalsh(matrices)
    v = np.linalg.eigh(np.median(matrices, axis=0))[1][:, :1].T
    size = np.abs(eigenvalues).max(axis=1)
    slack = errors + ROUNDINGS * float(np.finfo(float).eps) * size
    with np.errstate(over="ignore", invalid="ignore"):
        along = np.einsum("pi,mij,pj->pm", v, matrices, v) + slack
    own = np.where(np.isfinite(slack), eigenvalues[:, 0] - slack, -np.inf)
    return replace(
        known,
        lows=np.maximum(known.lows[old], own),
        tops=known.tops[old],
        highs=np.concatenate([known.highs[:, old], np.where(np.isnan(along), np.inf, along)]),
        directions=np.concatenate([known.directions, v]),
        workers=both,
        matrices=matrices,
        errors=slack,
        products=known.products + d * (d + 1) // 2 + CHECKS,
    )
