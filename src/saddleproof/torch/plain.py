"""The plain way: parameters written into a module, then one pass forward and backward a worker.

That is what a training loop of one's own does, whatever the module is: one that computes a part
again on the way back (`torch.utils.checkpoint`), has hooks, or writes its own backward pass. All
quicker ways are compared with this one (`saddleproof.torch.comparing`), and where none of them
agrees, this one answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from saddleproof.torch.layout import Layout

#: The named parameters and a worker's inputs and target to F_i.
Value = Callable[..., Tensor]


def gradients(
    module: nn.Module, value: Value, layout: Layout, w: Tensor, data: tuple[Tensor, ...]
) -> Tensor:
    """grad F_i of k workers at q points: (q, d) and (k, n, ...) data to (q, k, d).

    Args:
        module: holds the parameters; as before in the end.
        value: F_i, computed with the module as it is.
        layout: of the answer.
        w: the points.
        data: inputs and target of each worker.
    """
    out = w.new_empty(len(w), len(data[0]), layout.d)
    for i, point in enumerate(w):
        with _holding(module, layout, point) as tree, torch.enable_grad():
            for j in range(len(data[0])):
                _back(value(tree, *(x[j] for x in data)))
                torch.cat([_slope(tree[name]) for name in layout.names], out=out[i, j])
    return out


def _back(value: Tensor) -> None:
    if value.requires_grad:
        value.backward()  # type: ignore[no-untyped-call]


def _slope(p: Tensor) -> Tensor:
    slope, p.grad = p.grad, None
    return (torch.zeros_like(p) if slope is None else slope.detach().to_dense()).reshape(-1)


@contextmanager
def _holding(module: nn.Module, layout: Layout, w: Tensor) -> Iterator[dict[str, Tensor]]:
    """The module's own parameters, with the numbers of w for a while."""
    named = dict(module.named_parameters())
    own: dict[str, Tensor] = {name: named[name] for name in layout.names}
    before = layout.flat(own).clone()
    try:
        _write(own, layout.tree(w))
        yield own
    finally:
        _write(own, layout.tree(before))


def _write(own: dict[str, Tensor], tree: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, p in own.items():
            p.copy_(tree[name])
            p.grad = None
