"""What the server does with aggregates: the papers' formulas, and PyTorch's own optimizers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_torch import network, rows
from torch import nn
from torch.nn.functional import cross_entropy

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.torch import ServerAdam, ServerMomentum, ServerYogi, fit
from saddleproof.torch.optim import TorchStep

PLAIN: dict[str, Any] = {
    "b": 0, "momentum": 0.0, "batch_size": None, "aggregator": sp.Mean(), "certify": False,
}  # fmt: skip


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), b1=st.floats(0, 0.99), b2=st.floats(0, 0.999))
def test_adaptive_steps_are_those_of_algorithm_2(seed: int, b1: float, b2: float) -> None:
    rng, tau, lr = np.random.default_rng(seed), 0.1, 0.3
    adam, yogi = (make(beta1=b1, beta2=b2, tau=tau) for make in (ServerAdam, ServerYogi))
    start = rng.standard_normal(2)
    here = {one: (start, one.begin(start)) for one in (adam, yogi)}
    # Coordinate by coordinate, with Delta = -g, as the paper prints it.
    x, m, v = {one: list(start) for one in here}, [0.0] * 2, {one: [tau**2] * 2 for one in here}
    for _ in range(5):
        delta = rng.standard_normal(2)
        for k in range(2):
            m[k] = b1 * m[k] + (1 - b1) * delta[k]
            square = delta[k] ** 2
            v[adam][k] = b2 * v[adam][k] + (1 - b2) * square
            v[yogi][k] -= (1 - b2) * square * np.sign(v[yogi][k] - square)
            for one in here:
                x[one][k] += lr * m[k] / (np.sqrt(v[one][k]) + tau)
        here = {one: one.step(w, -delta, memory, lr) for one, (w, memory) in here.items()}
    for one, (w, _) in here.items():
        np.testing.assert_allclose(w, x[one])


def reference(optimizer: Any, scheduler: Any = None, steps: int = 12) -> np.ndarray:
    """PyTorch's own loop over all rows."""
    torch.manual_seed(0)
    module, data = network(), rows(workers=5, n=8)
    x, y = (torch.cat(part) for part in zip(*data, strict=True))
    made = optimizer(list(module.parameters()))
    plan = None if scheduler is None else scheduler(made)
    for _ in range(steps):
        made.zero_grad()
        cross_entropy(module(x), y).backward()
        made.step()
        if plan is not None:
            plan.step()
    return torch.cat([p.detach().reshape(-1) for p in module.parameters()]).numpy()


def ours(steps: int = 12, **options: Any) -> np.ndarray:
    torch.manual_seed(0)
    module, data = network(), rows(workers=5, n=8)
    return fit(module, cross_entropy, data, rounds=steps, **PLAIN, **options)[1].w


MAKERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.05),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.05, amsgrad=True),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.02, centered=True, momentum=0.5),
    "Rprop": lambda p: torch.optim.Rprop(p, lr=0.01),
    "ASGD": lambda p: torch.optim.ASGD(p, lr=0.1),
    "NAdam": lambda p: torch.optim.NAdam(p, lr=0.02),
    "two groups": lambda p: torch.optim.SGD(
        [{"params": p[:2], "lr": 0.3}, {"params": p[2:]}], lr=0.1
    ),
}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_an_optimizer_of_pytorchs_steps_as_in_its_own_loop(maker: Callable[[Any], Any]) -> None:
    np.testing.assert_allclose(ours(optimizer=maker), reference(maker), atol=1e-10)


def pairs(scheduler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def factory(parameters: Any) -> Any:
        made = torch.optim.SGD(parameters, lr=0.2, momentum=0.5)
        return made, scheduler(made)

    return factory


SCHEDULERS: dict[str, Callable[[Any], Any]] = {
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5),
    "milestones": lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 5], 0.3),
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 12),
    "restarts": lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 4),
    "lambda": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda k: 0.9**k),
    "one cycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.4, total_steps=20),
    "sequence": lambda o: torch.optim.lr_scheduler.SequentialLR(
        o,
        [
            torch.optim.lr_scheduler.LinearLR(o, 0.1, total_iters=4),
            torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
        ],
        [4],
    ),
}


@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS)
def test_a_scheduler_goes_beside_its_optimizer(scheduler: Callable[[Any], Any]) -> None:
    expected = reference(lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.5), scheduler)
    np.testing.assert_allclose(ours(optimizer=pairs(scheduler)), expected, atol=1e-10)


def test_server_momentum_is_that_of_pytorchs_sgd() -> None:
    expected = reference(lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8))
    np.testing.assert_allclose(ours(optimizer=ServerMomentum(0.8), lr=0.05), expected, atol=1e-10)


@pytest.mark.parametrize("as_list", [False, True])
def test_a_schedule_is_the_learning_rate_of_every_step(as_list: bool) -> None:
    def scheduler(o: Any) -> Any:
        return torch.optim.lr_scheduler.LambdaLR(o, lambda k: 0.9**k)

    expected = reference(lambda p: torch.optim.SGD(p, lr=0.3), scheduler)
    schedule: Any = [0.3 * 0.9**k for k in range(12)] if as_list else lambda k: 0.3 * 0.9**k
    np.testing.assert_allclose(ours(schedule=schedule), expected, atol=1e-10)


