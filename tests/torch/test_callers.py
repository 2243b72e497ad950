"""Threads and modes of the caller: neither changes an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import check, network, rows
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parametrize

from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem


def test_threads_that_share_a_problem_get_the_answers_of_one() -> None:
    net = nn.Sequential(nn.Linear(4, 30), nn.LayerNorm(30), nn.Linear(30, 3)).double()
    problem = TorchProblem(net, cross_entropy, rows(n=100))
    points = [problem.start + i for i in range(4)]
    v = np.ones((4, 1, problem.d))
    expected = [(problem.gradients(w[None]), problem.products(w, v)) for w in points]
    wrong = [0] * 4

    def work(i: int) -> None:
        for _ in range(25):
            wrong[i] += not np.allclose(problem.gradients(points[i][None]), expected[i][0])
            wrong[i] += not np.allclose(problem.products(points[i], v), expected[i][1])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [0] * 4


def test_dropout_is_replayed_while_other_threads_draw() -> None:
    net = nn.Sequential(nn.Linear(4, 30), nn.Dropout(0.5), nn.Linear(30, 3)).double()
    problem = TorchProblem(net, cross_entropy, rows(), batch_size=5, seed=0)
    points = problem.start[None]
    expected = [problem.sampled(points, r) for r in range(3)]
    done = threading.Event()

    def draw() -> None:
        while not done.is_set():
            torch.rand(10)
            torch.manual_seed(3)

    other = threading.Thread(target=draw)
    other.start()
    try:
        for r in (0, 1, 2) * 10:
            np.testing.assert_array_equal(problem.sampled(points, r), expected[r])
    finally:
        done.set()
        other.join()


MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_the_callers_mode_changes_nothing(mode: Callable[[], AbstractContextManager[Any]]) -> None:
    net, data = network().float(), rows(dtype=torch.float32)
    plain = TorchProblem(net, cross_entropy, data, batch_size=5, seed=0)
    w, v = plain.start + 0.1, np.ones((4, 1, plain.d))
    with mode():
        problem = TorchProblem(net, cross_entropy, data, batch_size=5, seed=0)
        found = [
            problem.gradients(w[None]),
            problem.sampled(w[None], 1),
            problem.products(w, v),
            problem.values(w),
        ]
        alone = problem.loss.product(w, v[0, 0], problem.shards[0])
        loaded = problem.load(w)
    expected = [plain.gradients(w[None]), plain.sampled(w[None], 1), plain.products(w, v)]
    for a, b in zip(found, [*expected, plain.values(w)], strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(alone, found[2][0, 0], atol=1e-6)
    loaded(data[0][0]).sum().backward()


def test_a_module_that_was_made_in_inference_mode_is_taken() -> None:
    with torch.inference_mode():
        problem = TorchProblem(network(), cross_entropy, rows())
        problem.products(problem.start, np.ones((4, 1, problem.d)))
    check(problem)


def test_two_trainings_of_one_module_do_not_see_each_other() -> None:
    """A hook writes where the loss reads, and both trainings call copies of the same module."""
    net, seen = network(), {}
    net[1].register_forward_hook(lambda _layer, _x, y: seen.update(h=y))  # type: ignore[operator]

    def loss(output: Tensor, target: Tensor) -> Tensor:
        time.sleep(1e-4)  # another thread runs now, if it may
        return cross_entropy(output, target) + seen["h"].abs().mean()

    problems = [TorchProblem(net, loss, rows()) for _ in range(2)]
    expected = [problem.gradients(problem.start[None]) for problem in problems]
    found: list[list[np.ndarray]] = [[], []]

    def work(i: int) -> None:
        for _ in range(20):
            found[i].append(problems[i].gradients(problems[i].start[None]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine, wanted in zip(found, expected, strict=True):
        assert all(np.array_equal(x, wanted) for x in mine)


def test_a_cache_of_parametrized_weights_is_refused() -> None:
    with parametrize.cached(), pytest.raises(OptionError, match="outside of it"):
        TorchProblem(network(), cross_entropy, rows())


@pytest.mark.parametrize("device", ["meta"])
def test_the_default_device_and_dtype_change_nothing(device: str) -> None:
    net, data = network(), rows()
    plain = TorchProblem(net, cross_entropy, data)
    with torch.device(device):
        problem = TorchProblem(net, cross_entropy, data)
        found = problem.gradients(plain.start[None])
    np.testing.assert_array_equal(found, plain.gradients(plain.start[None]))
