"""A round of training, without Flower: from the clients' models to the next global model.

    x_i  = model of client i - global model           (d,) in float32, or float64 where the model is
    new  = global model + server_learning_rate * rule(x_1, ..., x_h, b left)

Rules see differences. For a rule that does not mind a shift the models themselves would do; what
clips about the origin (`ARC`, `CenteredClipping`) or compares lengths (`NormTrimming`) would judge
the model instead of what a client changed.

What happens to a reply is what `saddleproof.oracle` does with a message:

    wrong arrays, shapes, dtypes, NaN, Inf    proved bad: dropped, named, charged to b, this round
    none, a failure, two different ones       silent: dropped, the number of rows falls, b stays
    more than b of them NaN or Inf            the model itself overflows: the round is skipped
    too few rows left for the rule            the round is skipped: the global model stays
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saddleproof.aggregators.base import Aggregator
from saddleproof.aggregators.by_shares import check_shares, shared, spoiled
from saddleproof.aggregators.memory import RememberingRule
from saddleproof.aggregators.shares import capped
from saddleproof.arrays import Vector
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import LATE, MALFORMED, OK, Messages
from saddleproof.flower.layout import ModelLayout
from saddleproof.oracle import MessageReading, read

Model = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Reply:
    """What one client sent back.

    Attributes:
        arrays: in the order of the model's; None where there are none to read.
        flaw: why the arrays are not the model's; a proof that the client is bad.
        silence: why nothing is known of the client, which is no proof.
        examples: how many examples the client says it has, whatever it sent in that place.
    """

    arrays: Sequence[NDArray[Any]] | None = None
    flaw: str = ""
    silence: str = ""
    examples: Any = None


@dataclass(frozen=True)
class RoundReport:
    """What became of a round.

    Attributes:
        round: Flower's number of it, from 1.
        skipped: why the global model stayed as it was; "" where it did not.
        asked: how many clients were sent the model.
        heard: names of those whose models reached the rule.
        charged: client to what was wrong with its reply, counted against b in this round.
        silent: client to why it was not heard, not counted against b.
        left_out: clients that were heard and of whose model no coordinate entered the aggregate.
        b: the most liars among those heard.
        shares: of the heard clients in the aggregate, of sum 1; empty without weights.
    """

    round: int
    skipped: str = ""
    asked: int = 0
    heard: tuple[str, ...] = ()
    charged: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    b: int = 0
    shares: tuple[float, ...] = ()

    def __str__(self) -> str:
        parts = [f"round {self.round}: {len(self.heard)} of {self.asked} clients, b={self.b} left"]
        parts += [f"skipped, the model stays: {self.skipped}"] if self.skipped else []
        parts += [f"proved bad: {name} ({why})" for name, why in self.charged.items()]
        parts += [f"silent: {name} ({why})" for name, why in self.silent.items()]
        parts += [f"left out by the rule: {', '.join(self.left_out)}"] if self.left_out else []
        return "; ".join(parts)


class RobustRounds:
    """The server's side of all rounds of a run; the memory of a rule that has one is in here.

    Args:
        rule: any rule of this library.
        b: the most liars among the clients of a round.
        weights: whether a client counts by its number of examples, as far as b liars allow
            (`saddleproof.aggregators.by_shares`).
        server_learning_rate: > 0, length of the server's step over that of the aggregate.
    """

    def __init__(
        self, rule: Aggregator, b: int, *, weights: bool = False, server_learning_rate: float = 1.0
    ) -> None:
        self.rule, self.b, self.weights = rule, b, weights
        self.server_learning_rate = server_learning_rate
        self._roster: tuple[str, ...] = ()
        self._memory: Any = None
        if weights:
            check_shares(rule)

    def after(
        self,
        model: Model,
        replies: Mapping[str, Reply],
        *,
        number: int,
        roster: tuple[str, ...] = (),
    ) -> tuple[dict[str, NDArray[Any]] | None, RoundReport]:
        """The global model after a round, and what became of the round.

        Args:
            model: the global model that the clients were sent.
            replies: one of each client that was asked, by its name.
            number: Flower's number of the round.
            roster: all clients of the run, for a rule with memory; those of the first round count.

        Returns:
            None in the place of the model where the round is skipped.

        Raises:
            OptionError: the global model holds NaN or Inf, or arrays that no message can hold.
        """
        layout = ModelLayout.of(model)
        w = layout.vector(list(model.values()))
        if not np.isfinite(w).all():
            raise OptionError(
                "the global model holds NaN or Inf, so that no difference to it is known; begin "
                "with a finite one"
            )
        replies = self._in_order(replies, roster, layout.d)
        report = RoundReport(
            number,
            asked=len(replies),
            charged={name: reply.flaw for name, reply in replies.items() if reply.flaw},
            silent={name: reply.silence for name, reply in replies.items() if reply.silence},
            b=self.b,
        )
        try:
            reading = read(
                _messages(layout, w, replies),
                self.rule,
                self.b,
                points=w[None],
                workers=tuple(replies),
                memory=self._memory,
            )
        except BreakdownError as error:
            return None, replace(report, skipped=str(error))
        heard = reading.verdicts.heard
        report = replace(report, heard=heard, charged=reading.verdicts.charged, b=reading.b)
        if reading.void[0]:
            why = "more clients answered NaN or Inf than may lie: the model itself overflows"
            return None, replace(report, skipped=why)
        step, kept, shares = self._step(reading, replies)
        out = tuple(name for name, ok in zip(heard, kept, strict=True) if not ok)
        report = replace(report, left_out=out, shares=shares)
        with np.errstate(over="ignore"):
            arrays = layout.arrays(w + layout.dtype.type(self.server_learning_rate) * step)
        if not all(np.isfinite(array).all() for array in arrays.values()):
            return None, replace(report, skipped="the step of the server overflows")
        self._memory = reading.memory
        sent = [_arrays_of(replies[name]) for name in heard]
        arrays |= {k: _middle([one[k] for one in sent], layout.dtypes[k]) for k in layout.counters}
        return {name: arrays[k] for k, name in enumerate(layout.names)}, report

    def _step(
        self, reading: MessageReading, replies: Mapping[str, Reply]
    ) -> tuple[Vector, NDArray[np.bool_], tuple[float, ...]]:
        """(d,) what the rule makes of the differences, who entered it, and everybody's share."""
        if not self.weights:
            return reading.gradient[0], reading.kept[0], ()
        claims = _claims([replies[name].examples for name in reading.verdicts.heard])
        shares = capped(claims, reading.b, spoiled(self.rule, reading.b))
        found = shared(self.rule, reading.stack, shares, reading.b)
        return found.vector[0], found.kept[0], tuple(shares.tolist())

    def _in_order(
        self, replies: Mapping[str, Reply], roster: tuple[str, ...], d: int
    ) -> Mapping[str, Reply]:
        """The replies; in the order of the first round's roster where the rule keeps books."""
        if not isinstance(self.rule, RememberingRule):
            return replies
        if self._memory is None:
            self._roster = roster or tuple(replies)
            self._memory = self.rule.begin(self._roster, d)
        known = {name: replies[name] for name in self._roster if name in replies}
        late = Reply(silence="joined after the first round, and the rule keeps books by name")
        return known | dict.fromkeys(replies.keys() - known.keys(), late)


