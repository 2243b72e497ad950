"""Two ways to compute the same, compared at a few points before the quick one is relied on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from saddleproof.torch.closeness import close, tells
from saddleproof.torch.facts import APART, NEVER, TOGETHER
from saddleproof.torch.loss import ModuleLoss

#: Steps of a difference that a product is compared with, and the share by which they may differ.
STEPS, SHARE = (1e-5, 1e-6, 1e-4), 1e-3
#: What a forward pass may raise; nothing else is taken for a flaw of the module.
Trouble = (
    RuntimeError,
    NotImplementedError,
    ValueError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
)


def points_of(loss: ModuleLoss, w: Tensor) -> Tensor:
    """(3, d): w, a random point near it, and one that knows nothing of it.

    At w a layer may be zero, and beside it still be dead, as a ReLU behind a large bias; then two
    ways to differentiate agree by chance.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    shape = (2, len(w))
    noise = torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu").to(w)
    near, far = (_by_inputs(loss, x) for x in noise)
    return torch.stack([w, w + near, far])


def _by_inputs(loss: ModuleLoss, noise: Tensor) -> Tensor:
    """Every parameter's noise over the root of its inputs."""
    tree = loss.layout.tree(noise)
    inputs = {name: max(x[:1].numel(), 1) if x.ndim > 1 else 1 for name, x in tree.items()}
    return loss.layout.flat({name: x / inputs[name] ** 0.5 for name, x in tree.items()})


def agree(
    fast: Callable[..., Tensor],
    slow: Callable[..., Tensor],
    points: Tensor,
    pairs: list[tuple[Tensor, ...]],
) -> bool:
    """Whether a quick way gives what the slow one gives, at all points and for all pairs.

    Where every number is NaN, Inf or zero at all of them, nothing is known, and the slow way stays.
    """
    shown = False
    for pair in pairs:
        for w in points[:, None]:
            try:
                wanted = slow(w, pair)
                if not close(fast(w, pair), wanted):
                    return False
            except (*Trouble, KeyError):
                return False
            shown = shown or tells(wanted)
    return shown


def uneven(pair: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The same pair of workers, of which the second has its first row over and over.

    Where both workers have the same rows, a statistic over both is that of either, and rows that
    mix would not show.
    """
    return tuple(torch.stack([x[0], x[0][:1].expand_as(x[0])]) for x in pair)


def used_once(loss: ModuleLoss, w: Tensor, data: tuple[Tensor, ...]) -> bool:
    """Whether a forward pass uses every trainable parameter in exactly one place.

    Told by the graph of the loss and not by numbers, which may be zero by chance.
    """
    tree = loss.layout.tree(w.detach().clone().requires_grad_())
    value = loss.unpenalised(tree, *(x.clone() for x in data))
    uses = dict.fromkeys((x.grad_fn for x in tree.values()), 0)
    todo, seen = [value.grad_fn], set()
    while todo:
        node = todo.pop()
        seen.add(node)
        for parent, _ in () if node is None else node.next_functions:
            if parent in uses:
                uses[parent] += 1
            elif parent not in seen:
                todo.append(parent)
    return set(uses.values()) == {1}


def each(loss: ModuleLoss) -> Callable[..., Tensor]:
    """The values of all workers at all points, one after the other."""

    def values(w: Tensor, pair: tuple[Tensor, ...]) -> Tensor:
        rows = [tuple(x[j] for x in pair) for j in range(len(pair[0]))]
        return torch.stack([torch.stack([loss.objective(x, *row) for row in rows]) for x in w])

    return values


def second(loss: ModuleLoss, points: Tensor, pair: tuple[Tensor, ...], *, vmaps: bool) -> str:
    """How second derivatives are taken, with another vector for either worker.

    They are compared with differences too, where the arithmetic can tell: a layer with a gradient
    of its own may have forgotten its second one.
    """
    generator = torch.Generator("cpu").manual_seed(1)
    shape = (len(pair[0]), loss.d)
    v = torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu").to(points)
    found = TOGETHER if vmaps else APART
    for w in points:
        try:
            graph = loss.graph(w, pair, together=False)
            slow = graph.along(v)
        except Trouble:
            return NEVER
        if not close(graph.slopes, loss.loop(w[None], pair)[0]):
            return NEVER
        if w.dtype == torch.float64 and not _is_derivative(loss, w, v, pair, slow):
            return NEVER
        if found == TOGETHER and not _is_same_graph(loss, w, v, pair, slow):
            found = APART
    return found


def _is_same_graph(
    loss: ModuleLoss, w: Tensor, v: Tensor, pair: tuple[Tensor, ...], slow: Tensor
) -> bool:
    try:
        return close(loss.graph(w, pair, together=True).along(v), slow)
    except Trouble:
        return False


def _is_derivative(
    loss: ModuleLoss, w: Tensor, v: Tensor, pair: tuple[Tensor, ...], slow: Tensor
) -> bool:
    for h in STEPS:  # a kink lies between the ends of few of them
        ahead, behind = (
            torch.stack([loss.loop((w + step * x)[None], pair)[0, j] for j, x in enumerate(v)])
            for step in (h, -h)
        )
        rough = (ahead - behind) / (2 * h)
        size = float(torch.maximum(ahead.abs(), behind.abs()).max())
        allowed = SHARE * float(torch.maximum(rough.abs(), slow.abs()).max()) + 1e-13 * size / h
        if not bool(torch.isfinite(rough).all()) or float((rough - slow).abs().max()) <= allowed:
            return True
    return False
