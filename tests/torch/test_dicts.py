"""Rows as dicts of tensors, as Hugging Face gives them: keyword arguments of the module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem, certify, fit


@dataclass
class Output:
    logits: Tensor
    loss: Tensor | None = None


class Classifier(nn.Module):
    """A bag of words, called as a Hugging Face model is."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(11, 4), nn.Linear(4, 3)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None
    ) -> Output:
        mask = attention_mask[..., None]
        logits = self.head((self.words(input_ids) * mask).sum(1) / mask.sum(1))
        return Output(logits, None if labels is None else cross_entropy(logits, labels))


def shards(m: int = 6, n: int = 12) -> list[dict[str, Tensor]]:
    return [
        {
            "input_ids": torch.randint(0, 11, (n, 5)),
            "attention_mask": torch.ones(n, 5),
            "labels": torch.randint(0, 3, (n,)),
        }
        for _ in range(m)
    ]


class Rows(Dataset[dict[str, Tensor]]):
    def __init__(self, shard: dict[str, Tensor]) -> None:
        self.shard = shard

    def __len__(self) -> int:
        return len(self.shard["labels"])

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        return {key: x[i] for key, x in self.shard.items()}


class ByNumber:
    """A data set that is none of PyTorch's, as Hugging Face's are."""

    def __init__(self, shard: dict[str, Tensor]) -> None:
        self.rows = Rows(shard)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, Tensor]:
        return self.rows[i]


def truth(problem: TorchProblem, data: list[dict[str, Tensor]]) -> np.ndarray:
    module = problem.load(problem.start)
    out = []
    for shard in data:
        loss = module(**shard).loss
        slopes = torch.autograd.grad(loss, list(module.parameters()))
        out.append(torch.cat([x.reshape(-1) for x in slopes]).numpy())
    return np.stack(out)


def own(output: Output, batch: dict[str, Tensor]) -> Tensor:
    return cross_entropy(output.logits, batch["labels"])


@pytest.mark.parametrize("loss", [None, own])
@pytest.mark.parametrize("form", ["dict", "set", "by number", "loader", "single", "other order"])
def test_gradients_are_those_of_the_loss_that_the_module_returns(loss: Any, form: str) -> None:
    data = shards()
    for shard in data:
        shard["attention_mask"] = shard["attention_mask"].double()
    given: list[Any] = {
        "dict": data,
        "set": [Rows(shard) for shard in data],
        "by number": [ByNumber(shard) for shard in data],
        "loader": [DataLoader(Rows(shard), batch_size=5) for shard in data],
        "single": [DataLoader(Rows(shard), batch_size=None) for shard in data],
        "other order": [data[0], *(dict(reversed(shard.items())) for shard in data[1:])],
    }[form]
    problem = TorchProblem(Classifier().double(), loss, given)
    np.testing.assert_allclose(
        problem.gradients(problem.start[None])[0], truth(problem, data), atol=1e-10
    )
    v = np.random.default_rng(0).standard_normal((6, 1, problem.d))
    ahead, behind = (
        np.stack([problem.gradients((problem.start + s * v[i, 0])[None])[0, i] for i in range(6)])
        for s in (1e-5, -1e-5)
    )
    products = problem.products(problem.start, v)[:, 0]
    np.testing.assert_allclose(products, (ahead - behind) / 2e-5, atol=1e-6)


def test_a_model_of_dicts_trains_is_evaluated_and_certified() -> None:
    torch.manual_seed(0)
    data = shards(8, 30)
    for shard in data:
        shard["labels"] = shard["input_ids"][:, 0] % 3
    trained, result = fit(
        Classifier(), None, data, b=2, rounds=60, lr=2.0, seed=0, evaluate=data[0], certify=False
    )
    assert set(result.history.metrics) == {"loss", "accuracy"}
    assert result.history["loss"][-1] < result.history["loss"][0]
    assert result.history["loss"][-1] == pytest.approx(trained(**data[0]).loss.item(), abs=1e-6)
    found = certify(trained, None, dict(zip("abcdefgh", data, strict=True)), b=2, seed=0)
    assert found.gradient_bound < np.inf


@pytest.mark.filterwarnings("ignore:vmap cannot differentiate:RuntimeWarning")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[1].pop("labels"), "worker 1's have 'input_ids', 'attention_mask', and"),
        (lambda d: d[1].update(more=torch.ones(12)), "worker 1's have .*'more'"),
        (lambda d: [x.update(more=torch.ones(12)) for x in d], "unexpected keyword.*more"),
        (lambda d: d[1].update(labels=["a"] * 12), "worker 1's"),
        (lambda d: d[1].update(labels=torch.ones(3).long()), "worker 1's.*one row each"),
        (lambda d: [x.pop("labels") for x in d], "returned no loss.*add the labels"),
        (lambda d: d.__setitem__(1, {}), "worker 1's dict must name"),
        (lambda d: d.__setitem__(1, {1: torch.ones(12)}), "worker 1's dict must name"),
        (lambda d: d.__setitem__(1, (torch.ones(12, 5), torch.ones(12))), "worker 1's have no nam"),
    ],
)
def test_dicts_that_do_not_fit_are_refused_by_one_sentence(change: Any, message: str) -> None:
    data = shards()
    change(data)
    with pytest.raises(OptionError, match=message):
        TorchProblem(Classifier(), None, data)


def test_rows_as_tuples_need_a_loss() -> None:
    with pytest.raises(OptionError, match="needs rows as dicts"):
        TorchProblem(nn.Linear(2, 1), None, [(torch.ones(3, 2), torch.ones(3, 1))] * 3)
