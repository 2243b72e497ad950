"""What other libraries get wrong, and what this one does with the same input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from saddleproof import oracle
from saddleproof.aggregators import Median, TrimmedMean
from saddleproof.aggregators.bulyan import Bulyan
from saddleproof.aggregators.byzantine_sgd import ByzantineSGD
from saddleproof.aggregators.centered_clipping import CenteredClipping
from saddleproof.aggregators.clipping import Clipping
from saddleproof.aggregators.geometric_median import GeometricMedian
from saddleproof.aggregators.krum import Krum
from saddleproof.aggregators.median_of_means import MedianOfMeans
from saddleproof.aggregators.multi_krum import MultiKrum
from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from saddleproof.aggregators.safeguard_sgd import SafeguardSGD
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.fleets.base import OK, Messages

RULES = (
    Median(),
    TrimmedMean(),
    Krum(),
    MultiKrum(),
    GeometricMedian(),
    MedianOfMeans(),
    Bulyan(),
    NearestNeighborMixing(),
    Clipping(),
    CenteredClipping(),
    ByzantineSGD(),
    SafeguardSGD(),
)
NAMES = [type(rule).__name__ for rule in RULES]
every_rule = pytest.mark.parametrize("rule", RULES, ids=NAMES)
M, D, B = 11, 5, 2
WORKERS = tuple(f"worker {i}" for i in range(M))
POINTS = np.zeros((1, D))


def honest() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((M, D))


def read(rule: Any, answers: list[np.ndarray]) -> oracle.MessageReading:
    """One round as the server sees it: answers of shape (1, d)."""
    messages = Messages(tuple(answers), (OK,) * M)
    return oracle.read(messages, rule, B, points=POINTS, workers=WORKERS)


@every_rule
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_row_of_nan_or_inf_is_dropped_named_and_charged(rule: Any, poison: float) -> None:
    x = honest()
    answers = [row[None].copy() for row in x]
    answers[4][0, 1] = poison
    reading = read(rule, answers)
    assert reading.verdicts.charged == {"worker 4": "NaN or Inf"}
    assert reading.b == B - 1
    np.testing.assert_array_equal(reading.gradient[0], rule(np.delete(x, 4, axis=0), B - 1))


@every_rule
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_even_a_rule_alone_survives_such_a_row(rule: Any, poison: float) -> None:
    x = honest()
    x[4] = poison
    found = rule.estimate(x, B)
    assert np.linalg.norm(found.vector) < 3
    assert found.inexactness is None or np.isfinite(found.inexactness)


@every_rule
@pytest.mark.parametrize("size", [1e3, 1e30])
def test_a_huge_row_neither_hangs_nor_moves_anything(rule: Any, size: float) -> None:
    x = honest()
    x[4] = size * np.random.default_rng(1).standard_normal(D)
    assert np.linalg.norm(rule(x, B)) < 3
    assert np.linalg.norm(rule(x.astype(np.float32), B)) < 3


@every_rule
def test_a_message_of_the_wrong_length_is_named_and_charged(rule: Any) -> None:
    answers = [row[None] for row in honest()]
    answers[7] = answers[7][:, :-1]
    reading = read(rule, answers)
    assert reading.verdicts.charged == {"worker 7": "wrong shape (1, 4), not (1, 5)"}
    assert np.isfinite(reading.gradient).all()


@every_rule
@pytest.mark.parametrize("b", [-1, (M + 1) // 2, M, M + 1])
def test_half_of_the_workers_or_fewer_than_none_are_refused(rule: Any, b: int) -> None:
    with pytest.raises(BreakdownError, match=f"b={b}"):
        rule(honest(), b)


@every_rule
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_tensors_keep_their_dtype(rule: Any, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(honest()).to(getattr(torch, dtype))
    assert rule(x, B).dtype == x.dtype


@every_rule
def test_numpy_in_is_numpy_out(rule: Any) -> None:
    for dtype in (np.float16, np.float32, np.float64):
        found = rule(honest().astype(dtype), B)
        assert type(found) is np.ndarray
        assert found.dtype == dtype


@every_rule
def test_matrices_as_rows_are_refused(rule: Any) -> None:
    with pytest.raises(OptionError, match="Flatten each worker's message"):
        rule(honest().reshape(M, D, 1), B)


@every_rule
def test_the_answer_is_never_a_view_of_a_message(rule: Any) -> None:
    for x in (honest(), honest().astype(np.float32)):
        assert not np.shares_memory(rule(x, B), x)
    torch = pytest.importorskip("torch")
    t = torch.from_numpy(honest())
    before = t.clone()
    rule(t, B).zero_()
    assert torch.equal(t, before)


def test_the_even_median_is_the_midpoint_and_not_the_lower_value() -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor([[0.0], [1.0], [2.0], [5.0]])
    assert torch.median(x, dim=0).values == 1.0
    assert Median()(x, 1) == 1.5


def test_a_small_share_trims_rows_and_not_none() -> None:
    x = np.array([[0.0]] * 10 + [[1e9]])
    assert TrimmedMean()(x, 1) == 0.0


def test_a_worker_near_the_mean_weighs_no_more_than_the_others() -> None:
    x = honest()
    x[0] = x[1:].mean(axis=0)
    kept = MultiKrum().estimate(x, B).kept
    np.testing.assert_allclose(MultiKrum()(x, B), x[kept].mean(axis=0), atol=1e-12)


def test_sign_flips_do_not_move_the_geometric_median_by_many_spreads() -> None:
    rng = np.random.default_rng(0)
    good = 10.0 + rng.standard_normal((7, 20))
    x = np.concatenate([-good[:3], good])
    spread = np.linalg.norm(good - good.mean(axis=0), axis=1).mean()
    assert np.linalg.norm(GeometricMedian()(x, 3) - good.mean(axis=0)) < spread
