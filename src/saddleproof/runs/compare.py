"""Optimizers side by side, over seeds: who leaves the saddle, and how surely do we know?"""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import active_children, get_context

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.checkpoint import RoundRecord
from saddleproof.errors import ConfigError, SaddleproofError
from saddleproof.minimize import Progress
from saddleproof.runs.config import Config, parse
from saddleproof.runs.setup import build, first_warnings
from saddleproof.runs.shares import Share, wilson

#: One process computes with one thread: the processes are the parallelism.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_IGNORED = (signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class Trial:
    """One entry of a comparison, run once.

    Attributes:
        label: the entry's label.
        seed: of the problem's data and of the run.
        left: whether the run left the saddle, judged by the problem itself.
        excess: what is left of the loss, 1 at the saddle and 0 at the minimum.
        rounds: parallel iterations.
        status: the optimizer's verdict.
        summary: the whole `Result`, printed.
        trace: one record a round.
        path: (T + 1, d), the start and the point after each round.
        notes: warnings that the run gave, the first of each kind.
        seconds: wall time.
    """

    label: str
    seed: int
    left: bool
    excess: float
    rounds: int
    status: str
    summary: str
    trace: tuple[RoundRecord, ...]
    path: Vector
    notes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Row:
    """All trials of one entry."""

    label: str
    trials: tuple[Trial, ...]

    @property
    def left(self) -> Share:
        """The share of runs that left the saddle, with its Wilson interval."""
        return wilson(sum(trial.left for trial in self.trials), len(self.trials))

    @property
    def rounds(self) -> float:
        """Median of the parallel iterations."""
        return statistics.median(trial.rounds for trial in self.trials)

    @property
    def excess(self) -> float:
        """Mean excess loss: 1 at the saddle, 0 at the minimum."""
        return statistics.fmean(trial.excess for trial in self.trials)

    @property
    def notes(self) -> tuple[str, ...]:
        """The warnings of the first trial that gave any: the others differ in numbers only."""
        return next((trial.notes for trial in self.trials if trial.notes), ())


def rows(config: Config, trials: Sequence[Trial]) -> tuple[Row, ...]:
    """The trials by entry, in the order of the configuration; entries without any left out."""
    grouped = (
        Row(
            entry.label,
            tuple(
                sorted((t for t in trials if t.label == entry.label), key=lambda trial: trial.seed)
            ),
        )
        for entry in config.compare
    )
    return tuple(row for row in grouped if row.trials)


def run_trials(config: Config, seeds: Sequence[int], jobs: int = 1) -> Generator[Trial, None, None]:
    """Every entry with every seed, as they finish.

    Args:
        config: its `compare` entries are run; `max_rounds` and `b` are common to all.
        seeds: one trial an entry and seed.
        jobs: worker processes; 1 computes in this one. They end with this iterator, also when it
            is closed or interrupted half way.

    Raises:
        ConfigError: the problem has no known saddle, or a member refuses its options.
    """
    for entry in config.compare:
        if not hasattr(build(config, entry, seeds[0]).problem, "left_saddle"):
            raise ConfigError("a comparison needs a problem with a known saddle")
    tasks = [(config.text, i, seed) for seed in seeds for i in range(len(config.compare))]
    if jobs == 1:
        yield from (_trial(*task) for task in tasks)
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=signal.signal, initargs=_IGNORED
    )
    try:
        with _single_threaded(), _uninterrupted():  # processes start as tasks are submitted
            futures = [pool.submit(_trial, *task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise SaddleproofError(
            "a worker process died (killed, or out of memory); run with one job to see more"
        ) from error
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@lru_cache(maxsize=1)
def _parsed(text: str) -> Config:
    return parse(text)


def _trial(text: str, index: int, seed: int) -> Trial:
    config = _parsed(text)
    entry = config.compare[index]
    began = time.perf_counter()
    with first_warnings() as notes:
        setup = build(config, entry, seed)
        path = [np.array(setup.problem.start)]
        result = setup.minimize(callback=_follow(path))
    return Trial(
        label=entry.label,
        seed=seed,
        left=bool(setup.problem.left_saddle(result.w)),
        excess=float(setup.problem.excess(result.w)),
        rounds=result.rounds,
        status=result.status,
        summary=str(result),
        trace=result.trace,
        path=np.stack([*path, result.w]),
        notes=tuple(notes),
        seconds=time.perf_counter() - began,
    )


def _follow(path: list[Vector]) -> Callable[[Progress], None]:
    return lambda progress: path.append(np.array(progress.w))


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Child processes read these before they load NumPy; this process has loaded it already."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Child processes inherit that Ctrl-C is none of their business, before they can say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(*_IGNORED)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
