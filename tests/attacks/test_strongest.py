"""The strongest known message: how many points of the rule it costs, and how they are asked."""

from __future__ import annotations

import numpy as np
import pytest

from saddleproof.aggregators import Aggregator, GeometricMedian, IterativeFiltering, Median
from saddleproof.arrays import Vector
from saddleproof.attacks import strongest
from saddleproof.attacks.views import AttackView

M, B = 12, 2


def view_of(rule: Aggregator, q: int, d: int, asked: list[int]) -> AttackView:
    """What a coalition knows of q points; `asked` is told how many points each call has."""

    def aggregate(stack: Vector) -> Vector:
        asked.append(len(stack))
        found: Vector = rule.estimates(stack, B).vector
        return found

    rows = np.random.default_rng(0).standard_normal((q, M, d)) + 1.0
    return AttackView(
        points=np.zeros((q, d)), messages=rows, members=(3, 7), round_id=0, b=B,
        aggregate=aggregate, optimizer=None, problem=None,
    )  # fmt: skip


@pytest.mark.parametrize("d", [5, 3 * strongest.SAMPLED + 7])
def test_a_median_is_recognised_by_some_coordinates_and_no_line_is_searched(d: int) -> None:
    asked: list[int] = []
    view = view_of(Median(), 3, d, asked)
    strongest.through(view, -view.honest_mean)
    assert sum(asked) == 3 * len(strongest.CANDIDATES)


@pytest.mark.parametrize("rule", [Median(), IterativeFiltering(), GeometricMedian()])
def test_candidates_tried_one_by_one_give_the_message_of_all_at_once(
    rule: Aggregator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    view = view_of(rule, 2, 40, asked)
    together = strongest.through(view, -view.honest_mean)
    calls = len(asked)
    monkeypatch.setattr(strongest, "TOGETHER", 1)
    np.testing.assert_array_equal(strongest.through(view, -view.honest_mean), together)
    assert set(asked[calls:]) == {2}  # a candidate at both points
    assert sum(asked[calls:]) == sum(asked[:calls])
