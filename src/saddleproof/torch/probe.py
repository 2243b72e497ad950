"""One look at a module before the first round: can it be trained here, and what is the quick way?

Whatever would go wrong later is refused here by one sentence (`saddleproof.torch.refusals`): a
module whose buffers change in a forward pass (they are a second channel from the workers to the
model, one that no aggregator guards), a loss that depends on trainable tensors outside of the
message, random numbers that cannot be replayed.

Two ways to differentiate are compared at the module's own parameters and at a random point: at the
start of a training a layer is often zero, and both ways may give zero there by chance.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from saddleproof.errors import OptionError
from saddleproof.torch.closeness import close, tells
from saddleproof.torch.comparing import (
    Trouble,
    agree,
    each,
    points_of,
    second,
    uneven,
    used_once,
)
from saddleproof.torch.facts import CONVOLUTIONS, Facts
from saddleproof.torch.history import check_history, on_a_copy
from saddleproof.torch.loss import ModuleLoss
from saddleproof.torch.pooled import linear_layers
from saddleproof.torch.reach import reaches
from saddleproof.torch.refusals import (
    called,
    check_forward,
    check_mean,
    check_outside,
    check_rows,
    first,
)
from saddleproof.torch.surroundings import drawing, original_of, plainly

_log = logging.getLogger(__name__)
#: Rows of a shard that are looked at.
ROWS = 8
#: Why a loop is used though vmap does not fail.
NOTHING = "nothing but zeros and NaN came out, which shows nothing"

Data = tuple[Tensor, ...]


@plainly()
def probe(
    loss: ModuleLoss, shards: Mapping[str, Data], *, size: int | None = None, stacklevel: int = 5
) -> Facts:
    """The facts of a module, from one pass over all rows and more over those of two workers.

    Args:
        loss: the module and its loss.
        shards: each worker's rows, by what error messages call the worker.
        size: rows of a minibatch; None for full gradients only.
        stacklevel: of the warning.

    Raises:
        OptionError: the module or the loss cannot work; says why.

    Warns:
        RuntimeWarning: vmap cannot differentiate the module; names the layer and says why.
    """
    w = loss.layout.flat(dict(loss.module.named_parameters()))
    points = points_of(loss, w)
    with loss.computing():
        whose, rows = next(iter(shards)), list(shards.values())
        # All rows: a write may spare the first ones.
        loss.facts = check_forward(loss, w, rows[0], whose)
        check_rows(loss, w, shards, size)
        # Copies are called until it is known that a call leaves no trace.
        pair = _telling(on_a_copy(loss), points, rows)
        changed = check_history(loss, points, *pair)
        _check_reach(loss, changed)
        with drawing(0):
            check_outside(loss, w, pair[0])
        check_mean(loss, points, pair[0])
        both = tuple(torch.stack(x) for x in zip(*pair, strict=True))
        n = len(pair[0][0])
        with drawing(0):
            facts = replace(loss.facts, activations=_activations(loss, w, pair[0]) // n)
        why = _trouble(loss, points, both)
        if why not in ("", NOTHING):
            message = f"vmap cannot differentiate this module, {why}; using a loop, which is slower"
            _log.warning(message)
            warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)
        convolves = any(isinstance(layer, CONVOLUTIONS) for layer in loss.module.modules())
        facts = replace(facts, looped=why, valued=not why, convolves=convolves)
        loss.facts = facts
        if facts.random:
            return facts  # the next draw differs; there is nothing to compare
        if not why:
            facts = replace(facts, valued=agree(loss.values_of, each(loss), points, [both]))
        pools = not why and not loss.keys and bool(linear_layers(loss.module))
        pools = pools and used_once(loss, w, pair[0])
        pools = pools and agree(loss.pooled, loss.loop, points, [both, uneven(both)])
        return replace(facts, pooled=pools, second=second(loss, points, both, vmaps=not why))


def _telling(loss: ModuleLoss, points: Tensor, shards: list[Data]) -> tuple[Data, Data]:
    """The first rows of two workers, of such as have a finite loss, if any."""
    least = min(len(shard[0]) for shard in shards)
    n = min(ROWS, least)
    if n < least and not _takes(loss, points[0], tuple(x[:n] for x in shards[0])):
        n = least
    rows = [tuple(x[:n] for x in shard) for shard in shards]

    def is_finite(data: Data) -> bool:
        with drawing(0):
            try:
                return all(bool(torch.isfinite(loss.objective(w, *data))) for w in points[1:])
            except Trouble as error:
                raise OptionError(
                    f"the module or the loss fails on {n} rows of a worker: {first(error)}. The "
                    "workers must have as many rows each, or the module must take any number"
                ) from error

    one = next(filter(is_finite, rows), rows[0])
    return one, next(filter(is_finite, reversed(rows)), rows[-1])


def _takes(loss: ModuleLoss, w: Tensor, data: Data) -> bool:
    """Whether so few rows pass at all."""
    try:
        with drawing(0):
            loss.objective(w, *data)
    except Trouble:
        return False
    return True


def _check_reach(loss: ModuleLoss, changed: list[str]) -> None:
    """A loss that reads what a forward pass leaves in the user's own module would read old news."""
    for what, function in (("loss", loss.loss), ("penalty", loss.penalty)):
        if changed and function is not None and reaches(function, original_of(loss.module)):
            raise OptionError(
                f"the {what} refers to the module, whose forward pass writes {changed[0]!r}; the "
                "workers call copies of it, so that this would be an old number. Let the forward "
                "pass return what the loss needs: (output, target) may be any output"
            )


def _activations(loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> int:
    sizes: list[int] = []

    def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
        sizes.append(output.numel() if isinstance(output, Tensor) else 0)

    leaves = [layer for layer in loss.module.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(note) for layer in leaves]
    try:
        loss.objective(w, *data)
    finally:
        for hook in hooks:
            hook.remove()
    return sum(sizes) + data[0].numel()


def _trouble(loss: ModuleLoss, points: Tensor, pair: Data) -> str:
    """Why vmap will not do for two workers; empty when it will."""
    shown = False
    # A single worker draws the same numbers either way.
    some = tuple(x[:1] for x in pair) if loss.facts.random else pair
    for w in points[:, None]:
        with drawing(0):
            slow = _slowly(loss, w, some)
        entered: list[nn.Module] = []
        with _entering(loss.module, entered), drawing(0):
            try:
                loss.vectorised(w, pair)
            except Trouble as error:
                where = called(loss.module, entered[-1]) if entered else "outside its layers"
                return f"last in {where}: {first(error)}"
        with drawing(0):
            fast = loss.vectorised(w, some)
        if not close(fast, slow):
            if loss.facts.random and not _trouble(_asleep(loss), points, pair):
                return ""  # other draws, in a module that is vectorised rightly without them
            gap = float((fast - slow).abs().max())
            return f"its answer differs from a loop's by {gap:.1g}"
        shown = shown or tells(slow)
    return "" if shown else NOTHING


def _slowly(loss: ModuleLoss, w: Tensor, pair: Data) -> Tensor:
    try:
        return loss.loop(w, pair)
    except Trouble as error:
        raise OptionError(
            f"the module or the loss fails on its way back, or when it is called again: "
            f"{first(error)}. It must overwrite nothing that a gradient needs, and use nothing "
            "that an earlier call left in it"
        ) from error


def _asleep(loss: ModuleLoss) -> ModuleLoss:
    """The same without random numbers, as far as the module has its own for training alone."""
    made = on_a_copy(loss)
    made.module.eval()
    made.facts = replace(loss.facts, random=False)
    return made


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
