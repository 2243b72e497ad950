"""Logs: who is lost, who returned, who lost its seat, and what each round came to.

    logging.getLogger("saddleproof").setLevel(logging.INFO)
    sp.minimize(fleet, b=6, w0=w0, callback=saddleproof.fleets.logs.RoundLog(fleet.workers))

Loggers are named `saddleproof.*`. A record carries its numbers as attributes beside the sentence
(`saddle_event`, `saddle_round`, `saddle_worker`, ...), so that a JSON formatter needs no parsing;
`fields` reads them. No message, no key and no data is ever logged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from saddleproof.fleets.base import OK, Messages
from saddleproof.questions import Question

_log = logging.getLogger("saddleproof.rounds")
#: What the attributes of a record are called, before the name of the field.
_PREFIX = "saddle_"
#: The status of a worker that was proved bad.
UNSEATED = "unseated"


def speak_again() -> None:
    """Switch on the loggers of this library that another one has switched off.

    Flower's SuperLink sets its data base up in the same process, by `logging.config.fileConfig`,
    which switches off every logger that exists.
    """
    for name, logger in logging.getLogger().manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and name.partition(".")[0] == "saddleproof":
            logger.disabled = False


def told(**named: object) -> dict[str, Any]:
    """The `extra` of a log record with these fields.

    >>> told(round=3, worker="ann")
    {'saddle_round': 3, 'saddle_worker': 'ann'}
    """
    return {_PREFIX + name: value for name, value in named.items()}


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a log record, by their names without the prefix."""
    found = vars(record).items()
    return {name.removeprefix(_PREFIX): v for name, v in found if name.startswith(_PREFIX)}


def log_messages(
    logger: logging.Logger,
    round_id: int,
    workers: tuple[str, ...],
    messages: Messages,
    seconds: float,
    question: Question,
) -> None:
    """What a transport saw of a round, at DEBUG: a line a worker that failed, and one in all.

    `RoundLog` tells at higher levels who is lost, once and not in every round.

    Args:
        logger: the transport's own.
        round_id: number of the round.
        workers: the roster.
        messages: what came.
        seconds: how long the round took.
        question: what was asked; its kind is told.
    """
    asked = type(question).__name__
    for name, status in zip(workers, messages.status, strict=True):
        if status != OK:
            why = messages.notes.get(name, "no answer in time")
            extra = told(round=round_id, worker=name, status=status, reason=why, question=asked)
            logger.debug("round %d: %s is %s (%s)", round_id, name, status, why, extra=extra)
    answered = messages.status.count(OK)
    logger.debug(
        "round %d: %d of %d answered %s in %.3f s",
        round_id,
        answered,
        len(workers),
        asked,
        seconds,
        extra=told(round=round_id, answered=answered, question=asked, seconds=seconds),
    )


class RoundLog:
    """A callback for `minimize`: a line a round, and a line when a worker comes or goes.

    | event | level | when |
    |---|---|---|
    | round | INFO | after every round |
    | lost | WARNING | a worker is late or dead, and was not in the round before |
    | returned | INFO | the answer of a lost worker is there again |
    | unseated | WARNING | a worker is proved bad, and not heard any more |

    Args:
        workers: the roster, `fleet.workers`. Names of others are not logged.
        unseated: `fleet.unseated` of a fleet that has one: worker to reason, for those that were
            proved bad, before a resume perhaps.
        clock: seconds, from anywhere.
    """

    def __init__(
        self,
        workers: Sequence[str],
        *,
        unseated: Callable[[], Mapping[str, str]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers, self._unseated = tuple(workers), unseated
        self._clock, self._since = clock, clock()
        self._was = dict.fromkeys(self._workers, OK)

    def __call__(self, progress: Any) -> None:
        """Log the round of a `Progress`; never stops a run."""
        record, now = progress.record, self._clock()
        seconds, self._since = now - self._since, now
        bad = {**self._unseated(), **record.charged}
        for name in self._workers:
            before = self._was[name]
            out = name in bad or before == UNSEATED
            status = UNSEATED if out else record.absent.get(name, OK)
            self._was[name] = status
            if status != before:
                self._moved(record.round, name, status, bad.get(name, ""))
        they_are = list(self._was.values())
        unseated, heard = they_are.count(UNSEATED), they_are.count(OK)
        event = f"; {record.event}" if record.event else ""
        _log.info(
            "round %d: %d of %d answered %s in %.2f s, |g| = %.3g within %.3g%s",
            record.round,
            heard,
            len(self._workers),
            record.question,
            seconds,
            record.gradient_norm,
            record.inexactness,
            event,
            extra=told(
                event="round",
                round=record.round,
                question=record.question,
                answered=heard,
                absent=len(self._workers) - heard - unseated,
                unseated=unseated,
                refused=sum(record.refused.values()),
                queries=record.queries,
                gradient_norm=record.gradient_norm,
                inexactness=record.inexactness,
                seconds=seconds,
                outcome=record.event,
            ),
        )

    @staticmethod
    def _moved(number: int, name: str, status: str, why: str) -> None:
        """A worker's status is another one than in the round before."""
        extra = told(round=number, worker=name, status=status)
        if status == OK:
            _log.info("round %d: %s returned", number, name, extra=extra | told(event="returned"))
        elif status == UNSEATED:
            extra |= told(event=UNSEATED, reason=why)
            text = "round %d: %s is proved bad and loses its seat (%s)"
            _log.warning(text, number, name, why, extra=extra)
        else:
            extra |= told(event="lost")
            _log.warning("round %d: %s is lost (%s)", number, name, status, extra=extra)
