"""Random numbers: replayed, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import check, network, rows
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem


class Noisy(nn.Module):
    def __init__(self, noise: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.net, self.noise = network(), noise

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x * self.noise(x)) if self.training else self.net(x)


def test_dropout_that_no_gradient_shows_at_the_start_is_seen() -> None:
    net = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.Linear(5, 3)).double()
    for p in net.parameters():
        nn.init.zeros_(p)
    with pytest.raises(OptionError, match="batch_size"):
        TorchProblem(net, cross_entropy, rows())


@pytest.mark.parametrize(
    "noise",
    [
        torch.rand_like,
        lambda x: torch.rand(x.shape, dtype=x.dtype),
        lambda x: torch.bernoulli(torch.full_like(x, 0.5)),
        lambda x: torch.empty_like(x).uniform_(),
        lambda x: x[:, torch.randperm(4)],
        lambda x: torch.dropout(x, 0.3, train=True),
    ],
    ids=["rand_like", "rand", "bernoulli", "uniform_", "randperm", "dropout"],
)
def test_noise_in_train_mode_can_be_replayed_and_is_off_on_full_batches(
    noise: Callable[[Tensor], Tensor],
) -> None:
    with pytest.raises(OptionError, match="batch_size"):
        TorchProblem(Noisy(noise), cross_entropy, rows())
    problem = TorchProblem(Noisy(noise), cross_entropy, rows(), batch_size=5, seed=0)
    w = problem.start[None]
    first = problem.sampled(w, 0)
    np.testing.assert_array_equal(problem.sampled(w, 0), first)
    assert not np.allclose(problem.sampled(w, 1), first)
    np.testing.assert_array_equal(problem.gradients(w), problem.gradients(w))


def test_a_problem_takes_nothing_from_the_generator_of_the_process() -> None:
    net, data = Noisy(torch.rand_like), rows()
    state = torch.random.get_rng_state()
    problem = TorchProblem(net, cross_entropy, data, batch_size=5, seed=0)
    problem.sampled(problem.start[None], 0)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_noise_that_cannot_be_replayed_is_refused() -> None:
    net = Noisy(lambda _: np.random.rand())  # noqa: NPY002  # what users write
    with pytest.raises(OptionError, match="NumPy"):
        TorchProblem(net, cross_entropy, rows(), batch_size=5)


class AlwaysNoisy(Noisy):
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x + self.noise(x))


def test_noise_in_eval_mode_is_refused() -> None:
    with pytest.raises(OptionError, match="eval mode too"):
        TorchProblem(AlwaysNoisy(torch.rand_like), cross_entropy, rows(), batch_size=5)


@pytest.mark.parametrize("p", [0.0, 1e-9])
def test_dropout_is_judged_by_its_draws_and_not_by_their_effect(p: float) -> None:
    net = nn.Sequential(network(), nn.Dropout(p))
    if p:
        with pytest.raises(OptionError, match="batch_size"):
            TorchProblem(net, cross_entropy, rows())
    else:
        check(TorchProblem(net, cross_entropy, rows()))


def test_draws_from_a_generator_of_the_users_own_are_replayed() -> None:
    own = torch.Generator().manual_seed(0)
    net = Noisy(lambda x: torch.rand(x.shape, generator=own, dtype=x.dtype))
    problem = TorchProblem(net, cross_entropy, rows(), batch_size=5, seed=0)
    w, state = problem.start[None], own.get_state()
    np.testing.assert_array_equal(problem.sampled(w, 3), problem.sampled(w, 3))
    assert torch.equal(own.get_state(), state)


@pytest.mark.parametrize("zero", [False, True])
def test_a_numpy_generator_of_the_users_own_is_refused(zero: bool) -> None:
    own = np.random.default_rng(0)
    net = Noisy(lambda _: 1 + 1e-6 * own.random())
    if zero:
        nn.init.zeros_(net.net[2].weight)
        nn.init.zeros_(net.net[2].bias)
    with pytest.raises(OptionError, match="PyTorch's generator alone"):
        TorchProblem(net, cross_entropy, rows(), batch_size=5)


def test_noise_in_the_loss_is_refused() -> None:
    def noisy(output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output + torch.randn_like(output), target)

    with pytest.raises(OptionError, match="eval mode too"):
        TorchProblem(network(), noisy, rows(), batch_size=5)
