"""Logs: who did not answer, and what each round came to, as records with fields.

    logging.getLogger("saddleproof").setLevel(logging.INFO)
    sp.minimize(fleet, b=6, w0=w0, callback=saddleproof.fleets.logs.log_round)

Loggers are named `saddleproof.*`. A record carries its numbers as attributes beside the sentence
(`saddle_round`, `saddle_worker`, ...), so that a JSON formatter needs no parsing. No message, no
key and no data is ever logged.
"""

from __future__ import annotations

import logging
from typing import Any

from saddleproof.fleets.base import OK, Messages
from saddleproof.questions import Question

_log = logging.getLogger("saddleproof.rounds")


def log_messages(
    logger: logging.Logger,
    round_id: int,
    workers: tuple[str, ...],
    messages: Messages,
    seconds: float,
    question: Question,
) -> None:
    """What a transport saw of a round: a warning a worker that failed, and a line at DEBUG.

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
            logger.warning(
                "round %d: %s is %s (%s)",
                round_id,
                name,
                status,
                why,
                extra={
                    "saddle_round": round_id,
                    "saddle_worker": name,
                    "saddle_status": status,
                    "saddle_question": asked,
                },
            )
    answered = messages.status.count(OK)
    logger.debug(
        "round %d: %d of %d answered %s in %.3f s",
        round_id,
        answered,
        len(workers),
        asked,
        seconds,
        extra={
            "saddle_round": round_id,
            "saddle_answered": answered,
            "saddle_question": asked,
            "saddle_seconds": seconds,
        },
    )


def log_round(progress: Any) -> None:
    """A callback for `minimize`: one line a round at INFO, and a warning a worker proved bad."""
    record = progress.record
    for name, why in record.charged.items():
        _log.warning(
            "round %d: %s is proved bad (%s)",
            record.round,
            name,
            why,
            extra={"saddle_round": record.round, "saddle_worker": name, "saddle_status": "charged"},
        )
    _log.info(
        "round %d: |g| = %.3g within %.3g, %d points, %d absent",
        record.round,
        record.gradient_norm,
        record.inexactness,
        record.queries,
        len(record.absent),
        extra={
            "saddle_round": record.round,
            "saddle_gradient_norm": record.gradient_norm,
            "saddle_inexactness": record.inexactness,
            "saddle_queries": record.queries,
            "saddle_absent": len(record.absent),
        },
    )
