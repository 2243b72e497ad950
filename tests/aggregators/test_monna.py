"""The mean around a trusted row, and what all rules that trust one worker share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof.aggregators import ARC, Bucketing, Clipping, FLTrust, MoNNA
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.testing import check_aggregator, check_memory


@pytest.mark.parametrize("m", [3, 10, 11])
def test_monna_passes_the_suite(m: int) -> None:
    check_aggregator(MoNNA(trusted=m - 1), m=m, ordered=True, rotation=True)


@given(st.integers(0, 2**32), st.integers(1, 12), st.data())
def test_monna_is_its_definition(seed: int, m: int, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, (m - 1) // 2))
    t = data.draw(st.integers(0, m - 1))
    x = np.random.default_rng(seed).standard_normal((m, 3))
    nearest = np.argsort(np.linalg.norm(x - x[t], axis=1), kind="stable")[: m - b]
    np.testing.assert_allclose(MoNNA(trusted=t)(x, b), x[nearest].mean(axis=0), atol=1e-12)


@given(st.integers(0, 2**32), st.sampled_from([0.5, 2.0, 1e6, 1e200, np.nan]))
def test_the_answer_is_no_farther_than_an_honest_row(seed: int, size: float) -> None:
    x = np.random.default_rng(seed).standard_normal((9, 3))
    x[:4] = size * np.random.default_rng(seed + 1).standard_normal((4, 3))
    found = MoNNA(trusted=8)(x, b=4)
    assert np.linalg.norm(found - x[8]) <= np.linalg.norm(x[4:] - x[8], axis=1).max() * (1 + 1e-9)


def test_byzfl_agrees() -> None:
    byzfl = pytest.importorskip("byzfl")
    for seed in range(30):
        x = np.random.default_rng(seed).standard_normal((9, 4))
        np.testing.assert_allclose(MoNNA(trusted=2)(x, 3), byzfl.MoNNA(3, 2)(x.copy()))


# --- whom it trusts ------------------------------------------------------------------------------

RULES = [MoNNA, FLTrust]


@pytest.mark.parametrize("make", RULES)
def test_the_roster_is_data_and_rows_are_known_by_name(make: Any) -> None:
    x = np.random.default_rng(0).standard_normal((11, 4))
    check_memory(make(trusted="w7"), x, 3)
    check_memory(make(trusted=7), x, 3)


@pytest.mark.parametrize("make", RULES)
@pytest.mark.parametrize("trusted", [3, "d"])
def test_the_trusted_worker_is_the_same_one_when_others_are_late(make: Any, trusted: Any) -> None:
    x = np.random.default_rng(0).standard_normal((5, 3))
    rule = make(trusted=trusted)
    memory = rule.begin(tuple("abcde"), 3)
    found, _ = rule.step(memory, np.delete(x, 0, axis=0), 1, workers="bcde")
    np.testing.assert_array_equal(found.vector, make(trusted=2)(x[1:], 1))
    with pytest.raises(BreakdownError, match=f"{make.__name__} trusts 'd', which was not heard"):
        rule.step(memory, np.delete(x, 3, axis=0), 1, workers="abce")


@pytest.mark.parametrize("make", RULES)
def test_a_run_ends_when_the_trusted_worker_is_bad(make: Any) -> None:
    problem = sp.problems.Example2(workers=9, seed=0)
    names = sp.LocalFleet(problem).workers
    liars = sp.Coalition(sp.LocalFleet(problem), sp.attacks.NonFinite(), members=[2])
    options: dict[str, Any] = {"b": 2, "seed": 1, "max_rounds": 5, "certify": False}
    well = sp.minimize(
        liars, sp.optimizers.GradientDescent(), aggregator=make(trusted=names[5]), **options
    )
    assert well.rounds > 1
    lost = sp.minimize(
        liars, sp.optimizers.GradientDescent(), aggregator=make(trusted=names[2]), **options
    )
    assert lost.status == "too_few_workers"
    assert make.__name__ in lost.message


@pytest.mark.parametrize("make", RULES)
def test_nobody_is_trusted_unless_named(make: Any) -> None:
    with pytest.raises(TypeError, match="trusted"):
        make()
    for odd in (-1, 1.5, True, None):
        with pytest.raises(OptionError, match="trusted"):
            make(trusted=odd)
    for stranger in (5, "eve"):
        with pytest.raises(OptionError, match="trusted must be"):
            make(trusted=stranger)(np.zeros((5, 1)), 1)


@pytest.mark.parametrize("outer", [sp.NearestNeighborMixing, Bucketing, Clipping, ARC])
@pytest.mark.parametrize("make", RULES)
def test_a_pre_aggregation_knows_no_names_and_refuses_such_a_rule(outer: Any, make: Any) -> None:
    with pytest.raises(OptionError, match=f"{make.__name__} needs the row of one worker"):
        outer(make(trusted=0))
