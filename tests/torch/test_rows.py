"""Rows of other forms, with numbers that are none, or written into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import check, network, rows
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, Dataset, TensorDataset

from saddleproof.errors import OptionError
from saddleproof.fleets.local import LocalFleet
from saddleproof.torch import TorchProblem
from saddleproof.torch.judging import judge_of


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("worker", [0, 2, 3])
def test_a_worker_with_a_bad_cell_answers_nan_and_no_other_does(worker: int, bad: float) -> None:
    data = rows(n=20)
    good = TorchProblem(network(), cross_entropy, data)
    data[worker][0][19, 3] = bad
    problem = TorchProblem(good.module, cross_entropy, data, batch_size=2, seed=0)
    others = [i for i in range(4) if i != worker]
    w, v = good.start, np.ones((4, 1, good.d))
    for found, expected in (
        (problem.gradients(w[None])[0], good.gradients(w[None])[0]),
        (problem.values(w), good.values(w)),
        (problem.products(w, v), good.products(w, v)),
    ):
        assert np.isnan(found[worker]).all()
        np.testing.assert_allclose(found[others], expected[others], atol=1e-12)
    for r in range(5):  # whether or not the cell is drawn
        sampled = problem.sampled(w[None], r)[0]
        assert np.isnan(sampled[worker]).all()
        assert np.isfinite(sampled[others]).all()


def test_rows_that_are_bad_everywhere_are_refused() -> None:
    data = rows()
    for x, _ in data:
        x[0, 0] = np.nan
    with pytest.raises(OptionError, match="every worker's rows"):
        TorchProblem(network(), cross_entropy, data)


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.net(torch.softmax(x + mask, dim=-1))


def test_an_infinity_that_the_module_expects_is_no_fault() -> None:
    data = []
    for x, y in rows():
        mask = torch.zeros_like(x)
        mask[:, 3] = -torch.inf
        data.append((x, mask, y))
    check(TorchProblem(Masked(), cross_entropy, data))


def test_a_label_out_of_range_names_the_worker_before_the_first_round() -> None:
    data = rows(n=20)
    data[2][1][19] = 7
    with pytest.raises(OptionError, match="worker 2's rows"):
        TorchProblem(network(), cross_entropy, data)


def test_a_loader_is_read_once_row_by_row() -> None:
    data = rows()
    loaders = [DataLoader(TensorDataset(*shard), batch_size=3) for shard in data]
    net = network()
    a, b = (TorchProblem(net, cross_entropy, shards) for shards in (loaders, data))
    np.testing.assert_array_equal(a.gradients(a.start[None]), b.gradients(b.start[None]))


class Named(Dataset[dict[str, Any]]):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"x": torch.ones(4), "y": i}


@pytest.mark.parametrize(
    "shard",
    [
        {"x": torch.ones(3, 4), "y": torch.zeros(3)},
        Named(),
        DataLoader(Named()),
        TensorDataset(torch.ones(0, 4), torch.ones(0)),
        DataLoader(TensorDataset(torch.ones(0, 4), torch.ones(0))),
        [["a", "b"], [0, 1]],
    ],
    ids=["dict", "dict rows", "dict batches", "empty", "empty loader", "words"],
)
def test_rows_of_another_form_are_refused_by_one_sentence(shard: Any) -> None:
    with pytest.raises(OptionError, match="worker 1's"):
        TorchProblem(network(), cross_entropy, [rows()[0], shard])


@pytest.mark.parametrize(
    "of",
    [
        lambda x: x.numpy()[::-1],
        lambda x: x.numpy().astype(x.numpy().dtype.newbyteorder(">")),
        lambda x: x.tolist(),
        lambda x: np.asfortranarray(x.numpy()),
        lambda x: np.ma.masked_array(x.numpy(), mask=False),
    ],
    ids=["backwards", "big-endian", "lists", "Fortran", "nothing masked"],
)
def test_arrays_of_other_forms_are_converted_exactly(of: Callable[[Tensor], Any]) -> None:
    data = rows()
    problem = TorchProblem(network(), cross_entropy, [(of(x), of(y)) for x, y in data])
    for (x, y), (mine, labels) in zip(data, problem.shards, strict=True):
        np.testing.assert_array_equal(mine.numpy(), np.array(of(x)))
        np.testing.assert_array_equal(labels.numpy(), np.array(of(y)))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested:UserWarning")
@pytest.mark.parametrize(
    ("of", "message"),
    [
        (lambda x: np.ma.masked_array(x.numpy(), x.numpy() > 0), "worker 1's.*masked"),
        (lambda x: x.to_sparse(), "worker 1's.*dense"),
        (lambda x: x.to("meta"), "worker 1's.*meta"),
        (lambda x: torch.nested.nested_tensor(list(x)), "worker 1's.*nested"),
        (lambda x: x[:, :3], r"\(3,\).*worker 1"),
        (lambda x: x.long(), "int64.*worker 1"),
    ],
    ids=["masked", "sparse", "meta", "nested", "a column less", "whole numbers"],
)
def test_rows_that_mean_something_else_name_the_worker(
    of: Callable[[Tensor], Any], message: str
) -> None:
    data: list[Any] = list(rows())
    data[1] = (of(data[1][0]), data[1][1])
    with pytest.raises(OptionError, match=message):
        TorchProblem(network(), cross_entropy, data)


def test_a_mapping_names_the_workers() -> None:
    data = dict(zip("abcd", rows(), strict=True))
    problem = TorchProblem(network(), cross_entropy, data)
    assert LocalFleet(problem).workers == LocalFleet(judge_of(problem)).workers == tuple("abcd")
    data["c"] = (data["c"][0], data["c"][1] + 7)
    with pytest.raises(OptionError, match="worker 'c''s rows"):
        TorchProblem(network(), cross_entropy, data)


def test_a_loader_without_batches_gives_rows() -> None:
    data = [(torch.randn(6, 1), torch.randn(6, 1)) for _ in range(3)]
    loaders = [DataLoader(TensorDataset(*shard), batch_size=None) for shard in data]
    problem = TorchProblem(nn.Linear(1, 1), mse_loss, loaders)
    for (x, _), (mine, _) in zip(data, problem.shards, strict=True):
        assert torch.equal(mine, x)


def test_one_loader_for_all_workers_is_refused() -> None:
    with pytest.raises(OptionError, match=r"one a worker.*DataLoader"):
        TorchProblem(network(), cross_entropy, DataLoader(TensorDataset(*rows()[0])))
