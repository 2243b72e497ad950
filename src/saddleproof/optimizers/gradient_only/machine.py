"""The state machine of `GradientOnlyPGD`: which round comes next, and what is made of it.

    FIRST -> PROBE -> DESCEND -> SURVEY -> ESCAPE -> jump: DESCEND again, the old descent goes on
                                                  -> unresolved: WAITING, then SURVEY again
                                                  -> resolved: COMPARE with plain descent, end

Robust gradient descent advances in every round from PROBE on, whatever the round is for.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError, StoreError
from saddleproof.optimizers.base import RUNNING, Evidence, Machine, Reading, Status
from saddleproof.optimizers.gradient_only import ending, probe
from saddleproof.optimizers.gradient_only import escape as escapes
from saddleproof.optimizers.gradient_only.constants import (
    DIRECTIONS,
    EXTRA_ROUNDS,
    FAR_OFF,
    LEVELS,
    PROBES,
    ROUNDS,
    SOFT_JUMPS,
    STATIONARY,
    STILL,
    WAIT,
)
from saddleproof.optimizers.gradient_only.escape import Landing
from saddleproof.optimizers.gradient_only.point_blocks import PointBlocks
from saddleproof.optimizers.gradient_only.segments import decrease, interior
from saddleproof.optimizers.gradient_only.state import (
    COMPARE,
    DESCEND,
    ESCAPE,
    FIRST,
    LAST,
    PROBE,
    SURVEY,
    WAITING,
    End,
    MachineState,
)
from saddleproof.optimizers.gradient_only.trajectory import Trajectory, advance
from saddleproof.optimizers.randomness import RandomKey, sphere
from saddleproof.words import Ending

T = TypeVar("T")


@dataclass(frozen=True)
class DefaultMachine(Machine):
    """See the head of this file; the options are those of `GradientOnlyPGD`."""

    curvature: float | None
    step: float
    strict: bool

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> MachineState:
        """See `Optimizer.init`."""
        main = Trajectory(w0, np.zeros_like(w0), np.inf, self.step, self.step)
        return MachineState(
            phase=FIRST,
            round=0,
            max_rounds=sys.maxsize if max_rounds is None else max_rounds,
            random=RandomKey.open(seed),
            main=main,
            plain=None,
            landed=None,
            directions=np.empty((0, w0.size)),
        )

    # --- ask -------------------------------------------------------------------------------------

    def batch(self, state: MachineState) -> PointBlocks:
        """The coming round's points, by name; the first is where the run stands."""
        main, plain, nothing = state.main, state.plain, state.main.w[None][:0]
        if state.phase == FIRST:
            return PointBlocks({"here": main.w[None]})
        if state.phase == PROBE:
            steps = main.w - probe.trial_steps(main.step)[:, None] * main.gradient
            around = probe.ladder(main, state.directions)
            return PointBlocks({"here": main.w[None], "steps": steps, "ladder": around})
        blocks = {"main": main.pair, "plain": nothing if plain is None else plain.pair}
        if state.phase == SURVEY:
            blocks |= {"anchor": main.w[None], "ladder": probe.ladder(main, state.directions)}
        elif state.phase == ESCAPE:
            trial = _present(state.escape)
            blocks |= {"anchor": trial.anchor[None], "starts": trial.points, "nodes": trial.inner}
        elif state.phase in (COMPARE, LAST):
            old, landed = _present(plain).w, _present(state.landed)[None]
            nodes = np.concatenate([interior(old, main.w[None]), interior(main.w, landed)])
            blocks |= {"landed": landed, "nodes": nodes}
        return PointBlocks(blocks)

    def ask(self, state: MachineState) -> Vector:
        """See `Optimizer.ask`."""
        return self.batch(state).points

    def status(self, state: MachineState) -> Status:
        """See `Optimizer.status`."""
        return RUNNING if state.ending is None else state.ending.status

    def point(self, state: MachineState) -> Vector:
        """See `Optimizer.point`."""
        return state.main.w if state.ending is None else state.ending.w

    def evidence(self, state: MachineState) -> Evidence | None:
        """See `Optimizer.evidence`."""
        return None if state.ending is None else state.ending.evidence

    def extend(self, state: MachineState, max_rounds: int) -> MachineState:
        """See `Optimizer.extend`."""
        return self._budgeted(state.extended(max_rounds))

    # --- tell ------------------------------------------------------------------------------------

    def tell(self, state: MachineState, reading: Reading) -> MachineState:
        """See `Optimizer.tell`."""
        batch = self.batch(state)
        if state.phase == FIRST:
            after = self._first(state, reading)
        elif state.phase == PROBE:
            after = self._probed(state, reading, batch)
        else:
            plain = state.plain
            moved = replace(
                state,
                main=advance(state.main, reading, batch, "main"),
                plain=None if plain is None else advance(plain, reading, batch, "plain"),
            )
            if state.phase == DESCEND:
                after = self._descended(moved, reading, batch)
            elif state.phase == SURVEY:
                after = self._surveyed(state, moved, reading, batch)
            elif state.phase == ESCAPE:
                after = self._escaped(moved, reading, batch)
            elif state.phase == WAITING:
                after = self._waited(moved)
            else:
                after = self._compared(state, moved, reading, batch)
        return self._budgeted(replace(after, round=state.round + 1))

    def _first(self, state: MachineState, reading: Reading) -> MachineState:
        inexactness = float(reading.inexactness[0])
        if not np.isfinite(inexactness):
            raise OptionError("GradientOnlyPGD needs a rule with an inexactness: take Median(), "
                              "or CertifiedPGD, which needs none")  # fmt: skip
        main = replace(state.main, gradient=reading.gradient[0], inexactness=inexactness)
        return self._aim(replace(state, main=main), PROBE)

    def _probed(self, state: MachineState, reading: Reading, batch: PointBlocks) -> MachineState:
        step = probe.find_step(reading, batch, state.main)
        off = max(step / state.main.step, state.main.step / step)
        main = replace(state.main, step=step, longest=step)
        after = replace(state, main=main, probes=state.probes + 1)
        if off > FAR_OFF and after.probes <= PROBES:
            return self._aim(after, PROBE)
        return replace(after, phase=DESCEND)

    def _descended(self, state: MachineState, reading: Reading, batch: PointBlocks) -> MachineState:
        """Go on, or survey: the gradient is within its noise and its slope is uncertain too.

        Where all workers agree that they are done, Delta_hat falls with the gradient and never
        reaches a third of it. A step that is lost beside w ends the descent there.
        """
        main = state.main
        norm = float(np.linalg.norm(main.gradient))
        still = main.step * norm <= STILL * (1 + float(np.linalg.norm(main.w)))
        if norm > STATIONARY * main.inexactness and not still:
            return replace(state, phase=DESCEND)
        if state.extra_rounds < EXTRA_ROUNDS and not still:
            here = batch.at("main")[[int(main.accepted)]]
            slope = reading.contrast(here, main.gradient[None] / norm)
            if slope.low[0] > 0:
                return replace(state, phase=DESCEND, extra_rounds=state.extra_rounds + 1)
        return self._aim(replace(state, extra_rounds=0), SURVEY)

    def _surveyed(
        self, before: MachineState, state: MachineState, reading: Reading, batch: PointBlocks
    ) -> MachineState:
        anchor = before.main
        model = probe.survey(reading, batch, anchor, before.directions)
        step = anchor.step
        if model.curvature > 0:
            step = float(np.clip(step, 0.5 / model.curvature, 1 / model.curvature))
        generator, random = state.random.draw()
        directions = sphere(generator, len(LEVELS), anchor.w.size)
        begun = escapes.begin(anchor.w, model, step, directions)
        return replace(state, phase=ESCAPE, escape=begun, random=random)

    def _escaped(self, state: MachineState, reading: Reading, batch: PointBlocks) -> MachineState:
        trial = escapes.proceed(_present(state.escape), reading, batch)
        state = replace(state, escape=trial)
        over = trial.rounds >= ROUNDS
        if trial.best is not None and (over or not trial.improving):
            return self._jump(state, trial.best)
        if not over:
            return state
        if trial.likely is not None and state.soft_jumps < SOFT_JUMPS:
            return replace(self._jump(state, trial.likely), soft_jumps=state.soft_jumps + 1)
        if not ending.resolved(trial):
            length = WAIT * 2**state.waits
            return replace(state, phase=WAITING, waits=state.waits + 1, waiting=length)
        if state.plain is not None:
            return replace(state, phase=COMPARE)
        return self._end(state, state.main.w)

    def _jump(self, state: MachineState, landing: Landing) -> MachineState:
        """Go to the landing; the descent without jumps goes on beside it."""
        main = replace(
            state.main,
            w=landing.w,
            gradient=landing.gradient,
            inexactness=landing.inexactness,
        )
        plain = state.main if state.plain is None else state.plain
        return replace(
            state, phase=DESCEND, main=main, plain=plain, landed=landing.w, extra_rounds=0, waits=0
        )

    def _waited(self, state: MachineState) -> MachineState:
        left = state.waiting - 1
        state = replace(state, waiting=left)
        return state if left > 0 else self._aim(state, SURVEY)

    def _compared(
        self, before: MachineState, state: MachineState, reading: Reading, batch: PointBlocks
    ) -> MachineState:
        """Compare the main point with plain descent, and with where the last jump landed.

        Lies may have driven the main trajectory back up from its landing: where the intervals
        say so, the landing is returned.
        """
        w, plain = before.main.w, _present(before.plain).w
        at = {name: batch.at(name) for name in ("main", "plain", "landed", "nodes")}
        fall = decrease(reading, at["plain"][0], at["nodes"][:3], at["main"][:1], (w - plain)[None])
        back = batch.blocks["landed"] - w
        risen = decrease(reading, at["main"][0], at["nodes"][3:], at["landed"], back)
        worst = float(fall.raw.high[0] + fall.allowance[0])
        better = worst < 0 if self.strict else bool(fall.raw.low[0] < 0)
        if better and risen.raw.high[0] + risen.allowance[0] < 0:
            w = _present(before.landed)  # lower than w, which is what `worst` speaks about
        if before.phase == LAST:
            return self._out_of_budget(state, w if better else plain)
        # Two points within the model's radius are treated as equal.
        same = float(np.linalg.norm(w - plain)) <= _present(before.escape).model.radius
        if better or (same and not self.strict):
            return self._end(state, w, {"loss_above_plain_descent_at_most": worst})
        return replace(state, phase=DESCEND, main=_present(state.plain), plain=None)

    # --- ends ------------------------------------------------------------------------------------

    def _end(
        self, state: MachineState, w: Vector, numbers: dict[str, float] | None = None
    ) -> MachineState:
        status, evidence = ending.judge(_present(state.escape), w, self.curvature)
        evidence = replace(evidence, numbers=evidence.numbers | (numbers or {}))
        return replace(state, ending=End(w, status, evidence))

    def _budgeted(self, state: MachineState) -> MachineState:
        """Keep the last round of the budget for the comparison with plain descent."""
        left = state.max_rounds - state.round
        if state.ending is not None or left > 1:
            return state
        if left == 1 and state.plain is not None and state.phase != COMPARE:
            return replace(state, phase=LAST)
        return state if left == 1 else self._out_of_budget(state, state.main.w)

    def _out_of_budget(self, state: MachineState, w: Vector) -> MachineState:
        name = Ending.UNRESOLVED if state.waits > 0 else Ending.BUDGET
        why = (
            "the workers' noise hides whether this point is a saddle"
            if state.waits > 0
            else "the run was cut before it could judge this point"
        )
        message = f"budget of {state.max_rounds} rounds spent: {why}"
        return replace(state, ending=End(w, Status(name, message), None))

    def _aim(self, state: MachineState, phase: str) -> MachineState:
        """Draw the directions of a probe or survey, the coming round."""
        generator, random = state.random.draw()
        directions = sphere(generator, DIRECTIONS, state.main.w.size)
        return replace(state, phase=phase, directions=directions, random=random)


def _present(value: T | None) -> T:
    """A field that the phase guarantees to be set."""
    if value is None:
        raise StoreError("this state is torn: its phase needs a field that is empty")
    return value
