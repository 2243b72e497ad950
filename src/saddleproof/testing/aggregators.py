"""What every aggregator must do."""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec

import numpy as np

from saddleproof import arguments
from saddleproof.aggregators.base import Aggregator
from saddleproof.aggregators.memory import RememberingRule
from saddleproof.arrays import Vector
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.testing.claims import holds, refuses, same
from saddleproof.testing.memory import check_memory
from saddleproof.testing.scales import check_scales


def check_aggregator(
    rule: Aggregator,
    *,
    m: int = 11,
    d: int = 5,
    robust: bool = True,
    reach: float = 20.0,
    ordered: bool = False,
    equivariant: bool = True,
    rotation: bool = False,
) -> None:
    """Assert that `rule` is an equivariant, robust, pure rule for every array library.

    A rule with memory is tried as it answers in a first round, and then by `check_memory`.

    Args:
        rule: the rule, with its options.
        m: rows of the messages it is tried on; breakdown(m) must be at least 1.
        d: their length.
        robust: False for rules such as the mean, which a single row moves anywhere.
        reach: how many times the honest spread the answer may lie from the honest mean when
            breakdown(m) rows are moved arbitrarily far.
        ordered: True for rules in which the order of the rows matters, such as batches of them.
        equivariant: False for rules with a length of their own, or with random groups.
        rotation: True for rules that see distances only.

    Raises:
        AssertionError: names the claim that does not hold.
    """
    arguments.member("rule", "aggregator", rule)
    x = np.random.default_rng(0).standard_normal((m, d))
    b = rule.breakdown(m)
    holds(1 <= b < m, f"breakdown({m}) = {b}; try the suite with more rows")
    answer = rule(x, b)
    if not ordered:
        order = np.random.default_rng(1).permutation(m)
        same(rule(x[order], b), answer, "the order of the rows must not matter")
    if equivariant:
        _check_symmetries(rule, x, b, answer)
        check_scales(rule, x, b)
    if rotation:
        turn = np.linalg.qr(np.random.default_rng(3).standard_normal((d, d)))[0]
        same(rule(x @ turn, b), answer @ turn, "a rotation of all rows must rotate the answer")
    _check_estimate(rule, x, b, answer, equivariant=equivariant)
    _check_purity(rule, x, b)
    _check_misuse(rule, x, b)
    if isinstance(rule, RememberingRule):
        check_memory(rule, x, b)
    if robust:
        _check_breakdown(rule, x, b, reach)
    if find_spec("torch") is not None:
        _check_torch(rule, x, b)
    if find_spec("jax") is not None:
        _check_jax(rule, x, b)


def _check_symmetries(rule: Aggregator, x: Vector, b: int, answer: Vector) -> None:
    shift = np.arange(x.shape[1]) - 1.5
    same(rule(x + shift, b), answer + shift, "a shift of all rows must shift the answer")
    same(rule(8.0 * x, b), 8.0 * answer, "a scale of all rows must scale the answer")
    same(rule(np.ones_like(x), b), np.ones(x.shape[1]), "rows that agree must be the answer")


def _check_estimate(
    rule: Aggregator, x: Vector, b: int, answer: Vector, *, equivariant: bool
) -> None:
    one = rule.estimate(x, b)
    holds(one.vector.shape == x.shape[1:], "the vector must have shape (d,)")
    same(one.vector, answer, "estimate and call must agree")
    holds(one.kept.shape == (len(x),), "kept must have one entry a row")
    holds(one.kept.dtype == bool, "kept must be boolean")
    holds(one.kept.any(), "some row must be kept")
    same(rule(list(x), b), answer, "a list of rows must do as well as a stack")
    other = rule.estimate(3 * x + 1, b)
    batch = rule.estimates(np.stack([x, 3 * x + 1]), b)
    for k, alone in enumerate((one, other)):
        same(batch.vector[k], alone.vector, "a batch must not mix its query points")
        holds(np.array_equal(batch.kept[k], alone.kept), "a batch must not mix what is kept")
    if one.inexactness is None:
        return
    holds(one.inexactness >= 0, "inexactness must not be negative")
    if batch.inexactness is None:
        raise AssertionError("a batch must know its inexactness too")
    same(batch.inexactness[0], one.inexactness, "the batch's inexactness must agree")
    if equivariant:
        same(batch.inexactness[1], 3 * one.inexactness, "inexactness must scale, not shift")


