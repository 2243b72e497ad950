"""Trainers side by side, over worlds and seeds: who leaves the saddle, and at what price?"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.config.parse import parse
from saddleproof.config.records import Config
from saddleproof.config.setup import build, first_warnings
from saddleproof.errors import OptionError, SaddleproofError
from saddleproof.lab.meter import Meter
from saddleproof.lab.pool import Pool
from saddleproof.lab.trials import Row, Trial, judged
from saddleproof.result import Progress


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
        SaddleproofError: a run cannot go on, or its process died; it names the run.
    """
    pool = Pool(jobs)
    seeds = [arguments.whole("a seed", seed) for seed in seeds]
    if not seeds:
        raise OptionError("a comparison needs at least one seed; got none")
    _check(config, seeds[0])
    tasks = [(config.text, i, seed) for seed in seeds for i in range(len(config.compare))]
    with pool:
        for _, trial in pool.completed(_trial, tasks, label=lambda task: _named(config, task)):
            yield trial


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
            raise SaddleproofError(f"{_named(config, (text, index, seed))}: {error}") from error
    return Trial(
        world=entry.world,
        label=entry.label,
        seed=seed,
        judgement=judged(setup, result, meter.numbers(result.rounds)),
        rounds=result.rounds,
        status=result.status,
        summary=str(result),
        m=setup.problem.m,
        trace=result.trace,
        path=np.stack([*path, result.w]),
        notes=tuple(notes),
        seconds=time.perf_counter() - began,
    )


def _named(config: Config, task: tuple[str, int, int]) -> str:
    entry = config.compare[task[1]]
    where = ", ".join(part for part in (entry.world, entry.label) if part)
    return f"{where}, seed {task[2]}"


def _follow(path: list[Vector]) -> Callable[[Progress], None]:
    return lambda progress: path.append(np.array(progress.w))
