"""Two ways to compute the same, compared at a few points before the quick one is relied on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from saddleproof.torch.loss import APART, NEVER, TOGETHER, ModuleLoss

#: Relative difference between two exact ways that is rounding, in units of the last place.
ROUNDINGS = 1e4
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


def elsewhere(loss: ModuleLoss, w: Tensor) -> Tensor:
    """A random point near w: every parameter moves by about one over the root of its inputs."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(w), generator=generator, dtype=torch.float64).to(w)
    tree = loss.layout.tree(noise)
    inputs = {name: x[:1].numel() if x.ndim > 1 else 1 for name, x in tree.items()}
    return w + loss.layout.flat({name: x / inputs[name] ** 0.5 for name, x in tree.items()})


def agree(
    fast: Callable[..., Tensor],
    slow: Callable[..., Tensor],
    points: Tensor,
    pair: tuple[Tensor, ...],
) -> bool:
    """Whether a quick way gives what the slow one gives, at all points.

    One pass over the rows of both workers does not where rows mix, as under a BatchNorm that keeps
    no statistics.
    """
    try:
        return all(close(fast(w, pair), slow(w, pair)) for w in points[:, None])
    except (*Trouble, KeyError):
        return False


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
    generator = torch.Generator().manual_seed(1)
    v = torch.randn(len(pair[0]), loss.d, generator=generator, dtype=torch.float64).to(points)
    found = TOGETHER if vmaps else APART
    for w in points:
        try:
            slow = loss.graph(w, pair, together=False).along(v)
        except Trouble:
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


def close(fast: Tensor, slow: Tensor) -> bool:
    """Equal but for rounding; a number that is none must be none in both."""
    unit = ROUNDINGS * torch.finfo(slow.dtype).eps
    known = torch.isfinite(slow)
    if not torch.equal(known, torch.isfinite(fast)):
        return False
    if not bool(known.any()):
        return True
    gap = float((fast - slow)[known].abs().max())
    return gap <= unit * max(float(slow[known].abs().max()), 1e-3)


def same(old: Tensor, new: Tensor) -> bool:
    """Equal, where NaN equals NaN."""
    return torch.equal(old, new) or torch.allclose(old, new, 0.0, 0.0, equal_nan=True)
