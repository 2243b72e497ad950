"""Numbers that callers hand in: counts, seeds, seconds, ports, the yes or no of a callback.

A bool is no number here, and a float is no count, whole or not: both are mistakes more often than
not, and Python would take either without a word. NumPy's own scalars are numbers.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np

from saddleproof.errors import BreakdownError, OptionError

#: What may be a seed; see `seed_of`.
Seed: TypeAlias = int | np.random.Generator | np.random.SeedSequence | None
#: Seeds travel to workers in 64 bits.
SEED_BITS = 64


def is_whole(value: object) -> bool:
    """Whether a value is a whole number: an int or a NumPy integer, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_real(value: object) -> bool:
    """Whether a value is a real number: an int, a float or a scalar of NumPy's, and no bool."""
    return isinstance(value, Real) and not isinstance(value, bool)


def whole(name: str, value: Any, least: int = 0) -> int:
    """`value` as an int.

    Args:
        name: what the caller calls it.
        value: what was given.
        least: the smallest that can work.

    Raises:
        OptionError: it is no whole number, or below `least`.

    >>> whole("max_rounds", np.int64(5))
    5
    >>> whole("max_rounds", 5.0)
    Traceback (most recent call last):
    saddleproof.errors.OptionError: max_rounds must be a whole number of at least 0; got 5.0
    """
    if not is_whole(value) or value < least:
        raise OptionError(f"{name} must be a whole number of at least {least}; got {value!r}")
    return int(value)


def real(name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf) -> float:
    """`value`, a finite number.

    Args:
        name: what the caller calls it.
        value: what was given.
        above: it must be larger than this.
        least: and at least this.

    Raises:
        OptionError: it is no number, NaN, infinite, or too small.

    >>> real("step", 0.5, above=0)
    0.5
    >>> real("step", float("nan"), above=0)
    Traceback (most recent call last):
    saddleproof.errors.OptionError: step must be a finite number above 0; got nan
    """
    if not is_real(value) or not math.isfinite(value) or not (value > above and value >= least):
        asked = f" above {above:g}" if above > least else f" of at least {least:g}"
        raise OptionError(
            f"{name} must be a finite number{asked if max(above, least) > -math.inf else ''}; "
            f"got {value!r}"
        )
    return float(value)


def seconds(name: str, value: Any) -> float | None:
    """A time limit: positive and finite, or None for no limit.

    Raises:
        OptionError: anything else.
    """
    if value is None:
        return None
    if not is_real(value) or not 0 < value < math.inf:
        raise OptionError(
            f"{name} must be a positive number of seconds, or None for no limit; got {value!r}"
        )
    return float(value)


def liars(b: Any, m: int) -> int:
    """b as an int: how many of the m workers may lie.

    Raises:
        OptionError: b is no whole number.
        BreakdownError: b is negative.

    >>> liars(np.int64(2), 15)
    2
    >>> try:
    ...     liars(0.2, 15)
    ... except OptionError as error:
    ...     print(error)
    b counts workers, not a share; got 0.2: of 15 workers that share is b=3
    """
    if not is_whole(b):
        if is_real(b) and 0 < b < 1:
            count = math.floor(b * m + 1e-9)  # 0.29 x 100 is 28.999999999999996
            cure = f": of {m} workers that share is b={count}"
        elif is_real(b) and math.isfinite(b) and b == math.floor(b) and not b < 0:
            cure = f": write b={int(b)}"
        else:
            cure = ": pass a whole number, such as b=2"
        raise OptionError(f"b counts workers, not a share; got {b!r}{cure}")
    if b < 0:
        raise BreakdownError(f"b counts workers and cannot be negative; got b={b}")
    return int(b)


def place(name: str, value: object, least: int = 1) -> str:
    """A host and a port, as `value` has them.

    Args:
        name: what the caller calls it.
        value: "host:port"; an IPv6 host stands in brackets.
        least: 0 where the system may choose the port.

    Raises:
        OptionError: anything else.

    >>> place("listen", "[::1]:7443")
    '[::1]:7443'
    """
    text = value if isinstance(value, str) else ""
    port = text.rpartition(":")[2]
    is_port = port.isascii() and port.isdecimal() and len(port) <= 5
    if ":" in text and is_port and least <= int(port) < 1 << 16:
        return text
    raise OptionError(f"{name} must be HOST:PORT, the port {least} to 65535; got {value!r:.200}")


def seed_of(seed: object, name: str = "seed", bits: int = SEED_BITS) -> int | None:
    """A seed as an int, None for fresh entropy.

    A NumPy `Generator` gives its next number, and moves on by it: two runs with two generators of
    one seed are the same run. A `SeedSequence` gives its first word, and stays as it is.

    Args:
        seed: None, a whole number in [0, 2^bits), a `Generator` or a `SeedSequence`.
        name: what the caller calls it.
        bits: how many the seed may have.

    Raises:
        OptionError: anything else.

    >>> a, b = (seed_of(np.random.default_rng(7)) for _ in range(2))
    >>> a == b
    True
    """
    return None if seed is None else seed_number(seed, name, bits, "None, a whole number")


def seed_number(
    seed: Any, name: str = "seed", bits: int = SEED_BITS, asked: str = "a whole number"
) -> int:
    """A seed as an int, where it cannot be None; see `seed_of`."""
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(1 << (bits - 1)))
    if isinstance(seed, np.random.SeedSequence):
        return int(seed.generate_state(1, np.uint64)[0]) >> (SEED_BITS - bits)
    if is_whole(seed) and 0 <= seed < 1 << bits:
        return int(seed)
    kind = f"{type(seed).__module__}.{type(seed).__qualname__}"
    if kind == "torch._C.Generator":
        cure = ": pass generator.initial_seed(), a whole number"
    elif isinstance(seed, np.random.RandomState):
        cure = ": pass numpy.random.default_rng(...) in its place"
    else:
        cure = ""
    raise OptionError(
        f"{name} must be {asked} from 0 to 2^{bits} - 1, or a numpy Generator or "
        f"SeedSequence; got {seed!r}{cure}"
    )


def flag(name: str, value: object) -> bool:
    """A yes or no.

    Raises:
        OptionError: anything but a bool.
    """
    if not isinstance(value, bool | np.bool_):
        raise OptionError(f"{name} must be True or False; got {value!r}")
    return bool(value)


def callback(name: str, value: object) -> None:
    """Refuse what cannot be called; None is no callback.

    Raises:
        OptionError: it is neither None nor callable.
    """
    if value is not None and (not callable(value) or isinstance(value, type)):
        raise OptionError(f"{name} must be a function, or None; got {value!r}")


def stops(said: object) -> bool:
    """Whether a callback said that the run shall stop.

    Raises:
        OptionError: it said neither True nor False nor None: a loss that is handed back by
            accident must not end a run.
    """
    if said is None:
        return False
    if not isinstance(said, bool | np.bool_):
        raise OptionError(
            "a callback returns True to stop the run, and False or None to go on; it returned "
            f"{said!r}, of type {type(said).__name__}. Write return bool(...), or return nothing"
        )
    return bool(said)
