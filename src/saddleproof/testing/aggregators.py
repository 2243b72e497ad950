"""What every aggregator must do."""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec

import numpy as np

from saddleproof.aggregators.base import Aggregator
from saddleproof.arrays import Vector
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.testing.claims import holds, refuses, same


def check_aggregator(
    rule: Aggregator, *, m: int = 11, d: int = 5, robust: bool = True, reach: float = 20.0
) -> None:
    """Assert that `rule` is an equivariant, robust, pure rule for every array library.

    Args:
        rule: the rule, with its options.
        m: rows of the messages it is tried on; breakdown(m) must be at least 1.
        d: their length.
        robust: False for rules such as the mean, which a single row moves anywhere.
        reach: how many times the honest spread the answer may lie from the honest mean when
            breakdown(m) rows are moved arbitrarily far.

    Raises:
        AssertionError: names the claim that does not hold.
    """
    x = np.random.default_rng(0).standard_normal((m, d))
    b = rule.breakdown(m)
    holds(1 <= b < m, f"breakdown({m}) = {b}; try the suite with more rows")
    answer = rule(x, b)
    _check_symmetries(rule, x, b, answer)
    _check_estimate(rule, x, b, answer)
    _check_purity(rule, x, b)
    _check_misuse(rule, x, b)
    if robust:
        _check_breakdown(rule, x, b, reach)
    if find_spec("torch") is not None:
        _check_torch(rule, x, b, answer)


def _check_symmetries(rule: Aggregator, x: Vector, b: int, answer: Vector) -> None:
    order = np.random.default_rng(1).permutation(len(x))
    same(rule(x[order], b), answer, "the order of the rows must not matter")
    shift = np.arange(x.shape[1]) - 1.5
    same(rule(x + shift, b), answer + shift, "a shift of all rows must shift the answer")
    same(rule(8.0 * x, b), 8.0 * answer, "a scale of all rows must scale the answer")
    same(rule(np.ones_like(x), b), np.ones(x.shape[1]), "rows that agree must be the answer")


def _check_estimate(rule: Aggregator, x: Vector, b: int, answer: Vector) -> None:
    one = rule.estimate(x, b)
    holds(one.vector.shape == x.shape[1:], "the vector must have shape (d,)")
    same(one.vector, answer, "estimate and call must agree")
    holds(one.kept.shape == (len(x),), "kept must have one entry a row")
    holds(one.kept.dtype == bool, "kept must be boolean")
    batch = rule.estimates(np.stack([x, 3 * x + 1]), b)
    same(batch.vector[0], answer, "a batch must not mix its query points")
    same(batch.vector[1], 3 * answer + 1, "a batch must not mix its query points")
    if one.inexactness is not None:
        holds(one.inexactness >= 0, "inexactness must not be negative")
        if batch.inexactness is None:
            raise AssertionError("a batch must know its inexactness too")
        same(batch.inexactness[0], one.inexactness, "the batch's inexactness must agree")
        same(batch.inexactness[1], 3 * one.inexactness, "inexactness must scale, not shift")


def _check_purity(rule: Aggregator, x: Vector, b: int) -> None:
    holds(dataclasses.is_dataclass(rule), "a rule is a dataclass of options")
    for dtype in (np.float32, np.float64):
        given = x.astype(dtype)
        kept = given.copy()
        first, second = rule(given, b), rule(given, b)
        holds(first.dtype == dtype, f"{np.dtype(dtype)} in must be {np.dtype(dtype)} out")
        holds(np.array_equal(given, kept), "the messages must not be changed")
        holds(np.array_equal(first, second), "the same messages must give the same answer")
        holds(not np.shares_memory(first, given), "the answer must not alias the messages")


def _check_misuse(rule: Aggregator, x: Vector, b: int) -> None:
    refuses(lambda: rule(x, b + 1), BreakdownError, "b beyond the breakdown point")
    refuses(lambda: rule(x, -1), BreakdownError, "a negative b")
    refuses(lambda: rule(x[0], 0), OptionError, "a single vector")
    refuses(lambda: rule(x.astype(int), b), OptionError, "integers")
    refuses(lambda: rule([], 0), OptionError, "no messages")


def _check_breakdown(rule: Aggregator, x: Vector, b: int, reach: float) -> None:
    rng = np.random.default_rng(2)
    honest = x[b:]
    center = honest.mean(axis=0)
    spread = np.linalg.norm(honest - center, axis=1).max()
    for size in (1e3, 1e6, 1e12):
        for lies in (
            np.full((b, x.shape[1]), size),
            np.full((b, x.shape[1]), -size),
            size * rng.standard_normal((b, x.shape[1])),
        ):
            moved = np.linalg.norm(rule(np.concatenate([lies, honest]), b) - center)
            holds(
                moved <= reach * spread,
                (
                    f"{b} of {len(x)} rows of size {size:.0e} moved the answer by {moved:.3g}, "
                    f"{moved / spread:.3g} times the honest spread"
                ),
            )


def _check_torch(rule: Aggregator, x: Vector, b: int, answer: Vector) -> None:
    import torch

    for dtype in (torch.float32, torch.float64):
        found = rule(torch.from_numpy(x).to(dtype), b)
        holds(isinstance(found, torch.Tensor), "a PyTorch tensor in must be one out")
        holds(found.dtype == dtype, f"{dtype} in must be {dtype} out")
        tolerance = 1e-9 if dtype == torch.float64 else 1e-4
        same(found.numpy(), answer, "PyTorch and NumPy must agree", tolerance)
