"""A module and a loss function as `saddleproof.problems.base.Loss`: gradients of many workers.

F_i(w) = loss(module_w(inputs_i), target_i), and `torch.func` gives grad F_i for all workers in one
call: grad for the derivative, vmap over the workers (and over the points, where a point is small),
in chunks that fit a memory budget. Where vmap cannot, a loop does the same, and says so once; where
convolutions meet many rows, it is quicker (`saddleproof.torch.facts`).
Where linear layers hold all parameters, `saddleproof.torch.pooled` is quicker, and takes its place.
Products with the Hessian are in `saddleproof.torch.products`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from saddleproof.arrays import Vector
from saddleproof.torch import plain
from saddleproof.torch.closeness import close
from saddleproof.torch.facts import TOGETHER, Facts
from saddleproof.torch.layout import Layout
from saddleproof.torch.pooled import gradients
from saddleproof.torch.products import Graph
from saddleproof.torch.surroundings import drawing, lock_of, plainly, quietly, twice_differentiable

#: (output, target) to one number, a mean over the rows; (output, dict) where rows are dicts.
LossFunction = Callable[[Any, Tensor], Tensor]
#: The trainable parameters by name to one number, which is added to every worker's loss.
Penalty = Callable[[dict[str, Tensor]], Tensor]

#: Fewest workers that are computed together: below, chunks are slower than a plain loop.
LEAST = 5
#: Parameters up to which several points are worth computing at once: beyond, one matrix product
#: for all workers at one point is faster than one for each point and worker.
SMALL = 2_000
#: Bytes of graphs that are kept for more products at the same point, over those of one call.
KEPT = 4


class ModuleLoss:
    """The loss of any module, at any parameters, on any worker's rows.

    Neither the caller's gradient mode nor an autocast around the call changes an answer, and calls
    from several threads wait for each other.

    Args:
        module: anything that maps the inputs to an output; it is called with other parameters in
            the place of its own, and never changed.
        loss: (output, target) to one number, the mean over the rows.
        penalty: the trainable parameters by name to one number, which is added.
        memory: bytes that intermediate results of one call may take, about; up to four times as
            many are kept between the products at one point.
        keys: names of the tensors, where rows are dicts; empty where they are inputs and target.

    Attributes:
        d: length of w.
        layout: how w stands for the parameters.
        facts: what is known about the module.
    """

    def __init__(
        self,
        module: nn.Module,
        loss: LossFunction,
        *,
        penalty: Penalty | None = None,
        memory: int = 2**28,
        keys: tuple[str, ...] = (),
    ) -> None:
        self.module = module
        self.loss = loss
        self.penalty = penalty
        self.keys = keys
        self.layout = Layout.of(module)
        self.d = self.layout.d
        self.memory = memory
        self.facts = Facts()
        self._pooling: dict[tuple[int, ...], bool] = {}  # workers and rows: whether it is right
        self._at: Tensor | None = None  # where the graphs are
        self._graphs: dict[tuple[Any, ...], tuple[Graph, tuple[Tensor, ...]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without graphs, which belong to this process."""
        return self.__dict__ | {"_at": None, "_graphs": {}}

    def value(self, w: Vector, data: Sequence[Tensor]) -> float:
        """F_i(w): (d,) to a number."""
        with self.computing():
            return float(self.objective(self.tensor(w), *data).detach())

    def gradient(self, points: Vector, data: Sequence[Tensor]) -> Vector:
        """grad F_i at (q, d) points, as (q, d)."""
        with plainly():
            found = self.batch(self.tensor(points), tuple(x[None] for x in data))
        return self.array(found[:, 0], points)

    def product(self, w: Vector, v: Vector, data: Sequence[Tensor]) -> Vector:
        """H_i(w) v: (d,) and (d,) to (d,). None where a layer has no second derivative."""
        with plainly():
            found = self.products(
                self.tensor(w), self.tensor(v)[None, None], tuple(x[None] for x in data)
            )
        return self.array(found[0, 0], w)

    def objective(self, w: Tensor, *data: Tensor) -> Tensor:
        """F_i(w), differentiable; `data` is inputs and target. Hold `computing` around it."""
        return self._value(self.layout.tree(w), *data)

    def output(self, tree: dict[str, Tensor], inputs: Any) -> Any:
        """What the module makes of its inputs with other parameters."""
        args, names = ((), inputs) if self.keys else (inputs, None)
        placed = self.layout.placed(tree)
        return functional_call(self.module, placed, args, names, tie_weights=False)

    def parted(self, data: tuple[Tensor, ...]) -> tuple[Any, Any]:
        """One worker's rows as the module's inputs and what the loss gets: a dict is both."""
        if self.facts.writes:
            data = tuple(x.clone() for x in data)
        if self.keys:
            named = dict(zip(self.keys, data, strict=True))
            return named, dict(named)
        return data[:-1], data[-1]

    def unpenalised(self, tree: dict[str, Tensor], *data: Tensor) -> Tensor:
        """F_i without the penalty."""
        inputs, target = self.parted(data)
        return self.loss(self.output(tree, inputs), target)

    def batch(self, w: Tensor, data: tuple[Tensor, ...], seed: int | None = None) -> Tensor:
        """grad F_i for k workers at q points: (q, d) and (k, n, ...) data to (q, k, d).

        Args:
            w: the points.
            data: inputs and target of each worker.
            seed: of what the module draws at random; the same draws at every point.
        """
        q, k = len(w), len(data[0])
        workers, points = self._chunks(q, k, data[0].shape[1])
        out = w.new_empty(q, k, self.d)
        for i in range(0, q, points):
            for j in range(0, k, workers):
                part = tuple(x[j : j + workers] for x in data)
                with self.computing(None if seed is None else seed + j):
                    found = self._some(w[i : i + points], part)
                if workers >= k and points >= q:
                    return found
                out[i : i + points, j : j + workers] = found
        return out

    def values(self, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        """F_i of k workers at q points: (q, d) and (k, n, ...) data to (q, k)."""
        q, k = len(w), len(data[0])
        workers, points = self._chunks(q, k, data[0].shape[1])
        out = w.new_empty(q, k)
        for i in range(0, q, points):
            for j in range(0, k, workers):
                part = tuple(x[j : j + workers] for x in data)
                with self.computing():
                    found = self.values_of(w[i : i + points], part)
                out[i : i + points, j : j + workers] = found.detach()
        return out

    def products(self, w: Tensor, v: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        """H_i v of every worker's own vectors: (d,), (k, p, d) and (k, n, ...) data to (k, p, d).

        A second call at the same w with the same data finds the graph of the gradients ready.
        """
        k, n = data[0].shape[:2]
        workers, _ = self._chunks(1, k, n)
        keep = k * self._bytes(n) <= KEPT * self.memory
        out = torch.empty_like(v)
        with self.computing():
            for j in range(0, k, workers):
                part = tuple(x[j : j + workers] for x in data)
                graph = self._graph(w, part, keep=keep)
                for i in range(v.shape[1]):
                    out[j : j + workers, i] = graph.along(v[j : j + workers, i])
        return out

    def graph(self, w: Tensor, data: tuple[Tensor, ...], *, together: bool) -> Graph:
        """The gradients of k workers at w, ready to be differentiated."""
        with twice_differentiable(), quietly():
            return Graph(self.objective, w, data, together=together)

    def tensor(self, x: Vector) -> Tensor:
        """A vector of the server as the module's own kind of tensor."""
        # A copy: what the server hands over may be read-only, and is not ours to share.
        with torch.inference_mode(False):
            return torch.tensor(x, dtype=self.layout.dtype, device=self.layout.device)

    def array(self, x: Tensor, like: Vector) -> Vector:
        """An answer as the server's kind of array: the dtype of the points that it sent."""
        array: Vector = x.detach().cpu().numpy().astype(like.dtype, copy=False)
        return array

    @contextmanager
    def computing(self, seed: int | None = None) -> Iterator[None]:
        """Around every call of the module: alone, plainly, and drawing from `seed`."""
        with lock_of(self.module), plainly(self.layout.device), drawing(seed):
            yield

    def pooled(self, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        """`batch` at one point by one pass over all rows: see `saddleproof.torch.pooled`."""
        data = tuple(x.clone() for x in data) if self.facts.writes else data
        tree = self.layout.tree(w[0])
        found = gradients(self.module, self.output, self.loss, self.layout, tree, data)
        if self.penalty is not None:
            leaf = w[0].detach().requires_grad_()
            value = self.penalty(self.layout.tree(leaf))
            if value.requires_grad:
                found += torch.autograd.grad(value, leaf)[0]
        return found[None]

    def vectorised(self, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        """`batch` by vmap over the workers, and over the points if there are several."""
        return self._vmapped(grad(self.objective), w, data)

    def loop(self, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        """`batch` by a plain loop over points and workers: see `saddleproof.torch.plain`."""
        return plain.gradients(self.module, self._own_value, self.layout, w, data)

    def values_of(self, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        """`values`, in one piece."""
        if self.facts.valued:
            return self._vmapped(self.objective, w, data)
        rows = [tuple(part[j] for part in data) for j in range(len(data[0]))]
        return torch.stack([torch.stack([self.objective(x, *row) for row in rows]) for x in w])

    def _some(self, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
        if self.facts.pooled and len(w) == 1 and self._pools(w, data):
            return self.pooled(w, data)
        return self.loop(w, data) if self.facts.loops(data[0]) else self.vectorised(w, data)

    def _pools(self, w: Tensor, data: tuple[Tensor, ...]) -> bool:
        """Whether pooling is right for so many workers and rows, compared once with vmap.

        A module may do another thing with many rows than with the few of the probe.
        """
        shape = tuple(data[0].shape[:2])
        if shape not in self._pooling:
            self._pooling[shape] = close(self.pooled(w, data), self.vectorised(w, data))
        return self._pooling[shape]

    def _vmapped(
        self, function: Callable[..., Tensor], w: Tensor, data: tuple[Tensor, ...]
    ) -> Tensor:
        workers = (None, *(0 for _ in data))
        one = vmap(function, workers, randomness="different")
        with quietly():
            if len(w) == 1:
                alone: Tensor = one(w[0], *data)[None]
                return alone
            many: Tensor = vmap(one, (0, *(None for _ in data)))(w, *data)
            return many

    def _value(self, tree: dict[str, Tensor], *data: Tensor) -> Tensor:
        value = self.unpenalised(tree, *data)
        return value if self.penalty is None else value + self.penalty(tree)

    def _own_value(self, tree: dict[str, Tensor], *data: Tensor) -> Tensor:
        """F_i at the parameters that the module holds, `tree`."""
        inputs, target = self.parted(data)
        output = self.module(**inputs) if self.keys else self.module(*inputs)
        value = self.loss(output, target)
        return value if self.penalty is None else value + self.penalty(tree)

    def _graph(self, w: Tensor, data: tuple[Tensor, ...], *, keep: bool) -> Graph:
        """A new graph, or the one that was made for the same w and data."""
        if self._at is None or not torch.equal(self._at, w):
            self._at, self._graphs = w.clone(), {}
        key = tuple((x.data_ptr(), x.shape, _changes(x)) for x in data)
        if key not in self._graphs:
            made = self.graph(w, data, together=self.facts.second == TOGETHER)
            if not keep:
                return made
            self._graphs[key] = made, data  # the data too, so that no others take their address
        return self._graphs[key][0]

    def _chunks(self, q: int, k: int, n: int) -> tuple[int, int]:
        """How many workers, and how many points, to take at a time."""
        each = self._bytes(n)
        workers = min(k, max(self.memory // max(each, 1), LEAST))
        if self.facts.random or self.facts.looped or self.d > SMALL:
            return workers, 1
        return workers, min(q, max(self.memory // max(each * workers, 1), 1))

    def _bytes(self, n: int) -> int:
        """What one worker's gradient at one point takes, about."""
        return self.layout.dtype.itemsize * (3 * n * self.facts.activations + 2 * self.d)


def _changes(x: Tensor) -> int:
    """How often a tensor has been written into."""
    return -1 if x.is_inference() else x._version  # noqa: SLF001  # autograd's own counter
