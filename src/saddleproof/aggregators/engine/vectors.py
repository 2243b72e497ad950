"""Instructions that the block kernel needs and Python has no words for, written in LLVM's language.

Importing this file imports numba. A number's address is an integer. Vectors are written out as
such: left to itself the compiler checks before each loop whether rows overlap, and reads messages
one number at a time where it cannot tell.

Numba keeps the compiled kernel by the date of `engine/kernels_compiled.py`: after a change here,
touch that file.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

#: Bytes of a vector, and of what comes from memory at a time.
LINE = 64
INF = np.inf


@intrinsic
def number_at(context: Any, row: Any, address: Any, t: Any) -> Any:
    """The t-th number from an address on, of the dtype of `row`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        real = context.get_value_type(row.dtype)
        begin = builder.inttoptr(args[1], real.as_pointer())
        return builder.load(builder.gep(begin, [args[2]]))

    return row.dtype(row, address, t), build


@intrinsic
def fetch_ahead(context: Any, address: Any) -> Any:
    """Ask for the cache line at an address, and do not wait; no harm if there is no memory."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        # The nearest cache: hints for the second one are ignored by some machines (Zen 4).
        read, nearest, data = word(0), word(3), word(1)
        builder.call(function, [builder.inttoptr(args[0], byte), read, nearest, data])
        return context.get_dummy_value()

    return numba.types.void(address), build


def _extremum(name: str) -> Any:
    # One machine instruction, and no branch around the store: the compiler turns x if x < y else y,
    # stored where x came from, into a masked store that is four times slower. No NaN gets here.
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        real = args[0].type
        function = builder.module.declare_intrinsic(
            name, [real], ir.FunctionType(real, [real, real])
        )
        return builder.call(function, args, fastmath=("nnan", "nsz"))

    return build


@intrinsic
def lower(context: Any, x: Any, y: Any) -> Any:
    """The smaller of two numbers, neither of them NaN."""
    return x(x, y), _extremum("llvm.minnum")


@intrinsic
def upper(context: Any, x: Any, y: Any) -> Any:
    """The larger of two numbers, neither of them NaN."""
    return x(x, y), _extremum("llvm.maxnum")


def _vectors(context: Any, row: Any) -> Any:
    """The type of `LINE` bytes of a row's numbers."""
    return ir.VectorType(context.get_value_type(row.dtype), LINE * 8 // row.dtype.bitwidth)


def _move(builder: Any, row: Any, value: Any, address: Any) -> None:
    """Store a vector where a number of that dtype may stand."""
    place = builder.inttoptr(address, value.type.as_pointer())
    builder.store(value, place, align=row.dtype.bitwidth // 8)


def _fetched(builder: Any, row: Any, vector: Any, address: Any) -> Any:
    """Load a vector from where a number of that dtype may stand."""
    place = builder.inttoptr(address, vector.as_pointer())
    return builder.load(place, align=row.dtype.bitwidth // 8)


@intrinsic
def copy_line(context: Any, row: Any, source: Any, target: Any) -> Any:
    """Copy `LINE` bytes of numbers from one address to another; NaN becomes +inf."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _vectors(context, row)
        found = _fetched(builder, row, vector, args[1])
        infinite = ir.Constant(vector, [ir.Constant(vector.element, INF)] * vector.count)
        known = builder.fcmp_ordered("ord", found, found)
        _move(builder, row, builder.select(known, found, infinite), args[2])
        return context.get_dummy_value()

    return numba.types.void(row, source, target), build


def _compare(*comparators: tuple[int, int]) -> Any:
    # Comparators between vectors at some addresses, which are read and written once each.
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row = signature.args[0]
        vector = _vectors(context, row)
        values = [_fetched(builder, row, vector, address) for address in args[1:]]

        def extremum(name: str, x: Any, y: Any) -> Any:
            full = f"{name}.v{vector.count}{vector.element.intrinsic_name}"
            function = builder.module.globals.get(full)
            if function is None:
                kind = ir.FunctionType(vector, [vector, vector])
                function = ir.Function(builder.module, kind, full)
            return builder.call(function, [x, y], fastmath=("nnan", "nsz"))

        for i, j in comparators:
            x, y = values[i], values[j]
            values[i], values[j] = extremum("llvm.minnum", x, y), extremum("llvm.maxnum", x, y)
        for address, value in zip(args[1:], values, strict=True):
            _move(builder, row, value, address)
        return context.get_dummy_value()

    return build


@intrinsic
def pair(context: Any, row: Any, p: Any, q: Any) -> Any:
    """One `PAIR` step on the vectors at two addresses."""
    return numba.types.void(row, p, q), _compare((0, 1))


@intrinsic
def butterfly(context: Any, row: Any, p: Any, q: Any, r: Any, s: Any) -> Any:
    """One `BUTTERFLY` step on the vectors at four addresses."""
    return numba.types.void(row, p, q, r, s), _compare((0, 1), (2, 3), (0, 2), (1, 3))


@intrinsic
def zigzag(context: Any, row: Any, p: Any, q: Any, r: Any, s: Any) -> Any:
    """One `ZIGZAG` step on the vectors at four addresses."""
    return numba.types.void(row, p, q, r, s), _compare((0, 1), (2, 3), (2, 1))
