"""Trainers of a comparison against the last one, paired by seed, and all worlds together.

A seed gives both trainers the same data and the same liars. Judged are, for each pair, the seeds in
which one left the saddle and the other did not (McNemar's exact test), or where nobody knows a
minimum, the seeds in which one ended with the lower loss (the sign test; ties are left out).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from saddleproof.lab.rows import Row
from saddleproof.lab.shares import Share, wilson
from saddleproof.lab.statistics import holm
from saddleproof.lab.trials import Trial
from saddleproof.printed import cell, one_line

#: Differences count as found where Holm's p-value is at most this.
LEVEL = 0.05


@dataclass(frozen=True)
class Pair:
    """A trainer and the last one of the comparison, in one world.

    Attributes:
        world: of both.
        one, other: the labels; `other` is the last trainer's.
        about: what was counted: "left" or "lower loss".
        n: seeds in which both were run.
        ours, theirs: seeds in which only `one`, and only `other`, did it.
        p: two-sided p-value that either is as likely; 1 without a seed that tells them apart.
        adjusted: Holm's, over all pairs of the comparison.
    """

    world: str
    one: str
    other: str
    about: str
    n: int
    ours: int
    theirs: int
    p: float
    adjusted: float = 1.0

    @property
    def share(self) -> Share | None:
        """Of the seeds that tell them apart, those for `one`, with its 95 % Wilson interval."""
        count = self.ours + self.theirs
        return wilson(self.ours, count) if count else None

    def __str__(self) -> str:
        what = "left alone" if self.about == "left" else "had the lower loss"
        told = f"{self.one} {what} in {self.ours} of {self.n} seeds, {self.other} in {self.theirs}"
        verdict = "told apart" if self.adjusted <= LEVEL else "not told apart"
        share = "" if self.share is None else f", {self.share} of the seeds that differ"
        return f"{told}: {verdict} (p = {self.adjusted:.2g}{share})"


def pairs(rows: Sequence[Row]) -> tuple[Pair, ...]:
    """Each trainer with the last one of its world, with Holm's p-values over all of them."""
    found = []
    worlds = dict.fromkeys(row.world for row in rows)
    for world in worlds:
        here = [row for row in rows if row.world == world]
        found += [_pair(row, here[-1]) for row in here[:-1]]
    adjusted = holm([pair.p for pair in found])
    return tuple(replace(pair, adjusted=p) for pair, p in zip(found, adjusted, strict=True))


def _pair(one: Row, other: Row) -> Pair:
    known = one.known and other.known
    first, second = ({trial.seed: trial for trial in row.trials} for row in (one, other))
    both = [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys())]
    gains = [_gain(a, b, known=known) for a, b in both]
    ours, theirs = gains.count(1), gains.count(-1)
    return Pair(
        one.world, one.label, other.label, "left" if known else "lower loss", len(both), ours,
        theirs, _exact(ours, theirs),
    )  # fmt: skip


def _gain(one: Trial, other: Trial, *, known: bool) -> int:
    """1 where the first did it alone, -1 where the second did, 0 where both did or neither."""
    if known:
        return int(bool(one.left)) - int(bool(other.left))
    a, b = (np.nan_to_num(x.judgement.loss, nan=np.inf, neginf=-np.inf) for x in (one, other))
    return int(a < b) - int(a > b)


def _exact(ours: int, theirs: int) -> float:
    if not ours + theirs:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(ours, ours + theirs).pvalue)


@dataclass(frozen=True)
class Pooled:
    """A trainer over all worlds.

    Attributes:
        label: the trainer.
        worlds: how many it was run in.
        seeds: those in which it was run in every world.
        value: mean over worlds and seeds of whether it left the saddle.
        low, high: a 95 % Wilson interval for as many runs as there are seeds: wide enough however
            the worlds of one seed depend on each other.
    """

    label: str
    worlds: int
    seeds: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        told = f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"
        return f"{self.label}: {told} over {self.worlds} worlds and {self.seeds} seeds"


def pooled(rows: Sequence[Row]) -> tuple[Pooled, ...]:
    """Every trainer over all worlds, where there are several and all know a minimum."""
    by: dict[str, list[Row]] = {}
    for row in rows:
        by.setdefault(row.label, []).append(row)
    if len({row.world for row in rows}) < 2 or not all(row.known for row in rows):
        return ()
    found = []
    for label, some in by.items():
        seeds = set.intersection(*({trial.seed for trial in row.trials} for row in some))
        if seeds:
            left = [bool(t.left) for row in some for t in row.trials if t.seed in seeds]
            low, high = _interval(float(np.mean(left)), len(seeds))
            found.append(Pooled(label, len(some), len(seeds), float(np.mean(left)), low, high))
    return tuple(found)


def _interval(p: float, n: int) -> tuple[float, float]:
    """Wilson's interval of a share that need not be a multiple of 1/n."""
    z = 1.959963984540054
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def lines(rows: Sequence[Row]) -> list[str]:
    """What a terminal shows below the tables."""
    told = []
    found = pairs(rows)
    apart = [pair for pair in found if pair.ours + pair.theirs]
    never = [pair for pair in found if not pair.n]
    if found:
        told.append(
            "against the last trainer of each world, paired by seed (exact tests, Holm's p over "
            f"{len(found)} pairs, 95 % Wilson intervals):"
        )
        told += [one_line(f"  {x.world + ': ' if x.world else ''}{x}") for x in apart]
    told += [
        one_line(f"  {x.world + ': ' if x.world else ''}{x.one} and {x.other}: no common seed")
        for x in never
    ]
    if same := len(found) - len(apart) - len(never):
        told.append(f"  {same} of {len(found)} pairs: no seed differs")
    if all_worlds := pooled(rows):
        told.append("left, all worlds together (95 % Wilson intervals, n = seeds):")
        told += [one_line(f"  {one}") for one in all_worlds]
    return told


def comma_separated(rows: Sequence[Row]) -> str:
    """Every pair as a line of comma-separated values, under a line of names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("world", "label", "against", "about", "seeds", "for_label", "for_against",
                     "p", "holm"))  # fmt: skip
    for x in pairs(rows):
        values = (x.world, x.one, x.other, x.about, x.n, x.ours, x.theirs, x.p, x.adjusted)
        writer.writerow([cell(value) for value in values])
    return text.getvalue()
