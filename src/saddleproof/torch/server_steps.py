"""What the server does with an aggregate: momentum, Adam and Yogi on the server's side.

    m  <- beta1 m + (1 - beta1) g
    v  <- beta2 v + (1 - beta2) g^2                            (Adam)
    v  <- v - (1 - beta2) g^2 sign(v - g^2)                    (Yogi)
    w  <- w - lr m / (sqrt(v) + tau)          from m = 0, v = tau^2

Algorithm 2 of Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar, McMahan, "Adaptive Federated
Optimization" (ICLR 2021), with the aggregate g in the place of minus their Delta. There is no bias
correction, as there is none in the paper. `ServerMomentum` is FedAvgM: Hsu, Qi, Brown, "Measuring
the Effects of Non-Identical Data Distribution" (arXiv:1909.06335).

The rule is robust; what is done with its aggregate is the server's own. An adaptive step does not
lie along the aggregate: a coordinate with a small second moment gets a longer step, and an error
within the inexactness is stretched there. The inexactness bounds the error of the aggregate alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError

#: What a step remembers: plain data, for the checkpoint.
Memory = dict[str, Any]


@runtime_checkable
class ServerStep(Protocol):
    """A pure rule from aggregates to steps; of one's own too.

    Attributes:
        rate: the learning rate where `fit` is given none; None for a step with its own.
    """

    rate: ClassVar[float | None]

    def begin(self, w: Vector) -> Memory:
        """The memory before the first step: strings to arrays, numbers, strings and tuples."""

    def step(self, w: Vector, g: Vector, memory: Memory, lr: float) -> tuple[Vector, Memory]:
        """From (d,) w and the (d,) aggregate g to the next w and memory; nothing is written into.

        Args:
            w: where the run stands.
            g: the aggregate there.
            memory: from `begin` or the step before.
            lr: the learning rate of this step.
        """


@dataclass(frozen=True)
class ServerMomentum:
    """v <- beta v + g, w <- w - lr v: FedAvgM, PyTorch's SGD with momentum on the aggregate.

    A constant aggregate is multiplied by 1 / (1 - beta) in the end, unlike the momentum of the
    workers, which keeps its size. `fit` takes both at once, `momentum=` of the workers and this.

    Args:
        beta: in [0, 1).

    Raises:
        OptionError: beta is outside [0, 1).

    >>> step = ServerMomentum(beta=0.5)
    >>> w, memory = step.step(np.zeros(1), np.ones(1), step.begin(np.zeros(1)), lr=1.0)
    >>> step.step(w, np.ones(1), memory, lr=1.0)[0]
    array([-2.5])
    """

    beta: float = 0.9
    rate: ClassVar[float | None] = 0.025

    def __post_init__(self) -> None:
        arguments.check_options(self)
        _check_decay(beta=self.beta)

    def begin(self, w: Vector) -> Memory:
        """v = 0."""
        return {"v": np.zeros_like(w)}

    def step(self, w: Vector, g: Vector, memory: Memory, lr: float) -> tuple[Vector, Memory]:
        """See `ServerStep.step`."""
        v = self.beta * memory["v"] + g
        return w - lr * v, {"v": v}


@dataclass(frozen=True)
class ServerAdam:
    """FedAdam; the formula is at the head of this file.

    Args:
        beta1, beta2: in [0, 1); the paper's.
        tau: > 0, in the unit of the aggregate: the smaller, the more adaptive.

    Raises:
        OptionError: an option outside its range.

    >>> step = ServerAdam(beta1=0.0, beta2=0.0, tau=1.0)
    >>> step.step(np.zeros(1), np.full(1, 3.0), step.begin(np.zeros(1)), lr=1.0)[0]
    array([-0.75])
    """

    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3
    rate: ClassVar[float | None] = 0.01

    def __post_init__(self) -> None:
        arguments.check_options(self)
        _check_decay(beta1=self.beta1, beta2=self.beta2)
        arguments.real("tau", self.tau, above=0)

    def begin(self, w: Vector) -> Memory:
        """m = 0, v = tau^2."""
        return {"m": np.zeros_like(w), "v": np.full_like(w, self.tau**2)}

    def step(self, w: Vector, g: Vector, memory: Memory, lr: float) -> tuple[Vector, Memory]:
        """See `ServerStep.step`."""
        m = self.beta1 * memory["m"] + (1 - self.beta1) * g
        v = self._square(memory["v"], g**2)
        return w - lr * m / (np.sqrt(v) + self.tau), {"m": m, "v": v}

    def _square(self, v: Vector, square: Vector) -> Vector:
        return self.beta2 * v + (1 - self.beta2) * square


@dataclass(frozen=True)
class ServerYogi(ServerAdam):
    """FedYogi: as `ServerAdam`, but v moves by (1 - beta2) g^2 at most, up or down.

    Args:
        beta1, beta2: in [0, 1); the paper's.
        tau: > 0, in the unit of the aggregate.

    Raises:
        OptionError: an option outside its range.

    >>> step = ServerYogi(beta1=0.0, beta2=0.0, tau=1.0)
    >>> step.step(np.zeros(1), np.full(1, 3.0), step.begin(np.zeros(1)), lr=1.0)[1]["v"]
    array([10.])
    """

    def _square(self, v: Vector, square: Vector) -> Vector:
        return v - (1 - self.beta2) * square * np.sign(v - square)


def _check_decay(**decays: float) -> None:
    for name, value in decays.items():
        if not 0 <= arguments.real(name, value) < 1:
            raise OptionError(f"{name} must be in [0, 1); got {value}")
