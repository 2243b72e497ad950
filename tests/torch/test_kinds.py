"""Kinds of modules, losses and rows: taken as they are meant, or refused by one sentence."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, mse_loss
from torch.utils.data import DataLoader, Dataset, TensorDataset

from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem
from saddleproof.torch.judging import judged

Rows = list[tuple[Tensor, ...]]


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def rows(workers: int = 4, n: int = 10, dtype: torch.dtype = torch.float64) -> Rows:
    return [(torch.randn(n, 4, dtype=dtype), torch.randint(0, 3, (n,))) for _ in range(workers)]


def truth(problem: TorchProblem, loss: Callable[..., Tensor], w: np.ndarray) -> np.ndarray:
    """(m, d): one backward pass a worker through a module that was loaded with w."""
    module = problem.load(w)
    parameters = list({id(p): p for p in module.parameters() if p.requires_grad}.values())
    out = []
    for *inputs, target in problem.shards:
        value = loss(module(*(x.clone() for x in inputs)), target)
        slopes = torch.autograd.grad(value, parameters)
        out.append(torch.cat([x.reshape(-1) for x in slopes]).detach().numpy())
    return np.stack(out)


def check(problem: TorchProblem, loss: Callable[..., Tensor] = cross_entropy) -> None:
    """The gradients are right at the start and away from it, also after many calls."""
    for w in (problem.start, problem.start + np.linspace(-0.5, 0.5, problem.d)):
        expected = truth(problem, loss, w)
        for _ in range(2):
            np.testing.assert_allclose(problem.gradients(w[None])[0], expected, atol=1e-10)


# --- threads and the caller's modes -----------------------------------------------------------


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


# --- what a loss may depend on ----------------------------------------------------------------


class Temperature(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()).double())

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output * self.scale, target)


class Unregistered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = [nn.Linear(4, 5).double()], nn.Linear(5, 3).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.hidden[0](x))


def patched() -> nn.Module:
    net = network()
    net.forward = lambda x: linear(torch.tanh(net[0](x)), net[2].weight)  # type: ignore[method-assign]
    return net


def test_a_penalty_in_the_loss_is_refused_and_told_where_it_belongs() -> None:
    net = network()

    def ridge(output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output, target) + sum((p**2).sum() for p in net.parameters())

    with pytest.raises(OptionError, match=r"parameter '.*weight'.*penalty="):
        TorchProblem(net, ridge, rows())


@pytest.mark.parametrize(
    ("module", "loss"),
    [(network, Temperature()), (patched, cross_entropy), (Unregistered, cross_entropy)],
    ids=["a loss with weights", "a patched forward", "a layer in a list"],
)
def test_trainable_tensors_outside_the_message_are_refused(
    module: Callable[[], nn.Module], loss: Any
) -> None:
    with pytest.raises(OptionError, match="trainable tensors that no message holds"):
        TorchProblem(module(), loss, rows())


def test_a_frozen_loss_with_weights_is_taken() -> None:
    loss = Temperature().requires_grad_(requires_grad=False)
    check(TorchProblem(network(), loss, rows()), loss)


def ridge(parameters: dict[str, Tensor]) -> Tensor:
    return sum((p**2).sum() for p in parameters.values()) + parameters["0.bias"].exp().sum()  # type: ignore[no-any-return]


@pytest.mark.parametrize("last", [nn.Identity, lambda: nn.LayerNorm(3)], ids=["pooled", "vmap"])
def test_a_penalty_is_part_of_values_gradients_and_products(last: Callable[[], nn.Module]) -> None:
    net = nn.Sequential(*network(), last()).double()
    data = rows()
    problem = TorchProblem(net, cross_entropy, data, penalty=ridge, batch_size=10)
    without = TorchProblem(net, cross_entropy, data)
    assert problem.module_loss.facts.pooled == (last is nn.Identity)
    w, v = problem.start + 0.1, np.random.default_rng(0).standard_normal((4, 2, problem.d))
    tree = problem.judge.layout.tree(torch.as_tensor(w))
    bias = np.zeros(problem.d)
    bias[20:25] = np.exp(w[20:25])
    assert tree["0.bias"].tolist() == w[20:25].tolist()
    more = float(ridge(tree))
    np.testing.assert_allclose(problem.values(w) - without.values(w), more, atol=1e-10)
    for found in (problem.gradients(w[None]), problem.sampled(w[None], 0)):
        change = found - without.gradients(w[None])
        np.testing.assert_allclose(change[0], np.tile(2 * w + bias, (4, 1)), atol=1e-10)
    change = problem.products(w, v) - without.products(w, v)
    np.testing.assert_allclose(change, (2 + bias) * v, atol=1e-10)


def test_a_sum_over_the_rows_is_refused() -> None:
    with pytest.raises(OptionError, match="mean"):
        TorchProblem(network(), nn.CrossEntropyLoss(reduction="sum"), rows())


# --- random numbers ---------------------------------------------------------------------------


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


# --- modules that are written in another way --------------------------------------------------


class ZeroHead(nn.Module):
    """The encoder's weight is used a second time, where no hook of its layer sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.head = nn.Linear(4, 4, bias=False), nn.Linear(4, 3, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(linear(torch.tanh(self.encode(x)), self.encode.weight.t()))


