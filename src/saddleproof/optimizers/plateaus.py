"""Minibatch training that leaves plateaus: steps of a fixed length, and jumps that are proved.

Sampling noise hides a saddle point from every test on minibatches, and most of its escape
directions from the trainer. But a worker can answer questions on all its rows, one number each. So
every 25 rounds all workers are asked how their loss on all rows has changed, F_i(w) - F_i(w_0),
with w_0 where the loss had last certainly fallen. Where it has not fallen again, the run looks for
a way down as the default does: PROPOSE, VERIFY and LINE on all rows
(`saddleproof.optimizers.certified`). A jump that is proved is taken, and training goes on there.

After a look that finds no way down, the next one waits twice as long, until the loss falls again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saddleproof.arguments import check_options, seed_of
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import Answers, Machine, Reading, Status
from saddleproof.optimizers.certified.descend import Descend
from saddleproof.optimizers.certified.line import Line
from saddleproof.optimizers.certified.propose import Propose, Verify
from saddleproof.optimizers.certified.run import Run
from saddleproof.optimizers.gradient_descent import check_positive
from saddleproof.optimizers.randomness import RandomKey
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature, Question
from saddleproof.ranks import mean_bounds, median_bounds
from saddleproof.words import Ending


@dataclass(frozen=True)
class LossTest:
    """One test of whether the loss on all rows fell.

    Attributes:
        since: the round whose point was w_0.
        round: the round whose point was w.
        low, high: F(w) - F(w_0) of the honest mean lies in here, whoever the liars are; `low` up to
            the rounding of the workers' own losses, which they add to their answers.
        most: more than half of the honest workers' losses changed by at most this.
    """

    since: int
    round: int
    low: float
    high: float
    most: float

    @property
    def fell(self) -> bool:
        """Whether the loss of the honest mean, or of most honest workers, is proved to be lower."""
        return self.high < 0 or self.most < 0


@dataclass(frozen=True)
class Train:
    """The coming round takes a gradient step."""


@dataclass(frozen=True)
class Test:
    """The coming round compares the loss with that of `PlateauState.anchor`."""

    __test__ = False  # no test of ours


@dataclass(frozen=True)
class PlateauState:
    """The state of `PlateauPGD`.

    Attributes:
        run: the point, and what the phases of a jump share; in float64.
        w: (d,) the same point, in the dtype of training.
        phase: what the coming round is for.
        steps: gradient steps so far.
        anchor, since: w_0 of the coming test, and the step at which it was reached.
        tests: the tests so far.
        due, wait: the step from which a plateau is looked at again, and the wait after that.
    """

    run: Run
    w: Vector
    phase: Train | Test | Propose | Verify | Line
    steps: int
    anchor: Vector
    since: int
    tests: tuple[LossTest, ...] = ()
    due: int = 0
    wait: int = 0


@dataclass(frozen=True)
class PlateauPGD(Machine):
    """Gradient steps of a fixed length, and a proved jump where the loss has stopped to fall.

    Args:
        step: eta > 0, kept as given.
        every: gradient steps from one test of the loss to the next, at least 1.
        patience: end with status "stopped" once the loss has not certainly fallen for so many
            steps, and no way down was found; None never.

    Raises:
        OptionError: an option outside its range.

    Status:
        budget: the rounds ended, as they do in training.
        stopped: `patience` ran out.

    Cost: one gradient a step; a test costs two forward passes on all rows, a look at a plateau up
    to 60 Hessian-vector products on all rows and a few hundred forward passes.
    """

    step: float
    every: int = 25
    patience: int | None = None

    questions = (Gradients, Changes, Curvatures, LeastCurvature)

    def __post_init__(self) -> None:
        check_options(self)
        check_positive(step=self.step)
        for name in ("every", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"{name} must be at least 1; got {value}")

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> PlateauState:
        """The state before the first round; the dtype of w0 is the dtype of training."""
        exact = np.asarray(w0, dtype=np.float64)
        seed = seed_of(seed)
        run = Run(exact, RandomKey.open(seed), seed)
        return PlateauState(run, w0, Train(), 0, exact, 0, wait=self.every)

    def ask(self, state: PlateauState) -> Question:
        """A gradient, or a question on all rows."""
        if isinstance(state.phase, Train):
            return Gradients(state.w[None])
        if isinstance(state.phase, Test):
            way = (state.run.w - state.anchor)[None]
            return Changes(state.anchor, way, np.ones(1))
        return state.phase.question(state.run)

    def tell(self, state: PlateauState, reading: Any) -> PlateauState:
        """The state after a round."""
        if isinstance(state.phase, Train):
            return self._step(state, reading)
        if isinstance(state.phase, Test):
            return self._tested(state, reading)
        run, phase = state.phase.next(state.run, reading)
        if isinstance(phase, Propose | Verify | Line):
            return replace(state, run=run, phase=phase)
        if isinstance(phase, Descend):  # it jumped
            w = run.w.astype(state.w.dtype)
            run = replace(run, w=np.asarray(w, dtype=np.float64))
            return replace(
                state, run=run, w=w, phase=Train(), anchor=run.w, since=state.steps,
                due=state.steps, wait=self.every,
            )  # fmt: skip
        return replace(
            state, run=run, phase=Train(), due=state.steps + state.wait, wait=2 * state.wait
        )

    def _step(self, state: PlateauState, reading: Reading) -> PlateauState:
        w, changed = self.moved(state, reading.gradient[0])
        steps = state.steps + 1
        run = state.run.moved(np.asarray(w, dtype=np.float64), "trains")
        run = replace(run, m=reading.stack.shape[1])
        finite = bool(np.isfinite(run.w).all())
        phase = Test() if steps % self.every == 0 and finite else Train()
        return replace(state, run=run, w=w, steps=steps, phase=phase, **changed)

    def moved(self, state: PlateauState, g: Vector) -> tuple[Vector, dict[str, Any]]:
        """One gradient step: the next point, and what else changes in the state."""
        return state.w - self.step * g, {}

    def _tested(self, state: PlateauState, reading: Answers) -> PlateauState:
        changes = reading.stack[:, 0, 0]
        low, high = mean_bounds(changes, reading.b)
        most = median_bounds(changes, reading.b)[1]
        test = LossTest(state.since, state.steps, float(low), float(high), float(most))
        state = replace(state, tests=(*state.tests, test))
        if test.fell:
            run = replace(state.run, event="the loss has fallen, proved")
            return replace(
                state, run=run, anchor=run.w, since=state.steps, phase=Train(), due=state.steps,
                wait=self.every,
            )  # fmt: skip
        run = replace(state.run, event="the loss has not certainly fallen")
        phase: Propose | Train = Propose() if state.steps >= state.due else Train()
        return replace(state, run=run, phase=phase)

    def status(self, state: PlateauState) -> Status:
        """Running, or "stopped" where progress is overdue."""
        overdue = self.patience is not None and state.steps - state.since >= self.patience
        if overdue and isinstance(state.phase, Train) and state.tests:
            why = f"the loss has not certainly fallen since step {state.since}"
            return Status(Ending.STOPPED, why)
        return Status("running", state.run.event)

    def point(self, state: PlateauState) -> Vector:
        """(d,): where training stands."""
        return state.w
