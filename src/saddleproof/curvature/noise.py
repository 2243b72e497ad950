"""How exactly a function computes: what shows in its own numbers, whatever it says of itself.

**Gradients.** Along a line of equal steps the k-th differences of a smooth function vanish like the
k-th power of the step, and what is left is noise. Of independent errors with standard deviation s,
a k-th difference has the variance s^2 (2k)! / (k!)^2 (More and Wild, "Estimating computational
noise", SIAM J. Sci. Comput. 33(3), 2011). Where an entry stands still from step to step, as that of
a worker that rounds w to float32 does, the step is too short to show the noise, and a longer one is
taken for it. An entry that never moves counts as rounded like the others.

**Products.** H (c v) / c is H v but for rounding. A worker that computes in float32 shows it there,
even where it goes on in float64 afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import comb

import numpy as np

from saddleproof.arrays import Vector

#: Points on the line, in two calls: a function that draws random numbers shows a jump between them.
POINTS = 8
#: Steps of the line, relative to w.
STEPS = (2.0**-46, 2.0**-36, 2.0**-26, 2.0**-16)
#: Noise of more than this share of most entries is that of a float32.
COARSE = 1e-10
#: Orders of the differences that are looked at.
ORDERS = (3, 4, 5)
#: Factors of the comparison of products; no powers of two, with which no digit changes.
FACTORS = (3.0, 0.7)
#: Products that the comparison costs.
CHECKS = 1 + len(FACTORS)
#: Rounding errors of a product, in units of its last place.
ROUNDINGS = 16.0
#: The first numbers, which tell of most float64 what they are.
FIRST = 256
_EPS = float(np.finfo(float).eps)
#: n vectors at once, one for each of n matrices: (n, d) to (n, d) products and (n,) errors.
Products = Callable[[Vector], tuple[Vector, Vector]]


def precision(numbers: Vector) -> float:
    """eps of what computed these numbers: numbers that all fit a float32 come from one.

    A worker may compute in float32 and send float64.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        short = bool(numbers.any()) and _fit(numbers.flat[:FIRST]) and _fit(numbers)
    return float(np.finfo(np.float32 if short else np.float64).eps)


def dots(x: Vector, y: Vector) -> Vector:
    """(n, d) and (n, d) to (n,) products row by row; a row has the same bits in any company."""
    found: Vector = np.einsum("ij,ij->i", x, y)
    return found


def _fit(numbers: Vector) -> bool:
    return bool((numbers == numbers.astype(np.float32)).all())


def of_gradient(gradient: Callable[[Vector], Vector], w: Vector) -> tuple[float, float]:
    """The 2-norm of the noise of a gradient near w, and the eps of what computes it.

    Args:
        gradient: (q, d) points to (q, d) gradients of one function.
        w: (d,).

    Returns:
        (inf, eps) where it overflows.

    Cost: 8 gradients, and 8 more for every longer step that is needed.

    >>> exact = of_gradient(lambda points: 3 * points, np.ones(4))
    >>> single = of_gradient(lambda points: 3 * points.astype(np.float32) + 0.1, np.ones(4))
    >>> exact[0] < 1e-14, 1e-8 < single[0] < 1e-6, single[1] > 1e-8
    (True, True, True)
    """
    half = POINTS // 2
    lines = (_line(w, step) for step in STEPS)
    return _judged(np.concatenate([gradient(x[:half]), gradient(x[half:])]) for x in lines)


def lines(w: Vector) -> Vector:
    """(q, d): the points of all steps, to be asked about in one round; see `of_lines`."""
    return np.concatenate([_line(w, step) for step in STEPS])


def of_lines(gradients: Vector) -> tuple[float, float]:
    """`of_gradient`, from (q, d) gradients at `lines`."""
    return _judged(iter(gradients.reshape(len(STEPS), POINTS, -1)))


