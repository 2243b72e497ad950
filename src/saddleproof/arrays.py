"""NumPy, PyTorch, JAX and CuPy arrays in, the same kind out; dtype and device never change.

Everything numerical in the aggregators is written against the array API standard, so one piece
of code serves every library. This file holds the few things that the standard leaves open, and
`plain`: what other libraries and plain Python hand over, as NumPy's own array or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from saddleproof.errors import OptionError

#: An array of any supported library. Shapes stand in the comments and docstrings.
Array: TypeAlias = Any
#: A NumPy array of float64: what the server side of a run is made of.
Vector: TypeAlias = NDArray[np.float64]


def namespace(x: Array) -> Any:
    """The array-API namespace of `x`; NumPy is answered without any import."""
    if isinstance(x, np.ndarray):
        import array_api_compat.numpy as xp

        return xp
    import array_api_compat

    return array_api_compat.array_namespace(x)


def plain(given: object, what: str) -> NDArray[Any]:
    """Real numbers as a plain NumPy array in the machine's byte order.

    Lists, data frames, matrices, tensors in main memory and masked arrays without a masked entry
    become the array with the same numbers. Memory is shared wherever it can be.

    Args:
        given: anything.
        what: the name of it, which begins the error message.

    Raises:
        OptionError: masked entries, complex numbers, booleans, text, Python objects, ragged rows,
            a sparse matrix, a mapping, a generator, a tensor that needs its graph.

    >>> plain([[1, 2], [3, 4]], "w").dtype
    dtype('int64')
    >>> plain(np.ma.masked_less([-1.0, 2.0], 0), "worker 3's gradient")
    Traceback (most recent call last):
    saddleproof.errors.OptionError: worker 3's gradient has masked entries, whose numbers mean \
nothing; fill or drop them first, for instance with .filled(0.0)
    """
    if type(given) is not np.ndarray:
        given = _converted(given, what)
    if given.dtype.kind not in "fiu":
        raise OptionError(
            f"{what} must hold real numbers; got dtype {given.dtype}. Convert openly, for "
            "instance with .astype(float)"
        )
    if not given.dtype.isnative:
        given = given.astype(given.dtype.newbyteorder("="))
    array: NDArray[Any] = given
    return array


def _converted(given: object, what: str) -> NDArray[Any]:
    """An array by NumPy's own rules, unless these lose something."""
    if _masked(given):
        raise OptionError(
            f"{what} has masked entries, whose numbers mean nothing; fill or drop them first, for "
            "instance with .filled(0.0)"
        )
    try:
        found = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:  # whatever a foreign __array__ raises
        raise OptionError(
            f"{what} must be an array of real numbers; got {type(given).__name__}: {error}"
        ) from error
    if found.ndim == 0 and found.dtype.kind not in "fiubc":
        raise OptionError(
            f"{what} must be an array of real numbers; got {type(given).__name__}. {_cure(given)}"
        )
    return found


def _masked(given: object) -> bool:
    """Whether there is a masked entry, which NumPy's conversions would unmask."""
    if isinstance(given, np.ma.MaskedArray):
        return bool(np.ma.is_masked(given))
    return isinstance(given, (list, tuple)) and any(map(_masked, given))


def _cure(given: object) -> str:
    if isinstance(given, Mapping):
        return "Take its values in an order of your own: [given[name] for name in names]"
    if isinstance(given, (Iterator, AbstractSet)):
        return "Make it a list first: list(given)"
    if type(given).__module__.startswith("scipy.sparse"):
        return "Make it dense first: given.toarray()"
    return "Give a NumPy array"


def as_stack(messages: Any) -> Array:
    """`messages` as one (m, d) array of its own library; lists of rows are stacked.

    Raises:
        OptionError: the rows are not vectors of one length, or not real floating point.
    """
    if isinstance(messages, (list, tuple)):
        messages = _stacked(messages)
    elif not _known(messages) or (isinstance(messages, np.ndarray) and _odd(messages)):
        messages = plain(messages, "the stack of messages")
    xp = namespace(messages)
    if messages.ndim != 2:
        raise OptionError(
            f"messages must be an (m, d) stack of vectors; got shape {tuple(messages.shape)}. "
            "Flatten each worker's message to one vector first"
        )
    if not xp.isdtype(messages.dtype, "real floating"):
        raise OptionError(
            f"messages must be real floating point; got {messages.dtype}. "
            "Convert them openly, for instance with .astype(float)"
        )
    return messages


def _stacked(rows: list[Any] | tuple[Any, ...]) -> Array:
    if not rows:
        raise OptionError("an aggregator needs at least one message; got none")
    if _known(rows[0]) and not isinstance(rows[0], np.ndarray):
        try:
            return namespace(rows[0]).stack(list(rows))
        except (TypeError, ValueError, RuntimeError) as error:
            raise OptionError(f"the rows do not stack to one (m, d) array: {error}") from error
    vectors = [plain(row, f"message {i}") for i, row in enumerate(rows)]
    try:
        return np.asarray(vectors)
    except (TypeError, ValueError, RuntimeError) as error:
        raise OptionError(f"the rows do not stack to one (m, d) array: {error}") from error


def _known(x: object) -> bool:
    """Whether an array of a library that the standard names."""
    if isinstance(x, np.ndarray):
        return True
    import array_api_compat

    return bool(array_api_compat.is_array_api_obj(x))


def _odd(x: object) -> bool:
    """Whether anything but NumPy's own array, or one in another machine's byte order."""
    return type(x) is not np.ndarray or not x.dtype.isnative
