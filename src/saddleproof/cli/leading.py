"""One run of a server, from the first round to its entry in the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from saddleproof.cli.run import begin, finish
from saddleproof.cli.signals import Stop
from saddleproof.words import Ending

if TYPE_CHECKING:
    from saddleproof.config.records import Config
    from saddleproof.config.setup import Setup
    from saddleproof.result import Progress, Result
    from saddleproof.runs.store import Store

_log = logging.getLogger(__name__)


def refuse_led(store: Store, chosen: Config) -> None:
    """Refuse to go on with a run that another process leads, before its workers are waited for.

    Raises:
        StoreError: names the process.
    """
    from saddleproof.runs import leases

    if (last := store.last(chosen.text)) is not None:
        with store.db.reading() as db:
            leases.refuse_led(db, last.id, f"run {last.id} of {store.path}")


def lead(
    chosen: Config,
    setup: Setup,
    out: Path,
    *,
    resume: bool,
    allow: tuple[str, ...] = (),
    watching: Sequence[Callable[[Progress], None]] = (),
    stop: Stop | None = None,
) -> tuple[int, Result]:
    """Run `setup`, every round committed to the store in `out`; the run's number and its result.

    Args:
        chosen: the configuration that `setup` was made from.
        setup: its fleet computes.
        out: folder of the store.
        resume: go on with the last run of this configuration, if there is one that has not ended.
        allow: what may differ from how that run began.
        watching: called after every round.
        stop: whether this process shall end. A run whose certificate that cut short is left open,
            and a resume asks for the certificate again.
    """
    from saddleproof.fleets.logs import told
    from saddleproof.runs.store import Store

    stop = Stop() if stop is None else stop

    def watch(progress: Progress) -> None:
        for each in watching:
            each(progress)
        if stop.wanted:  # where a signal came in a place that lost it
            raise KeyboardInterrupt

    with Store(out / "runs.sqlite") as store:
        checkpoint = begin(store, chosen, resume=resume)
        run = checkpoint.run
        _log.info("run %d is led here", run, extra=told(event="begins", run=run))
        result: Result = setup.minimize(
            checkpoint=checkpoint, resume=True, allow=allow, callback=watch
        )
        if stop.wanted and not result.status.resumable:
            why = f"interrupted after round {result.rounds - 1}, before its end was written down"
            result = replace(result, status=Ending.INTERRUPTED, message=why)
        finish(store, checkpoint, result)
    status, rounds = str(result.status), result.rounds
    extra = told(event="ends", run=run, status=status, rounds=rounds)
    _log.info("run %d: %s after %d rounds", run, status, rounds, extra=extra)
    return run, result
