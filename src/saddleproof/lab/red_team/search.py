"""Search for the attack that traps a trainer: successive halving over seeds, then local search.

1. Opening: plans that a person would try, the literature, random ones; two seeds each.
2. Successive halving (Jamieson, Talwalkar, AISTATS 2016): the best quarter gets twice as many
   seeds, and so on up to `SEEDS`.
3. Local search: neighbours of the best few race them on the same seeds and are dropped as soon as
   they fall behind.
4. Measurement: the one attack that came out is run on fresh seeds. The maximum over many attacks
   on few seeds is biased upwards; this number is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from saddleproof import arguments
from saddleproof.errors import OptionError
from saddleproof.lab.ledger import Ledger
from saddleproof.lab.red_team.findings import Attempt, Findings, Objective, ranked
from saddleproof.lab.red_team.outcomes import Outcome
from saddleproof.lab.red_team.runners import Runner
from saddleproof.lab.red_team.space import Table, spelled
from saddleproof.lab.red_team.target import Target

#: Search seeds of an attack that reached the end; the first rung of the halving.
SEEDS, FIRST = 8, 2
#: An attack in KEEP goes on to the next rung.
KEEP = 4
#: The search's seeds begin here, times its own seed plus one; those below are fresh.
FAR = 100_000
#: The smallest budget in which a halving can end.
LEAST = 30
#: Broods without a new attack after which the neighbourhood counts as exhausted.
STALE = 50
Stage = Literal["opening", "local search", "fresh seeds"]
FRESH: Stage = "fresh seeds"
#: How many of the best are climbed from, and neighbours that race at a time.
ELITE, OFFSPRING = 3, 4


@dataclass(frozen=True)
class SearchProgress:
    """What a callback sees after every run.

    Attributes:
        runs, total: done, and how many there are at most.
        stage: "opening", "local search" or "fresh seeds".
        attack: the attack of the run, on one line.
        left: whether the run left the saddle.
    """

    runs: int
    total: int
    stage: Stage
    attack: str
    left: bool


def redteam(
    config: str | os.PathLike[str],
    *,
    budget: int = 300,
    fresh: int = 40,
    seed: int = 0,
    jobs: int = 1,
    objective: Objective = "trap",
    log: str | os.PathLike[str] | None = None,
    callback: Callable[[SearchProgress], object] | None = None,
    allow_import: Sequence[str] = (),
) -> Findings:
    """Search for the attack that does the most harm to the trainer of a configuration.

    The liars are those of its [attack] table, the first b workers unless it says otherwise; how
    they lie is searched: every attack of the library that fits, and each `Playbook`, with a trick
    of its own for descent, probes, escapes and tests and a way to answer questions about changes
    and curvatures, at any size, in any window of time.

    Args:
        config: path of a configuration file, or its text; its problem needs a known saddle. Its
            [compare] and [grid] are ignored.
        budget: runs of the trainer that the search may take, >= 30.
        fresh: further runs, on seeds 0 to fresh - 1, that measure the attack it chose.
        seed: of the search; one seed gives one search, whatever `jobs` is.
        jobs: worker processes.
        objective: "trap" looks for runs that do not leave the saddle; "lie" for runs that end with
            a false certificate or verdict, or above their own plain robust descent by more than
            they say. See `saddleproof.lab.red_team.outcomes`.
        log: SQLite file that keeps every run as it ends (`saddleproof.lab.ledger`); a search with
            the same arguments goes on from it. One file may serve several searches.
        callback: called after every run.
        allow_import: modules of which the configuration may name classes, beside those in its own
            folder.

    Returns:
        Findings. Ctrl-C is no error: it returns what was found by then, with `interrupted` set.

    Raises:
        ConfigError: the configuration cannot be run, or its problem has no known saddle.
        OptionError: a budget below 30, no fresh seeds, or an unknown objective.
        StoreError: the log cannot be used.
    """
    arguments.whole("budget", budget, least=LEAST)
    arguments.whole("fresh", fresh, least=1)
    arguments.whole("jobs", jobs, least=1)
    arguments.callback("callback", callback)
    seed = arguments.seed_number(seed, bits=32)
    if objective not in get_args(Objective):
        raise OptionError(
            f"objective must be one of {', '.join(get_args(Objective))}; got {objective!r}"
        )
    target = Target.of(config, allow_import)
    with Runner(target, jobs, Ledger(log)) as runner:
        search = _Search(runner, objective, budget, fresh, seed, callback)
        worst, interrupted = None, False
        try:
            worst = search.measured(search.chosen())
        except KeyboardInterrupt:
            interrupted = True
    tried = ranked(search.attempts, objective)
    if not tried:
        raise KeyboardInterrupt  # before the first run ended: there is nothing to return
    return Findings(worst, tried, objective, search.runs, target, interrupted)


class _Search:
    """One search in motion: its random numbers, and the runs that it has done."""

    def __init__(
        self,
        runner: Runner,
        objective: Objective,
        budget: int,
        fresh: int,
        seed: int,
        callback: Callable[[SearchProgress], object] | None,
    ) -> None:
        self.runner, self.objective, self.budget, self.fresh = runner, objective, budget, fresh
        self.runs = 0
        self._rng = np.random.default_rng(seed)
        self._seeds = range(FAR * (seed + 1), FAR * (seed + 1) + SEEDS)
        self._callback = callback
        self._attempts: dict[str, Attempt] = {}

    @property
    def attempts(self) -> list[Attempt]:
        """All attacks with at least one run."""
        return [one for one in self._attempts.values() if one.outcomes]

    def chosen(self) -> Attempt:
        """Stages 1 to 3: the most harmful attack on all of the search's seeds."""
        best = self._halve()
        space, stale = self.runner.target.space, 0
        while not self._hopeless(best) and self.runs < self.budget and stale < STALE:
            runs = self.runs
            parents = best[:ELITE]
            drawn = (parents[i % len(parents)].attack for i in range(OFFSPRING))
            children = [space.neighbour(parent, self._rng) for parent in drawn]
            best = self._race(children, best)
            stale = stale + 1 if self.runs == runs else 0
        return best[0]

    def measured(self, chosen: Attempt) -> Attempt:
        """Stage 4."""
        tasks = [(chosen.attack, seed) for seed in range(self.fresh)]
        outcomes = self._run(tasks, FRESH)
        return Attempt(chosen.attack, tuple(outcomes))

    def _halve(self) -> list[Attempt]:
        """Stages 1 and 2, for about half of the budget."""
        # n attacks cost 2 n + 2 n / KEEP + 4 n / KEEP^2 runs, or 2 n + 18 where n is small.
        count = max(ELITE, self.budget // 6)
        tables = self.runner.target.space.opening(count, self._rng)
        attempts, seeds = self._more(tables, FIRST, "opening"), FIRST
        while seeds < SEEDS and attempts:
            seeds = min(2 * seeds, SEEDS)
            keep = max(ELITE, len(attempts) // KEEP)
            attempts = self._more([one.attack for one in attempts[:keep]], seeds, "opening")
        return attempts

    def _race(self, children: list[Table], best: list[Attempt]) -> list[Attempt]:
        """Children against the last of the elite, on more and more of the same seeds."""
        floor, seeds = best[min(ELITE, len(best)) - 1], FIRST
        known = {one.name for one in best}
        runners = self._more(children, seeds, "local search")
        while True:
            bar = floor.harm(self.objective, seeds)
            runners = [one for one in runners if one.harm(self.objective, seeds) >= bar]
            if seeds == SEEDS or not runners or self.runs >= self.budget:
                break
            seeds = min(2 * seeds, SEEDS)
            runners = self._more([one.attack for one in runners], seeds, "local search")
        won = [one for one in runners if len(one.outcomes) == SEEDS and one.name not in known]
        # A child that does as well as its parent goes before it: plateaus are walked, not sat on.
        every = sorted([*won, *best], key=lambda one: -one.harm(self.objective))
        return every[: 2 * ELITE]

    def _more(self, tables: list[Table], seeds: int, stage: Stage) -> list[Attempt]:
        """Those that have this many seeds, or get them within the budget; the best first."""
        by_name = {spelled(table): table for table in tables}
        tasks = []
        for name, table in by_name.items():
            attempt = self._attempts.setdefault(name, Attempt(table, ()))
            tasks += [(table, s) for s in self._seeds[len(attempt.outcomes) : seeds]]
        self._run(tasks[: self.budget - self.runs], stage)
        found = [self._attempts[name] for name in by_name]
        return sorted(
            (one for one in found if len(one.outcomes) >= seeds),
            key=lambda one: -one.harm(self.objective),
        )

    def _run(self, tasks: list[tuple[Table, int]], stage: Stage) -> list[Outcome]:
        total, outcomes = self.budget + self.fresh, []
        for (table, _), outcome in zip(tasks, self.runner.run(tasks), strict=True):
            name = spelled(table)
            self.runs += 1
            outcomes.append(outcome)
            if stage != FRESH:
                known = self._attempts[name]
                self._attempts[name] = Attempt(table, (*known.outcomes, outcome))
            if self._callback is not None:
                self._callback(SearchProgress(self.runs, total, stage, name, outcome.left))
        return outcomes

    def _hopeless(self, best: list[Attempt]) -> bool:
        """Whether nothing worse can be found: the best harms every run already."""
        return best[0].harm(self.objective) == 1.0 and len(best[0].outcomes) == SEEDS
