"""Flower: what the tests of its strategies expect, as data.

Its packages ship no tests. The numbers are those of `krum_test.py` in the folder of its server's
strategies, in the public repository of Flower (adap/flower, 283ba253), and of its own functions of
version 1.41, which the tests here call where that is installed.
"""

from __future__ import annotations

import numpy as np
import pytest

from saddleproof import aggregators as rules
from saddleproof.errors import BreakdownError

#: test_aggregate_fit: three models, one malicious client, the answer.
KRUM = (np.repeat([[0.2], [0.7], [1.0]], 4, axis=1).astype(np.float32), 1, np.float32(0.7))


def test_krum_gives_the_row_that_its_test_expects() -> None:
    x, b, expected = KRUM
    np.testing.assert_array_equal(rules.Krum(omit=1)(x, b), np.repeat(expected, 4))


def test_by_the_papers_condition_three_rows_hold_no_liar() -> None:
    x, b, _ = KRUM
    with pytest.raises(BreakdownError, match=r"m > 2b \+ 2"):
        rules.Krum()(x, b)


@pytest.fixture
def flower():
    return pytest.importorskip("flwr.server.strategy.aggregate", reason="Flower is not installed")


def results(x: np.ndarray) -> list:
    return [([row], 1) for row in x]


@pytest.mark.parametrize("seed", range(20))
def test_its_functions_and_ours_agree_where_the_conventions_do(seed: int, flower) -> None:
    x = np.random.default_rng(seed).standard_normal((11, 5))
    b = 2
    np.testing.assert_allclose(flower.aggregate_median(results(x))[0], rules.Median()(x, b))
    krum = flower.aggregate_krum(results(x), b, 0)[0]
    np.testing.assert_allclose(krum, rules.Krum()(x, b))
    kept = flower.aggregate_krum(results(x), b, 4)[0]
    np.testing.assert_allclose(kept, rules.MultiKrum(k=4)(x, b))
    share = b / len(x)
    trimmed = flower.aggregate_trimmed_avg(results(x), share)[0]
    np.testing.assert_allclose(trimmed, rules.TrimmedMean()(x, b))


def test_its_small_share_trims_nothing(flower) -> None:
    x = np.array([[0.0]] * 10 + [[1e9]])
    assert flower.aggregate_trimmed_avg(results(x), 0.05)[0] > 1e7
    assert rules.TrimmedMean()(x, 1) == 0.0


def test_its_claimed_sizes_are_weights(flower) -> None:
    x = np.random.default_rng(0).standard_normal((11, 2))
    claimed = [([row], 10**6 if k == 0 else 1) for k, row in enumerate(x)]
    kept = rules.MultiKrum().estimate(x, 2).kept
    weighed = flower.aggregate_krum(claimed, 2, int(kept.sum()))[0]
    ours = rules.MultiKrum()(x, 2)
    assert not np.allclose(weighed, ours) or not kept[0]
