"""Minimum-diameter averaging, and the search of all sets that it shares with SMEA."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.aggregators import MDA, SMEA
from saddleproof.aggregators.engine.subsets import kept, left_out
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.testing import check_aggregator


def diameter(x: np.ndarray) -> float:
    return max((float(np.linalg.norm(p - q)) for p in x for q in x), default=0.0)


@pytest.mark.parametrize("m", [3, 10, 11])
def test_mda_passes_the_suite(m: int) -> None:
    check_aggregator(MDA(), m=m, rotation=True)


@given(st.integers(0, 2**32), st.integers(1, 9), st.booleans(), st.data())
def test_no_set_has_a_smaller_diameter(
    seed: int, m: int, lattice: bool, data: st.DataObject
) -> None:
    b = data.draw(st.integers(0, (m - 1) // 2))
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, (m, 2)).astype(float) if lattice else rng.standard_normal((m, 3))
    found = MDA().estimate(x, b)
    chosen = np.asarray(found.kept)
    assert chosen.sum() == m - b
    np.testing.assert_allclose(found.vector, x[chosen].mean(axis=0), atol=1e-12)
    sets = [list(s) for s in itertools.combinations(range(m), m - b)]
    least = min(diameter(x[s]) for s in sets)
    assert diameter(x[chosen]) == pytest.approx(least, abs=1e-9)
    spread = [sum(((p - q) ** 2).sum() for p in x[s] for q in x[s]) for s in sets
              if diameter(x[s]) <= least + 1e-9]  # fmt: skip
    mine = sum(((p - q) ** 2).sum() for p in x[chosen] for q in x[chosen])
    assert mine == pytest.approx(min(spread), abs=1e-9)


def test_rows_that_are_not_finite_are_outside_every_set() -> None:
    x = np.array([[np.nan], [0.0], [1.0], [np.inf], [3.0], [1e300]])
    assert MDA()(x[:5], b=2) == pytest.approx(4 / 3)
    np.testing.assert_array_equal(MDA().estimate(x[1:], b=2).kept, [True, True, False, True, False])


@pytest.mark.parametrize("rule", [MDA(), SMEA()])
def test_too_many_sets_are_refused_with_their_number(rule: MDA | SMEA) -> None:
    x = np.zeros((30, 1))
    with pytest.raises(OptionError, match=r"tries every set of m - b rows.*b=14 makes 145422675"):
        rule(x, b=14)
    with pytest.raises(BreakdownError, match="needs m > 2b"):
        rule(x, b=15)


@given(st.integers(1, 9), st.data())
def test_every_set_is_tried_once(m: int, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, m - 1))
    found = [tuple(s) for block in kept(left_out("a rule", m, b), m) for s in block.tolist()]
    assert sorted(found) == sorted(itertools.combinations(range(m), m - b))


def test_byzfl_finds_a_set_of_the_same_diameter() -> None:
    byzfl = pytest.importorskip("byzfl")
    for seed in range(30):
        x = np.random.default_rng(seed).standard_normal((9, 4))
        theirs = byzfl.MDA(3)(x.copy())
        sets = [list(s) for s in itertools.combinations(range(9), 6)]
        of_theirs = [s for s in sets if np.allclose(x[s].mean(axis=0), theirs)]
        assert diameter(x[MDA().estimate(x, 3).kept]) == pytest.approx(diameter(x[of_theirs[0]]))
