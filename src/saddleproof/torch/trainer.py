"""The trainer of `fit`: `PlateauPGD`, with a learning rate by step and a server's own step.

What the tests and the jumps of `saddleproof.optimizers.plateaus` prove does not depend on how a
step was made: they are about losses on all rows, asked anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.optimizers.plateaus import PlateauPGD, PlateauState
from saddleproof.torch.server_steps import ServerStep

#: The learning rate of gradient step k = 0, 1, ...: a function of k, or one number a step.
Schedule = Callable[[int], float] | Sequence[float]


@dataclass(frozen=True)
class TrainingState(PlateauState):
    """The state of `TrainingPGD`.

    Attributes:
        server: what the server's step remembers.
    """

    server: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingPGD(PlateauPGD):
    """`PlateauPGD` with a schedule and a server's step.

    Args:
        schedule: the learning rate of gradient step k; None keeps `step`.
        server: what is done with an aggregate; None: w <- w - lr g.
        unasked: workers of the roster that a round of gradients does not ask.
    """

    schedule: Schedule | None = None
    server: ServerStep | None = None
    unasked: int = 0

    def init(
        self, w0: Vector, *, seed: int | None = None, max_rounds: int | None = None
    ) -> TrainingState:
        """The state before the first round; the dtype of w0 is the dtype of training."""
        plain = super().init(w0, seed=seed, max_rounds=max_rounds)
        return TrainingState(**vars(plain), server=self.server.begin(w0) if self.server else {})

    def breakdown(self, m: int) -> int:
        """No demand beyond the rule's own: liars may also be among those that are not asked."""
        return m + self.unasked

    def rate(self, k: int) -> float:
        """The learning rate of gradient step k."""
        return self.step if self.schedule is None else rate_of(self.schedule, k)

    def moved(self, state: PlateauState, g: Vector) -> tuple[Vector, dict[str, Any]]:
        """The next point, in the dtype of training, and what changes in the state beside it."""
        lr = self.rate(state.steps)
        if self.server is None or not isinstance(state, TrainingState):
            return state.w - np.asarray(lr, state.w.dtype) * g, {}
        w, memory = self.server.step(state.w, g, state.server, lr)
        return np.asarray(w, dtype=state.w.dtype), {"server": memory}


def check_schedule(schedule: Any, rounds: int) -> None:
    """Refuse a schedule that has no learning rate for one of the steps.

    Raises:
        OptionError: it is no function and no sequence, too short, or gives no number of at least 0.
    """
    if callable(schedule) and not isinstance(schedule, type):
        for k in range(rounds):
            rate_of(schedule, k)
        return
    if isinstance(schedule, str) or not isinstance(schedule, Sequence | np.ndarray):
        raise OptionError(
            "schedule must be a function of the step's number, such as lambda k: 0.25 * 0.99**k, "
            f"or one learning rate a step; got {schedule!r:.60}. A scheduler of PyTorch's goes "
            "beside its optimizer: optimizer=lambda parameters: (optimizer, scheduler)"
        )
    if len(schedule) < rounds:
        raise OptionError(
            f"schedule has {len(schedule)} learning rates for rounds={rounds}; give one for each"
        )
    for k in range(rounds):
        rate_of(schedule, k)


def rate_of(schedule: Any, k: int) -> float:
    """The learning rate of gradient step k.

    Raises:
        OptionError: the schedule raises, or gives no finite number of at least 0.
    """
    try:
        rate = schedule(k) if callable(schedule) else schedule[k]
    except Exception as error:  # whatever the caller's function raises
        raise OptionError(f"schedule fails at step {k}: {type(error).__name__}: {error}") from error
    return arguments.real(f"the learning rate of schedule at step {k}", rate, least=0)
