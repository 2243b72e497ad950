"""Trainers side by side, over worlds and seeds: who leaves the saddle, and at what price?"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.config.imports import Imports
from saddleproof.config.parse import parse
from saddleproof.config.records import Config, Entry
from saddleproof.config.setup import build, first_warnings
from saddleproof.errors import OptionError, SaddleproofError
from saddleproof.lab.ledger import Ledger, opened
from saddleproof.lab.meter import Meter
from saddleproof.lab.pool import Pool, check_sendable
from saddleproof.lab.recorded import Recorded, dumps, loads
from saddleproof.lab.rows import Row
from saddleproof.lab.trials import Failure, Trial, judged
from saddleproof.printed import one_line, reason
from saddleproof.result import Progress

#: Most characters of the reason of a failure.
_MOST = 500
#: What a process needs: the text of a configuration and from where it imports, or all of it.
Recipe = tuple[str, Imports] | Config
#: One run: its recipe, the entry's position, the seed.
Task = tuple[Recipe, int, int]


def rows(config: Config, ended: Sequence[Trial | Failure]) -> tuple[Row, ...]:
    """The runs by entry, in the order of the configuration; entries without any left out."""
    found: dict[tuple[str, str], list[Trial | Failure]] = {}
    for one in sorted(ended, key=lambda one: one.seed):
        found.setdefault((one.world, one.label), []).append(one)
    keys = [(entry, (entry.world, entry.label)) for entry in config.compare]
    return tuple(_row(entry, found[key]) for entry, key in keys if key in found)


def _row(entry: Entry, ended: Sequence[Trial | Failure]) -> Row:
    trials = tuple(one for one in ended if isinstance(one, Trial))
    return Row(entry, trials, tuple(one for one in ended if isinstance(one, Failure)))


def run_trials(
    config: Config,
    seeds: Sequence[int],
    jobs: int = 1,
    *,
    ledger: Ledger | None = None,
    resume: bool = False,
) -> Generator[Trial | Failure, None, None]:
    """Every entry with every seed, as they finish.

    A run that raises an error, or whose process dies, is a `Failure`, and the others go on.

    Args:
        config: its `compare` entries are run; `max_rounds` and `b` are common to all.
        seeds: one trial an entry and seed.
        jobs: worker processes; 1 computes in this one. They end with this iterator, also when it
            is closed or interrupted half way.
        ledger: every trial is in it before it is handed out. Failures are not.
        resume: take the trials that are in the ledger from there. All trials together are, for the
            same `jobs`, those of a comparison that was never stopped.

    Raises:
        ConfigError: a member refuses its options.
        OptionError: no seeds, one twice, or `jobs` is no whole number of at least 1.
        StoreError: the ledger cannot be read or written.
    """
    jobs = arguments.whole("jobs", jobs, least=1)
    seeds = [arguments.whole("a seed", seed) for seed in seeds]
    if not seeds:
        raise OptionError("a comparison needs at least one seed; got none")
    if len(set(seeds)) < len(seeds):  # the same run twice is no second one
        raise OptionError(f"seeds must be different ones; got {seeds}")
    _check(config, seeds[0])
    cells = [(i, seed) for seed in seeds for i in range(len(config.compare))]
    recipe: Recipe = (config.text, config.imports) if config.text else config
    with opened(ledger) as book:
        kept = Recorded(book, config)
        known = {cell: kept.get(*cell) for cell in cells} if resume else {}
        yield from (trial for trial in known.values() if trial is not None)
        check_sendable(recipe, min(jobs, len(cells)))
        tasks = [(recipe, *cell) for cell in cells if known.get(cell) is None]
        # A comparison of one run is run here; what is left of a larger one where the others were.
        with Pool(min(jobs, len(cells))) as pool:
            yield from _new(config, tasks, pool, kept)


def _new(
    config: Config, tasks: Sequence[Task], pool: Pool, kept: Recorded
) -> Iterator[Trial | Failure]:
    def lost(task: Task, error: SaddleproofError) -> bytes | Failure:
        return _failure(config.compare[task[1]], task[2], error)

    running = pool.completed(_ended, tasks, label=lambda task: _named(config, task), lost=lost)
    for (_, index, seed), ended in running:
        if isinstance(ended, Failure):
            yield ended
        else:
            kept.add(index, seed, ended)
            yield loads(ended)


def _check(config: Config, seed: int) -> None:
    """Build every entry once, so that what is refused is refused before anything runs."""
    kind, problem = None, None
    for entry in config.compare:
        if entry.problem != kind:
            kind, problem = entry.problem, entry.problem.seeded(seed).build()
        build(config, entry, seed, problem=problem)


@lru_cache(maxsize=1)
def _parsed(text: str, imports: Imports) -> Config:
    return parse(text, imports=imports)


def _ended(recipe: Recipe, index: int, seed: int) -> bytes | Failure:
    """One run: its trial as bytes, or why there is none."""
    config = recipe if isinstance(recipe, Config) else _parsed(*recipe)
    entry = config.compare[index]
    try:
        return dumps(_trial(config, entry, seed))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - members may be the user's own
        return _failure(entry, seed, error)


def _failure(entry: Entry, seed: int, error: BaseException) -> Failure:
    said = str(error) if isinstance(error, SaddleproofError) else reason(error)
    return Failure(entry.world, entry.label, seed, one_line(said, _MOST))


def _trial(config: Config, entry: Entry, seed: int) -> Trial:
    began = time.perf_counter()
    with first_warnings() as notes:
        setup = build(config, entry, seed)
        meter = Meter(setup.fleet)
        path = [np.array(setup.problem.start)]
        result = replace(setup, fleet=meter).minimize(callback=_follow(path))
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


def _named(config: Config, task: Task) -> str:
    entry = config.compare[task[1]]
    where = ", ".join(part for part in (entry.world, entry.label) if part)
    return f"{where}, seed {task[2]}"


def _follow(path: list[Vector]) -> Callable[[Progress], None]:
    return lambda progress: path.append(np.array(progress.w))
