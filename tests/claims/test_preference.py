"""The judge of branches: five statements about what b liars of m cannot do to it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.claims.preference import error_factor, preferred, trimmed_mean
from saddleproof.errors import BreakdownError

ANSWERS = st.floats(-100, 100)


@st.composite
def votes(draw, ends: int = 1):
    """(h, ends) honest answers, and up to b lies; more honest workers where fewer lie."""
    b = draw(st.integers(0, 4))
    m = draw(st.integers(2 * b + 1, 2 * b + 6))
    liars = draw(st.integers(0, b))
    row = st.lists(ANSWERS, min_size=ends, max_size=ends)
    honest = np.array(draw(st.lists(row, min_size=m - liars, max_size=m - liars)))
    lie = st.lists(st.one_of(ANSWERS, st.just(1e9), st.just(-1e9)), min_size=ends, max_size=ends)
    lies = np.array(draw(st.lists(lie, min_size=liars, max_size=liars))).reshape(liars, ends)
    return honest, lies, b


def loud(honest, b):
    """Every loud order of the ends that b liars may all say, in the place of any other lie."""
    for order in itertools.permutations(range(honest.shape[1])):
        place = np.empty(honest.shape[1])
        place[list(order)] = np.arange(honest.shape[1])
        yield np.repeat(1e6 * place[None], b, axis=0)


@given(votes())
def test_statement_1_the_trimmed_mean_lies_between_honest_means(found):
    honest, lies, b = found
    everything = np.concatenate([honest, lies])[:, 0]
    m, kept = len(everything), len(everything) - 2 * b
    x = np.sort(honest[:, 0])
    T = float(trimmed_mean(everything, b))
    assert x[:kept].mean() - 1e-9 <= T <= x[len(x) - kept :].mean() + 1e-9
    assert m - b <= len(x)


@given(votes())
def test_statement_2_the_trimmed_mean_errs_by_no_more_than_stated(found):
    honest, lies, b = found
    x = honest[:, 0]
    T = float(trimmed_mean(np.concatenate([honest, lies])[:, 0], b))
    m = len(honest) + len(lies)
    assert abs(T - x.mean()) <= error_factor(m, b) * x.std() + 1e-9


@pytest.mark.parametrize(("m", "b"), [(20, 6), (20, 2), (7, 3), (50, 13)])
def test_statement_3_the_bound_is_met_and_no_judge_could_do_better(m, b):
    answers = np.concatenate([-np.ones(b), np.zeros(m - 2 * b), np.ones(b)])
    one, other = answers[b:], answers[: m - b]  # the first b lie, or the last
    assert one.std() == pytest.approx(other.std())
    half_apart = (one.mean() - other.mean()) / 2
    assert half_apart == pytest.approx(error_factor(m, b) * one.std())
    assert float(trimmed_mean(answers, b)) == pytest.approx(0.0)


def test_any_other_trimming_errs_more_somewhere():
    m, b = 20, 6
    honest = np.concatenate([np.zeros(m - 2 * b), np.ones(b)])
    bound = error_factor(m, b) * honest.std()
    answers = np.concatenate([honest, np.full(b, -1e3)])
    errors = {
        k: abs(np.sort(answers)[k : m - k].mean() - honest.mean()) for k in range((m - 1) // 2)
    }
    assert errors[b] == pytest.approx(bound)
    assert all(errors[k] > 2 * bound for k in range(b))


@given(votes(ends=3))
def test_statement_4_the_winner_is_nearly_the_best_for_the_honest(found):
    honest, lies, b = found
    m = len(honest) + len(lies)
    mean = honest.mean(axis=0)
    spread = max(
        (honest[:, c] - honest[:, a]).std() for c, a in itertools.combinations(range(3), 2)
    )
    for told in (lies, *loud(honest, len(lies))):
        winner = preferred(np.concatenate([honest, told]), b).winner
        assert mean[winner] - mean.min() <= 2 * error_factor(m, b) * spread + 1e-6


@given(votes(ends=3))
def test_statement_5_no_lie_pushes_a_comparison_farther_than_a_loud_order(found):
    honest, lies, b = found
    told = preferred(np.concatenate([honest, lies]), b).compared
    orders = [preferred(np.concatenate([honest, x]), b).compared for x in loud(honest, len(lies))]
    lowest, highest = np.min(orders, axis=0), np.max(orders, axis=0)
    assert (lowest <= told + 1e-9).all()
    assert (told <= highest + 1e-9).all()


@given(votes(ends=3), st.integers(0, 2))
def test_an_end_that_every_honest_worker_prefers_wins(found, best):
    honest, lies, b = found
    honest[:, best] = honest.min(axis=1) - 1.0
    for told in (lies, *loud(honest, len(lies))):
        assert preferred(np.concatenate([honest, told]), b).winner == best


@given(votes(ends=3))
def test_what_a_worker_adds_to_all_its_answers_does_not_count(found):
    honest, lies, b = found
    answers = np.round(np.concatenate([honest, lies]))
    shifted = answers + np.arange(len(answers))[:, None] * 16.0
    np.testing.assert_allclose(preferred(answers, b).compared, preferred(shifted, b).compared)


@given(votes(ends=3))
def test_the_proved_ends_hold_the_honest_mean(found):
    honest, lies, b = found
    one = preferred(np.concatenate([honest, lies]), b)
    apart = honest[:, [one.winner]] - honest
    mean = apart.mean(axis=0)
    assert (one.low <= mean + 1e-6).all()
    assert (mean <= one.high + 1e-6).all()


def test_an_end_that_overflows_for_the_honest_loses_whatever_liars_say():
    answers = np.zeros((9, 2))
    answers[2:, 0] = np.inf
    answers[:2] = [-1e300, 1e300]
    found = preferred(answers, b=2)
    assert found.winner == 1
    assert np.isfinite(found.compared).all()


@pytest.mark.parametrize("b", [-1, 3, 4])
def test_half_of_the_workers_cannot_be_judged(b):
    with pytest.raises(BreakdownError, match=f"b={b}"):
        trimmed_mean(np.zeros(6), b)
