"""The largest error that a coalition is known to cause in one aggregation.

The messages are those of the problem of Observation 2, f(w; z) = ||w - z||^2 / 2: worker i sends
w minus the mean of its n samples. The error of the aggregate is the same at every w. The
inexactness of the oracle is then the error at a single point, and needs no covering net, which
would change the exponents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from saddleproof.aggregators.algorithm2.iterative_filtering import IterativeFiltering
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.trimmed_mean import TrimmedMean
from saddleproof.arrays import Vector

Law = Literal["gaussian", "skewed", "bounded"]
#: Radii of clusters, in units of s0 / sqrt(alpha), where a cluster doubles the variance.
RADII = (0.3, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0)
#: A coordinate beyond every honest one.
FAR = 1e6

COORDINATEWISE: dict[str, Callable[[Vector, int], Vector]] = {
    "median": Median(),
    "trimmed_mean": TrimmedMean(),
}


def largest_error(
    rule: str, rng: np.random.Generator, setting: Mapping[str, Any], *, scaled: bool = False
) -> float:
    """The largest error found, on one draw of the samples of all workers.

    Args:
        rule: "median", "trimmed_mean" or "filtering".
        rng: draws the samples, and directions of the search.
        setting: alpha, m, n, d, and optionally the law of the samples.
        scaled: see `worst_filtering`.
    """
    m, n, d = int(setting["m"]), int(setting["n"]), int(setting["d"])
    b = round(setting["alpha"] * m)
    originals = sample_means(rng, m, n, d, setting.get("law", "gaussian"))
    if rule == "filtering":
        return worst_filtering(rng, originals, b, scaled=scaled)
    return worst_by_coordinates(COORDINATEWISE[rule], originals[b:], b)


def sample_means(rng: np.random.Generator, m: int, n: int, d: int, law: Law) -> Vector:
    """(m, d) means of n samples each, with expectation 0.

    A coordinate of a sample is N(0, 1), Exp(1) - 1, or (n = 1 only) uniform in [-sqrt 3, sqrt 3].
    """
    rows: Vector
    if law == "gaussian":
        rows = rng.standard_normal((m, d)) / np.sqrt(n)
    elif law == "bounded":
        rows = rng.uniform(-np.sqrt(3), np.sqrt(3), (m, d))
    else:
        rows = rng.gamma(n, 1 / n, (m, d)) - 1
    return rows


def worst_by_coordinates(rule: Callable[[Vector, int], Vector], honest: Vector, b: int) -> float:
    """The exact worst error of a coordinate-wise rule that is monotone in each message.

    Each coordinate of the aggregate lies between its values for "all liars far below" and "all
    liars far above". The liars choose a side for each coordinate, so the worst aggregate takes
    the larger absolute value in all coordinates at once.

    Args:
        rule: from messages (m, d) and b to the aggregate (d,).
        honest: (m - b, d).
        b: number of liars.
    """
    ends = [
        rule(np.concatenate([np.full((b, honest.shape[1]), side * FAR), honest]), b)
        for side in ((-1, 1) if b else (1,))
    ]
    return float(np.linalg.norm(np.abs(ends).max(axis=0)))


def worst_filtering(rng: np.random.Generator, originals: Vector, b: int, *, scaled: bool) -> float:
    """The largest error found against `IterativeFiltering`: a lower bound of the worst.

    The liars send clusters of equal messages: one in the direction of largest variance, one in a
    random direction, or five in random directions. The search goes over the radius. The replaced
    messages are the honest ones farthest on the other side of the mean.

    Args:
        rng: draws the random directions.
        originals: (m, d) messages before b of them are replaced.
        b: number of liars.
        scaled: measure the error from the mean of the originals, in units of s0, the least sigma
            of (61): the part of Theorem 5 that Lemma 5 bounds.
    """
    m, d = originals.shape
    mean = originals.mean(axis=0)
    centred = originals - mean
    s0 = float(np.linalg.norm(centred, 2)) / np.sqrt(m)
    centre = mean if scaled else np.zeros(d)
    unit = s0 if scaled else 1.0
    filtering = IterativeFiltering()
    if b == 0:
        return float(np.linalg.norm(filtering(originals, 0) - centre)) / unit
    top = np.linalg.svd(centred, full_matrices=False)[2][0]
    frame = np.linalg.qr(rng.standard_normal((d, min(5, d))))[0].T
    worst = 0.0
    for directions in (top[None], frame[:1], frame):
        order = np.argsort(centred @ directions[0])  # the farthest on the other side first
        kept = originals[order[b:]]
        spread = directions[np.arange(b) % len(directions)]
        for radius in RADII:
            lies = mean + radius * s0 * np.sqrt(m / b) * spread
            error = float(np.linalg.norm(filtering(np.concatenate([lies, kept]), b) - centre))
            worst = max(worst, error / unit)
    return worst
