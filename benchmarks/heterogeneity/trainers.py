"""The trainers of the grid: single rules with worker momentum, and branches with a judge.

A judge of three branches asks for 28 gradients in 11 rounds, where a single rule asks for 11. So
the single rules and the peers take batches of 80 rows, and each branch batches of 32: all have as
many rounds, and as many row gradients within two in a hundred. The judge's questions come on top:
six forward passes on all rows in 11 rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import peer_byzfl
import saddleproof as sp
from heterogeneity.lies import ATTACKS, OnMomenta, Truth
from heterogeneity.worlds import World, world
from saddleproof.oracle import Oracle

LR, MOMENTUM = 0.25, 0.9
#: Rows of a batch, of each branch and of a single rule.
BRANCH, ALONE = 32, 80

NNM = sp.NearestNeighborMixing()
SINGLE: dict[str, Any] = {
    "mean": sp.Mean(),
    "trimmed mean": sp.TrimmedMean(),
    "NNM": NNM,
    "clip NNM": sp.aggregators.Clipping(NNM),
    "ARC NNM": sp.aggregators.ARC(NNM),
}
#: Name to the pre-aggregators before ByzFL's trimmed mean; None is its mean.
PEERS: dict[str, tuple[str, ...] | None] = {
    "ByzFL mean": None,
    "ByzFL NNM": ("NNM",),
    "ByzFL ARC NNM": ("ARC", "NNM"),
}
PANEL = (SINGLE["mean"], SINGLE["NNM"], SINGLE["clip NNM"])
JUDGES: dict[str, dict[str, Any]] = {
    "judge": {"challengers": 2},
    "judge, all nine": {"challengers": 8},
}
#: How liars vote, besides what they do to the gradients.
VOTES = ("worst", "reversed", "truthful")


def single(rule: Any, attack: str, b: int, rounds: int, here: World, seed: int) -> float:
    """Accuracy of momentum descent with one rule."""
    fleet: Any = sp.torch.WorkerMomentum(sp.LocalFleet(here.problem), MOMENTUM)
    if ATTACKS[attack] is not None:
        fleet = sp.Coalition(fleet, ATTACKS[attack], range(b))
    optimizer = sp.GradientDescent(step=LR)
    oracle = Oracle(fleet, Vectors(rule), b)
    oracle.announce(optimizer)
    state = optimizer.init(start(here), seed=seed)
    for _ in range(rounds):
        with np.errstate(all="ignore"):
            reading, oracle = oracle.ask(sp.questions.Gradients(optimizer.ask(state)))
            state = optimizer.tell(state, reading)
    return here.accuracy(state.descent.trial[0])


def judge(
    options: dict[str, Any], attack: str, b: int, rounds: int, here: World, seed: int, votes: str
) -> float:
    """Accuracy of branches whose liars vote, whatever they do to the gradients."""
    optimizer = sp.optimizers.BranchAndJudge(LR, PANEL, momentum=MOMENTUM, **options)
    lies = ATTACKS[attack]
    fleet: Any = sp.LocalFleet(here.problem)
    seeing = OnMomenta(sp.attacks.SteerJudge(lies or Truth(), votes=votes), optimizer)
    if lies is not None:
        fleet = sp.Coalition(fleet, seeing, range(b))
    oracle = Oracle(fleet, sp.Mean(), b)
    oracle.announce(optimizer)
    state = optimizer.init(start(here), seed=seed, max_rounds=rounds)
    for _ in range(rounds):
        seeing.state = state
        reading, oracle = oracle.ask(optimizer.ask(state))
        state = optimizer.tell(state, reading)
    return here.accuracy(optimizer.point(state))


def peer(
    peers: Path, trainer: str, attack: str, b: int, rounds: int, here: World, seed: int
) -> float:
    """Accuracy of ByzFL's own trainer; its liars hold no data."""
    before, named = PEERS[trainer], ATTACKS[attack]
    torch.manual_seed(seed)
    found = peer_byzfl.Trainer(
        peer_byzfl.load(peers),
        here.problem.load(start(here)),
        here.shards if named is None else here.shards[b:],
        here.test,
        f=b,
        rule="Average" if before is None else "TrMean",
        before=before or (),
        attack=("LabelFlipping", {}) if attack == "label flip" else named,
        batch_size=ALONE,
        lr=LR,
        momentum=MOMENTUM,
    )
    for _ in range(rounds):
        found.round()
    return found.accuracy()


@dataclass(frozen=True)
class Vectors:
    """A rule without the bound of its error, which training does not need."""

    rule: Any

    def estimates(self, stack: np.ndarray, b: int) -> Any:
        """(q, m, d) to (q, d)."""
        vector = np.stack([np.asarray(self.rule(x, b)) for x in stack])
        kept = np.ones(stack.shape[:2], dtype=bool)
        return sp.aggregators.base.Estimate(vector, None, kept)

    def estimate(self, messages: np.ndarray, b: int) -> Any:
        """(m, d) to (d,)."""
        return self.rule.estimate(messages, b)

    def breakdown(self, m: int) -> int:
        """That of the rule."""
        return int(self.rule.breakdown(m))

    def __call__(self, messages: np.ndarray, b: int) -> np.ndarray:
        """(m, d) to (d,)."""
        return np.asarray(self.rule(messages, b))


def start(here: World) -> np.ndarray:
    """The network as it was drawn, in the dtype of training."""
    return np.asarray(here.problem.start, dtype=np.float32)


def run(
    data: str, alpha: float, b: int, trainer: str, attack: str, votes: str, rounds: int, seed: int,
    peers: Path = Path(),
) -> float:  # fmt: skip
    """Test accuracy of one run of a trainer by its name."""
    batch = BRANCH if trainer in JUDGES else ALONE
    own = attack == "label flip" and trainer not in PEERS
    here = world(data, alpha, seed, batch, flipped=b if own else 0)
    if trainer in SINGLE:
        return single(SINGLE[trainer], attack, b, rounds, here, seed)
    if trainer in PEERS:
        return peer(peers, trainer, attack, b, rounds, here, seed)
    return judge(JUDGES[trainer], attack, b, rounds, here, seed, votes)
