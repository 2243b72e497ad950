"""Algorithm 2 on five small cases, against an interior-point solver's exact answers.

`tests/data/filter_vectors.json` holds, for each round of Algorithm 2 run without the pre-prune,
who is in (A), c, the saddle value from both sides (P, D) and tau; under `r1` the same for U = vv'.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saddleproof.aggregators.algorithm2 import IterativeFiltering
from saddleproof.aggregators.algorithm2.rank_one import leading, rank_one
from saddleproof.aggregators.algorithm2.reweighting import cap_of, reweight
from saddleproof.aggregators.algorithm2.saddle import saddle, solve_saddle
from saddleproof.aggregators.engine.gram import gram

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "filter_vectors.json").read_text())
METHODS = {"rank_one": rank_one, "saddle": partial(saddle, 1e-6)}
cases = pytest.mark.parametrize("case", VECTORS.values(), ids=VECTORS)


def walked(case: dict[str, Any], method: str, sigma: float | None) -> Any:
    """Algorithm 2 without the pre-prune."""
    x = np.array(case["X"])
    m = len(x)
    threshold = np.array([0.0 if sigma is None else 8 * m * sigma**2])
    return reweight(
        gram(x).products[None], np.ones((1, m)), case["alpha"], threshold, METHODS[method]
    )


@cases
def test_every_round_of_the_saddle_is_the_solvers(case: dict[str, Any]) -> None:
    whole = gram(np.array(case["X"])).products
    cap = cap_of(case["alpha"], len(whole))
    for log in case["log"]:
        rows, c, tau = log["A"], np.array(log["c"]), np.array(log["tau"])
        found = solve_saddle(whole[np.ix_(rows, rows)], c, cap, tolerance=1e-6)
        assert found.primal == pytest.approx(log["P"], rel=1e-5)
        assert found.dual == pytest.approx(log["P"], rel=1e-5)
        assert found.dual <= found.primal * (1 + 1e-12)
        assert 0 <= found.gap <= 1e-6 or case["alpha"] == 0
        np.testing.assert_allclose(found.tau, tau, atol=1e-4 * tau.max())
        assert c @ found.tau == pytest.approx(log["P"], rel=1e-5)


@cases
@pytest.mark.parametrize("method", METHODS)
def test_both_methods_end_where_algorithm_2_ends(case: dict[str, Any], method: str) -> None:
    found = walked(case, method, case["sigma"])
    reference = case["log"][-1] if method == "saddle" else case["r1"]["sigma"]
    np.testing.assert_array_equal(np.flatnonzero(found.c[0]), case["kept"])
    assert found.stopped[0]
    assert found.rounds[0] == (case if method == "saddle" else reference)["rounds"]
    if method == "saddle":
        assert found.primal[0] == pytest.approx(reference["P"], rel=1e-5)
        np.testing.assert_allclose(found.c[0, reference["A"]], reference["c"], atol=1e-4)
    else:
        assert found.primal[0] == pytest.approx(reference["lam"][-1], rel=1e-8)
        assert found.dual[0] == pytest.approx(reference["D"][-1], rel=1e-8)


@cases
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sigma", ["known", "unknown"])
def test_the_rule_keeps_the_rows_and_gives_the_mean_of_the_reference(
    case: dict[str, Any], method: Any, sigma: str
) -> None:
    rule = IterativeFiltering(
        sigma=case["sigma"] if sigma == "known" else None, method=method, alpha=case["alpha"]
    )
    found = rule.estimate(np.array(case["X"]), b=int(case["alpha"] * len(case["X"])))
    reference = case if sigma == "known" else case["r1"]["free"]
    np.testing.assert_array_equal(np.flatnonzero(found.kept), reference["kept"])
    np.testing.assert_allclose(found.vector, reference["mu"], rtol=1e-6, atol=1e-12)
    assert found.dual <= found.primal * (1 + 1e-12)


@cases
def test_without_sigma_every_number_is_the_references(case: dict[str, Any]) -> None:
    reference = case["r1"]["free"]
    rule = IterativeFiltering(alpha=case["alpha"])
    found = rule.estimate(np.array(case["X"]), b=int(case["alpha"] * len(case["X"])))
    best = int(np.argmin(reference["lam"][: found.rounds + 1]))
    assert found.rounds == best
    assert found.primal == pytest.approx(reference["lam"][best], rel=1e-8)
    assert found.dual == pytest.approx(reference["D"][best], rel=1e-8)
    assert found.sigma_hat == pytest.approx(reference["sigma_hat"], rel=1e-8)
    assert found.suspect_alpha == (reference["flag"] == "suspect_alpha")


@cases
def test_the_first_rank_one_scores_are_the_references(case: dict[str, Any]) -> None:
    x = np.array(case["X"])
    view = leading(gram(x).products[None], np.ones((1, len(x))), cap_of(case["alpha"], len(x)))
    scores = rank_one(view)
    reference = case["r1"]["sigma"]
    np.testing.assert_allclose(scores.tau[0], reference["tau0"], rtol=1e-6, atol=1e-6)
    assert view.spread[0] == pytest.approx(reference["lam"][0], rel=1e-10)
