"""The scikit-learn digits in their first principal components."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.errors import MissingExtraError


def principal_scores(components: int) -> tuple[Vector, NDArray[np.int_]]:
    """1797 images, pixels / 16 and centred: (1797, components) scores, and which digit each is.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "data") from error
    digits = load_digits()
    pixels = digits.data / 16
    centred = pixels - pixels.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return centred @ directions[:components].T, digits.target
