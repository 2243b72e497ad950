"""Gradients of many workers at one point, by one pass through the module over all their rows.

All workers differentiate at the same w, so the pass forward, and backward to the activations, can
be that of one module on all rows. Only the last step is each worker's own: where a layer computes
y = x W' + c, the rows of worker i give

    dF_i / dW = sum (dF_i / dy)' x,      dF_i / dc = sum dF_i / dy

(Goodfellow, "Efficient Per-Example Gradient Computations", arXiv:1510.01799, for one row each).
That is what vmap(grad) computes too, by a more general way that takes and copies more memory.

It needs every trainable parameter to belong to an `nn.Linear` that is entered once, and rows that
do not mix. `saddleproof.torch.probe` compares with a plain loop before this file is relied on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from saddleproof.torch.layout import Layout


def linear_layers(module: nn.Module) -> dict[str, nn.Linear]:
    """The layers that hold the trainable parameters, by name; none if other layers hold some.

    A layer or a parameter that stands in two places is one too many: its uses would have to be
    added up.
    """
    found = {}
    for name, layer in module.named_modules(remove_duplicate=False):
        if any(p.requires_grad for p in layer.parameters(recurse=False)):
            if type(layer) is not nn.Linear:
                return {}
            found[name] = layer
    trainable = [p for layer in found.values() for p in layer.parameters() if p.requires_grad]
    return found if len({id(p) for p in trainable}) == len(trainable) else {}


def gradients(
    module: nn.Module,
    output: Callable[[dict[str, Tensor], tuple[Tensor, ...]], Any],
    loss: Callable[[Any, Tensor], Tensor],
    layout: Layout,
    tree: dict[str, Tensor],
    data: tuple[Tensor, ...],
) -> Tensor:
    """grad F_i of k workers at the parameters `tree`: (k, n, ...) data to (k, d).

    Args:
        module: whose layers are watched.
        output: the module with other parameters: those and the inputs to its output.
        loss: (output, target) to one number.
        layout: of the answer.
        tree: the parameters.
        data: inputs and target of each worker.

    Raises:
        RuntimeError: the module is not of this file's kind.
    """
    k, n = data[0].shape[:2]
    entered: dict[str, tuple[Tensor, Tensor]] = {}  # layer to its x and y

    def note(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if name in entered:
                raise RuntimeError(f"layer {name!r} is entered twice")
            # Parameters ask for no derivative here, so the first layer's output begins the graph.
            entered[name] = inputs[0], output if output.requires_grad else output.requires_grad_()

        return hook

    layers = linear_layers(module)
    hooks = [layer.register_forward_hook(note(name)) for name, layer in layers.items()]
    *inputs, target = data
    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="There is a performance drop")
            pooled = tuple(x.flatten(0, 1) for x in inputs)
            found: Tensor = output(tree, pooled)
            total = vmap(loss)(found.reshape(k, n, *found.shape[1:]), target).sum()
            slopes = torch.autograd.grad(total, [entered[name][1] for name in layers])
    finally:
        for hook in hooks:
            hook.remove()
    out = next(iter(tree.values())).new_empty(k, layout.d)
    parts = dict(zip(layout.names, out.split_with_sizes(layout.sizes, dim=1), strict=True))
    for name, slope in zip(layers, slopes, strict=True):
        x, dy = (z.detach().reshape(k, -1, z.shape[-1]) for z in (entered[name][0], slope))
        prefix = f"{name}." if name else ""
        if (weight := parts.get(f"{prefix}weight")) is not None:
            weight.view(k, dy.shape[2], x.shape[2]).copy_(dy.transpose(1, 2) @ x)
        if (bias := parts.get(f"{prefix}bias")) is not None:
            bias.copy_(dy.sum(dim=1))
    return out
