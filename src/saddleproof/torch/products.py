"""Hessian-vector products of many workers at one point, from one graph of their gradients.

    H_i v = (d / dw) <grad F_i(w), v>

is the gradient differentiated once more. The graph of the gradients depends on w and not on v, so
one graph serves all vectors at a point, and a product costs about as much as a gradient.
Every worker has its own copy of w in the graph, so that every worker can have its own vector.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, vmap

#: F_i: (d,) and a worker's data to a number.
Objective = Callable[..., Tensor]


class Graph:
    """grad F_i(w) of k workers, ready to be differentiated along any vectors.

    Args:
        objective: see above.
        w: (d,) the point.
        data: inputs and target of each worker, (k, n, ...).
        together: by vmap over the workers; otherwise by a loop.
    """

    def __init__(
        self, objective: Objective, w: Tensor, data: tuple[Tensor, ...], *, together: bool
    ) -> None:
        k = len(data[0])
        copies = w.detach().expand(k, -1).contiguous()
        if together:
            self._leaves = [copies.requires_grad_()]
            slopes = vmap(grad(objective), (0, *(0 for _ in data)))(self._leaves[0], *data)
            self._slopes = [slopes]
        else:
            self._leaves = [copy.clone().requires_grad_() for copy in copies]
            rows = [tuple(x[j] for x in data) for j in range(k)]
            self._slopes = [
                _slope(objective(leaf, *row), leaf)
                for leaf, row in zip(self._leaves, rows, strict=True)
            ]

    @property
    def slopes(self) -> Tensor:
        """grad F_i(w): (k, d)."""
        return torch.cat([x.detach().reshape(-1, x.shape[-1]) for x in self._slopes])

    def along(self, vectors: Tensor) -> Tensor:
        """H_i v_i: (k, d) to (k, d)."""
        blocks = [vectors] if len(self._leaves) == 1 else vectors[:, None]
        images = [
            _pulled(slope, leaf, v.reshape(leaf.shape))
            for slope, leaf, v in zip(self._slopes, self._leaves, blocks, strict=True)
        ]
        return torch.cat([image.reshape(-1, vectors.shape[1]) for image in images])


def _slope(value: Tensor, leaf: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(
        value, leaf, create_graph=True, allow_unused=True, materialize_grads=True
    )
    return slope


def _pulled(slope: Tensor, leaf: Tensor, v: Tensor) -> Tensor:
    if not slope.requires_grad:  # a linear loss
        return torch.zeros_like(leaf)
    (image,) = torch.autograd.grad(
        slope, leaf, v, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return image.detach()
