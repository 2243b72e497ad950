"""NumPy, PyTorch, JAX and CuPy arrays in, the same kind out; dtype and device never change.

Everything numerical in the aggregators is written against the array API standard, so one piece
of code serves every library. This file holds the few things that the standard leaves open.
"""

from __future__ import annotations

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


def as_stack(messages: Any) -> Array:
    """`messages` as one (m, d) array of its own library; lists of rows are stacked.

    Raises:
        OptionError: the rows are not vectors of one length, or not real floating point.
    """
    if isinstance(messages, (list, tuple)):
        if not messages:
            raise OptionError("an aggregator needs at least one message; got none")
        try:
            if hasattr(messages[0], "__array_namespace__") or hasattr(messages[0], "__dlpack__"):
                messages = namespace(messages[0]).stack(list(messages))
            else:
                messages = np.asarray(messages)
        except (TypeError, ValueError, RuntimeError) as error:
            raise OptionError(f"the rows do not stack to one (m, d) array: {error}") from error
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
