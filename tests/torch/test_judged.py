"""The dtype of a certificate."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import rows
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from saddleproof.certificate import Budget
from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem, certify, fit
from saddleproof.torch.judging import arithmetic, judged


class Casting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.float())


class HalfBase(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(4, 5).bfloat16().requires_grad_(requires_grad=False)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.base(x.bfloat16()).float())


WEIGHTS = torch.tensor([1.0, 2.0, 3.0])


def weighted(output: Tensor, target: Tensor) -> Tensor:
    return cross_entropy(output, target, weight=WEIGHTS)


@pytest.mark.filterwarnings("ignore:vmap cannot:RuntimeWarning")  # bfloat16 in other batches
@pytest.mark.parametrize(
    ("build", "loss", "dtype"),
    [
        (nn.Linear, nn.CrossEntropyLoss(weight=WEIGHTS), torch.float64),
        (nn.Linear, functools.partial(cross_entropy, weight=WEIGHTS), torch.float64),
        (nn.Linear, weighted, torch.float32),
        (lambda *_: Casting(), cross_entropy, torch.float32),
        (lambda *_: HalfBase(), cross_entropy, torch.float32),
    ],
    ids=["loss module", "partial", "closure", "cast", "half base"],
)
def test_a_model_is_judged_in_float64_where_it_can_be(
    build: Callable[..., nn.Module], loss: Any, dtype: torch.dtype
) -> None:
    module, data = build(4, 3), rows(dtype=torch.float32)
    found = judged(module, loss, data)
    assert found.judge.layout.dtype == dtype
    own = TorchProblem(module, loss, data)
    np.testing.assert_allclose(found.values(own.start), own.values(own.start), rtol=1e-4)
    np.testing.assert_allclose(
        found.gradients(own.start[None]), own.gradients(own.start[None]), rtol=1e-2, atol=1e-3
    )


class Rounding(nn.Module):
    """In float64 it is another model, and nothing fails."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * (1.0 if x.dtype == torch.float32 else 9.0)


def test_a_model_that_is_another_one_in_float64_is_judged_in_its_own_dtype() -> None:
    found = judged(Rounding(), cross_entropy, rows(dtype=torch.float32))
    assert found.judge.layout.dtype == torch.float32


def test_what_can_be_judged_in_no_dtype_says_why() -> None:
    with pytest.raises(OptionError, match="fails"):
        judged(nn.Linear(7, 3), mse_loss, rows(dtype=torch.float32))


def test_batch_norm_is_judged_in_eval_mode() -> None:
    net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    found = judged(net, cross_entropy, rows(dtype=torch.float32))
    assert not found.module.training
    assert net.training


class ZeroRounding(Rounding):
    """Zero at the start, where it is the same model in any type."""

    def __init__(self) -> None:
        super().__init__()
        for p in self.parameters():
            nn.init.zeros_(p)


def test_models_are_not_compared_where_both_are_zero() -> None:
    found = judged(ZeroRounding(), cross_entropy, rows(dtype=torch.float32))
    assert found.judge.layout.dtype == torch.float32


class Halfway(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).bfloat16().to(x.dtype)


@pytest.mark.filterwarnings("ignore:vmap cannot:RuntimeWarning")
def test_a_certificate_says_where_its_numbers_are_not_float64() -> None:
    data, budget = rows(workers=3, dtype=torch.float32), Budget(products=12)
    for module, words in ((Casting(), "judged in float32"), (Halfway(), "rounds to bfloat16")):
        found = certify(module, cross_entropy, data, b=1, budget=budget)
        assert any(words in said for said in found.assumptions)
    options: dict[str, Any] = {"rounds": 2, "batch_size": 5, "certify": True, "budget": budget}
    _, result = fit(Casting(), cross_entropy, data, b=1, seed=0, **options)
    assert any("judged in float32" in said for said in result.certificate.assumptions)
    assert arithmetic(judged(nn.Linear(4, 3), cross_entropy, data)) == ()
