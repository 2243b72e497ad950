"""The run that every engine shall end alike: digits over 20 workers, of which 6 push to the saddle.

`digits.toml`, one folder up, says the same for `saddleproof run` and `saddleproof serve`.

F_i(w) = |w|^4 / 4 - w'S_i w / 2,    S_i the second moments of worker i's images
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import saddleproof as sp

WORKERS, LIARS, SEED = 20, 6, 0


class PrincipalComponent:
    """The loss; a worker's data are its S_i, (d, d)."""

    d = 20

    def value(self, w: Any, S: Any) -> float:
        """F_i at (d,)."""
        return float((w @ w) ** 2 / 4 - w @ S @ w / 2)

    def gradient(self, points: Any, S: Any) -> Any:
        """(w'w) w - S_i w at (q, d) points."""
        return (points**2).sum(axis=1, keepdims=True) * points - points @ S


@functools.cache
def digits() -> Any:
    """The images, dealt out to the workers."""
    return sp.problems.PCADigits(components=PrincipalComponent.d, workers=WORKERS, seed=SEED)


def problem() -> sp.Problem:
    """All shards in one place, for the engines that deal them out themselves."""
    return sp.Problem(PrincipalComponent(), list(digits().S), start=digits().start)


def load_data(partition: int) -> Any:
    """One worker's shard, where the worker is."""
    return digits().S[partition]


def train(fleet: Any, callback: Callable[[Any], bool | None] | None = None) -> sp.Result:
    """The run. In this experiment the coalition lies on the server's side of the transport."""
    attack = sp.SaddleAttack(digits().saddle, style="push", strength=digits().smoothness)
    return sp.minimize(
        sp.Coalition(fleet, attack, members=range(LIARS)),
        sp.CertifiedPGD(),
        aggregator=sp.Median(),
        b=LIARS,
        w0=digits().start,
        seed=SEED,  # for the comparison; without it nobody can predict the perturbations
        callback=callback,
    )


def told(result: sp.Result) -> str:
    """What is compared: the certificate, and the point to the last bit."""
    point = np.asarray(result.w).tobytes().hex()
    return f"{result}\n{'point':>12}: {point[:16]}...{point[-16:]}"
