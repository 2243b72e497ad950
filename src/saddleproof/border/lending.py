"""What code of the user's is handed: arrays that it may read.

A loss that changes its points changes the question for every worker after it, and a callback that
changes its point changes the run. Both are refused at once, by name. NumPy refuses to write into a
read-only array; what writes past NumPy, as a tensor on the same memory does, is found out by a
comparison after the call.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.errors import OptionError, SaddleproofError

_CURE = (
    "Points, shards and messages are handed out for reading; copy first what shall be changed, "
    "for instance w = w.copy()"
)


def read_only(x: NDArray[Any]) -> NDArray[Any]:
    """A view that NumPy does not write into."""
    view = x.view()
    view.flags.writeable = False
    return view


@contextmanager
def only_reads(whose: str) -> Iterator[None]:
    """Around a call of the user's code: NumPy's refusal to write becomes an error that says where.

    Args:
        whose: the code, as in "worker 3's gradient".

    Raises:
        OptionError: the code wrote into an array that is read-only.
    """
    try:
        yield
    except SaddleproofError:
        raise
    except ValueError as refusal:
        if "read-only" not in str(refusal):
            raise
        why = f"{whose} writes into what it was handed ({refusal}). {_CURE}"
        raise OptionError(why) from refusal


class Lent:
    """Arrays that the user's code may read, for one call or for the calls of many workers.

    The code gets one copy, read-only and in C order, so that whatever it does the library's own
    array stays as it is. A map of a file that cannot be written is handed over as it is.

    Args:
        arrays: the first arguments of every call.
    """

    def __init__(self, *arrays: NDArray[Any]) -> None:
        self._own = arrays
        self._copies = tuple(map(kept, arrays))

    def to(self, function: Callable[..., Any], *more: object, whose: str) -> Any:
        """`function(*arrays, *more)`.

        An error of the function's own passes as it is, with a note that says whose it is.

        Raises:
            OptionError: the function wrote into its arrays, or into another array that is
                read-only; `whose` begins the message.
        """
        with only_reads(whose):
            try:
                found = function(*self._copies, *more)
            except Exception as error:  # whatever it is, it is told where it came from
                error.add_note(f"raised in {whose}")
                raise
        if not all(map(_same, self._own, self._copies)):
            raise OptionError(f"{whose} writes into what it was handed. {_CURE}")
        return found


def shown(value: Any) -> Any:
    """A state as it is shown to a callback: the same, but for arrays that are read-only views."""
    if isinstance(value, np.ndarray):
        return read_only(value)
    if type(value) in (tuple, list):
        return type(value)(map(shown, value))
    if type(value) is dict:
        return {key: shown(part) for key, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        other = copy.copy(value)
        for field in dataclasses.fields(value):
            object.__setattr__(other, field.name, shown(getattr(value, field.name)))
        return other
    return value


def kept(x: NDArray[Any]) -> NDArray[Any]:
    """A read-only copy in C order; memory that nobody can write into is not copied."""
    if x.flags.c_contiguous and _sealed(x):
        return x
    copied = np.array(x, order="C")
    copied.flags.writeable = False
    return copied


def _sealed(x: object) -> bool:
    """Whether the memory underneath is bytes, or a file, that cannot be written."""
    while isinstance(x, np.ndarray):
        if x.flags.writeable:
            return False
        x = x.base
    return isinstance(x, (bytes, mmap))


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one is other or bool((one == other).all()) or np.array_equal(one, other, equal_nan=True)
