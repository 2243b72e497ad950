"""Workers that count by their rows in a training: what is minimized, and what is still claimed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import network, rows
from torch.nn.functional import cross_entropy

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem, certify, fit

SIZES = (3, 5, 9, 12, 7)


def unequal() -> list[Any]:
    torch.manual_seed(1)
    return [tuple(x[:n] for x in shard) for shard, n in zip(rows(5, 12), SIZES, strict=True)]


def train(**options: Any) -> Any:
    torch.manual_seed(0)
    given = {"b": 1, "rounds": 8, "batch_size": None, "certify": False, "lr": 0.3} | options
    return fit(network(), cross_entropy, unequal(), **given)


def test_by_rows_without_liars_all_rows_count_alike() -> None:
    torch.manual_seed(0)
    module = network()
    data = unequal()
    x, y = (torch.cat(part) for part in zip(*data, strict=True))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.3)
    for _ in range(8):
        optimizer.zero_grad()
        cross_entropy(module(x), y).backward()
        optimizer.step()
    expected = torch.cat([p.detach().reshape(-1) for p in module.parameters()]).numpy()
    for weights in ("rows", SIZES, {f"worker-{i}": float(n) for i, n in enumerate(SIZES)}):
        found = train(b=0, weights=weights, aggregator=sp.Mean(), momentum=0.0)[1].w
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_the_default_rule_takes_weights_and_says_whose_word_they_are() -> None:
    result = train(weights="rows", momentum=0.0)[1]
    assert (result.w != train(weights=[1.0] * 5, momentum=0.0)[1].w).any()
    assert "no b workers hold a third" in result.guarantee[0]
    assert "the worker's own word" in result.guarantee[0]


def test_a_certificate_after_weights_counts_every_worker_alike_and_says_so() -> None:
    trained, result = train(weights="rows", rounds=30, certify=True)
    found = result.certificate
    assert "every worker counts alike" in found.assumptions[-1]
    problem = TorchProblem(trained, cross_entropy, unequal())
    gradients = problem.gradients(problem.start[None])[0]
    assert np.linalg.norm(gradients.mean(axis=0)) <= found.gradient_bound
    options = {"b": 1, "seed": 0, "aggregator": sp.NearestNeighborMixing()}
    alike = certify(trained, cross_entropy, unequal(), **options)
    assert found.gradient_norm == pytest.approx(alike.gradient_norm, rel=1e-6)
    assert all(
        "counts alike" not in text for text in train(certify=True)[1].certificate.assumptions
    )


def test_a_liar_that_claims_all_rows_gains_no_majority() -> None:
    attack = sp.attacks.InnerProduct(scale=100.0)
    honest = {"attack": attack, "liars": [3], "rounds": 26, "seed": 0}
    claimed = train(weights=(1.0, 1.0, 1.0, 1e12, 1.0), **honest)[1].tests[-1]
    assert claimed.most < 0
    believed = train(weights=(1.0, 1.0, 1.0, 1e12, 1.0), aggregator=sp.Mean(), **honest)[1].tests
    assert not believed or believed[-1].most > claimed.most


def test_weights_go_with_samples_and_local_steps() -> None:
    result = train(weights="rows", sample=3, local_steps=2, seed=0)[1]
    assert result.rounds == 8
    assert len(result.guarantee) == 4


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("size", 'must be "rows"'),
        ((1.0, 2.0), "one number a worker, 5"),
        ((1.0, 2.0, 3.0, 4.0, 0.0), "positive and finite"),
        ((1.0, 2.0, 3.0, 4.0, np.nan), "positive and finite"),
        ((1.0, 2.0, 3.0, 4.0, "x"), "weights must be numbers"),
        ({"worker-0": 1.0}, "name every worker once"),
        (3.0, "one number a worker"),
    ],
)
def test_weights_that_cannot_count_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        train(weights=weights)


def test_a_rule_that_counts_alike_is_refused_beside_weights() -> None:
    with pytest.raises(OptionError, match="Krum counts all workers alike"):
        train(weights="rows", aggregator=sp.aggregators.Krum())
