"""What `fit`, `certify` and `aggregate` ask of their arguments, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.errors import OptionError

torch = pytest.importorskip("torch")

SHARDS = [(torch.ones(3, 1), torch.full((3, 1), float(i))) for i in range(5)]


class Counting(torch.nn.Module):
    """A module that counts its forward passes."""

    passes = 0

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: Any) -> Any:
        type(self).passes += 1
        return x * self.w


def fit(**options: Any) -> Any:
    given = {"b": 1, "rounds": 2, "seed": 0, "batch_size": 2, "certify": False} | options
    return sp.torch.fit(Counting(), torch.nn.functional.mse_loss, SHARDS, **given)


def certify(**options: Any) -> Any:
    given = {"b": 1, "seed": 0} | options
    return sp.torch.certify(Counting(), torch.nn.functional.mse_loss, SHARDS, **given)


def aggregate(b: Any) -> Any:
    return sp.torch.aggregate(sp.Median(), [{"w": target} for _, target in SHARDS], b)


@pytest.mark.parametrize("b", [0.2, 1.0, True, "1", None, -1, 5])
@pytest.mark.parametrize("door", [lambda b: fit(b=b), lambda b: certify(b=b), aggregate])
def test_b_counts_workers(door: Callable[[Any], Any], b: Any) -> None:
    with pytest.raises(OptionError, match=r"b counts workers|holds at most"):
        door(b)


@pytest.mark.parametrize("b", [0, np.int64(1)])
def test_a_count_in_range_works(b: Any) -> None:
    assert fit(b=b)[1].rounds == 2
    assert certify(b=b).level
    assert aggregate(b)


BOTH = {
    "aggregator": [sp.Median, "median", sp.attacks.SignFlip(), torch.nn.Linear(1, 1), torch.median],
    "attack": [sp.attacks.SignFlip, "sign_flip", sp.Median()],
    "liars": [[0]],  # without an attack they would tell the truth
    "budget": [60, "60"],
    "progress": ["yes", 1],
}
TRAINING = {
    "optimizer": [sp.optimizers.PGD, "pgd", torch.optim.SGD, torch.optim.Adam([torch.zeros(1)])],
    "rounds": [-1, 2.0, True, None],
    "lr": [0.0, -1.0, float("nan"), float("inf"), "0.1", True],
    "momentum": [1.0, -0.1, float("nan"), "0.9", True],
    "patience": [0, 1.5, "3"],
    "batch_size": [0, 1.5, True, "2"],
    "callback": [3, "print"],
    "certify": ["yes", 1],
    "seed": [1.5, -1, "0", torch.Generator()],
}


@pytest.mark.parametrize(
    ("option", "value"),
    [(option, value) for option, values in (BOTH | TRAINING).items() for value in values],
)
def test_an_option_that_cannot_work_is_refused_before_the_module_is_called(
    option: str, value: Any
) -> None:
    for door in (fit, certify) if option in BOTH else (fit,):
        Counting.passes = 0
        with pytest.raises(OptionError, match=option):
            door(**{option: value})
        assert Counting.passes == 0


@pytest.mark.parametrize("given", [torch.optim.SGD, torch.optim.SGD([torch.zeros(1)], lr=0.1)])
def test_an_optimizer_of_pytorchs_is_told_to_come_as_a_function(given: Any) -> None:
    with pytest.raises(OptionError, match=r"lambda parameters: torch\.optim\.SGD\(parameters"):
        fit(optimizer=given)


def test_a_module_is_sent_to_fit() -> None:
    with pytest.raises(OptionError, match=r"saddleproof\.torch\.fit\(module"):
        sp.minimize(Counting(), b=1)


def test_a_generator_is_drawn_from_once() -> None:
    one, two = np.random.default_rng(3), np.random.default_rng(3)
    trained = [fit(seed=rng, rounds=5)[1].w.tobytes() for rng in (one, two)]
    assert trained[0] == trained[1]
    assert one.random() == two.random() == np.random.default_rng(3).random(2)[1]


def test_liars_may_be_named() -> None:
    named, counted = (
        fit(attack=sp.attacks.SignFlip(), liars=who)[1].w for who in (["worker-3"], [3])
    )
    np.testing.assert_array_equal(named, counted)


def test_a_callback_that_hands_back_a_loss_is_told_so() -> None:
    with pytest.raises(OptionError, match=r"returned 0\.5"):
        fit(callback=lambda _: 0.5)
