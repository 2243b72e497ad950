"""Local steps: each worker's own SGD from the server's point, as a plain loop would do it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import network, rows
from torch import nn
from torch.nn.functional import cross_entropy

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem, fit
from saddleproof.torch.local_steps import LocalProblem


def walked(problem: TorchProblem, batches: Any, w: np.ndarray, steps: int, lr: float) -> np.ndarray:
    """(m, d): what each worker's own plain SGD moved, over its length."""
    out = []
    for i in range(problem.m):
        module = problem.load(w)
        optimizer = torch.optim.SGD(module.parameters(), lr=lr)
        for step in range(steps):
            *inputs, target = batches(i, step)
            optimizer.zero_grad()
            cross_entropy(module(*inputs), target).backward()
            optimizer.step()
        end = torch.cat([p.detach().reshape(-1) for p in module.parameters()]).numpy()
        out.append((w - end) / (lr * steps))
    return np.stack(out)


class Gated(nn.Module):
    """vmap cannot: the branch depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x) if x.sum() > 0 else 2 * self.net(x)


@pytest.mark.filterwarnings("ignore:vmap cannot differentiate:RuntimeWarning")
@pytest.mark.parametrize("module", [network(), Gated()], ids=["together", "one by one"])
@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_message_is_the_mean_gradient_of_a_workers_own_walk(
    module: nn.Module, batch_size: int | None
) -> None:
    data = rows(workers=3, n=7)
    data[1] = tuple(x[:5] for x in data[1])  # unequal shards
    problem = LocalProblem(
        module, cross_entropy, data, batch_size=batch_size, seed=0, steps=3, lr=0.7
    )

    def batches(i: int, step: int) -> Any:
        for batch in problem.rows.sample(batch_size, 0, 9, step=step):
            for at, worker in enumerate(batch.workers):
                if worker == i:
                    return tuple(x[at] for x in batch.data)
        raise AssertionError

    w = problem.start + 0.1
    expected = walked(problem, batches, w, 3, 0.7)
    np.testing.assert_allclose(problem.sampled(w[None], 9)[0], expected, atol=1e-10)
    some = problem.sampled(w[None], 9, np.array([0, 2]))[0]
    np.testing.assert_allclose(some[[0, 2]], expected[[0, 2]], atol=1e-10)
    assert np.isnan(some[1]).all()


def test_every_step_draws_rows_of_its_own() -> None:
    problem = TorchProblem(network(), cross_entropy, rows(n=50), batch_size=3, seed=0)
    drawn = [problem.rows.sample(3, 0, r, step=s)[0].data[0] for r in range(2) for s in range(3)]
    assert len({x.numpy().tobytes() for x in drawn}) == len(drawn)


def test_one_step_is_the_gradient() -> None:
    data = rows()
    plain = TorchProblem(network(), cross_entropy, data, batch_size=3, seed=0)
    one = LocalProblem(plain.module, cross_entropy, data, batch_size=3, seed=0, steps=1, lr=0.3)
    w = plain.start[None]
    np.testing.assert_allclose(one.sampled(w, 4), plain.sampled(w, 4), atol=1e-12)
    np.testing.assert_array_equal(one.gradients(w), plain.gradients(w))


def test_without_liars_it_averages_models_as_federated_averaging_does() -> None:
    data, module = rows(workers=4, n=6), network()
    problem = TorchProblem(module, cross_entropy, data)
    w = problem.start
    for _ in range(4):
        steps = walked(problem, lambda i, _: data[i], w, steps=5, lr=0.1)
        w = (w - 0.5 * steps).mean(axis=0)
    result = fit(
        module, cross_entropy, data, b=0, rounds=4, lr=0.5, local_steps=5, momentum=0.0,
        batch_size=None, aggregator=sp.Mean(), certify=False,
    )[1]  # fmt: skip
    np.testing.assert_allclose(result.w, w, atol=1e-10)


def test_what_a_certificate_says_does_not_depend_on_local_steps() -> None:
    data = rows(workers=5, n=20)
    trained, result = fit(
        network(), cross_entropy, data, b=1, rounds=20, local_steps=4, batch_size=5, seed=0,
        certify=True,
    )  # fmt: skip
    found = result.certificate
    assert found is not None
    problem = TorchProblem(trained, cross_entropy, data)
    true = np.linalg.norm(problem.gradients(problem.start[None])[0].mean(axis=0))
    assert true <= found.gradient_bound
    assert "mean gradient of 4 local steps" in result.guarantee[0]
    assert "local steps" in repr(result)


def test_a_worker_with_a_bad_cell_is_named_among_local_steps() -> None:
    data = rows(workers=5, n=8)
    data[2][0][1, 1] = np.nan
    options = {"b": 1, "rounds": 3, "local_steps": 2, "batch_size": 3, "seed": 0, "certify": False}
    assert fit(network(), cross_entropy, data, **options)[1].excluded.keys() == {"worker-2"}
    problem = LocalProblem(network(), cross_entropy, data, batch_size=1, seed=0, steps=2, lr=0.1)
    for r in range(6):  # whether or not the cell is drawn
        sent = problem.sampled(problem.start[None], r)[0]
        assert np.isnan(sent[2]).all()
        assert np.isfinite(np.delete(sent, 2, axis=0)).all()


def test_dropout_draws_anew_in_every_step_and_can_be_replayed() -> None:
    module = nn.Sequential(network(), nn.Dropout(0.5))
    data = rows()
    made = [
        LocalProblem(module, cross_entropy, data, batch_size=10, seed=0, steps=2, lr=1e-9)
        for _ in range(2)
    ]
    one, same = (problem.sampled(problem.start[None], 3) for problem in made)
    np.testing.assert_array_equal(one, same)
    first = TorchProblem(module, cross_entropy, data, batch_size=10, seed=0)
    w = first.start[None]
    assert not np.allclose(one, first.sampled(w, 3), atol=1e-6)  # not the same masks twice


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"local_steps": 0}, "local_steps must be"),
        ({"local_steps": 2.0}, "local_steps must be"),
        ({"local_steps": 3, "local_lr": 0.0}, "local_lr must be"),
        ({"local_lr": 0.1}, "local_lr is for local_steps above 1"),
        ({"local_steps": 3, "schedule": lambda _: 0.1}, "needs local_lr"),
        ({"local_steps": 3, "optimizer": sp.torch.ServerAdam()}, "needs local_lr"),
    ],
)
def test_local_steps_that_cannot_be_taken_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        fit(network(), cross_entropy, rows(), b=1, rounds=2, **options)


def test_local_steps_follow_one_point() -> None:
    problem = LocalProblem(network(), cross_entropy, rows(), steps=2, lr=0.1)
    with pytest.raises(OptionError, match="one point a round"):
        problem.sampled(np.stack([problem.start] * 2), 0)
