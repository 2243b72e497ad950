"""A module and a loss function as `saddleproof.problems.base.Loss`: gradients of many workers.

F_i(w) = loss(module_w(inputs_i), target_i), and `torch.func` gives grad F_i for all workers in one
call: grad for the derivative, vmap over the workers (and over the points, where a point is small),
in chunks that fit a memory budget. Where vmap cannot, a loop does the same, and says so once.
Where linear layers hold all parameters, `saddleproof.torch.pooled` is quicker, and takes its place.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vmap

from saddleproof.arrays import Vector
from saddleproof.torch.layout import Layout
from saddleproof.torch.pooled import gradients

#: Fewest workers that are computed together: below, chunks are slower than a plain loop.
LEAST = 5
#: Parameters up to which several points are worth computing at once: beyond, one matrix product
#: for all workers at one point is faster than one for each point and worker.
SMALL = 2_000


@dataclass(frozen=True)
class Facts:
    """What `saddleproof.torch.probe` finds out about a module, once.

    Attributes:
        activations: numbers that a forward pass makes for each row.
        random: whether the module draws random numbers, as dropout does.
        looped: why vmap is not used; empty when it is.
        pooled: whether one pass over all workers' rows gives the same at one point, sooner.
    """

    activations: int = 0
    random: bool = False
    looped: str = ""
    pooled: bool = False


class ModuleLoss:
    """The loss of any module, at any parameters, on any worker's rows.

    Args:
        module: anything that maps the inputs to an output; it is called with other parameters in
            the place of its own, and never changed.
        loss: (output, target) to one number, the mean over the rows.
        memory: bytes that intermediate results of one call may take, about.

    Attributes:
        d: length of w.
        layout: how w stands for the parameters.
        facts: what is known about the module.
    """

    def __init__(
        self, module: nn.Module, loss: Callable[[Any, Tensor], Tensor], *, memory: int = 2**28
    ) -> None:
        self.module = module
        self.loss = loss
        self.layout = Layout.of(module)
        self.d = self.layout.d
        self.memory = memory
        self.facts = Facts()

    def value(self, w: Vector, data: Sequence[Tensor]) -> float:
        """F_i(w): (d,) to a number."""
        with torch.no_grad():
            return float(self.objective(self.tensor(w), *data))

    def gradient(self, points: Vector, data: Sequence[Tensor]) -> Vector:
        """grad F_i at (q, d) points, as (q, d)."""
        found = self.batch(self.tensor(points), tuple(x[None] for x in data))
        return self.array(found[:, 0], points)

    def objective(self, w: Tensor, *data: Tensor) -> Tensor:
        """F_i(w), differentiable; `data` is inputs and target."""
        *inputs, target = data
        output = functional_call(self.module, self.layout.tree(w), tuple(inputs))
        return self.loss(output, target)

    def batch(self, w: Tensor, data: tuple[Tensor, ...], seed: int | None = None) -> Tensor:
        """grad F_i for k workers at q points: (q, d) and (k, n, ...) data to (q, k, d).

        Args:
            w: the points.
            data: inputs and target of each worker.
            seed: of what the module draws at random; the same draws at every point.
        """
        q, k = len(w), len(data[0])
        workers, points = self._chunks(q, k, data[0].shape[1])
        if workers >= k and points >= q:
            with seeded(seed, w.device):
                return self._some(w, data)
        out = w.new_empty(q, k, self.d)
        for i in range(0, q, points):
            for j in range(0, k, workers):
                part = tuple(x[j : j + workers] for x in data)
                with seeded(None if seed is None else seed + j, w.device):
                    out[i : i + points, j : j + workers] = self._some(w[i : i + points], part)
        return out

    def products(self, w: Tensor, v: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        """H_i v by forward-over-reverse differentiation: (d,), (d,) and k workers to (k, d)."""

        def product(*one: Tensor) -> Tensor:
            slope = grad(lambda x: self.objective(x, *one))
            along: Tensor = jvp(slope, (w,), (v,))[1]
            return along

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*jit.script", category=DeprecationWarning)
            return torch.stack([product(*(x[j] for x in data)) for j in range(len(data[0]))])

    def tensor(self, x: Vector) -> Tensor:
        """A vector of the server as the module's own kind of tensor."""
        # A copy: what the server hands over may be read-only, and is not ours to share.
        return torch.tensor(x, dtype=self.layout.dtype, device=self.layout.device)

    def array(self, x: Tensor, like: Vector) -> Vector:
        """An answer as the server's kind of array: the dtype of the points that it sent."""
        array: Vector = x.detach().cpu().numpy().astype(like.dtype, copy=False)
        return array

    def _some(self, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        if self.facts.pooled and len(w) == 1:
            return self.pooled(w, data)
        return self.loop(w, data) if self.facts.looped else self.vectorised(w, data)

    def pooled(self, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        """`batch` at one point by one pass over all rows: see `saddleproof.torch.pooled`."""
        return gradients(self.module, self.loss, self.layout, w[0], data)[None]

    def vectorised(self, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        """`batch` by vmap over the workers, and over the points if there are several."""
        workers = (None, *(0 for _ in data))
        one = vmap(grad(self.objective), workers, randomness="different")
        with warnings.catch_warnings():
            # Some layers have no batching rule: torch loops inside, which is slower, not wrong.
            warnings.filterwarnings("ignore", message="There is a performance drop")
            if len(w) == 1:
                alone: Tensor = one(w[0], *data)[None]
                return alone
            many: Tensor = vmap(one, (0, *(None for _ in data)))(w, *data)
            return many

    def loop(self, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        """`batch` by a plain loop over points and workers."""
        return torch.stack(
            [
                torch.stack(
                    [self._one(x, *(part[j] for part in data)) for j in range(len(data[0]))]
                )
                for x in w
            ]
        )

    def _one(self, w: Tensor, *data: Tensor) -> Tensor:
        leaf = w.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.objective(leaf, *data), leaf)
        return slope

    def _chunks(self, q: int, k: int, n: int) -> tuple[int, int]:
        """How many workers, and how many points, to take at a time."""
        each = self.layout.dtype.itemsize * (3 * n * self.facts.activations + 2 * self.d)
        workers = min(k, max(self.memory // max(each, 1), LEAST))
        if self.facts.random or self.facts.looped or self.d > SMALL:
            return workers, 1
        return workers, min(q, max(self.memory // max(each * workers, 1), 1))


@contextmanager
def seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Draws inside come from `seed`; the caller's random state is as if nothing had happened."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
