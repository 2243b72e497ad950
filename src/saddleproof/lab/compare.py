"""Trainers side by side, over worlds and seeds: who leaves the saddle, and at what price?"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from multiprocessing import active_children, get_context

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.config.parse import parse
from saddleproof.config.records import Config
from saddleproof.config.setup import build, first_warnings
from saddleproof.errors import OptionError, SaddleproofError
from saddleproof.lab.meter import Meter
from saddleproof.lab.trials import Row, Trial, judged
from saddleproof.result import Progress

#: One process computes with one thread: the processes are the parallelism.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_IGNORED = (signal.SIGINT, signal.SIG_IGN)


def rows(config: Config, trials: Sequence[Trial]) -> tuple[Row, ...]:
    """The trials by entry, in the order of the configuration; entries without any left out."""
    found: dict[tuple[str, str], list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.seed):
        found.setdefault((trial.world, trial.label), []).append(trial)
    keys = [(entry, (entry.world, entry.label)) for entry in config.compare]
    return tuple(Row(entry, tuple(found[key])) for entry, key in keys if key in found)


def run_trials(config: Config, seeds: Sequence[int], jobs: int = 1) -> Generator[Trial, None, None]:
    """Every entry with every seed, as they finish.

    Args:
        config: its `compare` entries are run; `max_rounds` and `b` are common to all.
        seeds: one trial an entry and seed.
        jobs: worker processes; 1 computes in this one. They end with this iterator, also when it
            is closed or interrupted half way.

    Raises:
        ConfigError: nobody knows a problem's minimum, or a member refuses its options.
    """
    arguments.whole("jobs", jobs, least=1)
    seeds = [arguments.whole("a seed", seed) for seed in seeds]
    if not seeds:
        raise OptionError("a comparison needs at least one seed; got none")
    _check(config, seeds[0])
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
    except BaseException:  # closed or interrupted half way: nobody waits for what was begun
        workers = set(active_children()) - others
        pool.shutdown(wait=False, cancel_futures=True)
        for process in workers:
            process.terminate()
        for process in workers:
            process.join()
        raise
    finally:
        pool.shutdown()


def _check(config: Config, seed: int) -> None:
    """Build every entry once, so that what is refused is refused before anything runs."""
    kind, problem = None, None
    for entry in config.compare:
        if entry.problem != kind:
            kind, problem = entry.problem, entry.problem.seeded(seed).build()
            if not hasattr(problem, "excess"):
                raise kind.complain("a comparison needs a problem with a known saddle or minimum")
        build(config, entry, seed, problem=problem)


@lru_cache(maxsize=1)
def _parsed(text: str) -> Config:
    return parse(text)


def _trial(text: str, index: int, seed: int) -> Trial:
    config = _parsed(text)
    entry = config.compare[index]
    began = time.perf_counter()
    with first_warnings() as notes:
        setup = build(config, entry, seed)
        meter = Meter(setup.fleet)
        path = [np.array(setup.problem.start)]
        try:
            result = replace(setup, fleet=meter).minimize(callback=_follow(path))
        except SaddleproofError as error:
            where = ", ".join(part for part in (entry.world, entry.label) if part)
            raise SaddleproofError(f"{where}, seed {seed}: {error}") from error
    return Trial(
        world=entry.world,
        label=entry.label,
        seed=seed,
        verdict=judged(setup, result, meter.numbers(result.rounds)),
        rounds=result.rounds,
        status=result.status,
        summary=str(result),
        m=setup.problem.m,
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
