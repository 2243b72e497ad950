"""What code of the user's returns: real numbers of the shape that was asked for.

The arrays that come out of here may lie in memory that the user's code writes into again, as a
gradient does that fills one buffer. Whoever asks copies before the next call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import plain
from saddleproof.errors import OptionError


def answer(given: object, shape: tuple[int, ...], whose: str) -> NDArray[Any]:
    """An answer as a plain array of real numbers; its memory may still be the user's.

    Args:
        given: what came back.
        shape: what was asked for.
        whose: the code, as in "worker 3's gradient".

    Raises:
        OptionError: another shape, or no real numbers.
    """
    try:
        array = plain(given, "it")
    except OptionError as error:
        raise OptionError(f"{whose} must return an array of shape {shape}: {error}") from error
    if array.shape != shape:
        raise OptionError(
            f"{whose} must return shape {shape}; got {type(given).__name__} of shape {array.shape}"
        )
    return array


def number(given: Any, whose: str) -> float:
    """A loss's value: a number, or an array of one number.

    NaN and Inf pass: the oracle judges them.

    Raises:
        OptionError: anything else, complex numbers, booleans and text among it.

    >>> number(np.array([2.0]), "worker 0's value"), number(3, "worker 0's value")
    (2.0, 3.0)
    >>> number(2j, "worker 0's value")
    Traceback (most recent call last):
    saddleproof.errors.OptionError: worker 0's value must return one real number; got complex
    """
    if type(given) is float:
        return given
    got = type(given).__name__
    if isinstance(given, (np.ndarray, np.generic)):
        array = plain(given if isinstance(given, np.ndarray) else np.asarray(given), whose)
        if array.size == 1:
            return float(array.reshape(()))
        got = f"{got} of shape {array.shape}"
    elif not isinstance(given, (bool, str, bytes, bytearray)):
        try:
            return float(given)
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise OptionError(f"{whose} must return one real number; got {got}") from error
    raise OptionError(f"{whose} must return one real number; got {got}")


def vector(given: object, name: str, d: int | None = None) -> NDArray[Any]:
    """A point that the user gives, as a copy: finite, (d,), float32 or float64.

    Args:
        given: the point.
        name: of the argument.
        d: its length; None for any but 0.

    Raises:
        OptionError: no such vector.
    """
    array = plain(given, name)
    if array.ndim != 1 or array.shape != (d if d is not None else len(array),):
        raise OptionError(
            f"{name} must be a vector of length {'d' if d is None else f'd={d}'}; got "
            f"{type(given).__name__} of shape {array.shape}"
        )
    if array.dtype not in (np.float32, np.float64):
        raise OptionError(
            f"{name} must be float32 or float64, since a run computes in its precision; got dtype "
            f"{array.dtype}. Convert openly, for instance with .astype(float)"
        )
    if not np.isfinite(array).all():
        raise OptionError(f"{name} must be finite; got NaN or Inf")
    return array.copy()
