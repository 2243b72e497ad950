from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

import saddleproof as sp
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature
from saddleproof.torch import TorchProblem, WorkerMomentum
from saddleproof.torch.facts import APART, NEVER, TOGETHER
from saddleproof.torch.loss import ModuleLoss

Shards = list[tuple[Tensor, Tensor]]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(6, 18), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.into(x).chunk(3, dim=-1)
        return self.out(scaled_dot_product_attention(query, key, value)).mean(dim=1)


class Last(nn.Module):
    """What a recurrent layer says in the end."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.out = layer, nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(x)[0][:, -1])


def vectors(n: int) -> Tensor:
    return torch.randn(n, 6)


def sequences(n: int) -> Tensor:
    return torch.randn(n, 4, 6)


def images(n: int) -> Tensor:
    return torch.randn(n, 1, 6, 6)


def words(n: int) -> Tensor:
    return torch.randint(0, 5, (n, 4))


Case = tuple[Callable[[], nn.Module], Callable[[int], Tensor]]
MODULES: dict[str, Case] = {
    "ReLU": (lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), vectors),
    "tanh": (lambda: nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)), vectors),
    "convolution": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)
        ),
        images,
    ),
    "layer norm": (
        lambda: nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 3)),
        vectors,
    ),
    "group norm": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3)
        ),
        images,
    ),
    "embedding": (
        lambda: nn.Sequential(nn.Embedding(5, 4), nn.Tanh(), nn.Flatten(), nn.Linear(16, 3)),
        words,
    ),
    "fused attention": (Attention, sequences),
    "transformer": (
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True),
            nn.Flatten(),
            nn.Linear(24, 3),
        ),
        sequences,
    ),
}


def build(case: Case, sizes: tuple[int, ...] = (7, 7, 5, 7), **options: int) -> TorchProblem:
    make, inputs = case
    data = [(inputs(n), torch.randint(0, 3, (n,))) for n in sizes]
    return TorchProblem(make().double(), cross_entropy, data, **options)


def by_double_backward(problem: TorchProblem, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(m, p, d): parameter by parameter, worker by worker, vector by vector."""
    module = problem.load(w).eval()
    parameters = list(module.parameters())
    out = np.empty(v.shape)
    fused = torch.backends.cuda.flash_sdp_enabled()
    torch.backends.cuda.enable_flash_sdp(False)
    try:
        for i, (*inputs, target) in enumerate(problem.shards):
            for k in range(v.shape[1]):
                value = cross_entropy(module(*inputs), target)
                slopes = torch.autograd.grad(value, parameters, create_graph=True)
                slope = torch.cat([x.reshape(-1) for x in slopes])
                images = torch.autograd.grad(slope @ torch.as_tensor(v[i, k]), parameters)
                out[i, k] = torch.cat([x.reshape(-1) for x in images]).numpy()
    finally:
        torch.backends.cuda.enable_flash_sdp(fused)
    return out


def points(problem: TorchProblem) -> tuple[np.ndarray, np.ndarray]:
    """A point, and two vectors for every worker, all of them different."""
    rng = np.random.default_rng(0)
    w = problem.start + 0.3 * rng.standard_normal(problem.d)
    return w, rng.standard_normal((problem.m, 2, problem.d))


@pytest.mark.parametrize("case", MODULES.values(), ids=MODULES)
def test_products_are_those_of_double_backward_with_a_vector_of_its_own_for_every_worker(
    case: Case,
) -> None:
    problem = build(case)
    assert problem.judge.facts.second == TOGETHER
    w, v = points(problem)
    expected = by_double_backward(problem, w, v)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(problem.products(w, v), expected, atol=1e-11)


@pytest.mark.parametrize("case", MODULES.values(), ids=MODULES)
def test_a_worker_alone_multiplies_as_in_the_crowd(case: Case) -> None:
    problem = build(case, (5, 5, 5))
    w, v = points(problem)
    alone = [problem.loss.product(w, v[i, 1], problem.shards[i]) for i in range(3)]
    np.testing.assert_allclose(problem.products(w, v)[:, 1], np.stack(alone), atol=1e-12)


@pytest.mark.parametrize("case", MODULES.values(), ids=MODULES)
def test_values_are_those_of_the_module_at_every_point(case: Case) -> None:
    problem = build(case)
    w = np.stack([problem.start, points(problem)[0], -problem.start])
    expected = [
        [cross_entropy(problem.load(x)(data), target).item() for data, target in problem.shards]
        for x in w
    ]
    np.testing.assert_allclose(problem.values_at(w), expected, atol=1e-12)


