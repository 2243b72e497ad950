"""m rows of length d, in blocks of columns: what the Gram rules read, wherever the rows are.

Columns pass through a buffer in float64, whatever the dtype; memory-mapped rows and lists of rows
are never stacked, and what was read of a memory map is handed back to the system. Rows of NumPy,
and of PyTorch and JAX on the CPU, are read on shared memory; arrays on a device stay there.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from array_api_compat import is_jax_array, is_torch_array, to_device

from saddleproof.aggregators.engine.kernels_rows import is_16_bit
from saddleproof.arrays import Array, Vector, namespace
from saddleproof.errors import OptionError

#: Numbers in the buffer of columns: 4 MB.
BUFFER = 2**19
#: Numbers in it at most where many rows ask for more: a block that is as wide as it is high makes
#: the products worth the sum of two (m, m) matrices that each block costs.
SQUARE = 2**22

#: Told of each block of columns once it was used: to report progress.
Seen = Callable[[slice], None]


@dataclass(frozen=True)
class Rows:
    """m rows of length d, to be read in blocks of columns.

    Gradients do not pass through here: what is made of PyTorch tensors that require one does not.

    Attributes:
        host: the rows as NumPy vectors that share memory with the messages; None on a device.
        given: the rows as they came.
        d: their length.
        mapped: whether there are memory maps among them.
        seen: see `Seen`.
    """

    #: Squares of float64 from which on sums of them lose nothing that would count.
    SMALLEST: ClassVar[float] = 2.0**-306

    host: list[Any] | None
    given: list[Array]
    d: int
    mapped: bool
    seen: Seen | None = None

    @classmethod
    def of(cls, messages: Array, which: Array | None = None, seen: Seen | None = None) -> Rows:
        """The rows of a stack or a list, or those with the indices `which`.

        Raises:
            OptionError: a JAX transformation is under way, which cannot follow to the host.
        """
        chosen = range(len(messages)) if which is None else which.tolist()
        given = [detached(messages[i]) for i in chosen]
        mapped = any(_map_of(row) is not None for row in given)
        return cls(_on_host(given), given, int(messages[0].shape[0]), mapped, seen)

    def blocks(self, widest: int | None = None) -> Iterator[tuple[slice, Array]]:
        """Slices of columns, and the (m, h) float64 block in each; a buffer, valid for one turn.

        Args:
            widest: most columns of a block, for callers that make something of the same size.
        """
        m = max(len(self.given), 1)
        wide = max(BUFFER // m, min(m, SQUARE // m), 256)
        width = max(min(self.d, wide, widest or self.d), 1)
        buffer = None if self.host is None else np.empty((m, width))
        for start in range(0, self.d, width):
            columns = slice(start, min(start + width, self.d))
            yield columns, self.columns(columns, buffer)
            if self.seen is not None:
                self.seen(columns)

    def columns(self, columns: slice, buffer: Vector | None = None) -> Array:
        """(m, h) float64: the columns of a slice."""
        if self.host is None:
            xp = namespace(self.given[0])
            return xp.astype(xp.stack([row[columns] for row in self.given]), self._wide)
        width = len(range(*columns.indices(self.d)))
        size = len(self.host) * width  # without gaps, as BLAS wants it
        flat = np.empty(size) if buffer is None else buffer.ravel()[:size]
        block = flat.reshape(len(self.host), width)
        for target, row in zip(block, self.host, strict=True):
            target[:] = row[columns]
            if self.mapped:
                forget(row)
        return block

    def native(self, small: Vector) -> Array:
        """A small NumPy array where the blocks are: itself, or on the rows' device."""
        if self.host is not None:
            return small
        xp = namespace(self.given[0])
        return xp.asarray(small, dtype=self._wide, device=_device(self.given[0]))

    def scaled(self, block: Array, exponents: Array) -> Array:
        """A block with row i times 2^exponents_i; in two steps, for 2^1074 is no number."""
        for power in (exponents // 2, exponents - exponents // 2):
            block = block * self.native(np.exp2(power.astype(float)))[:, None]
        return block

    @property
    def smallest_square(self) -> float:
        """`SMALLEST`, or what it is where blocks are float32."""
        if self.host is not None or self._wide == namespace(self.given[0]).float64:
            return self.SMALLEST
        return 2.0**-38

    @property
    def _wide(self) -> Any:
        """The dtype of blocks on a device: float64, or float32 where JAX has no more."""
        xp = namespace(self.given[0])
        known = xp.__array_namespace_info__().dtypes(kind="real floating")
        return known.get("float64", xp.float32)

    def joined(self, pieces: Iterable[Array], *lead: int) -> Array:
        """Pieces (*lead, h) side by side, as an array of the rows' library, dtype and device."""
        like = self.given[0]
        xp = namespace(like)
        if self.host is None:
            return xp.concat([xp.astype(piece, like.dtype) for piece in pieces], axis=-1)
        dtype = self.host[0].dtype
        if not isinstance(like, np.ndarray) and like.dtype == xp.float16:
            dtype = np.dtype(np.float16)  # it was widened to be read
        whole = np.empty((*lead, self.d), dtype)
        start = 0
        for piece in pieces:
            whole[..., start : start + piece.shape[-1]] = piece
            start += piece.shape[-1]
        if isinstance(like, np.ndarray):
            return whole
        return xp.astype(xp.asarray(whole), like.dtype, copy=False)


def _on_host(given: list[Array]) -> list[Any] | None:
    """The rows as NumPy vectors on shared memory; None where they are not NumPy's to read."""
    try:
        return [_shared(row) for row in given]
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
        return None  # on a device


def _shared(row: Array) -> Any:
    """A row as NumPy's, on the same memory; in float32 where NumPy may not have it (bfloat16)."""
    if isinstance(row, np.ndarray):
        return row
    xp = namespace(row)
    return np.from_dlpack(xp.astype(row, xp.float32) if is_16_bit(row) else row)


def detached(x: Array) -> Array:
    """An array outside PyTorch's gradients.

    Raises:
        OptionError: it is inside a transformation of JAX.
    """
    if isinstance(x, np.ndarray):
        return x
    refuse_traced(x)
    return x.detach() if is_torch_array(x) else x


def is_traced(x: Array) -> bool:
    """Whether `x` stands for an array inside jit, grad or vmap of JAX."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(x, jax.core.Tracer)


def refuse_traced(x: Array) -> None:
    """Raise `OptionError` for a rule that decides on the host, inside a transformation of JAX."""
    if is_traced(x):
        raise OptionError(
            "this rule looks at the numbers before it decides which rows count, so JAX cannot "
            "trace it: call it outside jit, grad and vmap. Mean, Median, TrimmedMean, "
            "MeanAroundMedian and CenteredClipping can be traced"
        )


def _device(x: Array) -> Array:
    from array_api_compat import device

    return device(x)


def to_numpy(x: Array) -> Any:
    """A small array of any library as a NumPy array; bfloat16 becomes float32."""
    if isinstance(x, np.ndarray):
        return x
    if not is_jax_array(x):  # JAX comes to the host when it is asked for numbers
        x = to_device(detached(x), "cpu")
    xp = namespace(x)
    if xp.isdtype(x.dtype, "real floating") and is_16_bit(x):
        x = xp.astype(x, xp.float32)
    return np.asarray(x)


def forget(part: Array) -> None:
    """Hand the pages of (part of) a memory map back to the system; any other array is left alone.

    The map stays as it is and reads them again when asked. Only maps that share their pages with
    a file are touched: a private copy ("c") would lose what was written to it.
    """
    mapped = _map_of(part)
    if mapped is None or not part.flags.c_contiguous or not hasattr(mapped, "madvise"):
        return
    begin = np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]
    first = part.__array_interface__["data"][0] - begin
    first -= first % mmap.PAGESIZE
    mapped.madvise(mmap.MADV_DONTNEED, first, part.nbytes)


def _map_of(part: Array) -> mmap.mmap | None:
    """The memory map behind an array, if there is one that shares its pages with a file."""
    owner = part
    while isinstance(owner, np.ndarray):
        if getattr(owner, "mode", "r") == "c":
            return None
        owner = owner.base
    return owner if isinstance(owner, mmap.mmap) else None


def middle(block: Array) -> Array:
    """(..., h): per column, the upper median of (..., m, h)."""
    half = block.shape[-2] // 2
    if isinstance(block, np.ndarray):
        return np.partition(block, half, axis=-2)[..., half, :]
    return namespace(block).sort(block, axis=-2)[..., half, :]
