"""Many runs, in this process or in several, in the order in which they were asked for."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Self

from saddleproof.errors import SaddleproofError
from saddleproof.lab.red_team.log import AttemptLog, key
from saddleproof.lab.red_team.outcomes import Outcome
from saddleproof.lab.red_team.target import Target


class Runner:
    """A context in which `run` gives the outcomes of runs; those in the log cost nothing.

    Args:
        target: the trainer and its world.
        jobs: worker processes; 1 computes in this one.
        log: what has been run before, and where more is written down.
    """

    def __init__(self, target: Target, jobs: int, log: AttemptLog) -> None:
        self.target, self.log = target, log
        self._pool: ProcessPoolExecutor | None = None
        if jobs > 1:
            self._pool = ProcessPoolExecutor(
                jobs,
                mp_context=get_context("spawn"),
                initializer=signal.signal,
                initargs=(signal.SIGINT, signal.SIG_IGN),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def run(self, tasks: Sequence[tuple[dict[str, Any], int]]) -> Iterator[Outcome]:
        """One outcome a task, in order, each as soon as it and those before it are known."""
        known = self.log.known
        ahead = {}
        if self._pool is not None:
            ahead = {
                key(*task): self._pool.submit(self.target.run, *task)
                for task in tasks
                if key(*task) not in known
            }
        for task in tasks:
            name = key(*task)
            if name not in known:
                try:
                    outcome = ahead[name].result() if ahead else self.target.run(*task)
                except BrokenProcessPool as error:
                    raise SaddleproofError(
                        "a worker process died (killed, or out of memory); run with one job"
                    ) from error
                self.log.add(*task, outcome)
            yield known[name]
