"""Many runs, in this process or in several, in the order in which they were asked for.

A search is a pure function of its arguments and of the outcomes of its runs, and a run is one of
the target, the attack and the seed. So a search that was cut short starts over, finds the runs that
it has done in the ledger, and goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any, Self

from saddleproof import __version__
from saddleproof.lab.ledger import Ledger, digest
from saddleproof.lab.pool import Pool
from saddleproof.lab.red_team.outcomes import Outcome
from saddleproof.lab.red_team.space import spelled
from saddleproof.lab.red_team.target import Target


class Runner:
    """A context in which `run` gives the outcomes of runs; those in the ledger cost nothing.

    Args:
        target: the trainer and its world.
        jobs: worker processes; 1 computes in this one.
        ledger: what has been run before, and where more is written down; closed with the context.
    """

    def __init__(self, target: Target, jobs: int, ledger: Ledger) -> None:
        self.target, self.ledger = target, ledger
        self._about = f"{__version__}\n{target}"
        self._pool = Pool(jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()
        self.ledger.close()

    def run(self, tasks: Sequence[tuple[dict[str, Any], int]]) -> Iterator[Outcome]:
        """One outcome a task, in order, each as soon as it and those before it are known.

        Runs are written down as they end.

        Raises:
            SaddleproofError: a process died; it names the attack and the seed.
            StoreError: the ledger cannot be read or written.
        """
        names = [digest(self._about, *task) for task in tasks]
        found = {name: self.ledger.get(name) for name in names}
        new = {name: task for name, task in zip(names, tasks, strict=True) if found[name] is None}
        running = self._pool.completed(self.target.run, [*new.values()], label=_named)
        with closing(running):
            for name in names:
                while found[name] is None:
                    task, outcome = next(running)
                    ended = digest(self._about, *task)
                    found[ended] = asdict(outcome)
                    self.ledger.add(ended, task, found[ended])
                yield Outcome(**found[name])


def _named(task: tuple[dict[str, Any], int]) -> str:
    attack, seed = task
    return f"{spelled(attack)}, seed {seed}"