def test_a_schedule_moves_a_servers_step_too() -> None:
    still = ours(optimizer=ServerAdam(), schedule=lambda _: 0.0)
    torch.manual_seed(0)
    start = torch.cat([p.detach().reshape(-1) for p in network().parameters()]).numpy()
    np.testing.assert_array_equal(still, start)


@pytest.mark.parametrize("step", [ServerAdam(), ServerYogi(), ServerMomentum()], ids=repr)
def test_a_servers_step_trains_though_liars_push_back(step: Any) -> None:
    y = torch.randint(0, 2, (10, 40))
    x = torch.randn(10, 40, 2) + 4.0 * y[:, :, None] - 2.0
    module = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 2))
    shards = list(zip(x, y, strict=True))
    attack = sp.attacks.InnerProduct(scale=10.0)
    trained, result = fit(
        module, cross_entropy, shards, b=3, rounds=60, attack=attack, seed=0, optimizer=step,
        certify=False,
    )  # fmt: skip
    assert (trained(x).argmax(dim=-1) == y).double().mean() > 0.97
    assert type(step).__name__ in result.guarantee[0]
    assert "guarantee" in repr(result)


class Drawing(torch.optim.SGD):
    """Steps with noise, less of it than loading a state may round."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                p.grad += 1e-6 * torch.randn_like(p)
        return super().step(closure)


class Counting(torch.optim.SGD):
    """Keeps a number beside its state."""

    count = 0

    def step(self, closure: Any = None) -> Any:
        self.count += 1
        for group in self.param_groups:
            group["lr"] = 0.1 * self.count
        return super().step(closure)


MODULE = network()
WRONG: dict[str, tuple[Any, str]] = {
    "another module's": (lambda _: torch.optim.SGD(MODULE.parameters(), lr=0.1), "other parameter"),
    "LBFGS": (torch.optim.LBFGS, "function of the parameters"),
    "LBFGS made": (lambda p: torch.optim.LBFGS(p, lr=0.5), "LBFGS evaluates"),
    "raises": (lambda p: torch.optim.SGD(p, lr=-1.0), "raised ValueError"),
    "nothing": (lambda _: None, "returns an optimizer"),
    "plateau": (
        pairs(torch.optim.lr_scheduler.ReduceLROnPlateau),
        "needs no metric; got ReduceLROnPlateau",
    ),
    "no scheduler": (lambda p: (torch.optim.SGD(p, lr=0.1), "cosine"), "got str"),
    "random": (lambda p: Drawing(p, lr=0.1), "Drawing steps otherwise"),
    "beside its state": (lambda p: Counting(p, lr=0.1), "Counting steps otherwise"),
}


@pytest.mark.parametrize(("factory", "message"), WRONG.values(), ids=WRONG)
def test_an_optimizer_that_cannot_step_here_is_refused(factory: Any, message: str) -> None:
    heard: list[object] = []
    before = copy.deepcopy(MODULE.state_dict())
    with pytest.raises(OptionError, match=message):
        ours(optimizer=factory, callback=heard.append)
    assert heard == []
    assert all(torch.equal(before[k], x) for k, x in MODULE.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": [0.1] * 3}, "3 learning rates for rounds=12"),
        ({"schedule": lambda _: float("nan")}, "schedule at step 0"),
        ({"schedule": lambda k: 1.0 if k < 5 else -1.0}, "schedule at step 5"),
        ({"schedule": lambda _: 1 / 0}, "fails at step 0: ZeroDivisionError"),
        ({"schedule": 0.1}, "schedule must be a function"),
        ({"schedule": "cosine"}, "schedule must be a function"),
        ({"schedule": lambda _: 0.1, "lr": 0.1}, "leave lr out"),
        ({"optimizer": MAKERS["AdamW"], "lr": 0.1}, "lr has no effect"),
        ({"optimizer": MAKERS["AdamW"], "schedule": lambda _: 0.1}, "schedule has no effect"),
        ({"optimizer": sp.GradientDescent(), "lr": 0.1}, "GradientDescent asks its own questions"),
        ({"optimizer": sp.GradientDescent(), "sample": 3}, "sample is for the training of fit"),
        ({"optimizer": sp.GradientDescent(), "local_steps": 3}, "local_steps is for"),
        ({"optimizer": sp.GradientDescent(), "weights": "rows"}, "weights is for"),
        ({"optimizer": ServerAdam}, "an instance, ServerAdam"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        ours(**options)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ServerAdam(beta1=1.0), lambda: ServerAdam(beta2=-0.1), lambda: ServerYogi(tau=0.0),
        lambda: ServerMomentum(float("nan")), lambda: ServerMomentum("0.9"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_decays_and_tau_have_ranges(make: Callable[[], Any]) -> None:
    with pytest.raises(OptionError):
        make()


def test_a_step_writes_into_nothing_that_it_is_handed() -> None:
    w, g = np.ones(5), np.arange(5.0)
    steps = [ServerAdam(), ServerYogi(), ServerMomentum(), TorchStep(MAKERS["AdamW"], ((5,),))]
    for step in steps:
        memory = step.begin(w)
        for _ in range(2):
            kept = copy.deepcopy((w, g, memory))
            _, after = step.step(w, g, memory, 0.1)
            np.testing.assert_equal((w, g, memory), kept)
            memory = after
