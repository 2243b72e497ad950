"""Weights by rows: a claim moves no more than the cap lets it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof import aggregators as rules
from saddleproof.errors import OptionError
from saddleproof.flower.rounds import Reply, RobustRounds

MODEL = {"w": np.zeros(2)}
CLAIMS = st.one_of(
    st.floats(), st.integers(-(10**400), 10**400), st.none(), st.text(), st.lists(st.floats())
)


def replies(rows: np.ndarray, claims: list) -> dict[str, Reply]:
    return {
        f"{i}": Reply([row], examples=claim)
        for i, (row, claim) in enumerate(zip(rows, claims, strict=True))
    }


def test_without_liars_the_mean_is_weighted_by_the_numbers_of_examples() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 2))
    examples = [10, 20, 30, 20, 20]
    rounds = RobustRounds(sp.Mean(), 0, weights=True)
    model, report = rounds.after(MODEL, replies(rows, examples), number=1)
    assert model is not None
    np.testing.assert_allclose(model["w"], np.average(rows, axis=0, weights=examples))
    np.testing.assert_allclose(report.shares, np.array(examples) / 100)


@given(st.lists(CLAIMS, min_size=10, max_size=10))
def test_whatever_is_claimed_three_of_ten_stay_below_a_third(claims: list) -> None:
    rows = np.random.default_rng(0).uniform(-1, 1, (10, 2))
    rows[:3] = 1e9
    rounds = RobustRounds(rules.NearestNeighborMixing(), 3, weights=True)
    model, report = rounds.after(MODEL, replies(rows, claims), number=1)
    assert model is not None
    assert sum(sorted(report.shares)[-3:]) < 1 / 3
    assert np.abs(model["w"]).max() <= 1


def test_a_rule_that_counts_all_alike_takes_no_weights() -> None:
    with pytest.raises(OptionError, match="takes no weights"):
        RobustRounds(rules.Krum(), 1, weights=True)
