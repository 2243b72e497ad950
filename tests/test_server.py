"""What a round leaves in the trace."""

from __future__ import annotations

import itertools

import saddleproof as sp


def test_a_round_of_another_question_asks_for_no_gradient_and_keeps_the_last_one() -> None:
    problem = sp.problems.Example2(workers=9, seed=0)
    trace = sp.minimize(problem, b=2, seed=0, certify=False).trace
    kinds = {record.question for record in trace}
    assert {"Gradients", "LeastCurvature", "Curvatures"} <= kinds
    for before, record in itertools.pairwise(trace):
        if record.question == "Gradients":
            assert record.queries > 0
        else:
            assert record.queries == 0
            assert record.gradient_norm == before.gradient_norm
            assert record.inexactness == before.inexactness
