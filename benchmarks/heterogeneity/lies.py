"""The attacks of the grid, and how they see the momenta that a server of branches keeps.

none            everybody is honest
flip, flip x10  minus the honest mean, and ten times as loud
ALIE -, ALIE +  mean - 1.5 std of the honest rows, coordinate by coordinate, and mean + 1.5 std
IPM             -.4 times the honest mean
label flip      honest gradients on labels 9 - y
min-max         as far from the mean as two honest rows are from each other
hold            what brings the server's aggregate nearest to 0
worst           of thirteen lies, in each round and on each branch, the one that turns the
                aggregate of that very rule most against the honest mean
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import saddleproof as sp
from saddleproof.attacks import AttackView

ATTACKS: dict[str, Any] = {
    "none": None,
    "flip": sp.attacks.SignFlip(),
    "flip x10": sp.attacks.SignFlip(scale=10.0),
    "ALIE -": sp.attacks.ALittleIsEnough(z=1.5),
    "ALIE +": sp.attacks.ALittleIsEnough(z=1.5, direction="plus"),
    "IPM": sp.attacks.InnerProduct(scale=0.4),
    "label flip": sp.attacks.SignFlip(scale=-1.0),  # replaced below: the lie is in the data
    "min-max": sp.attacks.MinMax(),
    "hold": sp.SaddleAttack(style="hold"),
}


@dataclass(frozen=True)
class Truth:
    """Every member sends its own gradient; for liars whose data lie, or who only vote."""

    def __call__(self, view: AttackView) -> np.ndarray:
        """(q, k, d)."""
        return view.own


@dataclass(frozen=True)
class Worst:
    """Of thirteen lies, the one whose aggregate has the least product with the honest mean.

    Every point is judged by itself, by the rule that the server applies there.
    """

    flips: tuple[float, ...] = (0.5, 1.0, 2.0, 5.0, 10.0)
    shifts: tuple[float, ...] = (0.5, 1.0, 1.5, 3.0)

    def __call__(self, view: AttackView) -> np.ndarray:
        """(q, k, d)."""
        mean, std = view.honest_mean, view.honest.std(axis=1)
        lies = [-scale * mean for scale in self.flips]
        lies += [mean + sign * z * std for z in self.shifts for sign in (-1, 1)]
        told = np.stack(lies)  # (13, q, d)
        stack = view.messages.copy()
        gains = np.empty(told.shape[:2])
        for k, lie in enumerate(told):
            stack[:, view.members] = lie[:, None]
            gains[k] = (np.asarray(view.aggregate(stack)) * mean).sum(axis=1)
        chosen = told[gains.argmin(axis=0), np.arange(len(mean))]
        return np.repeat(chosen[:, None], len(view.members), axis=1)


ATTACKS["label flip"] = Truth()
ATTACKS["worst"] = Worst()


class OnMomenta:
    """An attack let loose on the momenta that the server keeps on every branch.

    The liars know the server's state. The inner attack sees every worker's momentum as it will be
    after this round, and each branch's own rule; the members then send the gradients that make
    their momenta what it says.

    Args:
        attack: on the momenta, and with the vote of its method `answer`.
        optimizer: a `BranchAndJudge`.

    Attributes:
        state: the optimizer's, before the coming round; the driver sets it.
    """

    def __init__(self, attack: Any, optimizer: Any) -> None:
        self.attack, self.optimizer = attack, optimizer
        self.state: Any = None

    def __call__(self, view: AttackView) -> np.ndarray:
        """(q, k, d)."""
        block, beta = self.state.block, self.optimizer.momentum
        old = np.zeros_like(view.messages)
        if block.momenta.workers:  # all workers answer in every round
            old[:] = block.momenta.rows
        seen = replace(
            view,
            messages=beta * old + (1 - beta) * view.messages,
            aggregate=self._aggregates(block.arms, len(view.points), view.b),
        )
        lies = np.asarray(self.attack(seen))
        told: np.ndarray = (lies - beta * old[:, view.members]) / (1 - beta)
        return told

    def answer(self, view: Any) -> Any:
        """The vote."""
        return self.attack.answer(view)

    def remember(self, view: Any) -> Any:
        """The memory of the inner attack."""
        return sp.attacks.base.remembered(self.attack, view)

    def _aggregates(
        self, arms: tuple[int, ...], q: int, b: int
    ) -> Callable[[np.ndarray], np.ndarray]:
        """Each branch's own rule; at the one point that all share, the mean of their aggregates."""
        rules = [self.optimizer.rules[self.optimizer.arms[arm][0]] for arm in arms]
        shared = list({id(rule): rule for rule in rules}.values())

        def aggregate(stack: np.ndarray) -> np.ndarray:
            if q < len(arms):
                told = [[rule(x, b) for x in stack] for rule in shared]
                return np.asarray(told).mean(axis=0)
            return np.stack([rules[k % q](x, b) for k, x in enumerate(stack)])

        return aggregate
