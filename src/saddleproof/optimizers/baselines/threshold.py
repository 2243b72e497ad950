"""The test for a small gradient, which starts every perturbation and every search."""

from __future__ import annotations

import numpy as np

from saddleproof.errors import OptionError
from saddleproof.optimizers.base import Reading
from saddleproof.optimizers.gradient_descent import STATIONARY


def small(reading: Reading, epsilon: float | None) -> bool:
    """Whether ||g_hat|| <= epsilon at the first query point; epsilon = 3 Delta_hat where None.

    Raises:
        OptionError: no epsilon, and a rule that knows no inexactness.
    """
    if epsilon is None:
        inexactness = float(reading.inexactness[0])
        if inexactness == np.inf:
            raise OptionError(
                "without epsilon this optimizer needs a rule with an inexactness; take Median(), "
                "or give epsilon"
            )
        epsilon = STATIONARY * inexactness
    with np.errstate(over="ignore"):  # a gradient that overflows is not small
        return bool(np.linalg.norm(reading.gradient[0]) <= epsilon)
