"""Robust aggregation inside a loop of one's own: state dicts, or any tree of tensors, in and out.

What happens to a worker's tree:

    other keys, shapes or dtypes than most have, NaN, Inf    proved bad: left out, b falls by one
    floating-point tensors                                   one message each worker, for the rule
    integer and boolean tensors (counters)                   the middle value, element by element
    None (a parameter without gradient)                      None

as in `saddleproof.oracle`.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from saddleproof.aggregators.base import Aggregator, check_breakdown
from saddleproof.errors import BreakdownError, OptionError

Tree = TypeVar("Tree")


def aggregate(rule: Aggregator, trees: Sequence[Tree], b: int) -> Tree:
    """One tree from m workers' trees, of which up to b lie.

    Args:
        rule: any aggregation rule of this library.
        trees: one a worker: state dicts, lists of gradients, any nesting of dicts, lists and
            tuples of tensors. All floating-point tensors of a worker together are its message.
        b: the most Byzantine workers among the m.

    Returns:
        A tree like the workers', each tensor with its own dtype and device.

    Raises:
        BreakdownError: b is more than the rule can hold, or more than b trees are bad.
        OptionError: no trees, nothing in them, or complex tensors or Python numbers in most.

    >>> import saddleproof as sp
    >>> states = [{"w": torch.tensor([x]), "steps": torch.tensor(7)} for x in (1.0, 2.0, 1e9)]
    >>> aggregate(sp.Median(), states, b=1)
    {'w': tensor([2.]), 'steps': tensor(7)}
    """
    if len(trees) == 0:
        raise OptionError("an aggregator needs at least one tree; got none")
    b = check_breakdown(rule, len(trees), b)
    rows = [_leaves(tree) for tree in trees]
    usual = Counter(map(_signature, rows)).most_common(1)[0][0]
    _check_kinds(usual)
    good = [i for i, row in enumerate(rows) if _signature(row) == usual and _finite(row)]
    bad = len(rows) - len(good)
    if bad > b:
        raise BreakdownError(f"{bad} of {len(rows)} trees are bad, but only b={b} were allowed for")
    if not usual:
        raise OptionError("the trees hold no tensors")
    picked = [rows[i] for i in good]
    merged = _merged(rule, [[x for _, x in row] for row in picked], b - bad)
    found: Tree = _rebuilt(trees[good[0]], iter(merged).__next__)
    return found


def _merged(rule: Aggregator, rows: list[list[Any]], b: int) -> list[Any]:
    """Leaf by leaf, what the server makes of m rows of leaves."""
    first = rows[0]
    where = [k for k, x in enumerate(first) if x is not None and x.is_floating_point()]
    merged = [None if x is None else _middle([row[k] for row in rows]) for k, x in enumerate(first)]
    if where:
        dtype, device = _widest([first[k] for k in where]), first[where[0]].device
        message = [
            torch.cat([row[k].detach().reshape(-1).to(device, dtype) for k in where])
            for row in rows
        ]
        parts = rule(torch.stack(message), b).split([first[k].numel() for k in where])
        for k, part in zip(where, parts, strict=True):
            merged[k] = part.reshape(first[k].shape).to(first[k].device, first[k].dtype)
    return merged


def _middle(leaves: list[Tensor]) -> Tensor:
    """The lower median: one of the values, so counters stay counters."""
    if leaves[0].is_floating_point():
        return leaves[0]
    ordered = torch.stack([x.to(leaves[0].device) for x in leaves]).sort(dim=0).values
    return ordered[(len(leaves) - 1) // 2]


def _widest(leaves: list[Tensor]) -> torch.dtype:
    """float64 if any leaf is, else float32: sums of 16-bit numbers are taken in more."""
    return torch.float64 if any(x.dtype == torch.float64 for x in leaves) else torch.float32


def _leaves(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """(path, leaf) pairs; the keys of a dictionary in the order of their names."""
    if isinstance(tree, Mapping):
        return [x for key in sorted(tree, key=str) for x in _leaves(tree[key], (*path, key))]
    if isinstance(tree, (list, tuple)):
        return [x for k, part in enumerate(tree) for x in _leaves(part, (*path, k))]
    return [(path, tree)]


def _signature(row: list[tuple[tuple[Any, ...], Any]]) -> tuple[Any, ...]:
    """What the trees of honest workers have in common."""
    return tuple(
        (path, tuple(x.shape), x.dtype) if isinstance(x, Tensor) else (path, type(x).__name__)
        for path, x in row
    )


def _check_kinds(usual: tuple[Any, ...]) -> None:
    """What most trees have is no lie; where no rule can take it, the question was wrong."""
    for path, *kind in usual:
        what = kind[-1]
        if what.is_complex if isinstance(what, torch.dtype) else what != "NoneType":
            raise OptionError(f"trees hold real tensors or None; at {path}: {what}. Leave it out")


def _finite(row: list[tuple[tuple[Any, ...], Any]]) -> bool:
    return all(
        x is None or (isinstance(x, Tensor) and bool(torch.isfinite(x).all())) for _, x in row
    )


def _rebuilt(tree: Any, following: Callable[[], Any]) -> Any:
    """A tree like `tree`, with `following()` in the place of each leaf."""
    if isinstance(tree, Mapping):
        new = {key: _rebuilt(tree[key], following) for key in sorted(tree, key=str)}
        if isinstance(tree, MutableMapping):
            same = copy.copy(tree)  # keeps what a state dict carries beside its keys
            same.update(new)
            return same
        return type(tree)({key: new[key] for key in tree})  # type: ignore[call-arg]
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*(_rebuilt(part, following) for part in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)([_rebuilt(part, following) for part in tree])
    return following()
