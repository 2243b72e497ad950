"""One round's query points by name, and the coefficients that combine their messages.

`ask` builds the batch from the state, `tell` builds the same one again to find its rows: a batch
is a function of the state, never part of it.
"""

from __future__ import annotations

import numpy as np

from saddleproof.arrays import Vector


class PointBlocks:
    """Named blocks of query points, stacked in the order in which they are given.

    Args:
        blocks: name to (n, d) points; empty blocks are allowed.
    """

    def __init__(self, blocks: dict[str, Vector]) -> None:
        self.blocks = blocks
        self.points: Vector = np.concatenate(list(blocks.values()))
        ends = np.cumsum([len(block) for block in blocks.values()])
        self._first = dict(zip(blocks, [0, *ends[:-1]], strict=True))

    def at(self, name: str) -> Vector:
        """(n, q) coefficients that select the points of a block."""
        first = self._first[name]
        return np.eye(len(self.points))[first : first + len(self.blocks[name])]

    def minus(self, name: str, other: str) -> Vector:
        """(n, q) coefficients of each point of `name` minus the single point of `other`."""
        return self.at(name) - self.at(other)