def _line(w: Vector, step: float) -> Vector:
    w = np.asarray(w, dtype=float)
    way = line_through(len(w)) * np.maximum(np.abs(w), 1.0)
    # Whole last places, so that the points lie at equal steps in spite of rounding.
    place = 2 * np.spacing(np.maximum(np.abs(w), POINTS * step * np.abs(way)))
    moves = np.where(step * np.abs(way) < place, np.sign(way), np.rint(step * way / place))
    points: Vector = w + np.arange(POINTS)[:, None] * (moves * place)
    return points


@np.errstate(over="ignore", invalid="ignore")
def _judged(found: Iterator[Vector]) -> tuple[float, float]:
    """Noise and eps, from (POINTS, d) gradients on longer and longer lines."""
    noise, size, waiting, eps = np.zeros(1), np.zeros(1), np.ones(1, dtype=bool), _EPS
    for values in found:
        if not np.isfinite(values).all():
            return np.inf, eps
        noise = np.where(waiting, np.maximum(noise, scatter(values)), noise)
        size = np.where(waiting, np.abs(values).max(axis=0), size)
        eps = max(eps, precision(values))
        moved = (np.diff(values, axis=0) != 0).sum(axis=0)
        waiting = waiting & (moved < POINTS // 2)
        if not waiting.any():
            break
    coarse = noise > COARSE * size
    if 2 * (coarse & ~waiting).sum() > (~waiting).sum():
        eps = max(eps, float(np.finfo(np.float32).eps))
    # What never moved may be too large to show its own changes.
    noise = np.where(waiting, np.maximum(noise, eps * size), noise)
    largest = float(noise.max())
    return (largest * float(np.linalg.norm(noise / largest)) if largest > 0 else 0.0), eps


def line_through(d: int, number: int = 0) -> Vector:
    """(d,) the direction of the line: no entry is small, none is a round number."""
    generator = np.random.default_rng([d, number])
    found: Vector = generator.uniform(0.5, 1.5, d) * generator.choice([-1.0, 1.0], d)
    return found


def scatter(values: Vector) -> Vector:
    """(d,) the standard deviation of the noise in (n, d) values at equal steps."""
    found = np.zeros(values.shape[1])
    for k in ORDERS:
        differences = np.diff(values, n=k, axis=0) / np.sqrt(comb(2 * k, k))
        found = np.maximum(found, np.abs(differences).max(axis=0))
    return found


def of_products(product: Callable[[Vector], Vector], n: int, d: int) -> tuple[Vector, Vector]:
    """(n,) 2-norms of what is wrong with H_i r for a unit vector r, and (n,) relative to |H_i r|.

    Args:
        product: (n, d) to (n, d), one vector for each of n matrices.
        n: matrices.
        d: dimensions.

    Cost: CHECKS products.
    """
    r = line_through(d)
    r = np.repeat((r / np.linalg.norm(r))[None], n, axis=0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        image = product(r)
        others = [product(factor * r) / factor for factor in FACTORS]
        wrong = np.max([np.linalg.norm(other - image, axis=1) for other in others], axis=0)
        share = np.where(wrong > 0, wrong / np.linalg.norm(image, axis=1), 0.0)
    return np.nan_to_num(wrong, nan=np.inf), np.nan_to_num(share, nan=np.inf)


def with_rounding(product: Callable[[Vector], Vector], n: int, d: int) -> Products:
    """The products with their rounding errors, as far as these show.

    A product rounds in proportion to its own size, in the precision of its digits, and by what
    H (c v) / c and H v differ for one vector: that is where terms cancel, and where a worker
    computes in float32 and goes on in float64.

    Args:
        product: (n, d) to (n, d), one vector for each of n matrices.
        n: matrices.
        d: dimensions.
    """
    level, share = of_products(product, n, d)

    def products(vectors: Vector) -> tuple[Vector, Vector]:
        images = product(vectors)
        eps = np.maximum([precision(image) for image in images], share)
        sizes, lengths = np.sqrt(dots(images, images)), np.sqrt(dots(vectors, vectors))
        return images, ROUNDINGS * (eps * sizes + level * lengths)

    return products
