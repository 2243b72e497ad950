"""From a checked configuration to something that `saddleproof.minimize` can run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from saddleproof.attacks.base import Coalition
from saddleproof.config.records import Config, Entry, RunOptions
from saddleproof.errors import OptionError, SaddleproofError
from saddleproof.fleets.local import LocalFleet
from saddleproof.loop import minimize
from saddleproof.printed import reason
from saddleproof.result import Result


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


def build(
    config: Config, entry: Entry | None = None, seed: int | None = None, *, problem: Any = None
) -> Setup:
    """Make the parts that a configuration names.

    What the problem knows about itself fills in what a member cannot do without: its `saddle`
    for a saddle attack, 1/L for a step size without a default, half of |lambda_min| at its saddle
    for a curvature without one.

    Args:
        config: see `saddleproof.config.parse`.
        entry: a row of the comparison; the main one unless given.
        seed: replaces the seeds of the problem's data, of the attack and of the run.
        problem: the entry's, if it is built already.

    Raises:
        ConfigError: a member refuses its options, or the problem has no m or no start.
        MissingExtraError: a member needs an optional dependency.
    """
    chosen = config.main if entry is None else entry
    try:
        return _built(config, chosen, seed, problem)
    except SaddleproofError:
        raise
    except Exception as error:  # a problem may be the user's own: its attributes may raise anything
        raise chosen.problem.complain(f"{chosen.problem.name}: {reason(error)}") from error


def _built(config: Config, chosen: Entry, seed: int | None, problem: Any) -> Setup:
    options = config.run if seed is None else replace(config.run, seed=seed)
    problem = chosen.problem.seeded(seed).build() if problem is None else problem
    if missing := [name for name in ("m", "start") if getattr(problem, name, None) is None]:
        raise chosen.problem.complain(
            f"a problem has m workers and a start, a vector of length d; {chosen.problem.name} "
            f"has no {' and no '.join(missing)}"
        )
    smoothness = getattr(problem, "smoothness", None)
    supplied = {
        "problem": problem,
        "saddle": getattr(problem, "saddle", None),
        "smoothness": smoothness,
        "step": 1.0 / smoothness if smoothness else None,
        "curvature": getattr(problem, "curvature", None),
    }
    try:
        fleet: Any = LocalFleet(problem)
    except OptionError as error:
        raise chosen.problem.complain(str(error)) from error
    if chosen.liars is not None:
        attack = chosen.liars.attack.seeded(seed).build(**supplied)
        try:
            fleet = Coalition(fleet, attack, chosen.liars.members)
        except OptionError as error:
            raise chosen.liars.attack.complain(str(error), "members") from error
    return Setup(
        problem, fleet, chosen.optimizer.build(**supplied), chosen.aggregator.build(), options
    )


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