def test_ways_are_not_compared_where_both_give_zero() -> None:
    problem = TorchProblem(ZeroHead().double(), cross_entropy, rows())
    assert not problem.judge.facts.pooled
    check(problem)


def shared() -> nn.Module:
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(4, 3)).double()


def tied() -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 3)).double()
    net[2].weight = net[0].weight
    return net


class Keeping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.all = network(), []

    def forward(self, x: Tensor) -> Tensor:
        self.last = self.net(x)
        self.all.append(self.last)
        return self.last


class Remembering(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.state = network(), 0.0

    def forward(self, x: Tensor) -> Tensor:
        self.state = 0.5 * self.state + 1.0
        return self.net(x) * self.state


def test_a_module_that_remembers_its_calls_is_refused() -> None:
    with pytest.raises(OptionError, match="must not remember"):
        TorchProblem(Remembering(), cross_entropy, rows())


class Normalising(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = network()

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.net[0].weight.div_(self.net[0].weight.norm() * 2)
        return self.net(x)


def test_a_forward_pass_that_rewrites_the_parameters_is_refused() -> None:
    with pytest.raises(OptionError, match="rewrites the module's parameters"):
        TorchProblem(Normalising(), cross_entropy, rows())


def used(module: nn.Module) -> nn.Module:
    module(torch.randn(2, 4).double())
    return module


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize(
    "build",
    [
        shared,
        tied,
        Keeping,
        lambda: used(Keeping()),
        lambda: used(nn.utils.weight_norm(nn.Linear(4, 3).double())),
    ],
    ids=["shared", "tied", "keeping", "has kept", "old weight_norm"],
)
def test_these_are_trained_and_handed_back(build: Callable[[], nn.Module]) -> None:
    problem = TorchProblem(build(), cross_entropy, rows())
    check(problem)
    problem.products(problem.start, np.ones((4, 1, problem.d)))
    w = problem.start + 1
    np.testing.assert_allclose(problem.array_of(problem.load(w)), w)
    assert len(problem.state_dict(w)) == len(problem.module.state_dict())
    assert problem.judge.facts.second
    assert all(p.is_leaf for p in problem.judge.module.parameters())


class AddsOne(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x += 1.0
        return self.layer(x)


def test_rows_never_change_though_a_forward_pass_writes_into_them() -> None:
    data = rows()
    before = [x.clone() for x, _ in data]
    problem = TorchProblem(AddsOne().double(), cross_entropy, data, batch_size=10, seed=0)
    assert problem.judge.facts.writes
    w = problem.start
    first = problem.gradients(w[None])
    problem.values(w)
    problem.products(w, np.ones((4, 1, problem.d)))
    problem.sampled(w[None], 0)
    np.testing.assert_array_equal(problem.gradients(w[None]), first)
    for (mine, _), (theirs, _), x in zip(problem.shards, data, before, strict=True):
        assert torch.equal(mine, x)
        assert torch.equal(theirs, x)
    check(problem)


def test_a_sparse_embedding_is_taken() -> None:
    net = nn.Sequential(nn.Embedding(5, 4, sparse=True), nn.Flatten(), nn.Linear(8, 3)).double()
    data = [(torch.randint(0, 5, (6, 2)), torch.randint(0, 3, (6,))) for _ in range(3)]
    problem = TorchProblem(net, cross_entropy, data)
    dense = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 3)).double()
    dense.load_state_dict(net.state_dict())
    same = TorchProblem(dense, cross_entropy, data)
    w = same.start[None]
    np.testing.assert_allclose(problem.gradients(w), same.gradients(w), atol=1e-14)
    assert problem.load(problem.start)[0].sparse


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Sequential(nn.LazyLinear(3)), "lazy.*call the module once"),
        (lambda: torch.jit.script(network()), "scripted.*nn.Module"),
        (lambda: nn.Sequential(nn.Linear(4, 3), nn.Embedding(5, 4, max_norm=1.0)), "max_norm"),
    ],
    ids=["lazy", "scripted", "max_norm"],
)
def test_modules_without_parameters_of_their_own_are_refused(
    build: Callable[[], nn.Module], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        TorchProblem(build(), cross_entropy, rows())


# --- rows -------------------------------------------------------------------------------------


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


# --- the dtype of a certificate ---------------------------------------------------------------


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
