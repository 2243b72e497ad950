"""Bit flips (Xie, Koyejo, Gupta, "Generalized Byzantine-tolerant SGD", 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.arrays import Vector
from saddleproof.attacks.base import AttackView
from saddleproof.errors import OptionError

_WORDS = {"float32": np.uint32, "float64": np.uint64}


@dataclass(frozen=True)
class BitFlip:
    """Bits of the members' own numbers are inverted, as failing hardware does.

    The paper inverts bits 22, 30, 31 and 32 of a float32 (counted from 1 at the lowest end: one
    of the mantissa, the highest two of the exponent, the sign) in the first 1000 coordinates.
    That multiplies numbers from 1e-19 to 2 by -2^64, divides those from 2 to 3e19 by as much, and
    makes -4.6e19 of 0. Few become NaN (those around 5e-20), and prove their sender bad.

    Knows each member's own row, nothing else.

    Args:
        bits: which ones, counted from 1 at the lowest end of the word.
        word: the format in which the numbers were sent when it happened; "float64" has its two
            highest exponent bits and its sign at 62, 63 and 64.
        coordinates: how many, from the first.

    Raises:
        OptionError: another word, bits that it has not, or no coordinates.

    >>> one = np.array([1.0], dtype=np.float32)
    >>> (one.view(np.uint32) ^ np.uint32(1 << 31)).view(np.float32)
    array([-1.], dtype=float32)
    """

    bits: tuple[int, ...] = (22, 30, 31, 32)
    word: Literal["float32", "float64"] = "float32"
    coordinates: int = 1000

    def __post_init__(self) -> None:
        check_options(self)
        size = np.dtype(self.word).itemsize * 8
        if not all(1 <= bit <= size for bit in self.bits):
            raise OptionError(f"bits of a {self.word} are 1 to {size}; got {self.bits}")
        if self.coordinates < 1:
            raise OptionError(f"coordinates must be at least 1; got {self.coordinates}")

    def __call__(self, view: AttackView) -> Vector:
        """(q, k, d)."""
        lies: Vector = view.messages[:, view.members, :].copy()
        unsigned = _WORDS[self.word]
        mask = unsigned(sum(1 << (bit - 1) for bit in set(self.bits)))
        with np.errstate(over="ignore", invalid="ignore"):
            sent = np.ascontiguousarray(lies[..., : self.coordinates], dtype=self.word)
            lies[..., : self.coordinates] = (sent.view(unsigned) ^ mask).view(self.word)
        return lies
