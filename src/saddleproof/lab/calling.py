"""A comparison from Python: problems and trainers as objects, and what came of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any

from saddleproof import arguments
from saddleproof.aggregators.median import Median
from saddleproof.config.members import Given, Handed, Member
from saddleproof.config.parse import load
from saddleproof.config.records import Config, Entry, Liars, RunOptions
from saddleproof.errors import OptionError
from saddleproof.lab import pairs as paired
from saddleproof.lab.comparison import rows, run_trials
from saddleproof.lab.ledger import Ledger
from saddleproof.lab.trials import Failure, Trial

Trainers = Mapping[str, Any] | Sequence[Any]


class Comparison:
    """What came of a comparison.

    Args:
        config: what was run.
        ended: the runs, in any order.

    Attributes:
        config: what was run.
        rows: one a trainer and world, with its trials and failures.
    """

    def __init__(self, config: Config, ended: Iterable[Trial | Failure]) -> None:
        self.config, self.rows = config, rows(config, list(ended))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The runs that raised an error; they are in no number."""
        return tuple(failure for row in self.rows for failure in row.failures)

    @cached_property
    def pairs(self) -> tuple[paired.Pair, ...]:
        """Each trainer against the last one of its world, paired by seed."""
        return paired.pairs(self.rows)

    @cached_property
    def pooled(self) -> tuple[paired.Pooled, ...]:
        """Each trainer over all worlds; empty for one world, or where nobody knows a minimum."""
        return paired.pooled(self.rows)

    def figure(self, path: str | os.PathLike[str]) -> list[Path]:
        """Draw one panel a world: see `saddleproof.lab.pictures.figure`."""
        from saddleproof.lab.pictures import figure

        return figure(self.rows, path)

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write trials.csv and pairs.csv into a folder; returns the files."""
        from saddleproof.lab.report.text import comma_separated

        Path(folder).mkdir(parents=True, exist_ok=True)
        texts = {
            "trials.csv": comma_separated(self.rows),
            "pairs.csv": paired.comma_separated(self.rows),
        }
        for name, text in texts.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        return [Path(folder) / name for name in texts]

    def __repr__(self) -> str:
        from saddleproof.lab.plain import columns
        from saddleproof.lab.report.text import COLUMNS, cells, failed, worlds

        lines = []
        for world, some in worlds(self.rows):
            lines += [world] if world else []
            lines += [*columns([tuple(COLUMNS), *map(cells, some)]), ""]
        lines += paired.lines(self.rows)
        return "\n".join([*lines, *(f"failed, {line}" for line in failed(self.rows))])


def compare(
    what: Any,
    trainers: Trainers | None = None,
    *,
    b: int | None = None,
    attacks: Any = None,
    seeds: int | Sequence[int] = 10,
    max_rounds: int = 1000,
    certify: bool = True,
    jobs: int = 1,
    ledger: str | os.PathLike[str] | None = None,
    resume: bool = False,
    allow_import: Iterable[str] = (),
    callback: Callable[[Trial | Failure], object] | None = None,
) -> Comparison:
    """Run trainers side by side, in every world, with every seed.

    Any problem will do. Where nobody knows its saddle or its minimum, what is told of a run is its
    true loss, its gradient norm, its lambda_min and its certificate.

    Args:
        what: a problem, or a function of `seed` to one, or label to either; each has m workers and
            a start. Or a TOML file, which says all but seeds and how it is run.
        trainers: label to optimizer, or to (optimizer, rule); the rule is the median unless given.
            Or a list of these. The others are compared with the last one.
        b: the most Byzantine workers; under an attack the first b lie, so that it needs b >= 1.
        attacks: label to attack, None for honest workers; or one attack. None: everybody is honest.
        seeds: how many from 0 on, or a list of different ones: of problems that are functions of
            it, and of the runs.
        max_rounds: budget of parallel iterations.
        certify: end every run with a certificate.
        jobs: worker processes; 1 computes in this one. What is handed in is pickled for the others.
        ledger: an SQLite file with every trial as soon as its run has ended.
        resume: take the trials that are in the ledger from there. What was handed in is known by
            its class, its options, what it holds and the files of its modules.
        allow_import: modules of which the file may name classes, beside those in its own folder.
        callback: called with every trial, or failure, as it comes.

    Raises:
        ConfigError: the file, a member that refuses its options, or a problem without a start.
        OptionError: an argument that cannot work.
        StoreError: the ledger cannot be read or written.

    >>> import saddleproof as sp
    >>> found = compare(
    ...     sp.problems.Example2, {"held": (sp.GradientDescent(step=0.5), sp.Mean()),
    ...     "free": sp.CertifiedPGD()}, b=6, attacks=sp.SaddleAttack(saddle=(0.0, 0.0)),
    ...     seeds=3, max_rounds=60)
    >>> [str(row.left) for row in found.rows]
    ['0.00 [0.00, 0.56]', '1.00 [0.44, 1.00]']
    """
    if isinstance(what, str | os.PathLike):
        if trainers is not None or b is not None or attacks is not None:
            raise OptionError("a file says itself who is compared; leave trainers, b, attacks out")
        config = load(what, tuple(allow_import))
    else:
        if trainers is None or b is None:
            raise OptionError("a comparison of objects needs trainers and b; or pass a TOML file")
        options = RunOptions(b=b, max_rounds=max_rounds, certify=certify)
        config = _config(what, trainers, attacks, options)
    if resume and ledger is None:
        raise OptionError("resume=True takes trials from a ledger; pass ledger=, the file")
    if isinstance(seeds, Iterable):
        chosen = list(seeds)
    else:
        chosen = list(range(arguments.whole("seeds", seeds, least=1)))
    ended = []
    with (
        Ledger(ledger) as kept,
        closing(run_trials(config, chosen, jobs, ledger=kept, resume=resume)) as running,
    ):
        for one in running:
            ended.append(one)
            if callback is not None:
                callback(one)
    return Comparison(config, ended)


def _config(what: Any, trainers: Trainers, attacks: Any, options: RunOptions) -> Config:
    """The same as from a file."""
    problems = _labelled(what, "problem")
    lies = _labelled(attacks, "attack")
    if not isinstance(trainers, Mapping):
        trainers = {_name(_pair(one)[0]): one for one in _each(trainers)}
    entries = []
    for place, problem in problems.items():
        for lie, attack in lies.items():
            world = [place] * (len(problems) > 1) + [lie] * (len(lies) > 1)
            for label, trainer in trainers.items():
                optimizer, rule = _pair(trainer)
                arguments.optimizer(label, optimizer)
                arguments.aggregator(label, rule)
                liars = None
                if attack is not None:
                    arguments.attack(lie, attack)
                    if not options.b:
                        raise OptionError(
                            f"b=0 leaves nobody to lie under the attack {lie!r}; pass a larger b, "
                            "or leave attacks out"
                        )
                    liars = Liars(_handed(lie, attack), tuple(range(options.b)))
                members = _handed(label, optimizer), _handed(label, rule)
                made = _problem(place, problem)
                entries.append(Entry(label, made, liars, *members, world=", ".join(world)))
    if not entries:
        raise OptionError("a comparison needs at least one problem and one trainer")
    return Config("", entries[0], options, tuple(entries))


def _labelled(given: Any, family: str) -> dict[str, Any]:
    if isinstance(given, Mapping):
        if not all(isinstance(label, str) for label in given):
            raise OptionError(f"labels of a {family} are strings; got {list(given)!r:.60}")
        return dict(given)
    return {"no liars" if given is None else _name(given): given}


def _each(trainers: Sequence[Any]) -> list[Any]:
    found = list(trainers)
    names = [_name(_pair(one)[0]) for one in found]
    if len(set(names)) < len(names):
        raise OptionError("several trainers have the same optimizer: pass a dict with labels")
    return found


def _pair(trainer: Any) -> tuple[Any, Any]:
    """Optimizer and rule."""
    if isinstance(trainer, tuple) and len(trainer) == 2:
        return trainer
    return trainer, Median()


def _problem(label: str, given: Any) -> Member:
    """A problem, or what makes one from a seed."""
    made = isinstance(given, type) or not hasattr(given, "gradients")
    if not made or not callable(given):
        arguments.member(label, "problem", given)
        return _handed(label, given)
    member = Member(label, given, {}, Handed(label))
    if not member.takes("seed"):
        raise OptionError(f"{label}: a function that makes a problem takes seed; this one does not")
    return member


def _handed(label: str, given: Any) -> Member:
    return Member(label, Given(given), {}, Handed(label))


def _name(given: Any) -> str:
    name = getattr(given, "name", None)
    if isinstance(name, str) and name:
        return name
    return str(getattr(given, "__name__", type(given).__name__))