def _messages(layout: ModelLayout, w: Vector, replies: Mapping[str, Reply]) -> Messages:
    """The replies as a fleet hands over answers: (1, d) differences, in float32 or float64."""
    values: list[Vector | None] = []
    status, notes = [], {}
    for name, reply in replies.items():
        if reply.flaw:
            notes[name] = reply.flaw
        good = reply.arrays is not None and not reply.flaw and not reply.silence
        status.append(OK if good else MALFORMED if reply.flaw else LATE)
        values.append(_difference(layout, w, reply) if good else None)
    return Messages(values=values, status=tuple(status), notes=notes)


def _difference(layout: ModelLayout, w: Vector, reply: Reply) -> Vector:
    row = layout.vector(_arrays_of(reply))
    with np.errstate(over="ignore", invalid="ignore"):
        row -= w
    return row[None]


def _arrays_of(reply: Reply) -> Sequence[NDArray[Any]]:
    return () if reply.arrays is None else reply.arrays


def _claims(examples: Sequence[object]) -> Vector:
    """(m,) positive numbers; who says no such number counts as the least of those who do.

    >>> _claims([20, None, 10.0, "many", float("nan"), -3])
    array([20., 10., 10., 10., 10., 10.])
    """
    said = np.array([_positive(x) for x in examples])
    known = said[np.isfinite(said)]
    return np.where(np.isfinite(said), said, known.min() if len(known) else 1.0)


def _positive(x: Any) -> float:
    """The number, or NaN."""
    try:
        number = float(x)
    except (TypeError, ValueError, OverflowError):
        return np.nan
    return number if 0 < number < np.inf else np.nan


def _middle(arrays: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The lower median element by element: one of the values, so counters stay counters."""
    ordered = np.sort(np.stack([array.astype(dtype) for array in arrays]), axis=0)
    middle: NDArray[Any] = ordered[(len(arrays) - 1) // 2]
    return middle
