"""What moves in a run of branches: the block, where it began, and who has won so far."""

from __future__ import annotations

from dataclasses import dataclass

from saddleproof.arrays import Vector
from saddleproof.claims.preference import Preference
from saddleproof.optimizers.branching.momenta import Momenta
from saddleproof.optimizers.randomness import RandomKey


@dataclass(frozen=True)
class Block:
    """The branches of one block.

    Attributes:
        arms: (q,) which arm each branch follows; the last winner's first.
        w: (q, d) where they stand; (1, d) before the first gradient, which they share.
        momenta: of the workers on each of them.
        length: T, the gradients of this block.
        taken: how many of them were asked for.
    """

    arms: tuple[int, ...]
    w: Vector
    momenta: Momenta
    length: int
    taken: int = 0


@dataclass(frozen=True)
class BranchState:
    """The state of `BranchAndJudge`.

    Attributes:
        start: (d,) where the block began, the last point that was judged.
        entry: the momenta there.
        block: the branches since.
        random: the server's secret random numbers.
        done, limit: rounds so far, and how many the loop will grant; None where it did not say.
        wins: (arms,) blocks that each arm has won; those that were taken back count for none.
        last: what the judge found last.
        event: what the last round led to, in a sentence.
    """

    start: Vector
    entry: Momenta
    block: Block
    random: RandomKey
    done: int
    limit: int | None
    wins: tuple[int, ...]
    last: Preference | None = None
    event: str = "the branches begin"