def test_a_weight_norm_has_the_second_derivative_of_its_gradient() -> None:
    """PyTorch's own is wrong there, so that differences have to judge."""
    problem = build((lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 3)), vectors))
    assert problem.judge.facts.second == TOGETHER
    w, v = points(problem)
    same = np.repeat(v[:1], problem.m, axis=0)
    h = 1e-5
    ahead, behind = problem.gradients(w + h * np.stack([v[0, 0], -v[0, 0]]))
    found = problem.products(w, same)[:, 0]
    np.testing.assert_allclose(found, (ahead - behind) / (2 * h), atol=1e-7)


@pytest.mark.parametrize(("memory", "kept"), [(1, 0), (20_000, 3), (2**28, 1)])
def test_the_memory_budget_changes_neither_products_nor_values(memory: int, kept: int) -> None:
    case = MODULES["tanh"]
    sizes = (6,) * 12
    torch.manual_seed(1)
    whole = build(case, sizes)
    torch.manual_seed(1)
    cut = build(case, sizes, memory=memory)
    w, v = points(whole)
    np.testing.assert_allclose(cut.products(w, v), whole.products(w, v), atol=1e-13)
    np.testing.assert_allclose(cut.values_at(w[None]), whole.values_at(w[None]), atol=1e-13)
    assert len(cut.judge._graphs) == kept
    np.testing.assert_allclose(cut.products(w, v), whole.products(w, v), atol=1e-13)


def test_many_vectors_at_one_point_share_one_graph_and_another_point_has_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = build(MODULES["tanh"], (6, 6, 6))
    made = []
    graph = problem.judge.graph
    monkeypatch.setattr(problem.judge, "graph", lambda *a, **k: made.append(1) or graph(*a, **k))
    w, v = points(problem)
    for _ in range(3):
        np.testing.assert_allclose(
            problem.products(w, v), by_double_backward(problem, w, v), atol=1e-12
        )
    assert len(made) == 1
    there = w + 0.1
    np.testing.assert_allclose(
        problem.products(there, v), by_double_backward(problem, there, v), atol=1e-12
    )
    assert len(made) == 2


def test_a_graph_does_not_outlive_the_rows_that_it_was_made_of() -> None:
    x, y = torch.randn(6, 6).double(), torch.randint(0, 3, (6,))
    problem = TorchProblem(MODULES["tanh"][0]().double(), cross_entropy, [(x, y)] * 2)
    w, v = points(problem)
    before = problem.loss.product(w, v[0, 0], (x, y))
    x *= 2
    after = problem.loss.product(w, v[0, 0], (x, y))
    assert np.abs(after - before).max() > 1e-3


def test_a_loop_multiplies_where_vmap_cannot() -> None:
    case = (lambda: Last(nn.GRU(6, 3, batch_first=True)), sequences)
    with pytest.warns(RuntimeWarning, match="using a loop"):
        problem = build(case, (5, 5))
    assert problem.judge.facts.second == APART
    w, v = points(problem)
    np.testing.assert_allclose(
        problem.products(w, v), by_double_backward(problem, w, v), atol=1e-12
    )


