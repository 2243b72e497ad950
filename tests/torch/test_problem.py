from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import TensorDataset

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.testing import check_problem
from saddleproof.torch import TorchProblem
from saddleproof.torch.loss import ModuleLoss


def network(dtype: torch.dtype = torch.float64) -> nn.Module:
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).to(dtype)


def shards(sizes: Sequence[int], dtype: torch.dtype = torch.float64) -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(n, 5, dtype=dtype), torch.randint(0, 3, (n,))) for n in sizes]


def by_hand(module: nn.Module, data: Sequence[tuple[Tensor, Tensor]]) -> np.ndarray:
    """(m, d): one backward pass a worker, at the module's own parameters."""
    rows = []
    for x, y in data:
        module.zero_grad()
        cross_entropy(module(x), y).backward()
        rows.append(torch.cat([p.grad.reshape(-1) for p in module.parameters()]).numpy())
    return np.stack(rows)


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 6), min_size=2, max_size=7), q=st.integers(1, 3))
def test_gradients_are_those_of_one_backward_pass_a_worker(sizes: list[int], q: int) -> None:
    module, data = network(), shards(sizes)
    problem = TorchProblem(module, cross_entropy, data)
    points = np.stack([problem.start + k for k in range(q)])
    found = problem.gradients(points)
    assert found.shape == (q, len(sizes), problem.d)
    for k in range(q):
        np.testing.assert_allclose(found[k], by_hand(problem.load(points[k]), data), atol=1e-12)


def test_a_module_is_a_problem_like_any_other() -> None:
    check_problem(TorchProblem(network(), cross_entropy, shards([7, 7, 4])))


def test_a_worker_alone_answers_what_it_answers_in_the_crowd() -> None:
    problem = TorchProblem(network(), cross_entropy, shards([3, 8, 3]))
    points = problem.start + np.arange(2.0)[:, None]
    alone = [problem.loss.gradient(points, shard) for shard in problem.shards]
    np.testing.assert_allclose(problem.gradients(points), np.stack(alone, axis=1), atol=1e-14)


@pytest.mark.parametrize("memory", [1, 20_000, 2**28])
def test_the_memory_budget_does_not_change_the_answer(memory: int) -> None:
    module, data = network(), shards([6] * 12)
    points = np.random.default_rng(0).standard_normal((4, 39))
    whole = TorchProblem(module, cross_entropy, data).gradients(points)
    cut = TorchProblem(module, cross_entropy, data, memory=memory).gradients(points)
    np.testing.assert_allclose(cut, whole, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("asked", [np.float32, np.float64])
def test_answers_have_the_dtype_of_the_question(dtype: torch.dtype, asked: type) -> None:
    problem = TorchProblem(network(dtype), cross_entropy, shards([4] * 3, dtype))
    assert problem.gradients(problem.start[None].astype(asked)).dtype == asked
    assert problem.load(problem.start)[0].weight.dtype == dtype


def test_a_minibatch_is_the_same_at_all_points_of_a_round_and_can_be_replayed() -> None:
    def build() -> TorchProblem:
        torch.manual_seed(0)
        return TorchProblem(network(), cross_entropy, shards([9] * 4), batch_size=3, seed=5)

    problem = build()
    twice = np.stack([problem.start, problem.start])
    first, second = problem.sampled(twice, round_id=7)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(build().sampled(twice, round_id=7)[0], first)
    assert not np.array_equal(problem.sampled(twice, round_id=8)[0], first)


def test_a_worker_draws_its_own_rows_each_at_most_once() -> None:
    data = [(torch.full((8, 1), float(i)), torch.arange(8.0)[:, None]) for i in range(5)]
    problem = TorchProblem(nn.Linear(1, 1), mse_loss, data, batch_size=4, seed=0)
    (batch,) = problem.rows.sample(4, seed=0, round_id=0)
    x, y = batch.data
    assert (x[:, :, 0] == torch.arange(5.0)[:, None]).all()
    drawn = [set(rows.tolist()) for rows in y[:, :, 0]]
    assert {len(rows) for rows in drawn} == {4}
    assert len({frozenset(rows) for rows in drawn}) > 1


def test_every_row_is_drawn_equally_often() -> None:
    problem = TorchProblem(network(), cross_entropy, shards([6, 4]), batch_size=2, seed=1)
    count = {tuple(row.tolist()): 0 for x, _ in problem.shards for row in x}
    for r in range(600):
        for batch in problem.rows.sample(2, seed=1, round_id=r):
            for row in batch.data[0].reshape(-1, 5):
                count[tuple(row.tolist())] += 1
    assert np.abs(np.array(list(count.values())[:6]) - 200).max() < 50  # four deviations
    assert np.abs(np.array(list(count.values())[6:]) - 300).max() < 50


def test_a_local_fleet_draws_a_new_minibatch_every_round() -> None:
    problem = TorchProblem(network(), cross_entropy, shards([9] * 4), batch_size=3, seed=5)
    fleet = sp.LocalFleet(problem)
    answers = [fleet.round(problem.start[None], round_id=r).values for r in (0, 1, 0)]
    np.testing.assert_array_equal(answers[0], answers[2])
    assert not np.array_equal(answers[0], answers[1])


def test_dropout_is_drawn_anew_for_each_worker_and_round_and_alike_for_all_points() -> None:
    module = nn.Sequential(nn.Linear(5, 20), nn.Dropout(0.5), nn.Linear(20, 3))
    same = [(torch.ones(4, 5), torch.zeros(4, dtype=torch.long))] * 3
    problem = TorchProblem(module, cross_entropy, same, batch_size=4, seed=0)
    before = torch.random.get_rng_state()
    first, second = problem.sampled(np.stack([problem.start] * 2), round_id=0)
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first[0], first[1])
    assert not np.allclose(problem.sampled(problem.start[None], round_id=1)[0], first)
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_allclose(np.ptp(problem.gradients(problem.start[None])[0], axis=0), 0)


