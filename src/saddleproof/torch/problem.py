"""Any nn.Module and loss over the workers' shards, as a `saddleproof.Problem`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.border import named_shards
from saddleproof.errors import OptionError
from saddleproof.problems.base import Problem
from saddleproof.torch.copies import dense, matched, pristine
from saddleproof.torch.described import of_loss, of_module, of_rows
from saddleproof.torch.facts import NEVER
from saddleproof.torch.layout import Layout
from saddleproof.torch.loss import LossFunction, ModuleLoss, Penalty
from saddleproof.torch.lost import failing
from saddleproof.torch.modules import check_loss, check_module, loss_of
from saddleproof.torch.probe import probe
from saddleproof.torch.rows import Batch, Rows
from saddleproof.torch.surroundings import plainly


class TorchProblem(Problem):
    """F(w) = mean_i loss(module_w(inputs_i), target_i), with all parameters in one message w.

    Gradients of all workers come from one vectorised call (`torch.func`), in the module's dtype
    and on its device; they reach the server as arrays of the dtype of the points that it sent,
    float64 unless a run starts elsewhere.

    With `batch_size`, a round's gradients are those of a minibatch: every worker draws its own
    rows, the same ones at all points of the round, so that differences between points carry no
    sampling noise; between rounds the draws are independent. The workers then differ by sampling
    too, and the inexactness that the server reads from them holds that noise.

    Values and products with the Hessian are those of all rows, without dropout. `products` is None
    where a layer has no second derivative; workers then take differences of their gradients.

    A worker whose rows hold NaN or Inf that reach its loss answers NaN to every question, so that
    the server names it and leaves it out.

    Args:
        module: any nn.Module; copied, never changed. Parameters with requires_grad=False stay as
            they are. Its train or eval mode is kept.
        loss: (output, target) to one number, a mean over the rows, such as
            `torch.nn.functional.cross_entropy`. Tensors of a loss module or of a
            `functools.partial`, such as class weights, take the module's dtype and device.
        shards: one worker's data each: a tuple (inputs..., target) of tensors or arrays with the
            rows over the first axis, or a `torch.utils.data.Dataset` or `DataLoader` of such
            tuples. Or a dict of tensors, or a data set or loader of dicts: the module then takes
            them as keyword arguments, and the loss (output, the dict); with `loss=None` it is
            what the module's output has as `loss`. The numbers of rows may differ. Floating-point
            data take the module's dtype; all of it moves to its device. A mapping gives the
            workers' names too.
        penalty: the trainable parameters by name to one number, which is added to every worker's
            loss: `lambda parameters: 1e-4 * sum((p**2).sum() for p in parameters.values())`.
        batch_size: rows that each worker draws in a round; None takes all.
        seed: of the minibatches and of dropout; None takes fresh entropy. The draws of a worker
            depend on (seed, worker, round) alone, so that runs can be replayed.
        memory: bytes that intermediate results may take, about; larger rounds are cut.
        name: what reports call it.

    Raises:
        OptionError: the module, the loss or the shards cannot work; a module in train mode whose
            buffers change in a forward pass (BatchNorm); dropout without a batch size; a loss that
            depends on trainable tensors outside of the module.

    Warns:
        RuntimeWarning: vmap cannot differentiate the module, and a loop is used.

    >>> shards = [(torch.ones(2, 1), torch.tensor([[1.0], [3.0]])) for _ in range(3)]
    >>> problem = TorchProblem(nn.Linear(1, 1, bias=False), nn.functional.mse_loss, shards)
    >>> problem.gradients(np.zeros((1, 1))).ravel()
    array([-4., -4., -4.])
    >>> problem.products(np.zeros(1), np.ones((3, 1, 1))).ravel()
    array([2., 2., 2.])
    """

    #: Gradients that a worker computes in a round of training.
    steps = 1

    def __init__(
        self,
        module: nn.Module,
        loss: LossFunction | None,
        shards: Sequence[Any] | Mapping[str, Any],
        *,
        penalty: Penalty | None = None,
        batch_size: int | None = None,
        seed: int | None = None,
        memory: int = 2**28,
        name: str = "module",
    ) -> None:
        if batch_size is not None:
            batch_size = arguments.whole("batch_size", batch_size, least=1)
        seed = arguments.seed_of(seed)
        check_module(module)
        check_loss(loss)
        if isinstance(shards, (Dataset, DataLoader)):
            raise OptionError(
                "shards must be one a worker, in a list or a dict of names to shards; got one "
                f"{type(shards).__name__}. Split it first, as torch.utils.data.random_split does"
            )
        names, parts = named_shards(shards)
        self.module = pristine(module)
        layout = Layout.of(self.module)
        with plainly():
            self.rows = Rows(parts, layout.dtype, layout.device, names)
        self.batch_size = batch_size
        self.seed = secrets.randbits(63) if seed is None else seed
        self._replays = seed is not None
        loss = matched(loss_of(loss, self.rows.keys), layout)
        self._functions = {"loss": loss, "penalty": penalty}

        def made(module: nn.Module) -> ModuleLoss:
            found = ModuleLoss(
                dense(module), loss, penalty=penalty, memory=memory, keys=self.rows.keys
            )
            found.facts = probe(found, self.rows.clean(), size=batch_size, stacklevel=5)
            return found

        self.module_loss = self.judge = made(pristine(self.module))
        if self.module_loss.facts.random:
            if batch_size is None:
                raise OptionError(
                    "this module draws random numbers in train mode (dropout), which only "
                    "minibatch rounds can replay; pass batch_size, or call module.eval() first"
                )
            self.judge = made(pristine(self.module).eval())
            if self.judge.facts.random:
                raise OptionError(
                    "this module draws random numbers in eval mode too, so that its loss is "
                    "another one each time; draw only where self.training is true"
                )
        start = self.array_of(self.module)
        super().__init__(self.judge, self.rows.shards, start=start, name=name)
        self.names = names
        if self.judge.facts.second == NEVER:
            self.products = self.judge.product = None  # type: ignore[method-assign, assignment]
        self._lost = failing(self, start)

    @plainly()
    def sampled(
        self, points: Vector, round_id: int, workers: NDArray[np.intp] | None = None
    ) -> Vector:
        """Every worker's minibatch gradient in a round: (q, d) to (q, m, d).

        Without a batch size these are the full gradients. Workers that are not in `workers` are not
        asked, and their rows are NaN.
        """
        if self.batch_size is None and workers is None:
            return self.gradients(points)
        batches = self.rows.sample(self.batch_size, self.seed, round_id, workers=workers)
        return self._over(self.module_loss, batches, points, self.draws(round_id))

    def draws(self, round_id: int) -> int | None:
        """The seed of what the module draws in a round; None where it draws nothing.

        Dropout must differ from round to round, and from the choice of rows.
        """
        if self.batch_size is None or not self.module_loss.facts.random:
            return None
        return (self.seed ^ (round_id * 0x9E3779B97F4A7C15)) % 2**63

    def values(self, w: Vector) -> Vector:
        """F_i(w) on all rows, without dropout: (d,) to (m,)."""
        values: Vector = self.values_at(w[None])[0]
        return values

    @plainly()
    def values_at(self, points: Vector) -> Vector:
        """F_i on all rows, without dropout: (q, d) to (q, m)."""
        w = self.judge.tensor(points)
        out = np.empty((len(points), self.m))
        for batch in self.rows.all():
            out[:, batch.workers] = self.judge.array(self.judge.values(w, batch.data), out)
        out[:, self._lost] = np.nan
        return out

    @plainly()
    def products(self, w: Vector, vectors: Vector) -> Vector:
        """H_i(w) v of every worker's own vectors, on all rows, without dropout.

        By double backward. The graph of the gradients is kept until another w is asked for, so
        that many vectors at one w cost about as much as as many gradients.

        Args:
            w: (d,).
            vectors: (m, p, d).

        Returns:
            (m, p, d).
        """
        at = self.judge.tensor(w)
        out = np.empty(np.shape(vectors))
        for batch in self.rows.all():
            along = self.judge.tensor(vectors[batch.workers])
            out[batch.workers] = self.judge.array(self.judge.products(at, along, batch.data), out)
        out[self._lost] = np.nan
        return out

    def hessian(self, w: Vector) -> Vector:
        """The true Hessian of F, for judging only: (d,) to (d, d), by d products."""
        if self.judge.facts.second == NEVER:
            return super().hessian(w)
        axes = np.eye(self.d)
        columns = np.stack(
            [self.products(w, np.tile(e, (self.m, 1, 1)))[:, 0].mean(axis=0) for e in axes]
        )
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
        with plainly(), torch.no_grad():
            module = pristine(self.module)
            tree = self.module_loss.layout.tree(self.module_loss.tensor(w))
            for name, parameter in module.named_parameters():
                if name in tree:
                    parameter.copy_(tree[name])
        return module

    def array_of(self, module: nn.Module) -> Vector:
        """The parameters of a module like this one: w, in float64."""
        w = self.module_loss.layout.flat(dict(module.named_parameters()))
        array: Vector = w.cpu().numpy().astype(np.float64)
        return array

    @plainly()
    def _gradients(self, points: Vector) -> Vector:
        return self._over(self.judge, self.rows.all(), points, None)

    def _over(
        self, loss: ModuleLoss, batches: Sequence[Batch], points: Vector, seed: int | None
    ) -> Vector:
        w = loss.tensor(points)
        parts = [loss.array(loss.batch(w, batch.data, seed), points) for batch in batches]
        out = parts[0]
        if len(parts) > 1 or out.shape[1] < self.m:
            out = np.full((len(points), self.m, self.d), np.nan, points.dtype)
            for batch, part in zip(batches, parts, strict=True):
                out[:, batch.workers] = part
        if self._lost:
            out[:, self._lost] = np.nan
        return out

    def conditions(self) -> dict[str, str]:
        """What distinguishes this problem from another one: see `saddleproof.fingerprint`."""
        found = {
            "problem": "TorchProblem",
            "problem.module": of_module(self.module),
            "problem.shards": of_rows(*self.rows.content),
            "problem.batch_size": str(self.batch_size),
            "problem.seed": str(self.seed) if self._replays else "None",
        }
        if self.rows.keys:
            found["problem.keys"] = ", ".join(self.rows.keys)
        for name, function in self._functions.items():
            found |= of_loss(function, f"problem.{name}")
        return found
