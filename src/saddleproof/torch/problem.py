"""Any nn.Module and loss over the workers' shards, as a `saddleproof.Problem`."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.problems.base import Problem
from saddleproof.torch.loss import ModuleLoss
from saddleproof.torch.probe import probe
from saddleproof.torch.rows import Batch, Rows


class TorchProblem(Problem):
    """F(w) = mean_i loss(module_w(inputs_i), target_i), with all parameters in one message w.

    Gradients of all workers come from one vectorised call (`torch.func`), in the module's dtype
    and on its device; they reach the server as arrays of the dtype of the points that it sent,
    float64 unless a run starts elsewhere.

    With `batch_size`, a round's gradients are those of a minibatch: every worker draws its own
    rows, the same ones at all points of the round, so that differences between points carry no
    sampling noise; between rounds the draws are independent. The workers then differ by sampling
    too, and the inexactness that the server reads from them holds that noise.

    Args:
        module: any nn.Module; copied, never changed. Parameters with requires_grad=False stay as
            they are. Its train or eval mode is kept.
        loss: (output, target) to one number, a mean over the rows, such as
            `torch.nn.functional.cross_entropy`.
        shards: one worker's data each: a tuple (inputs..., target) of tensors or arrays with the
            rows over the first axis, or a `torch.utils.data.Dataset`. The numbers of rows may
            differ. Floating-point data take the module's dtype; all of it moves to its device.
        batch_size: rows that each worker draws in a round; None takes all.
        seed: of the minibatches and of dropout; None takes fresh entropy. The draws of a worker
            depend on (seed, worker, round) alone, so that runs can be replayed.
        memory: bytes that intermediate results may take, about; larger rounds are cut.
        name: what reports call it.

    Raises:
        OptionError: the module, the loss or the shards cannot work; a module in train mode whose
            buffers change in a forward pass (BatchNorm); dropout without a batch size.

    Warns:
        RuntimeWarning: vmap cannot differentiate the module, and a loop is used.

    >>> shards = [(torch.ones(2, 1), torch.tensor([[1.0], [3.0]])) for _ in range(3)]
    >>> problem = TorchProblem(nn.Linear(1, 1, bias=False), nn.functional.mse_loss, shards)
    >>> problem.gradients(np.zeros((1, 1))).ravel()
    array([-4., -4., -4.])
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Callable[[Any, Tensor], Tensor],
        shards: Sequence[Any],
        *,
        batch_size: int | None = None,
        seed: int | None = None,
        memory: int = 2**28,
        name: str = "module",
    ) -> None:
        if len(shards) == 0:
            raise OptionError("a problem needs at least one worker's shard; got none")
        if batch_size is not None and batch_size < 1:
            raise OptionError(f"batch_size must be at least 1, or None; got {batch_size}")
        module = copy.deepcopy(module)
        self.module_loss = ModuleLoss(module, loss, memory=memory)
        layout = self.module_loss.layout
        self.rows = Rows(shards, layout.dtype, layout.device)
        self.module_loss.facts = probe(self.module_loss, self.rows.shards)
        if self.module_loss.facts.random and batch_size is None:
            raise OptionError(
                "this module draws random numbers in train mode (dropout), which only minibatch "
                "rounds can replay; pass batch_size, or call module.eval() first"
            )
        self.batch_size = batch_size
        self.seed = secrets.randbits(63) if seed is None else seed
        start = layout.flat(dict(module.named_parameters())).cpu().numpy().astype(np.float64)
        super().__init__(self.module_loss, self.rows.shards, start=start, name=name)

    def sampled(self, points: Vector, round_id: int) -> Vector:
        """Every worker's minibatch gradient in a round: (q, d) to (q, m, d).

        Without a batch size these are the full gradients.
        """
        if self.batch_size is None:
            return self.gradients(points)
        batches = self.rows.sample(self.batch_size, self.seed, round_id)
        # A worker's dropout must differ from round to round, and from its choice of rows.
        seed = (self.seed ^ (round_id * 0x9E3779B97F4A7C15)) % 2**63
        return self._over(batches, points, seed if self.module_loss.facts.random else None)

    def values(self, w: Vector) -> Vector:
        """F_i(w) on all rows, without dropout: (d,) to (m,)."""
        judge = self._judge()
        return np.array([judge.value(w, shard) for shard in self.shards])

    def products(self, w: Vector, v: Vector) -> Vector:
        """H_i(w) v of every worker, for judging: (d,) and (d,) to (m, d).

        By forward-over-reverse differentiation, or by central differences of gradients where a
        layer has no forward derivative.
        """
        judge = self._judge()
        at, along = judge.tensor(w), judge.tensor(v)
        out = np.empty((self.m, self.d))
        try:
            for batch in self.rows.all():
                out[batch.workers] = judge.array(judge.products(at, along, batch.data), out)
        except (RuntimeError, NotImplementedError):
            h = float(torch.finfo(judge.layout.dtype).eps) ** (1 / 3) * (1 + np.abs(w).max())
            ahead, behind = self.gradients(np.stack([w + h * v, w - h * v]))
            out = (ahead - behind) / (2 * h)
        return out

    def hessian(self, w: Vector) -> Vector:
        """The true Hessian of F, for judging only: (d,) to (d, d), by d products."""
        columns = np.stack([self.products(w, e).mean(axis=0) for e in np.eye(self.d)])
        symmetric: Vector = (columns + columns.T) / 2
        return symmetric

    def state_dict(self, w: Vector) -> dict[str, Tensor]:
        """The module's state with w in the place of its trainable parameters."""
        return self.load(w).state_dict()

    def load(self, w: Vector) -> nn.Module:
        """A copy of the module with the parameters w.

        Raises:
            OptionError: w has another length.
        """
        if np.shape(w) != (self.d,):
            raise OptionError(f"w must be a vector of length d={self.d}; got {np.shape(w)}")
        module = copy.deepcopy(self.module_loss.module)
        tree = self.module_loss.layout.tree(self.module_loss.tensor(w))
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if name in tree:
                    parameter.copy_(tree[name])
        return module

    def _gradients(self, points: Vector) -> Vector:
        return self._over(self.rows.all(), points, None)

    def _over(self, batches: Sequence[Batch], points: Vector, seed: int | None) -> Vector:
        judge = self.module_loss if seed is not None else self._judge()
        w = judge.tensor(points)
        parts = [judge.array(judge.batch(w, batch.data, seed), points) for batch in batches]
        if len(parts) == 1:
            return parts[0]
        out = np.empty((len(points), self.m, self.d), points.dtype)
        for batch, part in zip(batches, parts, strict=True):
            out[:, batch.workers] = part
        return out

    def _judge(self) -> ModuleLoss:
        """The loss without anything random: in eval mode, if train mode draws."""
        trained = self.module_loss
        if not trained.facts.random:
            return trained
        judge = ModuleLoss(copy.deepcopy(trained.module).eval(), trained.loss)
        judge.memory, judge.facts = trained.memory, trained.facts
        return judge