def test_dropout_on_full_batches_is_refused() -> None:
    module = nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.5))
    with pytest.raises(OptionError, match="batch_size"):
        TorchProblem(module, cross_entropy, shards([4, 4], torch.float32))
    TorchProblem(module.eval(), cross_entropy, shards([4, 4], torch.float32))


def test_batch_norm_in_train_mode_is_refused_and_left_untouched() -> None:
    module = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))
    with pytest.raises(OptionError, match=r"layer '1' \(BatchNorm1d\).*GroupNorm"):
        TorchProblem(module, cross_entropy, shards([4, 4], torch.float32))
    assert int(module[1].num_batches_tracked) == 0
    TorchProblem(module.eval(), cross_entropy, shards([4, 4], torch.float32))


class Branching(nn.Module):
    """What vmap cannot: a branch that depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        out = self.first(x)
        return out if out.sum() > 0 else 2 * out


def test_where_vmap_cannot_a_loop_does_and_the_layer_is_named() -> None:
    module, data = Branching().double(), shards([4, 4, 6])
    with pytest.warns(RuntimeWarning, match=r"layer 'first' \(Linear\).*using a loop") as caught:
        problem = TorchProblem(module, cross_entropy, data)
    assert len(caught) == 1
    found = problem.gradients(problem.start[None])[0]
    np.testing.assert_allclose(found, by_hand(problem.load(problem.start), data), atol=1e-14)


def test_products_are_those_of_the_hessian() -> None:
    problem = TorchProblem(network(), cross_entropy, shards([7, 7, 5]))
    hessian = problem.hessian(problem.start)
    differences = sp.Problem.hessian(problem, problem.start)
    np.testing.assert_allclose(hessian, differences, atol=1e-7)


def test_frozen_parameters_and_buffers_stay_and_come_back_in_the_state() -> None:
    module = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)).double().eval()
    module[0].requires_grad_(False)
    problem = TorchProblem(module, cross_entropy, shards([4, 4]))
    assert problem.d == 8 + 15
    state = problem.state_dict(problem.start + 1)
    assert set(state) == set(module.state_dict())
    assert torch.equal(state["0.weight"], module[0].weight)
    assert torch.equal(state["2.bias"], module[2].bias + 1)


def test_tied_parameters_are_one() -> None:
    module = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5)).double()
    module[1].weight = module[0].weight
    data = [(torch.randn(4, 5).double(), torch.randn(4, 5).double()) for _ in range(3)]
    problem = TorchProblem(module, mse_loss, data)
    assert problem.d == 25 + 5 + 5
    check_problem(problem)


def test_a_data_set_is_a_shard_and_arrays_are_too() -> None:
    x, y = np.ones((4, 5)), np.array([0, 1, 2, 0])
    module = network(torch.float32)
    sets = [TensorDataset(torch.as_tensor(x), torch.as_tensor(y))] * 2
    a, b = (TorchProblem(module, cross_entropy, s) for s in (sets, [(x, y)] * 2))
    np.testing.assert_array_equal(a.gradients(a.start[None]), b.gradients(b.start[None]))


def test_several_inputs_reach_the_module() -> None:
    data = [(torch.randn(4, 2), torch.randn(4, 3), torch.randn(4, 1)) for _ in range(2)]
    problem = TorchProblem(nn.Bilinear(2, 3, 1), mse_loss, data)
    assert problem.gradients(problem.start[None]).shape == (1, 2, 7)


@pytest.mark.parametrize(
    ("module", "loss", "data", "message"),
    [
        (nn.ReLU(), cross_entropy, shards([4, 4]), "requires_grad"),
        (network(torch.float16), cross_entropy, shards([4, 4]), "float32"),
        (network(), lambda a, y: a, shards([4, 4]), "one floating-point number"),
        (network(), cross_entropy, [], "at least one worker"),
        (network(), cross_entropy, [torch.ones(3, 5)], "tuple"),
        (network(), cross_entropy, [(torch.ones(3, 5), torch.ones(2))], "worker 0"),
        (network(), cross_entropy, [(torch.ones(0, 5), torch.ones(0))], "worker 0"),
        (
            network(),
            cross_entropy,
            [*shards([4]), (torch.ones(3, 4), torch.ones(3))],
            "same dtypes",
        ),
    ],
)
def test_what_cannot_work_is_refused(module, loss, data, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(OptionError, match=message):
        TorchProblem(module, loss, data)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_module_on_a_device_answers_what_it_answers_on_the_cpu() -> None:
    module, data = network(), shards([6] * 4)
    here = TorchProblem(module, cross_entropy, data)
    there = TorchProblem(module.cuda(), cross_entropy, data)
    assert next(there.load(there.start).parameters()).is_cuda
    points = here.start[None]
    np.testing.assert_allclose(there.gradients(points), here.gradients(points), atol=1e-10)


def test_a_module_loss_computes_on_any_data_without_a_problem() -> None:
    module, (data,) = network(), shards([5])
    loss = ModuleLoss(module, cross_entropy)
    w = TorchProblem(module, cross_entropy, [data]).start
    assert loss.value(w, data) == pytest.approx(cross_entropy(module(data[0]), data[1]).item())


def test_read_only_arrays_are_as_good_as_any() -> None:
    x, y = np.ones((4, 5)), np.zeros(4, dtype=np.int64)
    for array in (x, y):
        array.setflags(write=False)
    problem = TorchProblem(network(), cross_entropy, [(x, y)] * 3)
    w = problem.start
    w.setflags(write=False)
    assert problem.gradients(w[None]).shape == (1, 3, problem.d)
