"""A benchmark from Python: the plan with members of one's own, and the call that runs it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import product
from typing import Any

from saddleproof import arguments
from saddleproof.benchmark import parse
from saddleproof.benchmark.data import data_of
from saddleproof.benchmark.plans import Cell, Plan, Training, cell_of
from saddleproof.benchmark.results import Results
from saddleproof.benchmark.running import Run, runs
from saddleproof.config.members import Given, Handed, Member
from saddleproof.config.parse import HONEST
from saddleproof.errors import BreakdownError, ConfigError, OptionError
from saddleproof.lab.ledger import Ledger
from saddleproof.lab.trials import Failure

#: A name of the library, a member of one's own, or label to either.
Members = Any


def run(
    what: str | os.PathLike[str] | Plan,
    *,
    jobs: int = 1,
    ledger: str | os.PathLike[str] | None = None,
    resume: bool = False,
    allow_import: Iterable[str] = (),
    callback: Callable[[str, bool], object] | None = None,
) -> Results:
    """Run every cell with every seed.

    A run that fails is a cell that says so, and the others go on; `Results.failures` lists them.

    Args:
        what: a TOML file (`saddleproof.benchmark.parse`), or what `plan` made.
        jobs: worker processes; 1 computes in this one. Members of your own in a plan are pickled
            for the others.
        ledger: an SQLite file with the outcome of every run as soon as it has ended.
        resume: take the runs that are in the ledger from there. A member of your own is known by
            its class, its options, what it holds and the files of its modules.
        allow_import: modules of which the file may name classes, beside those in its own folder.
        callback: called after every run with its name, and whether there is an outcome.

    Raises:
        ConfigError: the file, or a member refuses its options or the data; before anything is run.
        OptionError: another argument that cannot work.
        StoreError: the ledger cannot be read or written.
    """
    chosen = what if isinstance(what, Plan) else parse.load(what, tuple(allow_import))
    if resume and ledger is None:
        raise OptionError("resume=True takes runs from a ledger; pass ledger=, the file")
    ended: list[Run] = []
    with (
        Ledger(ledger) as kept,
        closing(runs(chosen, jobs=jobs, ledger=kept, resume=resume)) as running,
    ):
        for i, one in running:
            ended.append((i, one))
            if callback is not None:
                callback(f"{chosen.cells[i].name}, seed {one.seed}", not isinstance(one, Failure))
    return Results(chosen, ended)


def plan(
    *,
    data: Members,
    rules: Members,
    liars: int | Sequence[int],
    models: Members = "linear",
    splits: Members = "iid",
    attacks: Members = None,
    workers: int = 20,
    seeds: int | Sequence[int] = 5,
    test: float = 0.2,
    training: Training | Mapping[str, Any] | None = None,
) -> Plan:
    """A benchmark from Python.

    Data, models, splits, rules and attacks are each a name of the library, one member, a list of
    names, or a dict of labels to names and members.

    Args:
        data: a name of `saddleproof.benchmark.data`, a `Data`, or a pair (inputs, labels).
        rules: `sp.Median()` and the like, or a name of `saddleproof list aggregators`.
        liars: b, one or several; each at least 0 and below `workers`.
        models: a name of `saddleproof.benchmark.models`, or a function of (shape, classes).
        splits: a name of `saddleproof.problems.partition` that needs no options, or a function of
            (labels, workers, seed) to the row numbers of each worker.
        attacks: `sp.attacks.SignFlip()` and the like; None is no attack.
        workers: m.
        seeds: how many from 0 on, or a list of them.
        test: the share of rows that no worker has, in (0, 1).
        training: the options of `Training`.

    Raises:
        OptionError: names the argument, and says what is needed.
    """
    m = arguments.whole("workers", workers, least=1)
    counts = [arguments.whole("liars", b) for b in _listed(liars)]
    if not counts or len(set(counts)) < len(counts):
        raise OptionError(f"liars needs one number, or different ones; got {liars!r}")
    if max(counts) >= m:
        raise BreakdownError(f"liars must be less than workers={m}; got {max(counts)}")
    chosen = range(seeds) if isinstance(seeds, int) else seeds
    numbers = tuple(arguments.whole("seeds", seed) for seed in chosen)
    if not numbers or len(set(numbers)) < len(numbers):
        raise OptionError(f"seeds needs at least one seed, and different ones; got {seeds!r}")
    if not 0 < arguments.real("test", test) < 1:
        raise OptionError(f"test is the share of rows to test, between 0 and 1; got {test!r}")
    given = {"data": data, "models": models, "splits": splits, "attacks": attacks, "rules": rules}
    lists = [_members(key, one) for key, one in given.items()]
    cells: list[Cell] = []
    combined: Iterable[Any] = product(*lists[:3], counts, *lists[3:])
    for *first, b, attack, rule in combined:
        if b or attack[1] is None:
            cells.append(cell_of([*first, attack, rule], b))
    if not cells:
        raise OptionError("b = 0 needs the attack None; there is no other cell")
    if not isinstance(training, Training):
        training = Training(**(training or {}))
    return Plan(tuple(cells), m, numbers, float(test), training)


def _listed(given: Any) -> list[Any]:
    return [given] if _one(given) else list(given)


def _one(given: Any) -> bool:
    """Whether this is one thing, and no list of them."""
    return not isinstance(given, Sequence | range) or isinstance(given, str)


def _members(key: str, given: Any) -> list[tuple[str, Member | None]]:
    """What was given under this name, with labels; None for no attack.

    Raises:
        OptionError: nothing, an unknown name, or no member of the family.
    """
    family, _ = parse.LISTS[key]
    if isinstance(given, Mapping):
        named = list(given.items())
    else:
        one = _one(given) or (family == "data" and isinstance(given, tuple))
        named = [(None, part) for part in ([given] if one else given)]
    found = [_member(family, label, part) for label, part in named]
    labels = [label for label, _ in found]
    if not found or len(set(labels)) < len(labels):
        raise OptionError(f"{key} needs at least one member, and a label of its own for each")
    return found


def _member(family: str, label: Any, given: Any) -> tuple[str, Member | None]:
    if label is not None and not isinstance(label, str):
        raise OptionError(f"labels are strings; got {label!r}")
    if family == "attack" and (given is None or given == HONEST):
        return label or HONEST, None
    if isinstance(given, str):
        try:
            make = parse.named(family, given)
        except ConfigError as error:
            raise OptionError(str(error)) from error
        return label or given, Member(given, make, {}, Handed(label or given))
    name = str(label or getattr(given, "__name__", type(given).__name__))
    if family == "data":
        given = Given(data_of(given))
    elif family in ("model", "split"):
        if not callable(given):
            raise OptionError(f"a {family} is a name or a function; got {given!r:.60}")
    else:
        check = arguments.aggregator if family == "aggregator" else arguments.attack
        check(name, given)
        given = Given(given)
    return name, Member(name, given, {}, Handed(name))
