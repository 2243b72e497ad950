"""What a comparison says, in a sentence: which trainer is best, where the runs tell it at all.

A trainer is marked only where the data tell it from every other one of its world:

    a minimum is known   its 95 % Wilson interval for "left" overlaps with that of no other trainer
    none is known        it ended with the lower loss in so many common seeds that the sign test
                         tells it from each other trainer, at 5 % over all pairs (Bonferroni)

Both count what was run: these problems, attacks and seeds. They speak of no other attack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from saddleproof.config.members import Given
from saddleproof.lab.pairs import LEVEL, pairs
from saddleproof.lab.rows import Row
from saddleproof.printed import one_line


@dataclass(frozen=True)
class Verdict:
    """What the runs of one world say.

    Attributes:
        world: its name; "" where there is one only.
        sentence: in words.
        best: the label of the trainer that is told from all others; None where there is none.
        shown: the label of the trainer with the best number, told from the others or not; None
            where every run failed.
    """

    world: str
    sentence: str
    best: str | None
    shown: str | None


def verdicts(rows: Sequence[Row]) -> tuple[Verdict, ...]:
    """One verdict a world, in the order of the rows."""
    return tuple(_verdict(list(some)) for _, some in groupby(rows, key=lambda row: row.world))


def headline(rows: Sequence[Row]) -> str:
    """The comparison in a sentence, and a second one where claims are false or runs failed."""
    return " ".join([_over(verdicts(rows)), *_doubts(rows)])


def _over(found: Sequence[Verdict]) -> str:
    """All worlds at once."""
    if len(found) == 1:
        return found[0].sentence
    wins = Counter(one.best for one in found if one.best is not None)
    if not wins:
        return f"In none of {len(found)} worlds is one trainer told from all others."
    told = ", ".join(f"{name} in {n}" for name, n in wins.most_common())
    rest = len(found) - wins.total()
    end = f"; in {rest} no trainer is told from all others" if rest else ""
    return f"Best of {len(found)} worlds: {told}{end}."


def _doubts(rows: Sequence[Row]) -> list[str]:
    """What takes weight from the sentence."""
    said = []
    if refuted := sum(row.refuted for row in rows):
        s = "s are" if refuted > 1 else " is"
        said.append(f"{refuted} certificate{s} contradicted by the truth (REFUTED).")
    if failed := sum(len(row.failures) for row in rows):
        s = "s" if failed > 1 else ""
        said.append(f"{failed} run{s} failed and {'are' if s else 'is'} in no number.")
    return said


def _verdict(rows: Sequence[Row]) -> Verdict:
    world, ran = rows[0].world, [row for row in rows if row.trials]
    if not ran:
        return Verdict(world, "Every run failed.", None, None)
    by_share = all(row.known for row in ran)
    if by_share:
        leader = max(ran, key=lambda row: row.left.value)
        ended = f"{_did(ran)} in {leader.left.successes} of {_runs(leader.left.trials)}"
        number = f"{ended} (95 % interval {leader.left.low:.2f} to {leader.left.high:.2f})"
        close = [row for row in ran if row is not leader and row.left.high >= leader.left.low]
    else:
        leader = min(ran, key=lambda row: np.nan_to_num(row.loss, nan=np.inf, neginf=-np.inf))
        if not leader.loss < np.inf:
            said = "No trainer is told from the others: no median loss is finite."
            return Verdict(world, said, None, leader.label)
        number = f"ended with median loss {leader.loss:.3g} in {_runs(len(leader.trials))}"
        close = _not_told(leader, ran)
    name = one_line(leader.label)
    if len(ran) == 1:
        return Verdict(world, f"{name} {number}.", None, leader.label)
    others = _others(len(ran) - 1)
    if not close:
        why = (
            f"; the interval of {others} lies below"
            if by_share
            else f", and the sign test tells it from {others}"
        )
        return Verdict(world, f"Best: {name} {number}{why}.", leader.label, leader.label)
    names = ", ".join(one_line(row.label) for row in close)
    if by_share and all(row.left.value == leader.left.value for row in ran):
        share, n = leader.left, {row.left.trials for row in ran}
        counted = f"{share.successes} of {_runs(share.trials)} each"
        if len(n) > 1:
            counted = f"a share of {share.value:.3g} of their runs"
        said = f"No trainer is told from the others: all {len(ran)} {_did(ran)} in {counted}."
        return Verdict(world, said, None, leader.label)
    if by_share:
        why, how = f"and that of {names} overlaps with it", "lies below"
    else:
        why, how = f"and the sign test does not tell it from {names}", "is told from it"
    rest = len(ran) - 1 - len(close)
    below = f"; {_others(rest)} {how}" if rest else ""
    sentence = f"No one trainer is best: {name} {number}, {why}{below}."
    return Verdict(world, sentence, None, leader.label)


def _runs(n: int) -> str:
    return f"{n} run" if n == 1 else f"{n} runs"


def _others(n: int) -> str:
    return "the other trainer" if n == 1 else f"each of the {n} other trainers"


def _not_told(leader: Row, rows: Sequence[Row]) -> list[Row]:
    """The trainers that the sign test does not tell from the leader.

    The leader was chosen by the same runs, so that every pair of trainers counts as one test.
    """
    others = [row for row in rows if row is not leader]
    tests = len(rows) * (len(rows) - 1) / 2
    close = []
    for row, pair in zip(others, pairs([*others, leader]), strict=True):
        if pair.p * tests > LEVEL or pair.theirs <= pair.ours:
            close.append(row)
    return close


def _did(rows: Sequence[Row]) -> str:
    """What "left" means in this world."""
    makes = (row.entry.problem.make for row in rows)
    kinds = [make.value if isinstance(make, Given) else make for make in makes]
    if all(hasattr(kind, "left_saddle") for kind in kinds):
        return "left the saddle"
    if all(isinstance(kind, type) or hasattr(kind, "excess") for kind in kinds):
        return "lost half of the loss"
    return "left the saddle, or lost half of the loss,"  # a function does not say what it makes
