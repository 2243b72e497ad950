"""Names of version 0.1 that are called otherwise now: an error in files, a warning in Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

#: In configuration files and on the command line.
NAMES = {
    "bias": "constant_offset",
    "deeplin": "deep_linear",
    "drive": "constant_pull",
    "gmm12": "gaussian_mixture",
    "hetero10": "unequal_hessians",
    "practical": "heuristic",
}
#: In Python.
CLASSES = {
    "Bias": "ConstantOffset",
    "DeepLin": "DeepLinear",
    "Drive": "ConstantPull",
    "Gmm12": "GaussianMixture",
    "Hetero10": "UnequalHessians",
    "Practical": "HeuristicSchedule",
}


def with_old_names(found: Callable[[str], Any], family: str) -> Callable[[str], Any]:
    """A family's `__getattr__` that also answers to old names, with a `DeprecationWarning`.

    Args:
        found: the `__getattr__` without them.
        family: name of the module.
    """

    def either(name: str) -> Any:
        if name not in CLASSES:
            return found(name)
        value = found(CLASSES[name])
        warnings.warn(
            f"{family}.{name} is {family}.{CLASSES[name]}; the old name goes with 0.3",
            DeprecationWarning,
            stacklevel=2,
        )
        return value

    return either
