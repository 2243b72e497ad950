"""What a search found: the worst attack, and how bad it is on seeds that it has never seen."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from saddleproof.lab.red_team.outcomes import REFUSED, Outcome
from saddleproof.lab.red_team.space import spelled
from saddleproof.lab.red_team.target import Target
from saddleproof.lab.shares import Share, wilson
from saddleproof.words import Ending

Objective = Literal["trap", "lie"]
#: What the runs did in which the objective was met.
_HARMED: dict[Objective, str] = {
    "trap": "were held at the saddle",
    "lie": "said of their end what is not so",
}


@dataclass(frozen=True)
class Attempt:
    """An attack, and what came of the runs under it.

    Attributes:
        attack: the table of a configuration file.
        outcomes: one a seed.
    """

    attack: dict[str, Any]
    outcomes: tuple[Outcome, ...]

    @property
    def name(self) -> str:
        """The attack on one line."""
        return spelled(self.attack)

    @property
    def left(self) -> Share:
        """Share of the runs that left the saddle, with its Wilson interval."""
        return wilson(sum(run.left for run in self.outcomes), len(self.outcomes))

    @property
    def deceived(self) -> Share:
        """Share of the runs whose end was not what they said of it."""
        return wilson(sum(run.deceived for run in self.outcomes), len(self.outcomes))

    @property
    def rounds(self) -> float:
        """Median share of the budget of rounds that was spent."""
        return statistics.median(run.rounds for run in self.outcomes)

    @property
    def ran(self) -> bool:
        """Whether it was tried: a problem that lacks what an attack needs to know refuses it."""
        return any(run.status != REFUSED for run in self.outcomes)

    def met(self, objective: Objective) -> Share:
        """Share of the runs in which the objective was met: not left, or deceived."""
        return wilson(sum(_met(run, objective) for run in self.outcomes), len(self.outcomes))

    def harm(self, objective: Objective, runs: int | None = None) -> float:
        """How well the attack does, in [0, 1], on its first `runs` seeds: what the search climbs.

        A success counts 1. Short of one, being close counts up to 1/2, so that there is a slope.
        """
        chosen = self.outcomes[:runs]
        return statistics.fmean(_harm(run, objective) for run in chosen)


def _met(run: Outcome, objective: Objective) -> bool:
    return run.deceived if objective == "lie" else not run.left


def _harm(run: Outcome, objective: Objective) -> float:
    if _met(run, objective):
        return 1.0
    remains = 1.0 if math.isnan(run.excess) else min(max(run.excess, 0.0), 1.0)
    if objective == "lie":
        claims = run.status == Ending.SECOND_ORDER
        return 0.3 * remains + 0.2 * claims * (not run.left)
    uncertain = run.status != Ending.SECOND_ORDER
    return 0.2 * remains + 0.2 * min(run.rounds, 1.0) + 0.1 * uncertain


@dataclass(frozen=True, repr=False)
class Findings:
    """The result of `saddleproof.lab.red_team`.

    Attributes:
        worst: the attack that the search chose, with its runs on fresh seeds 0, 1, ...: those that
            no decision of the search has looked at, so its share is not biased by the selection.
            None when the search was cut short before.
        tried: every attack of the search on the search's own seeds, the most harmful first.
        objective: what the search was for.
        runs: runs of the trainer, all in all.
        target: the configuration, without its attack.
        interrupted: whether Ctrl-C ended the search.
    """

    worst: Attempt | None
    tried: tuple[Attempt, ...]
    objective: Objective
    runs: int
    target: Target
    interrupted: bool = False

    @property
    def best_so_far(self) -> Attempt:
        """`worst`, or while there is none the most harmful attempt on the search's seeds."""
        return self.tried[0] if self.worst is None else self.worst

    @property
    def verdict(self) -> str:
        """Whether an attack was found, in a sentence; where none was, what that does not say."""
        tried = [one for one in self.tried if one.ran]
        search = f"attacks tried: {len(tried)}, in {self.runs} runs"
        if not tried:
            return "Nothing was tried: the problem lacks what each attack needs to know."
        searched = [run for one in tried for run in one.outcomes]
        hits = sum(_met(run, self.objective) for run in searched)
        own = f"{hits} of {len(searched)} runs of the search itself {_HARMED[self.objective]}"
        if self.worst is None:
            return f"Not finished: no attack was measured on fresh seeds; so far {own}."
        share = self.worst.met(self.objective)
        if share.successes:
            return (
                f"Found: an attack under which {share.successes} of {share.trials} runs on fresh "
                f"seeds {_HARMED[self.objective]} (95 % interval of the share "
                f"{share.low:.2f} to {share.high:.2f}); {search}.{self._other}"
            )
        return (
            f"Nothing found: under the attack that the search chose, 0 of {share.trials} runs on "
            f"fresh seeds {_HARMED[self.objective]}; {own}; {search}.{self._other} This does not "
            f"prove that there is no such attack: under this one the share may still be up to "
            f"{share.high:.2f} (95 % interval), and of attacks that were not tried it says "
            "nothing."
        )

    @property
    def _other(self) -> str:
        """What happened beside the objective; "" where nothing did."""
        other: Objective = "trap" if self.objective == "lie" else "lie"
        share = wilson(0, 1) if self.worst is None else self.worst.met(other)
        if not share.successes:
            return ""
        return f" Beside that, {share.successes} of {share.trials} {_HARMED[other]}."

    @property
    def replay(self) -> str:
        """The configuration, as TOML, under the worst attack, for `compare` and `run`."""
        found = self.best_so_far
        seeds = len(found.outcomes)
        how = (
            f"left {found.left} on seeds 0 to {seeds - 1}: saddleproof compare FILE --seeds {seeds}"
            if self.worst is not None
            else f"left {found.left} on {seeds} seeds that chose it; not measured on fresh ones"
        )
        harmed = (i for i, run in enumerate(found.outcomes) if _harm(run, self.objective) == 1.0)
        text = self.target.text(found.attack, seed=next(harmed, 0))
        return f"# {how}\n# deceived {found.deceived}\n\n{text}"

    def __repr__(self) -> str:
        return f"{self.verdict}\n\n{self.details}"

    @property
    def details(self) -> str:
        """The numbers behind the verdict, a line each."""
        lines = []
        if self.worst is None:
            lines.append("no attack was measured on fresh seeds; on the search's own:")
        found = self.best_so_far
        n = len(found.outcomes)
        lines += [
            f"worst attack  {found.name}",
            f"left          {found.left} of {n} {'fresh ' if self.worst else ''}seeds",
            f"deceived      {found.deceived}",
            f"searched      {len(self.tried)} attacks in {self.runs} runs, for: {self.objective}",
        ]
        return "\n".join(lines)

    __str__ = __repr__


def ranked(tried: Sequence[Attempt], objective: Objective) -> tuple[Attempt, ...]:
    """Those with the most runs first, since few runs prove little; then by harm."""
    key = [(-len(one.outcomes), -one.harm(objective), i) for i, one in enumerate(tried)]
    return tuple(tried[i] for *_, i in sorted(key))
