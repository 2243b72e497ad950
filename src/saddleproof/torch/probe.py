"""One look at a module before the first round: what it does at random, and whether vmap can do it.

Refused are modules whose buffers change in a forward pass (BatchNorm's running statistics): they
are a second channel from the workers to the model, one that no aggregator guards.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from saddleproof.errors import OptionError
from saddleproof.torch.loss import Facts, ModuleLoss, seeded
from saddleproof.torch.pooled import linear_layers

#: Rows of a shard that are looked at.
ROWS = 8
#: Relative difference between vmap and the loop that is rounding, in units of the last place.
ROUNDINGS = 1e4


def probe(loss: ModuleLoss, shards: list[tuple[Tensor, ...]]) -> Facts:
    """The facts of a module, from the first rows of two workers.

    Args:
        loss: the module and its loss.
        shards: one worker's rows each.

    Raises:
        OptionError: the loss is no number, or the module changes its buffers.

    Warns:
        RuntimeWarning: vmap cannot differentiate the module; names the layer and says why.
    """
    n = min(ROWS, *(len(shard[0]) for shard in shards))
    pair = [tuple(x[:n] for x in shards[i]) for i in (0, -1)]
    w = loss.layout.flat(dict(loss.module.named_parameters()))
    _check_number(loss, w, pair[0])
    _check_buffers(loss, w, pair[0])
    both = tuple(torch.stack(x) for x in zip(*pair, strict=True))
    facts = Facts(_activations(loss, w, pair[0]) // n, _is_random(loss, w, both))
    why = _trouble(loss, w, both, facts.random)
    if why:
        message = f"vmap cannot differentiate this module, {why}; using a loop, which is slower"
        warnings.warn(message, RuntimeWarning, stacklevel=4)
    return replace(facts, looped=why, pooled=not facts.random and not why and _pools(loss, w, both))


def _check_number(loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> None:
    with torch.no_grad(), seeded(0, w.device):
        value: Any = _on_a_copy(loss).objective(w, *data)
    if not isinstance(value, Tensor) or value.ndim or not value.is_floating_point():
        got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise OptionError(f"the loss must return one floating-point number, a mean; got {got}")


def _check_buffers(loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> None:
    trial = _on_a_copy(loss)
    with torch.no_grad(), seeded(0, w.device):
        trial.objective(w, *data)
    before = dict(loss.module.named_buffers())
    for name, after in trial.module.named_buffers():
        if not torch.equal(before[name], after):
            layer = loss.module.get_submodule(name.rpartition(".")[0])
            cure = "use nn.GroupNorm, or " if hasattr(layer, "running_mean") else ""
            raise OptionError(
                f"{_called(loss.module, layer)} changes its buffer {name!r} in every forward "
                f"pass, which no aggregation rule would guard; {cure}call module.eval() first"
            )


def _activations(loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> int:
    sizes: list[int] = []

    def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
        sizes.append(output.numel() if isinstance(output, Tensor) else 0)

    leaves = [layer for layer in loss.module.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(note) for layer in leaves]
    with torch.no_grad(), seeded(0, w.device):
        loss.objective(w, *data)
    for hook in hooks:
        hook.remove()
    return sum(sizes) + data[0].numel()


def _is_random(loss: ModuleLoss, w: Tensor, pair: tuple[Tensor, ...]) -> bool:
    """By gradients: a value can hide it, as that of a LayerNorm does."""
    slopes = []
    for seed in (0, 1):
        with seeded(seed, w.device):
            slopes.append(loss.loop(w[None], pair))
    return not torch.equal(*slopes)


def _trouble(loss: ModuleLoss, w: Tensor, pair: tuple[Tensor, ...], random: bool) -> str:
    """Why vmap will not do for two workers; empty when it will."""
    entered: list[nn.Module] = []
    with _entering(loss.module, entered), seeded(0, w.device):
        try:
            fast = loss.vectorised(w[None], pair)
        except (RuntimeError, NotImplementedError, ValueError, IndexError) as error:
            where = _called(loss.module, entered[-1]) if entered else "outside its layers"
            return f"last in {where}: {str(error).strip().splitlines()[0]}"
        if random:
            return ""  # other draws than the loop's; there is nothing to compare
        slow = loss.loop(w[None], pair)
    gap = float((fast - slow).abs().max())
    return "" if _is_rounding(gap, slow) else f"its answer differs from a loop's by {gap:.1g}"


def _pools(loss: ModuleLoss, w: Tensor, pair: tuple[Tensor, ...]) -> bool:
    """Whether one pass over the rows of both workers gives what a loop gives.

    It does not where rows mix, as under a BatchNorm that keeps no statistics.
    """
    if not linear_layers(loss.module):
        return False
    try:
        fast = loss.pooled(w[None], pair)
    except (RuntimeError, ValueError, IndexError, KeyError, AttributeError, TypeError):
        return False
    slow = loss.loop(w[None], pair)
    return _is_rounding(float((fast - slow).abs().max()), slow)


def _is_rounding(gap: float, slopes: Tensor) -> bool:
    unit = ROUNDINGS * torch.finfo(slopes.dtype).eps
    return gap <= unit * max(float(slopes.abs().max()), 1e-3)


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


def _on_a_copy(loss: ModuleLoss) -> ModuleLoss:
    return ModuleLoss(copy.deepcopy(loss.module), loss.loss)


def _called(module: nn.Module, layer: nn.Module) -> str:
    """'norm (BatchNorm1d)'."""
    name = next((name for name, one in module.named_modules() if one is layer), "")
    kind = type(layer).__name__
    return f"layer {name!r} ({kind})" if name else kind
