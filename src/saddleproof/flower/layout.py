"""The global model as one vector: where each of its arrays stands.

Floating-point arrays, parameters and buffers alike, are the message that a rule aggregates.
Integers and booleans (counters) are no part of it: they take the middle value of the clients'.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError


@dataclass(frozen=True)
class ModelLayout:
    """The arrays of a model, in the model's own order.

    Attributes:
        names: of the arrays.
        shapes: of each.
        dtypes: of each.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype[Any], ...]

    @classmethod
    def of(cls, model: Mapping[str, NDArray[Any]]) -> ModelLayout:
        """The layout of a model.

        Raises:
            OptionError: an array of neither numbers nor booleans, or none of floating-point
                numbers of 16 to 64 bits.
        """
        dtypes = tuple(array.dtype for array in model.values())
        for name, dtype in zip(model, dtypes, strict=True):
            if dtype.kind not in "fiub" or dtype.itemsize > 8:
                raise OptionError(
                    f"the model's arrays must be real numbers of 64 bits at most; {name!r} is "
                    f"{dtype}. Convert it before it is handed to Flower"
                )
        if not any(dtype.kind == "f" for dtype in dtypes):
            raise OptionError("the model holds no floating-point arrays, so nothing can be trained")
        return cls(tuple(model), tuple(array.shape for array in model.values()), dtypes)

    @property
    def message(self) -> tuple[int, ...]:
        """Positions of the floating-point arrays."""
        return tuple(k for k, dtype in enumerate(self.dtypes) if dtype.kind == "f")

    @property
    def counters(self) -> tuple[int, ...]:
        """Positions of all others."""
        return tuple(k for k, dtype in enumerate(self.dtypes) if dtype.kind != "f")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the message: float64 where any array is, else float32."""
        wide = any(self.dtypes[k] == np.float64 for k in self.message)
        return np.dtype(np.float64 if wide else np.float32)

    @property
    def d(self) -> int:
        """Numbers in the message."""
        return sum(prod(self.shapes[k]) for k in self.message)

    def vector(self, arrays: Sequence[NDArray[Any]]) -> Vector:
        """(d,) the message in all arrays of a model; overflow to Inf is the reader's to judge."""
        with np.errstate(over="ignore", invalid="ignore"):
            parts = [arrays[k].astype(self.dtype).reshape(-1) for k in self.message]
        return np.concatenate(parts)

    def arrays(self, w: Vector) -> dict[int, NDArray[Any]]:
        """The floating-point arrays by position, each of its own shape and dtype, from (d,)."""
        ends = np.cumsum([prod(self.shapes[k]) for k in self.message])[:-1]
        with np.errstate(over="ignore"):
            return {
                k: part.reshape(self.shapes[k]).astype(self.dtypes[k])
                for k, part in zip(self.message, np.split(w, ends), strict=True)
            }

    @property
    def told(self) -> str:
        """Names and shapes of the message, as text for those who have to lay theirs out alike."""
        return json.dumps([[self.names[k], list(self.shapes[k])] for k in self.message])
