"""What no server knows: the honest workers' mean at a point, and which claims it contradicts.

The judge computes everything anew from the problem. It shares no code with the certificate and with
the workers' own bounds, so an error there cannot hide itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.claims import Certificate

#: Largest d for which the judge computes all eigenvalues, and its Lanczos steps beyond.
FULL, STEPS = 256, 120
#: Rounding errors of the judge, in units of the largest numbers in play: with a problem's own
#: products, and with central differences of its gradients.
_EXACT, _DIFFERENCES = 1e-9, 1e-7


@dataclass(frozen=True)
class Truth:
    """The mean loss F of the honest workers at a point.

    Attributes:
        gradient: ||grad F||.
        lowest: lambda_min(grad^2 F); beyond d = 256 the lowest Ritz value, which is not lower.
        below: by how much lambda_min may be lower than `lowest`.
        direction: (d,) unit vector of `lowest`.
        slack: what rounding may add to any of these numbers.
        curvatures: v to v'H_i v of every honest worker, as (h,).
    """

    gradient: float
    lowest: float
    below: float
    direction: Vector
    slack: float
    curvatures: Callable[[Vector], Vector]


def truth(problem: Any, w: Vector, honest: Sequence[int]) -> Truth:
    """The honest workers' mean at w.

    Args:
        problem: `gradients`, and `products` where it has them.
        w: (d,) finite.
        honest: positions of the workers that do not lie.
    """
    rows = problem.gradients(w[None])[0, list(honest)]  # (h, d)

    def images(vectors: Vector) -> Vector:
        """H_i v: (p, d) to (h, p, d)."""
        if hasattr(problem, "products"):
            every = np.repeat(vectors[None], problem.m, axis=0)
            return np.asarray(problem.products(w, every)[list(honest)])
        h = 1e-5 * (1 + float(np.abs(w).max()))
        ahead, behind = (problem.gradients(w + s * h * vectors)[:, list(honest)] for s in (1, -1))
        return np.asarray(((ahead - behind) / (2 * h)).swapaxes(0, 1))

    d = len(w)
    if d <= FULL:
        matrix = images(np.eye(d)).mean(axis=0)
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        lowest, below, direction = float(values[0]), 0.0, vectors[:, 0]
        size = float(np.abs(values).max())
    else:
        lowest, below, direction, size = _lanczos(lambda v: images(v[None])[:, 0].mean(axis=0), d)
    unit = _EXACT if hasattr(problem, "products") else _DIFFERENCES
    slack = unit * (1 + size + float(np.abs(rows).max()))
    return Truth(
        float(np.linalg.norm(rows.mean(axis=0))),
        lowest,
        below,
        direction,
        slack,
        lambda v: images(v[None])[:, 0] @ v,
    )


def false_claims(
    found: Certificate, here: Truth, workers: Sequence[str], liars: Sequence[int]
) -> Iterator[str]:
    """What a certificate says that the honest workers' mean contradicts, a phrase each.

    Args:
        found: the certificate.
        here: the truth at its point.
        workers: the roster.
        liars: positions of the liars on it.
    """
    slack = here.slack
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
        above = here.curvatures(here.direction) >= most.low - slack
        if 2 * above.sum() <= len(above):
            yield "no majority of the honest workers has curvature above the majority's lower end"
        if found.v is not None:
            under = here.curvatures(found.v) <= most.high + slack
            if 2 * under.sum() <= len(under):
                yield "no majority of the honest workers has curvature below the upper end along v"


def _false_bracket(name: str, bracket: Any, here: Truth) -> Iterator[str]:
    if bracket.low > here.lowest + here.slack:
        yield f"{name} begins above lambda_min"
    if bracket.high < here.lowest - here.below - here.slack:
        yield f"{name} ends below lambda_min"


def _lanczos(apply: Callable[[Vector], Vector], d: int) -> tuple[float, float, Vector, float]:
    """Lowest Ritz value, its residual, its vector, and the largest |Ritz value|."""
    basis = np.zeros((min(STEPS, d), d))
    image = np.zeros_like(basis)
    v = np.random.default_rng(0).standard_normal(d)
    k = 0
    while k < len(basis):
        for _ in range(2):
            v = v - basis[:k].T @ (basis[:k] @ v)
        length = float(np.linalg.norm(v))
        if length <= 1e-12 * (1 + float(np.abs(image).max())):
            break
        basis[k] = v / length
        image[k] = v = apply(basis[k])
        k += 1
    small = basis[:k] @ image[:k].T
    values, vectors = np.linalg.eigh((small + small.T) / 2)
    ritz = vectors[:, 0] @ basis[:k]
    residual = float(np.linalg.norm(vectors[:, 0] @ image[:k] - values[0] * ritz))
    return float(values[0]), residual, ritz, float(np.abs(values).max())
