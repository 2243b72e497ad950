""""""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from product_cases import (
    MODULES,
    Case,
    build,
    by_double_backward,
    points,
    vectors,
)
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import saddleproof as sp
from saddleproof.questions import Curvatures, Gradients
from saddleproof.torch import TorchProblem, WorkerMomentum
from saddleproof.torch.facts import TOGETHER

Shards = list[tuple[Tensor, Tensor]]


@pytest.mark.parametrize("case", MODULES.values(), ids=MODULES)
def test_products_are_those_of_double_backward_with_a_vector_of_its_own_for_every_worker(
    case: Case,
) -> None:
    problem = build(case)
    assert problem.judge.facts.second == TOGETHER
    w, v = points(problem)
    expected = by_double_backward(problem, w, v)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(problem.products(w, v), expected, atol=1e-11)


@pytest.mark.parametrize("case", MODULES.values(), ids=MODULES)
def test_a_worker_alone_multiplies_as_in_the_crowd(case: Case) -> None:
    problem = build(case, (5, 5, 5))
    w, v = points(problem)
    alone = [problem.loss.product(w, v[i, 1], problem.shards[i]) for i in range(3)]
    np.testing.assert_allclose(problem.products(w, v)[:, 1], np.stack(alone), atol=1e-12)


@pytest.mark.parametrize("case", MODULES.values(), ids=MODULES)
def test_values_are_those_of_the_module_at_every_point(case: Case) -> None:
    problem = build(case)
    w = np.stack([problem.start, points(problem)[0], -problem.start])
    expected = [
        [cross_entropy(problem.load(x)(data), target).item() for data, target in problem.shards]
        for x in w
    ]
    np.testing.assert_allclose(problem.values_at(w), expected, atol=1e-12)


def test_a_weight_norm_has_the_second_derivative_of_its_gradient() -> None:
    """PyTorch's own is wrong there, so that differences have to judge."""
    problem = build((lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 3)), vectors))
    assert problem.judge.facts.second == TOGETHER
    w, v = points(problem)
    same = np.repeat(v[:1], problem.m, axis=0)
    h = 1e-5
    ahead, behind = problem.gradients(w + h * np.stack([v[0, 0], -v[0, 0]]))
    found = problem.products(w, same)[:, 0]
    np.testing.assert_allclose(found, (ahead - behind) / (2 * h), atol=1e-7)


@pytest.mark.parametrize(("memory", "kept"), [(1, 0), (20_000, 3), (2**28, 1)])
def test_the_memory_budget_changes_neither_products_nor_values(memory: int, kept: int) -> None:
    case = MODULES["tanh"]
    sizes = (6,) * 12
    torch.manual_seed(1)
    whole = build(case, sizes)
    torch.manual_seed(1)
    cut = build(case, sizes, memory=memory)
    w, v = points(whole)
    np.testing.assert_allclose(cut.products(w, v), whole.products(w, v), atol=1e-13)
    np.testing.assert_allclose(cut.values_at(w[None]), whole.values_at(w[None]), atol=1e-13)
    assert len(cut.judge._graphs) == kept
    np.testing.assert_allclose(cut.products(w, v), whole.products(w, v), atol=1e-13)


def test_many_vectors_at_one_point_share_one_graph_and_another_point_has_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = build(MODULES["tanh"], (6, 6, 6))
    made = []
    graph = problem.judge.graph
    monkeypatch.setattr(problem.judge, "graph", lambda *a, **k: made.append(1) or graph(*a, **k))
    w, v = points(problem)
    for _ in range(3):
        np.testing.assert_allclose(
            problem.products(w, v), by_double_backward(problem, w, v), atol=1e-12
        )
    assert len(made) == 1
    there = w + 0.1
    np.testing.assert_allclose(
        problem.products(there, v), by_double_backward(problem, there, v), atol=1e-12
    )
    assert len(made) == 2


def test_a_graph_does_not_outlive_the_rows_that_it_was_made_of() -> None:
    x, y = torch.randn(6, 6).double(), torch.randint(0, 3, (6,))
    problem = TorchProblem(MODULES["tanh"][0]().double(), cross_entropy, [(x, y)] * 2)
    w, v = points(problem)
    before = problem.loss.product(w, v[0, 0], (x, y))
    x *= 2
    after = problem.loss.product(w, v[0, 0], (x, y))
    assert np.abs(after - before).max() > 1e-3


def test_momentum_changes_gradients_and_no_other_answer() -> None:
    problem = build(MODULES["tanh"])
    plain = sp.LocalFleet(problem)
    fleet = WorkerMomentum(plain, beta=0.75)
    assert fleet.questions == plain.questions
    w, v = points(problem)
    for asked, share in ((Gradients(w[None]), 0.25), (Curvatures(w, v[:, 0]), 1.0)):
        found, expected = (np.stack(f.ask(asked, round_id=0).answers) for f in (fleet, plain))
        np.testing.assert_allclose(found, share * expected, atol=1e-12)


def test_a_loss_travels_without_its_graphs() -> None:
    problem = TorchProblem(
        nn.Linear(6, 3).double(), cross_entropy, [(vectors(5), torch.randint(0, 3, (5,)))] * 2
    )
    w, v = points(problem)
    expected = problem.loss.product(w, v[0, 0], problem.shards[0])
    there = pickle.loads(pickle.dumps(problem.loss))
    found = there.product(w, v[0, 0], problem.shards[0])
    np.testing.assert_allclose(found, expected, atol=1e-14)