class Native(nn.Module):
    """A layer norm under another name, whose second derivative PyTorch 2.13 takes wrongly there."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.norm, self.out = nn.Linear(6, 5), nn.LayerNorm(5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        norm = self.norm
        h = torch.native_layer_norm(self.into(x), (5,), norm.weight, norm.bias, norm.eps)[0]
        return self.out(torch.tanh(h))


def test_products_are_right_where_vmap_would_have_a_wrong_second_derivative() -> None:
    problem = build((Native, vectors))
    assert not problem.judge.facts.looped
    w, v = points(problem)
    expected = by_double_backward(problem, w, v)
    np.testing.assert_allclose(problem.products(w, v), expected, atol=1e-12)


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    @once_differentiable
    def backward(ctx, slope):  # type: ignore[no-untyped-def]
        return slope * ctx.saved_tensors[0].cos()


class _Forgetful(torch.autograd.Function):
    """A second derivative that autograd would believe to be zero."""

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        ctx.cos = x.detach().cos()
        return x.sin()

    @staticmethod
    def backward(ctx, slope):  # type: ignore[no-untyped-def]
        return slope * ctx.cos


class Sine(nn.Module):
    def __init__(self, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.into, self.out, self.function = nn.Linear(6, 4), nn.Linear(4, 3), function

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.function.apply(self.into(x)))


@pytest.mark.parametrize("function", [_Once, _Forgetful])
def test_without_a_right_second_derivative_workers_take_differences(
    function: type[torch.autograd.Function],
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # vmap cannot either
        problem = build((lambda: Sine(function), vectors), (8, 8, 8))
    assert problem.judge.facts.second == NEVER
    assert problem.products is None
    assert problem.loss.product is None
    w, v = points(problem)
    unit = v[0, 0] / np.linalg.norm(v[0, 0])
    low, high = np.stack(sp.LocalFleet(problem).ask(Curvatures(w, unit[None]), round_id=0).answers)[
        :, :, 0
    ].T
    h = 1e-5
    ahead, behind = problem.gradients(w + h * np.stack([unit, -unit]))
    truth = ((ahead - behind) / (2 * h)) @ unit
    assert (low < truth + 1e-7).all()
    assert (truth < high + 1e-7).all()
    assert (high - low < 1e-4).all()
    assert np.isfinite(problem.hessian(w)).all()


def test_the_forgetful_layer_would_have_been_believed_without_a_comparison() -> None:
    loss = ModuleLoss(Sine(_Forgetful).double(), cross_entropy)
    data = (torch.randn(2, 8, 6).double(), torch.randint(0, 3, (2, 8)))
    w = torch.randn(loss.d).double()
    v = torch.randn(2, loss.d).double()
    loss.graph(w, data, together=False).along(v)  # no error


def test_dropout_is_judged_without() -> None:
    case = (lambda: nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.5), nn.Linear(9, 3)), vectors)
    problem = build(case, batch_size=3)
    w, v = points(problem)
    expected = by_double_backward(problem, w, v)
    np.testing.assert_allclose(problem.products(w, v), expected, atol=1e-12)
    alone = problem.loss.product(w, v[2, 0], problem.shards[2])
    np.testing.assert_allclose(alone, expected[2, 0], atol=1e-12)


def test_a_linear_loss_has_no_curvature() -> None:
    problem = TorchProblem(
        nn.Linear(6, 1).double(), lambda out, y: out.mean(), [(vectors(5), vectors(5))] * 2
    )
    w, v = points(problem)
    np.testing.assert_array_equal(problem.products(w, v), np.zeros_like(v))


def test_single_precision_shows_in_the_products() -> None:
    data = [(vectors(6), torch.randint(0, 3, (6,))) for _ in range(3)]
    problem = TorchProblem(MODULES["tanh"][0](), cross_entropy, data)
    w, v = points(problem)
    found = problem.products(w, v)
    assert (found == found.astype(np.float32)).all()
    w = w.astype(np.float32).astype(float)
    exact = by_double_backward(problem, w, v.astype(np.float32))
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-5)


def test_a_fleet_of_modules_answers_all_questions() -> None:
    problem = build(MODULES["tanh"])
    fleet = sp.LocalFleet(problem)
    w = problem.start
    hessians = np.stack(
        [problem.products(w, np.tile(e, (4, 1, 1)))[:, 0] for e in np.eye(problem.d)]
    )
    least = np.linalg.eigvalsh(np.moveaxis(hessians, 1, 0))[:, 0]
    answers = fleet.ask(LeastCurvature(w, steps=20, seed=0), round_id=0).answers
    for (low, ritz, *_), truth in zip(answers, least, strict=True):
        assert low <= truth <= ritz + 1e-12
        assert ritz - low < 0.1
    axis = np.eye(problem.d)[:1]
    told = np.stack(fleet.ask(Changes(w, axis, np.array([0.5])), round_id=0).answers)[:, 0, 0]
    change = problem.values(w + 0.5 * axis[0]) - problem.values(w)
    assert (told >= change).all()
    np.testing.assert_allclose(told, change, atol=1e-12)


def test_momentum_changes_gradients_and_no_other_answer() -> None:
    problem = build(MODULES["tanh"])
    plain = sp.LocalFleet(problem)
    fleet = WorkerMomentum(plain, beta=0.75)
    assert fleet.questions == plain.questions
    w, v = points(problem)
    for asked, share in ((Gradients(w[None]), 0.25), (Curvatures(w, v[:, 0]), 1.0)):
        found, expected = (np.stack(f.ask(asked, round_id=0).answers) for f in (fleet, plain))
        np.testing.assert_allclose(found, share * expected, atol=1e-12)


def test_a_loss_travels_without_its_graphs() -> None:
    problem = TorchProblem(
        nn.Linear(6, 3).double(), cross_entropy, [(vectors(5), torch.randint(0, 3, (5,)))] * 2
    )
    w, v = points(problem)
    expected = problem.loss.product(w, v[0, 0], problem.shards[0])
    there = pickle.loads(pickle.dumps(problem.loss))
    found = there.product(w, v[0, 0], problem.shards[0])
    np.testing.assert_allclose(found, expected, atol=1e-14)
