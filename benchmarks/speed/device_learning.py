"""For `gpu`: all workers' answers of a network, and `fit`, on a device and on the CPU."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import saddleproof as sp
from saddleproof.certificate import Budget
from speed import device as by
from speed.device import Row, judged, ms, ratio

INPUTS, CLASSES = 784, 10


def network(hidden: int) -> nn.Module:
    """784-hidden-10, tanh."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(INPUTS, hidden), nn.Tanh(), nn.Linear(hidden, CLASSES))


def shards_of(workers: int, rows: int, device: torch.device) -> list[tuple[torch.Tensor, ...]]:
    """Random images, and classes that depend on them."""
    chance = torch.Generator("cpu").manual_seed(1)
    x = torch.randn(workers, rows, INPUTS, generator=chance)
    y = x[:, :, :CLASSES].argmax(dim=2)
    return [(a.to(device), b.to(device)) for a, b in zip(x, y, strict=True)]


def questions(told: argparse.Namespace, device: torch.device, ends: float) -> Iterator[Row]:
    """Gradients, values, products and a certificate of all workers together."""
    m, hidden, cpu = 20, told.hidden, torch.device("cpu")
    data = shards_of(m, told.rows, cpu)
    there, here = (
        sp.torch.TorchProblem(network(hidden).to(at), cross_entropy, shards_of(m, told.rows, at))
        for at in (device, cpu)
    )
    w = np.asarray(there.start, dtype=float)
    v = np.random.default_rng(0).standard_normal((m, 1, len(w)))
    x, y = (part.numpy() for part in data[0])
    loss, gradient = by.network(w, x.astype(float), y, hidden)
    image = by.product(w, v[0, 0], x.astype(float), y, hidden)
    asked: dict[str, tuple[Callable[[sp.torch.TorchProblem], np.ndarray], np.ndarray, float]] = {
        "gradients": (lambda one: one.gradients(w[None])[0, 0], gradient, 1e-4),
        "values": (lambda one: one.values_at(w[None])[0, :1], np.array([loss]), 1e-5),
        "products": (lambda one: one.products(w, v)[0, 0], image, 1e-3),
    }
    size = f"{m} x {told.rows} rows, d = {len(w)}"
    for name, (ask, exact, tolerance) in asked.items():
        things = {"device": lambda: ask(there), "cpu": lambda: ask(here)}  # noqa: B023 - at once
        times = by.in_turn(things, device, told.repeat)
        yield Row(
            "questions", name, size, ms(times["device"]), ms(times["cpu"]),
            ratio(times["cpu"], times["device"]), **judged(by.off(ask(there), exact), tolerance),
        )  # fmt: skip
    if time.monotonic() > ends:
        yield Row("questions", "certificate", size, verdict="no time left")
        return
    found = []

    def certified(one: sp.torch.TorchProblem) -> None:
        budget = Budget(products=told.products)
        found.append(sp.certify(sp.LocalFleet(one), w, sp.Median(), 3, budget=budget, seed=0))

    times = by.in_turn(
        {"device": lambda: certified(there), "cpu": lambda: certified(here)}, device, 1
    )
    ends_of = [np.array([one.curvature.low, one.curvature.high]) for one in found[-2:]]
    yield Row(
        "questions", "certificate, against the CPU's", size, ms(times["device"]), ms(times["cpu"]),
        ratio(times["cpu"], times["device"]), **judged(by.off(ends_of[0], ends_of[1]), 1e-2),
    )  # fmt: skip


def fit(told: argparse.Namespace, device: torch.device, _: float) -> Iterator[Row]:
    """Training with minibatches; the loss that it ends with, by float64 NumPy, on both."""
    m, cpu, data = 20, torch.device("cpu"), shards_of(20, told.rows, torch.device("cpu"))
    x = torch.cat([one[0] for one in data]).numpy().astype(float)
    y = torch.cat([one[1] for one in data]).numpy()
    last: dict[str, nn.Module] = {}

    def trained(name: str, at: torch.device) -> None:
        last[name], _ = sp.torch.fit(
            network(told.hidden), cross_entropy, data, b=3, rounds=told.rounds, device=at,
            certify=False, seed=0,
        )  # fmt: skip

    def loss(module: nn.Module) -> float:
        flat = [p.detach().cpu().numpy().ravel() for p in module.parameters()]
        return by.network(np.concatenate(flat).astype(float), x, y, told.hidden)[0]

    things = {"device": lambda: trained("device", device), "cpu": lambda: trained("cpu", cpu)}
    times = by.in_turn(things, device, 1)
    size = f"{m} x {told.rows} rows, {told.rounds} rounds"
    before, ended, peer = loss(network(told.hidden)), loss(last["device"]), loss(last["cpu"])
    yield Row(
        "fit", "its loss, against the CPU's", size, ms(times["device"]), ms(times["cpu"]),
        ratio(times["cpu"], times["device"]), **judged(abs(ended - peer) / peer, 1e-2),
    )  # fmt: skip
    yield Row("fit", "its loss, over that of the start", size, **judged(ended / before, 1.0))
