"""The server's side of a problem whose data are elsewhere: a start, and the number of workers."""

from __future__ import annotations

import numpy as np


class Clinics:
    """A vector of length d, which m workers know how to rate.

    Args:
        d: its length.
        workers: how many workers there are.
    """

    def __init__(self, d: int, workers: int) -> None:
        self.d, self.m = d, workers
        self.start = np.zeros(d)

    def gradients(self, points: np.ndarray) -> np.ndarray:
        """What the workers answer; a server never computes it."""
        raise NotImplementedError("the data are with the workers: use `saddleproof serve`")