def _check_purity(rule: Aggregator, x: Vector, b: int) -> None:
    holds(dataclasses.is_dataclass(rule), "a rule is a dataclass of options")
    exact = rule(x, b)
    for dtype, tolerance in ((np.float16, 1e-2), (np.float32, 1e-4), (np.float64, 1e-12)):
        given = x.astype(dtype)
        kept = given.copy()
        first, second = rule(given, b), rule(given, b)
        holds(first.dtype == dtype, f"{np.dtype(dtype)} in must be {np.dtype(dtype)} out")
        holds(np.array_equal(given, kept), "the messages must not be changed")
        holds(np.array_equal(first, second), "the same messages must give the same answer")
        holds(not np.shares_memory(first, given), "the answer must not alias the messages")
        if dtype != np.float16:  # too coarse for a rule that chooses rows to choose the same ones
            same(first, rule(given.astype(float), b), f"{np.dtype(dtype)} is inexact", tolerance)
    strided = np.empty((2 * len(x), 3 * x.shape[1]))
    strided[::2, ::3] = x
    same(rule(strided[::2, ::3], b), exact, "how the rows lie in memory must not matter")


def _check_misuse(rule: Aggregator, x: Vector, b: int) -> None:
    refuses(lambda: rule(x, b + 1), BreakdownError, "b beyond the breakdown point")
    refuses(lambda: rule(x, -1), BreakdownError, "a negative b")
    refuses(lambda: rule.estimate(x, b + 1), BreakdownError, "b beyond the breakdown point")
    refuses(lambda: rule(x[0], 0), OptionError, "a single vector")
    refuses(lambda: rule(x[None], 0), OptionError, "matrices as rows")
    refuses(lambda: rule(x.astype(int), b), OptionError, "integers")
    refuses(lambda: rule([], 0), OptionError, "no messages")
    refuses(lambda: rule([*x[:-1], x[-1, :-1]], b), OptionError, "rows of unequal length")


def _check_breakdown(rule: Aggregator, x: Vector, b: int, reach: float) -> None:
    rng = np.random.default_rng(2)
    honest = x[b:]
    shape = (b, x.shape[1])
    center = honest.mean(axis=0)
    spread = np.linalg.norm(honest - center, axis=1).max()
    for size in (1e3, 1e6, 1e12, 1e30, 1e200, np.inf, np.nan):
        lies = [np.full(shape, size), np.full(shape, -size)]
        if np.isfinite(size):
            lies.append(size * rng.standard_normal(shape))
        for lie in lies:
            moved = np.linalg.norm(rule(np.concatenate([lie, honest]), b) - center)
            holds(
                moved <= reach * spread,
                (
                    f"{b} of {len(x)} rows of size {size:.0e} moved the answer by {moved:.3g}, "
                    f"{moved / spread:.3g} times the honest spread"
                ),
            )


def _check_torch(rule: Aggregator, x: Vector, b: int) -> None:
    import torch

    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for device in devices:
        for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            given = torch.from_numpy(x).to(dtype).to(device)
            kept = given.clone()
            estimate = rule.estimate(given, b)
            found = estimate.vector
            holds(isinstance(found, torch.Tensor), "a PyTorch tensor in must be one out")
            holds(isinstance(estimate.kept, torch.Tensor), "and what is kept one too")
            holds(found.dtype == dtype, f"{dtype} in must be {dtype} out")
            holds(found.device == given.device, f"{device} in must be {device} out")
            holds(estimate.kept.device == given.device, f"{device} in must be {device} out")
            holds(torch.equal(given, kept), "the messages must not be changed")
            holds(found.data_ptr() != given.data_ptr(), "the answer must not alias the messages")
            tolerance = {torch.float64: 1e-9, torch.float32: 1e-4}.get(dtype)
            if tolerance is not None:
                same(found.cpu().numpy(), _numpys(rule, given.cpu(), b), "PyTorch", tolerance)


def _check_jax(rule: Aggregator, x: Vector, b: int) -> None:
    import jax  # type: ignore[import-not-found, unused-ignore]
    import jax.numpy as jnp  # type: ignore[import-not-found, unused-ignore]

    given = jnp.asarray(x, dtype=jnp.float32)
    found = rule(given, b)
    holds(isinstance(found, jax.Array), "a JAX array in must be one out")
    holds(found.dtype == jnp.float32, "float32 in must be float32 out")
    holds(found.devices() == given.devices(), "the device must be kept")
    same(np.asarray(found), _numpys(rule, given, b), "JAX and NumPy must agree", 1e-4)


def _numpys(rule: Aggregator, given: object, b: int) -> Vector:
    """The answer to the very same numbers in NumPy."""
    found: Vector = rule(np.asarray(given), b)
    return found
