"""An optimizer of your own, checked by the suite that the library's own optimizers pass.

Heavy-ball momentum on the aggregated gradient: v <- beta v - step g_hat, w <- w + v. It proves
nothing itself; the certificate of the end asks the workers.

A configuration in this folder names it too: optimizer = { name = "own_optimizer:HeavyBall", ... }.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import saddleproof as sp
from saddleproof.optimizers.base import RUNNING, Machine, Status
from saddleproof.testing import check_optimizer


@dataclass(frozen=True)
class State:
    """What moves: arrays and numbers alone, so that a run can be saved after every round."""

    w: np.ndarray
    velocity: np.ndarray
    norm: float = np.inf


@dataclass(frozen=True)
class HeavyBall(Machine):
    """Gradient descent with momentum; `Machine` has `evidence`, `breakdown` and `extend`.

    Args:
        step: > 0.
        beta: share of the velocity that a round keeps, in [0, 1).
        tolerance: a gradient of this norm ends the run.
    """

    step: float
    beta: float = 0.8
    tolerance: float = 1e-3

    def init(self, w0: np.ndarray, *, seed: Any = None, max_rounds: Any = None) -> State:
        """(d,) to the state before the first round."""
        return State(w0, np.zeros_like(w0))

    def ask(self, state: State) -> np.ndarray:
        """(1, d): the gradient where the run stands."""
        return state.w[None]

    def tell(self, state: State, reading: sp.Reading) -> State:
        """A new state; the old one stays as it is."""
        gradient = reading.gradient[0]
        velocity = self.beta * state.velocity - self.step * gradient
        return replace(
            state, w=state.w + velocity, velocity=velocity, norm=float(np.linalg.norm(gradient))
        )

    def status(self, state: State) -> Status:
        """Running until the aggregated gradient is small."""
        if state.norm > self.tolerance:
            return RUNNING
        return Status("stationary", f"||g_hat|| = {state.norm:.1e}")

    def point(self, state: State) -> np.ndarray:
        """(d,): what the run returns."""
        return state.w


if __name__ == "__main__":
    check_optimizer(HeavyBall(step=0.05))
    problem = sp.problems.Logistic(workers=20)
    liars = sp.Coalition(sp.LocalFleet(problem), sp.attacks.SignFlip(), members=range(3))
    print(sp.minimize(liars, HeavyBall(step=1.0 / problem.smoothness), b=3))
