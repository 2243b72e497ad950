"""Any optimizer of `torch.optim`, and its scheduler, on the aggregate: made anew for every step.

    optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-3)

What such an optimizer remembers is in its `state_dict`, and that is what the run keeps as plain
data. For every step an optimizer is made by the caller's factory, given that memory, handed the
aggregate as the gradient, and let go. So a step is a function of what a checkpoint holds, and a
resumed run ends in the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.torch.server_steps import Memory
from saddleproof.torch.surroundings import plainly

#: The parameters to an optimizer of PyTorch's, or to one and its scheduler.
Factory = Callable[[list[nn.Parameter]], Any]

#: The share of two steps by which loading a state may change them.
LOADED = 1e-4
_EXAMPLE = "lambda parameters: torch.optim.AdamW(parameters, lr=1e-3)"


@dataclass(frozen=True)
class TorchStep:
    """An optimizer of `torch.optim` as a `ServerStep`.

    Args:
        factory: the parameters, in the module's order and shapes, to an optimizer, or to a pair
            (optimizer, scheduler).
        shapes: of the parameters.
    """

    factory: Factory
    shapes: tuple[tuple[int, ...], ...]
    rate: ClassVar[float | None] = None

    def begin(self, w: Vector) -> Memory:
        """What a new optimizer remembers.

        Raises:
            OptionError: see `_Made`.
        """
        with plainly():
            return _Made(self, w).memory()

    def step(self, w: Vector, g: Vector, memory: Memory, lr: float) -> tuple[Vector, Memory]:
        """One step of an optimizer with this memory; `lr` is the optimizer's own business."""
        with plainly():
            made = _Made(self, w)
            made.restore(memory)
            made.step(g)
            return made.w, made.memory()

    def check(self, w: Vector) -> None:
        """Refuse an optimizer whose memory is not all of what it remembers.

        Raises:
            OptionError: two steps of one optimizer differ from two steps by way of its memory.
        """
        first = np.cos(np.arange(len(w))).astype(w.dtype)
        with plainly():
            made = _Made(self, w)
            made.step(first)
            made.step(-0.5 * first)

        def by_memory() -> Vector:
            here, memory = self.step(w, first, self.begin(w), 0.0)
            return self.step(here, -0.5 * first, memory, 0.0)[0]

        # Loading rounds: what an optimizer keeps in float32 takes the parameters' dtype.
        apart = np.abs(by_memory() - made.w).max()
        if not apart <= LOADED * np.abs(made.w - w).max() or (by_memory() != by_memory()).any():
            raise OptionError(
                f"optimizer={_EXAMPLE}: {made.name} steps otherwise after its state_dict was saved "
                "and loaded: it draws random numbers, or keeps something beside it. No checkpoint "
                "could hold such a run; take another optimizer"
            )

    def split(self, w: Vector) -> list[Tensor]:
        """(d,) to the parameters, copied."""
        parts = torch.tensor(w).split_with_sizes([prod(shape) for shape in self.shapes])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]


class _Made:
    """An optimizer for one step, and its scheduler if there is one.

    Raises:
        OptionError: the factory gave something else, for other parameters, or one that cannot step
            from a gradient alone.
    """

    def __init__(self, outer: TorchStep, w: Vector) -> None:
        self.outer = outer
        self.parameters = [nn.Parameter(x) for x in outer.split(w)]
        try:
            made = outer.factory(self.parameters)
        except Exception as error:  # whatever the caller's factory raises
            raise OptionError(
                f"optimizer= must be a function of the parameters, such as {_EXAMPLE}; it raised "
                f"{type(error).__name__}: {error}"
            ) from error
        self.optimizer, self.scheduler = made if isinstance(made, tuple) else (made, None)
        self.name = type(self.optimizer).__name__
        self._check()

    @property
    def w(self) -> Vector:
        """(d,) the parameters."""
        flat = torch.cat([p.detach().reshape(-1) for p in self.parameters])
        found: Vector = flat.numpy().copy()
        return found

    def step(self, g: Vector) -> None:
        """One step along an aggregate."""
        for p, slope in zip(self.parameters, self.outer.split(g), strict=True):
            p.grad = slope
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()

    def memory(self) -> Memory:
        """The state of both, as plain data."""
        held = {"optimizer": self.optimizer.state_dict()}
        if self.scheduler is not None:
            held["scheduler"] = self.scheduler.state_dict()
        return {name: _encoded(state, f"{self.name}'s {name}") for name, state in held.items()}

    def restore(self, memory: Memory) -> None:
        """Take a memory up."""
        self.optimizer.load_state_dict(_decoded(memory["optimizer"]))
        if self.scheduler is not None:
            self.scheduler.load_state_dict(_decoded(memory["scheduler"]))

    def _check(self) -> None:
        if not isinstance(self.optimizer, torch.optim.Optimizer):
            raise OptionError(
                f"optimizer= must be a function of the parameters that returns an optimizer of "
                f"torch.optim, such as {_EXAMPLE}; it returned {self.optimizer!r:.60}"
            )
        groups: list[dict[str, Any]] = self.optimizer.param_groups
        held = {id(p) for group in groups for p in group["params"]}
        if not held <= {id(p) for p in self.parameters}:
            raise OptionError(
                f"{self.name} was made for other parameters than the ones that the function was "
                f"handed, such as those of the module, which is never changed. Write {_EXAMPLE}"
            )
        if isinstance(self.optimizer, torch.optim.LBFGS):
            raise OptionError(
                "LBFGS evaluates the loss several times a step, and a round gives one aggregate. "
                "Take AdamW or SGD"
            )
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
        schedules = isinstance(self.scheduler, torch.optim.lr_scheduler.LRScheduler)
        if isinstance(self.scheduler, plateau) or not (self.scheduler is None or schedules):
            raise OptionError(
                "the scheduler beside the optimizer must be one of torch.optim.lr_scheduler that "
                f"needs no metric; got {type(self.scheduler).__name__}. Take CosineAnnealingLR"
            )


def _encoded(value: Any, whose: str) -> Any:
    """Tensors, containers and numbers as what a snapshot holds."""
    if isinstance(value, Tensor):
        if value.dtype in (torch.bfloat16, torch.float16):
            raise OptionError(f"{whose} holds {value.dtype}; let it keep float32 or float64")
        return {"tensor": value.detach().cpu().numpy().copy()}
    if isinstance(value, dict):
        pairs = tuple((key, _encoded(item, whose)) for key, item in value.items())
        return {"counts" if isinstance(value, Counter) else "pairs": pairs}
    if isinstance(value, list):
        return {"list": tuple(_encoded(item, whose) for item in value)}
    if isinstance(value, tuple):
        return tuple(_encoded(item, whose) for item in value)
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise OptionError(
        f"{whose} remembers {value!r:.60}, which no checkpoint can hold; take another one"
    )


def _decoded(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_decoded, value))
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return torch.tensor(content)
    if kind == "list":
        return [_decoded(item) for item in content]
    items = {key: _decoded(item) for key, item in content}
    return Counter(items) if kind == "counts" else items
