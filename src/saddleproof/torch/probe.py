"""One look at a module before the first round: can it be trained here, and what is the quick way?

Whatever would go wrong later is refused here by one sentence (`saddleproof.torch.refusals`): a
module whose buffers change in a forward pass (they are a second channel from the workers to the
model, one that no aggregator guards), a loss that depends on trainable tensors outside of the
message, random numbers that cannot be replayed.

Two ways to differentiate are compared at the module's own parameters and at a random point: at the
start of a training a layer is often zero, and both ways may give zero there by chance.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from saddleproof.torch.comparing import Trouble, agree, close, each, elsewhere, second
from saddleproof.torch.loss import Facts, ModuleLoss
from saddleproof.torch.pooled import linear_layers
from saddleproof.torch.refusals import (
    called,
    check_forward,
    check_mean,
    check_outside,
    first,
    writes,
)
from saddleproof.torch.surroundings import plainly

#: Rows of a shard that are looked at.
ROWS = 8


@plainly()
def probe(
    loss: ModuleLoss,
    shards: list[tuple[Tensor, ...]],
    *,
    original: nn.Module | None = None,
    stacklevel: int = 5,
) -> Facts:
    """The facts of a module, from the first rows of two workers.

    Args:
        loss: the module and its loss.
        shards: one worker's rows each.
        original: the user's own module, of which `loss.module` is a copy; to name its parameters.
        stacklevel: of the warning.

    Raises:
        OptionError: the module or the loss cannot work; says why.

    Warns:
        RuntimeWarning: vmap cannot differentiate the module; names the layer and says why.
    """
    n = min(ROWS, *(len(shard[0]) for shard in shards))
    pair = [tuple(x[:n] for x in shards[i]) for i in (0, -1)]
    w = loss.layout.flat(dict(loss.module.named_parameters()))
    points = torch.stack([w, elsewhere(loss, w)])
    with loss.computing():
        is_random = check_forward(loss, w, pair[0])
        facts = Facts(random=is_random, writes=writes(loss, w, pair[0]))
    loss.facts = facts
    with loss.computing(0):
        check_outside(loss, w, pair[0], loss.module if original is None else original)
        check_mean(loss, w, pair[0])
        both = tuple(torch.stack(x) for x in zip(*pair, strict=True))
        facts = replace(facts, activations=_activations(loss, w, pair[0]) // n)
        why = _trouble(loss, points, both, is_random)
        if why:
            message = f"vmap cannot differentiate this module, {why}; using a loop, which is slower"
            warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)
        facts = replace(facts, looped=why, valued=not why)
        if is_random:
            return facts  # the next draw differs; there is nothing to compare
        loss.facts = replace(facts, valued=True)
        facts = replace(facts, valued=not why and agree(loss.values_of, each(loss), points, both))
        loss.facts = facts
        pools = not why and bool(linear_layers(loss.module))
        pools = pools and agree(loss.pooled, loss.loop, points, both)
        return replace(facts, pooled=pools, second=second(loss, points, both, vmaps=not why))


def _activations(loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> int:
    sizes: list[int] = []

    def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
        sizes.append(output.numel() if isinstance(output, Tensor) else 0)

    leaves = [layer for layer in loss.module.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(note) for layer in leaves]
    try:
        with torch.no_grad():
            loss.objective(w, *data)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(sizes) + data[0].numel()


def _trouble(loss: ModuleLoss, points: Tensor, pair: tuple[Tensor, ...], drawn: bool) -> str:
    """Why vmap will not do for two workers; empty when it will."""
    for w in points[:, None]:
        entered: list[nn.Module] = []
        with _entering(loss.module, entered):
            try:
                fast = loss.vectorised(w, pair)
            except Trouble as error:
                where = called(loss.module, entered[-1]) if entered else "outside its layers"
                return f"last in {where}: {first(error)}"
        if drawn:
            return ""  # other draws than the loop's; there is nothing to compare
        slow = loss.loop(w, pair)
        if not close(fast, slow):
            gap = float((fast - slow).abs().max())
            return f"its answer differs from a loop's by {gap:.1g}"
    return ""


@contextmanager
def _entering(module: nn.Module, entered: list[nn.Module]) -> Iterator[None]:
    """Write down the layers without children as they are entered."""

    def note(layer: nn.Module, _inputs: Any) -> None:
        entered.append(layer)

    leaves = [layer for layer in module.modules() if not list(layer.children())]
    hooks = [layer.register_forward_pre_hook(note) for layer in leaves]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
