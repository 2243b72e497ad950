"""What filtering guarantees: Lemma 5, the spread, the prune, the scores."""

from __future__ import annotations

import numpy as np
from filtering_rows import FREE, attacked, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.aggregators.algorithm2 import IterativeFiltering
from saddleproof.aggregators.algorithm2.prune import prune
from saddleproof.aggregators.algorithm2.rank_one import leading, rank_one, rank_one_scores
from saddleproof.aggregators.algorithm2.reweighting import cap_of, reweight
from saddleproof.aggregators.algorithm2.saddle import solve_saddle
from saddleproof.aggregators.engine.gram import gram


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_lemma_5_with_sigma(seed: int) -> None:
    rows, original, sigma = attacked(seed)
    m, b, alpha = 25, 5, 0.2
    found = IterativeFiltering(sigma=sigma).estimate(rows, b)
    assert not found.sigma_too_small
    assert found.scores.sum() <= 9 / 7 * alpha * m + 1e-9  # removed weight
    assert (~found.kept[b:]).sum() <= 2 / 7 * alpha * m  # originals that were dropped
    assert found.dual <= 8 * m * sigma**2
    error = np.linalg.norm(found.vector - original.mean(axis=0))
    assert error <= found.inexactness  # a proof, so never off
    kappa = (3 + alpha) / ((1 - alpha) * (3 - alpha))
    spread = m * found.sigma_hat**2
    assert spread <= 2 * found.dual / (1 - np.sqrt(kappa - 1)) ** 2 * (1 + 1e-9)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_without_sigma_the_spread_is_at_most_that_of_any_sigma_that_holds(seed: int) -> None:
    rows, original, sigma = attacked(seed)
    m, b = 25, 5
    whole, start = gram(rows).products[None], np.ones((1, m))
    free, known = (
        reweight(whole, start, b / m, np.array([threshold]), rank_one)
        for threshold in (0.0, 8 * m * sigma**2)
    )
    assert known.stopped[0]
    assert free.spread[0] <= known.spread[0]
    assert m - free.c.sum() <= 9 / 7 * b + 1e-9
    error = np.linalg.norm(FREE(rows, b) - original.mean(axis=0))
    assert error <= 4 * sigma * np.sqrt(b / m)


@given(seeds, st.floats(1.0, 3.0))
@settings(max_examples=60, deadline=None)
def test_the_prune_never_drops_an_original_row(seed: int, slack: float) -> None:
    rows, _, sigma = attacked(seed)
    stays, _, misfit = prune(gram(rows).products[None], 0.2, np.array([slack * sigma]))
    assert stays[0, 5:].all()
    assert not misfit[0]


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_scores_are_the_least_that_capped_means_allow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m, alpha = int(rng.integers(4, 12)), float(rng.uniform(0, 0.24))
    p, c, cap = rng.standard_normal((1, m)), np.ones((1, m)), cap_of(alpha, m)
    c[0, 0] = 0.0 if (m - 1) * cap >= 1 else 1.0
    tau = rank_one_scores(p, c, cap)[0]
    inside = np.flatnonzero(c[0])
    for _ in range(20):  # any feasible mean is no nearer
        w = rng.dirichlet(np.ones(len(inside)))
        for _ in range(50):  # push the excess over the cap to the others
            w = np.minimum(w, cap)
            w += (1 - w.sum()) * (room := cap - w) / max(room.sum(), 1e-300)
        mean = w @ p[0, inside]
        assert (tau[inside] <= (p[0, inside] - mean) ** 2 + 1e-9).all()
    assert (tau[c[0] == 0] == 0).all()


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_the_rank_one_value_and_the_spread_hold_the_saddle_value_between_them(seed: int) -> None:
    rows, _, _ = attacked(seed, m=12, d=6, b=2)
    rng = np.random.default_rng(seed)
    c, cap = rng.uniform(0.5, 1, (1, 12)), cap_of(0.2, 12)
    found = rank_one(leading(gram(rows).products[None], c, cap))
    exact = solve_saddle(gram(rows).products, c[0], cap, tolerance=1e-3)
    assert found.dual[0] <= exact.primal * (1 + 1e-9)
    assert exact.dual <= found.primal[0] * (1 + 1e-9)
    assert exact.dual <= exact.primal * (1 + 1e-12)
