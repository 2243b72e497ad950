"""Arrays in the forms in which users hand them over, for property tests at the border.

`SAME` makes, from a float64 array in C order, an object with the same numbers, and `ODD` one that
has no such array, or not openly. The invariant: what the library makes of the first is what it
makes of the array, and the second is refused by an error of its own before any round.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from saddleproof.errors import SaddleproofError

Form = Callable[[np.ndarray], Any]


class OfOnesOwn(np.ndarray):
    """A subclass whose arithmetic is another one."""

    def __mul__(self, other: Any) -> Any:
        return np.full(np.shape(self), np.pi)


def _strided(x: np.ndarray) -> np.ndarray:
    wide = np.full((*x.shape[:-1], 3 * x.shape[-1]), 777.0)
    wide[..., ::3] = x
    return wide[..., ::3]


def _closed(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def _tensor(x: np.ndarray) -> Any:
    import torch

    return torch.tensor(x)


def _frame(x: np.ndarray) -> Any:
    import pandas as pd

    if x.ndim > 2:
        return [pd.DataFrame(part) for part in x]
    return pd.Series(x) if x.ndim == 1 else pd.DataFrame(x)


SAME: dict[str, Form] = {
    "an array": np.copy,
    "Fortran order": np.asfortranarray,
    "every third number": _strided,
    "negative strides": lambda x: x[..., ::-1].copy()[..., ::-1],
    "big-endian": lambda x: x.astype(">f8"),
    "read-only": _closed,
    "a subclass": lambda x: x.copy().view(OfOnesOwn),
    "a masked array without masked entries": lambda x: np.ma.array(x.copy()),
    "a list": lambda x: x.tolist(),
    "a tuple of arrays": lambda x: tuple(x.copy()),
    "a tensor": _tensor,
    "a data frame": _frame,
}


def matrix(x: np.ndarray) -> Any:
    """A matrix, without NumPy's word that one should not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix(x)


def _masked(x: np.ndarray) -> Any:
    mask = np.zeros(x.shape, dtype=bool)
    mask.flat[-1] = True
    return np.ma.array(x.copy(), mask=mask)


def _sparse(x: np.ndarray) -> Any:
    from scipy.sparse import csr_array

    return csr_array(x.reshape(len(x), -1))


ODD: dict[str, Form] = {
    "masked entries": _masked,
    "a list of arrays with masked entries": lambda x: list(_masked(np.atleast_2d(x))),
    "complex": lambda x: x + 0j,
    "booleans": lambda x: x > 0,
    "objects": lambda x: x.astype(object),
    "fractions": np.vectorize(Fraction, otypes=[object]),
    "text": lambda x: x.astype(str),
    "a dict": lambda x: dict(enumerate(x)),
    "a generator": lambda x: (row for row in x),
    "a set": lambda x: set(x.ravel().tolist()),
    "a sparse array": _sparse,
    "a column too many": lambda x: x[..., None],
    "one number less": lambda x: x[..., :-1],
    "ragged": lambda x: [[1.0], [1.0, 2.0]],
    "a tensor that needs its graph": lambda x: _tensor(x).requires_grad_(),
    "dates": lambda x: x.astype("datetime64[s]"),
    "no array at all": lambda x: None,
    "structured": lambda x: x.view([("x", float)]),
}

same_forms = st.sampled_from(sorted(SAME))
odd_forms = st.sampled_from(sorted(ODD))
forms = st.sampled_from(sorted(SAME | ODD))


def tried(call: Callable[[], Any]) -> tuple[Any, str]:
    """What a call gives, and an empty string; or None, and the words of an error of our tree."""
    try:
        return call(), ""
    except SaddleproofError as error:
        return None, str(error)


def in_form(name: str, x: np.ndarray) -> Any:
    """`x` in one of the forms."""
    return (SAME | ODD)[name](np.ascontiguousarray(x, dtype=float))
