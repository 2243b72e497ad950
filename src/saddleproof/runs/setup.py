"""From a checked configuration to something that `saddleproof.minimize` can run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from saddleproof.attacks.base import Coalition
from saddleproof.errors import OptionError
from saddleproof.fleets.local import LocalFleet
from saddleproof.minimize import Result, minimize
from saddleproof.runs.config import Config, Entry, RunOptions
from saddleproof.runs.members import Member


@dataclass(frozen=True)
class Setup:
    """The parts of one run."""

    problem: Any
    fleet: Any
    optimizer: Any
    aggregator: Any
    options: RunOptions

    def minimize(self, **loop: Any) -> Result:
        """Run it; `loop` goes to `saddleproof.minimize` (callback, checkpoint, resume)."""
        options = self.options
        return minimize(
            self.fleet,
            self.optimizer,
            aggregator=self.aggregator,
            b=options.b,
            w0=self.problem.start,
            seed=options.seed,
            max_rounds=options.max_rounds,
            timeout=options.timeout,
            checkpoint_every=options.checkpoint_every,
            certify=options.certify,
            **loop,
        )


def build(config: Config, entry: Entry | None = None, seed: int | None = None) -> Setup:
    """Make the parts that a configuration names.

    What the problem knows about itself fills in what a member cannot do without: its `saddle`
    for a saddle attack, 1/L for a step size without a default.

    Args:
        config: see `saddleproof.runs.config`.
        entry: a row of the comparison; the main optimizer and aggregator unless given.
        seed: replaces the seeds of the problem's data and of the run.

    Raises:
        ConfigError: a member refuses its options.
    """
    chosen = Entry("", config.optimizer, config.aggregator) if entry is None else entry
    options = config.run if seed is None else replace(config.run, seed=seed)
    problem = _seeded(config.problem, seed).build()
    smoothness = getattr(problem, "smoothness", None)
    supplied = {
        "problem": problem,
        "saddle": getattr(problem, "saddle", None),
        "smoothness": smoothness,
        "step": None if smoothness is None else 1.0 / smoothness,
    }
    fleet: Any = LocalFleet(problem)
    if config.attack is not None:
        attack = _seeded(config.attack, seed).build(**supplied)
        try:
            fleet = Coalition(fleet, attack, config.members)
        except OptionError as error:
            raise config.attack.complain(str(error)) from error
    return Setup(
        problem, fleet, chosen.optimizer.build(**supplied), chosen.aggregator.build(), options
    )


def _seeded(member: Member, seed: int | None) -> Member:
    if seed is None or not member.takes("seed"):
        return member
    return replace(member, options={**member.options, "seed": seed})


@contextmanager
def first_warnings() -> Iterator[list[str]]:
    """Collect the first warning of each category; a schedule would repeat itself every round."""
    kinds: set[type[Warning]] = set()
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield notes
        finally:
            for warning in caught:
                if warning.category not in kinds:
                    kinds.add(warning.category)
                    notes.append(str(warning.message))
