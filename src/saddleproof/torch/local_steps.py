"""Local steps (FedAvg: McMahan, Moore, Ramage, Hampson, Aguera y Arcas, AISTATS 2017).

In a round worker i takes k steps of SGD by itself, from the server's w, and sends what came of it:

    u_0 = w,  u_j+1 = u_j - lr g_i(u_j),      sent:  (w - u_k) / (k lr)  =  mean_j g_i(u_j)

In this unit a message is a gradient, and with k = 1 it is the gradient. The server's step
w - k lr (their aggregate) is an average of the workers' models, as robust as the rule.

It is not the gradient of the worker's loss at w, and with unequal data the mean of honest messages
need not vanish at a stationary point of F ("client drift"; Karimireddy et al., SCAFFOLD, ICML
2020). Everything that is read from the messages of training, the inexactness first of all, is about
the mean of honest *messages*. Tests, jumps and certificates ask about the losses themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import grad, vmap

from saddleproof import arguments
from saddleproof.arrays import Vector
from saddleproof.errors import OptionError
from saddleproof.torch.closeness import close
from saddleproof.torch.loss import ModuleLoss
from saddleproof.torch.problem import TorchProblem
from saddleproof.torch.surroundings import plainly, quietly


class LocalProblem(TorchProblem):
    """A `TorchProblem` whose workers answer a round of training with k local steps.

    Gradients, losses and curvatures that are asked for by name are those of the losses.

    Args:
        given: what `TorchProblem` takes.
        steps: k, at least 1; every step draws a minibatch of its own.
        lr: learning rate of a worker's steps, > 0.
        options: what `TorchProblem` takes.
    """

    def __init__(self, *given: Any, steps: int, lr: float, **options: Any) -> None:
        self.steps = arguments.whole("local_steps", steps, least=1)
        self.lr = arguments.real("local_lr", lr, above=0)
        super().__init__(*given, **options)
        self._vmaps: dict[tuple[int, ...], bool] = {}

    @plainly()
    def sampled(
        self, points: Vector, round_id: int, workers: NDArray[np.intp] | None = None
    ) -> Vector:
        """Every worker's mean gradient along its local steps: (1, d) to (1, m, d).

        Raises:
            OptionError: more than one point.
        """
        if len(points) != 1:
            raise OptionError(
                f"local steps begin at one point a round; this optimizer asks for {len(points)}. "
                "Leave local_steps out"
            )
        loss = self.module_loss
        w = loss.tensor(points[0])
        total, here = w.new_zeros(self.m, self.d), w.expand(self.m, -1).clone()
        asked = np.zeros(self.m, dtype=bool)
        for step in range(self.steps):
            batches = self.rows.sample(
                self.batch_size, self.seed, round_id, step=step, workers=workers
            )
            for batch in batches:
                at = torch.as_tensor(batch.workers, device=w.device)
                slopes = self._own(here[at], batch.data, self.draws(round_id * self.steps + step))
                total[at] += slopes
                here[at] -= self.lr * slopes
                asked[batch.workers] = True
        asked[self._lost] = False
        sent = loss.array(total / self.steps, points)
        sent[~asked] = np.nan
        return sent[None]

    def conditions(self) -> dict[str, str]:
        """What distinguishes this problem from another one, the local steps included."""
        local = {"local_steps": str(self.steps), "local_lr": repr(self.lr)}
        return super().conditions() | local

    def _own(self, w: Tensor, data: tuple[Tensor, ...], seed: int | None) -> Tensor:
        """Every worker's gradient at its own point: (k, d) and (k, n, ...) data to (k, d)."""
        loss = self.module_loss
        with loss.computing(seed):
            if loss.facts.looped or not self._agrees(w, data):
                return _one_by_one(loss, w, data)
            return _together(loss, w, data)

    def _agrees(self, w: Tensor, data: tuple[Tensor, ...]) -> bool:
        """Whether vmap over points and workers is right for such data, compared once.

        Random draws differ between the two ways; there the comparison of the probe has to do.
        """
        shape = tuple(data[0].shape[:2])
        if shape not in self._vmaps:
            random = self.module_loss.facts.random
            loss = self.module_loss
            self._vmaps[shape] = random or close(
                _together(loss, w, data), _one_by_one(loss, w, data)
            )
        return self._vmaps[shape]


def _together(loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
    with quietly():
        found: Tensor = vmap(grad(loss.objective), randomness="different")(w, *data)
        return found


def _one_by_one(loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> Tensor:
    rows = [tuple(x[j : j + 1] for x in data) for j in range(len(w))]
    return torch.cat([loss.loop(w[j : j + 1], row)[0] for j, row in enumerate(rows)])
