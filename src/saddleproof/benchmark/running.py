"""All cells with all seeds: from the ledger or anew, in one process or several, as they finish."""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, TypeAlias

import numpy as np
import torch

from saddleproof import __version__, arguments
from saddleproof.benchmark.parse import parse
from saddleproof.benchmark.plans import Cell, Plan
from saddleproof.benchmark.training import (
    Trained,
    built_attack,
    loaded,
    module_of,
    outcome,
    rows_of,
)
from saddleproof.config.imports import Imports
from saddleproof.errors import OptionError, SaddleproofError
from saddleproof.lab.handed import foreign
from saddleproof.lab.ledger import Ledger, digest, opened
from saddleproof.lab.pool import Pool, check_sendable
from saddleproof.lab.recorded import told
from saddleproof.lab.trials import Failure
from saddleproof.printed import one_line, reason
from saddleproof.storage import snapshot

#: Most characters of the reason of a failure.
_MOST = 500
#: Why a run is a failure whose data are not those that were checked.
_OTHER_DATA = (
    "the data are other ones each time that they are loaded; a data function gives the same rows "
    "again: draw them with a fixed seed"
)
#: A run: its cell's position, and what came of it.
Run: TypeAlias = tuple[int, Trained | Failure]
#: What a process needs: the plan or its text and from where it imports, a cell's position, a seed.
Task: TypeAlias = tuple[Plan | tuple[str, Imports], int, int]


def runs(
    plan: Plan, *, jobs: int = 1, ledger: Ledger | None = None, resume: bool = False
) -> Generator[Run, None, None]:
    """Every cell with every seed, as they finish.

    A run that raises an error, whose process dies, or that loaded other data than were checked, is
    a `Failure`, and the others go on.

    Args:
        plan: what is run. Seeds come one after the other: what was stopped is a smaller benchmark.
        jobs: worker processes; 1 computes in this one.
        ledger: every outcome is in it before it is handed out. Failures are not.
        resume: take the outcomes that are in the ledger from there.

    Raises:
        ConfigError: a member refuses its options or the data, told before anything is run.
        OptionError: `jobs` is no whole number of at least 1.
        StoreError: the ledger cannot be read or written.
    """
    jobs = arguments.whole("jobs", jobs, least=1)
    check(plan)
    every = [(i, seed) for seed in plan.seeds for i in range(len(plan.cells))]
    names = names_of(plan)
    recipe = (plan.text, plan.imports) if plan.text else plan
    with opened(ledger) as kept:
        known = {run: _read(kept, names(*run)) for run in every} if resume else {}
        yield from ((run[0], found) for run, found in known.items() if found is not None)
        check_sendable(recipe, min(jobs, len(every)))
        tasks: list[Task] = [(recipe, *run) for run in every if known.get(run) is None]
        with Pool(min(jobs, len(every))) as pool:
            yield from _new(plan, tasks, pool, kept, names)


def _new(plan: Plan, tasks: Sequence[Task], pool: Pool, kept: Ledger, names: Any) -> Iterator[Run]:
    def lost(task: Task, error: SaddleproofError) -> bytes | Failure:
        return _failure(plan.cells[task[1]], task[2], error)

    def named(task: Task) -> str:
        return f"{plan.cells[task[1]].name}, seed {task[2]}"

    digests = digests_of(plan)
    for (_, i, seed), ended in pool.completed(_ended, tasks, label=named, lost=lost):
        if isinstance(ended, Failure):
            yield i, ended
            continue
        found = snapshot.loads(ended, Trained, kept.place)
        if found.digest != digests[plan.cells[i].labels["data"]]:
            yield i, _failure(plan.cells[i], seed, OptionError(_OTHER_DATA))
        else:
            task = {"cell": plan.cells[i].name, "seed": seed}
            kept.add(names(i, seed), task, base64.b64encode(ended).decode())
            yield i, found


def check(plan: Plan) -> None:
    """Build everything once, so that what is refused is refused before anything runs.

    Raises:
        ConfigError: a member refuses its options, or a model or a split the data.
        MissingExtraError: the data needs an optional dependency.
    """
    if not plan.seeds:
        raise OptionError("a benchmark needs at least one seed; got none")
    seen: set[tuple[str, ...]] = set()
    seed = plan.seeds[0]
    for cell in plan.cells:
        name, data = cell.labels, loaded(cell.data)
        tried: dict[tuple[str, ...], Callable[[], object]] = {
            ("split", name["data"], name["split"]): partial(rows_of, plan, cell, data, seed),
            ("model", name["data"], name["model"]): partial(module_of, cell.model, data, seed),
            ("rule", name["rule"]): cell.rule.build,
        }
        if cell.attack is not None:
            tried["attack", name["attack"]] = partial(built_attack, cell.attack, seed)
        for key, build in tried.items():
            if key not in seen:
                build()
        seen |= tried.keys()


def _ended(recipe: Plan | tuple[str, Imports], i: int, seed: int) -> bytes | Failure:
    """One run: its outcome as bytes, or why there is none."""
    plan = recipe if isinstance(recipe, Plan) else _parsed(*recipe)
    cell = plan.cells[i]
    try:
        return snapshot.dumps(outcome(plan, cell, seed))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - members may be the user's own
        return _failure(cell, seed, error)


@lru_cache(maxsize=1)
def _parsed(text: str, imports: Imports) -> Plan:
    return parse(text, imports=imports)


def _failure(cell: Cell, seed: int, error: BaseException) -> Failure:
    said = str(error) if isinstance(error, SaddleproofError) else reason(error)
    world = ", ".join(map(str, cell.world))
    return Failure(world, cell.labels["rule"], seed, one_line(said, _MOST))


def digests_of(plan: Plan) -> dict[str, str]:
    """Data to the SHA-256 of its rows, each loaded once."""
    members = {cell.labels["data"]: cell.data for cell in plan.cells}
    return {label: loaded(member).digest for label, member in members.items()}


def digest_of(plan: Plan) -> str:
    """SHA-256 of everything that the outcomes of all runs depend on."""
    names = names_of(plan)
    return digest(*(names(i, seed) for i in range(len(plan.cells)) for seed in plan.seeds))


def names_of(plan: Plan) -> Callable[[int, int], str]:
    """(cell's position, seed) to the digest of everything that the outcome depends on."""
    about = (__version__, np.__version__, torch.__version__, plan.workers, plan.test)
    told_of, digests = [], digests_of(plan)
    for cell in plan.cells:
        parts = [told(cell.model), told(cell.split), told(cell.rule)]
        parts.append([] if cell.attack is None else told(cell.attack))
        told_of.append([digests[cell.labels["data"]], *parts, cell.b, foreign(cell.members)])
    training = plan.training.options
    return lambda i, seed: digest("benchmark", *about, training, *told_of[i], seed)


def _read(kept: Ledger, name: str) -> Trained | None:
    found = kept.get(name)
    if found is None:
        return None
    return snapshot.loads(base64.b64decode(found), Trained, kept.place)
