from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.torch import TorchProblem, WorkerMomentum, certify, fit


def blobs(workers: int = 10, rows: int = 40) -> list[tuple[Tensor, Tensor]]:
    """Two classes in the plane, four standard deviations apart."""
    y = torch.randint(0, 2, (workers, rows))
    x = torch.randn(workers, rows, 2) + 4.0 * y[:, :, None] - 2.0
    return list(zip(x, y, strict=True))


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 2))


def accuracy(module: nn.Module, shards: list[tuple[Tensor, Tensor]]) -> float:
    x, y = (torch.cat(part) for part in zip(*shards, strict=True))
    return (module(x).argmax(dim=1) == y).double().mean().item()


def test_five_lines_train_a_model_though_three_of_ten_lie() -> None:
    module, shards = network(), blobs()
    before = copy.deepcopy(module.state_dict())
    attack = sp.attacks.InnerProduct(scale=10.0)
    trained, result = fit(module, cross_entropy, shards, b=3, rounds=60, attack=attack, seed=0)
    assert accuracy(trained, shards) > 0.97
    assert result.rounds == 60
    assert 0 < result.inexactness_ratio < np.inf
    assert "inexactness" in repr(result)
    assert result.certificate is not None
    assert all(torch.equal(before[k], x) for k, x in module.state_dict().items())


def test_a_plain_mean_would_not_have_trained_it() -> None:
    module, shards = network(), blobs()
    attack = sp.attacks.InnerProduct(scale=10.0)
    trained, _ = fit(
        module, cross_entropy, shards, b=3, rounds=60, attack=attack, seed=0,
        aggregator=sp.Mean(), certify=False,
    )  # fmt: skip
    assert accuracy(trained, shards) < 0.6


def test_a_seeded_fit_can_be_replayed() -> None:
    module, shards = network(), blobs()
    runs = [
        fit(module, cross_entropy, shards, b=2, rounds=5, seed=1, certify=False)[1].w
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*runs)


class Product(nn.Module):
    """x -> u v x: a saddle point at u = v = 0."""

    def __init__(self) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.tensor(1e-3))
        self.v = nn.Parameter(torch.tensor(-1e-3))

    def forward(self, x: Tensor) -> Tensor:
        return self.u * self.v * x


def lines(workers: int = 10) -> list[tuple[Tensor, Tensor]]:
    x = torch.randn(workers, 400)
    return list(zip(x, x + 0.1 * torch.randn_like(x), strict=True))


def test_full_batches_of_a_small_module_leave_a_saddle_and_end_with_a_certificate() -> None:
    module, shards = Product(), lines()
    attack = sp.SaddleAttack(np.zeros(2), strength=1.0)
    trained, result = fit(
        module, mse_loss, shards, b=3, rounds=400, batch_size=None, attack=attack, seed=0
    )
    assert (trained.u * trained.v).item() == pytest.approx(1.0, abs=0.1)
    assert result.certificate is not None
    assert result.certificate.level in ("proved", "conditional")  # the liars' gradients are loud
    assert result.certificate.curvature.low > -0.05  # along the orbit u v = 1 it is zero


def test_a_saddle_that_someone_else_handed_over_is_recognised() -> None:
    module = Product()
    nn.init.zeros_(module.u)
    nn.init.zeros_(module.v)
    found = certify(module, mse_loss, lines(), b=3, attack=sp.SaddleAttack(np.zeros(2)))
    assert found.level == "saddle"
    assert -2.4 < found.curvature.high < -1.0  # the truth is -2


def test_in_many_dimensions_the_bracket_holds_the_truth() -> None:
    module = nn.Sequential(nn.Linear(30, 10), nn.Tanh(), nn.Linear(10, 2)).double()
    y = torch.randint(0, 2, (8, 30))
    shards = list(zip(torch.randn(8, 30, 30).double(), y, strict=True))
    found = certify(module, cross_entropy, shards, b=2, seed=0)
    problem = TorchProblem(module, cross_entropy, shards)
    truth = float(np.linalg.eigvalsh(problem.hessian(problem.start))[0])
    assert -np.inf < found.curvature.low <= truth <= found.curvature.high


def test_progress_and_callback_hear_every_round(capsys: pytest.CaptureFixture[str]) -> None:
    heard = []
    fit(
        network(), cross_entropy, blobs(), b=2, rounds=25, seed=0, progress=True, certify=False,
        callback=lambda p: heard.append(p.record.round),
    )  # fmt: skip
    assert heard == list(range(25))
    assert "25 of 25" in capsys.readouterr().err


def test_momentum_is_the_average_that_it_says_and_liars_see_it() -> None:
    problem = TorchProblem(network().double(), cross_entropy, blobs(4), batch_size=5, seed=0)
    fleet = WorkerMomentum(sp.LocalFleet(problem), beta=0.75)
    seen = []

    def attack(view: object) -> np.ndarray:
        seen.append(view.messages)  # type: ignore[attr-defined]
        return view.own  # type: ignore[attr-defined, no-any-return]

    liars = sp.Coalition(fleet, attack, members=[0])
    w = problem.start[None]
    average = np.zeros((1, 4, problem.d))
    for r in range(3):
        liars.round(w, round_id=r)
        average = 0.75 * average + 0.25 * problem.sampled(w, r)
        np.testing.assert_allclose(seen[r], average, atol=1e-15)


def test_a_new_run_begins_without_momentum() -> None:
    problem = TorchProblem(network().double(), cross_entropy, blobs(4))
    fleet = WorkerMomentum(sp.LocalFleet(problem), beta=0.5)
    options = {"b": 1, "max_rounds": 3, "certify": False}
    runs = [sp.minimize(fleet, sp.GradientDescent(step=0.1), **options).w for _ in range(2)]
    np.testing.assert_array_equal(*runs)


def test_momentum_refuses_what_it_cannot_average() -> None:
    problem = TorchProblem(network().double(), cross_entropy, blobs(4))
    fleet = WorkerMomentum(sp.LocalFleet(problem))
    with pytest.raises(OptionError, match="one point a round"):
        fleet.round(np.stack([problem.start] * 2), round_id=0)
    with pytest.raises(OptionError, match="beta"):
        WorkerMomentum(sp.LocalFleet(problem), beta=1.0)
    fleet.close()


def test_a_start_in_single_precision_stays_there() -> None:
    problem = TorchProblem(network(), cross_entropy, blobs(4), batch_size=5, seed=0)
    w0 = problem.start.astype(np.float32)
    optimizer = sp.GradientDescent(step=0.1)
    assert sp.minimize(problem, optimizer, b=1, w0=w0, max_rounds=3, certify=False).w.dtype == "f4"


def test_a_certificate_of_a_fleet_with_momentum_is_one_of_its_gradients() -> None:
    problem = TorchProblem(network().double(), cross_entropy, blobs(4))
    optimizer = sp.GradientDescent(step=0.1)
    fleet = WorkerMomentum(sp.LocalFleet(problem), beta=0.5)
    found = sp.minimize(fleet, optimizer, b=1, max_rounds=3)
    same = sp.certify(sp.LocalFleet(problem), found.w, sp.Median(), 1)
    assert found.certificate is not None
    assert found.certificate.gradient_norm == same.gradient_norm
    assert found.certificate.gradient_bound == same.gradient_bound


def test_liars_may_be_named_by_anything_that_can_be_counted_once() -> None:
    options = {"b": 2, "rounds": 2, "attack": sp.attacks.SignFlip(), "seed": 0}
    module, shards = network(), blobs()
    listed = fit(module, cross_entropy, shards, liars=[7, 8], **options)[1]
    counted = fit(module, cross_entropy, shards, liars=iter([7, 8]), **options)[1]
    assert str(listed.certificate) == str(counted.certificate)


def test_a_run_is_told_until_when_its_loss_certainly_fell() -> None:
    _, result = fit(network(), cross_entropy, blobs(), b=3, rounds=52, seed=0, certify=False)
    assert [(test.since, test.round) for test in result.tests] == [(0, 25), (25, 50)]
    assert all(test.fell for test in result.tests)
    assert "loss: fell, by [-" in repr(result)


def test_before_its_first_test_training_is_that_of_the_plain_trainer() -> None:
    module, shards = network(), blobs()
    tested = fit(module, cross_entropy, shards, b=2, rounds=25, seed=1, certify=False)[1]
    problem = TorchProblem(module, cross_entropy, shards, batch_size=32, seed=1)
    plain = sp.minimize(
        WorkerMomentum(sp.LocalFleet(problem)), sp.GradientDescent(step=0.25), b=2, max_rounds=26,
        aggregator=sp.NearestNeighborMixing(), w0=problem.start.astype(np.float32), certify=False,
    )  # fmt: skip
    np.testing.assert_array_equal(tested.w, plain.w)


def test_patience_ends_a_run_that_gets_nowhere_and_no_other() -> None:
    options = {"b": 3, "seed": 0, "certify": False, "patience": 40}
    nothing = [(torch.zeros(40, 2), torch.randint(0, 2, (40,))) for _ in range(10)]
    flat = nn.Linear(2, 2, bias=False)
    still = fit(flat, cross_entropy, nothing, rounds=200, **options)[1]
    assert still.status == "stopped"
    assert 40 <= still.rounds < 100
    assert still.message == "the loss has not certainly fallen since step 0"
    moving = fit(network(), cross_entropy, blobs(), rounds=60, **options)[1]
    assert moving.status == "budget"
    with pytest.raises(OptionError, match="patience"):
        fit(network(), cross_entropy, blobs(), b=3, patience=0)


def test_a_callback_that_stops_the_run_is_not_taken_for_a_plateau() -> None:
    stop = fit(
        network(), cross_entropy, blobs(), b=2, rounds=9, seed=0, patience=1, certify=False,
        callback=lambda p: p.record.round == 3,
    )[1]  # fmt: skip
    assert (stop.status, stop.rounds) == ("stopped", 4)
    assert "callback" in stop.message


def test_liars_can_neither_feign_progress_nor_hide_all_of_it() -> None:
    module, shards, options = network(), blobs(), {"b": 3, "rounds": 27, "seed": 0}
    loud = sp.attacks.LyingAnswers(sp.attacks.SignFlip(), says="against", size=1e6)
    assert fit(module, cross_entropy, shards, attack=loud, **options)[1].tests[0].fell
    nothing = [(torch.zeros(40, 2), torch.randint(0, 2, (40,))) for _ in range(10)]
    praise = sp.attacks.LyingAnswers(sp.attacks.SignFlip(), says="for", size=1e6)
    flat = nn.Linear(2, 2, bias=False)
    assert not fit(flat, cross_entropy, nothing, attack=praise, **options)[1].tests[0].fell


def test_without_readable_answers_liars_are_left_out_and_the_run_goes_on() -> None:
    liars = {"attack": sp.attacks.LyingAnswers(sp.attacks.SignFlip(), says="nan"), "b": 3}
    result = fit(network(), cross_entropy, blobs(), rounds=30, seed=0, certify=False, **liars)[1]
    assert result.status == "budget"
    assert len(result.excluded) == 3
    assert result.tests[-1].fell


def lines_in_space(workers: int = 9) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    target = torch.randn(3, 1)
    x = torch.randn(workers, 60, 3)
    return list(zip(x, x @ target, strict=True)), target


def test_a_penalty_shrinks_what_is_trained_and_is_certified_with_it() -> None:
    shards, target = lines_in_space()
    trained, result = fit(
        nn.Linear(3, 1, bias=False), mse_loss, shards, b=2, rounds=300, seed=0, batch_size=None,
        penalty=lambda parameters: sum((p**2).sum() for p in parameters.values()),
    )  # fmt: skip
    assert float(trained.weight.detach().norm() / target.norm()) == pytest.approx(0.5, abs=0.1)
    assert result.certificate is not None
    penalised = certify(
        trained, mse_loss, shards, b=2, penalty=lambda p: (p["weight"] ** 2).sum(), seed=0
    )
    assert penalised.gradient_norm == pytest.approx(result.certificate.gradient_norm, abs=1e-6)
    assert certify(trained, mse_loss, shards, b=2, seed=0).gradient_norm > 0.1


def test_class_weights_in_single_precision_neither_stop_nor_lose_a_run() -> None:
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 9.0]))
    _, result = fit(network(), loss, blobs(), b=2, rounds=5, seed=0)
    assert result.certificate is not None


def test_a_worker_with_one_bad_cell_is_named_and_left_out() -> None:
    shards = blobs()
    shards[0][0][7, 0] = float("nan")
    _, result = fit(network(), cross_entropy, shards, b=2, rounds=5, seed=0, batch_size=4)
    assert result.excluded.keys() == {"worker-0"}
    assert result.rounds == 5
    assert result.certificate is not None


def test_a_model_is_certified_under_no_grad() -> None:
    with torch.no_grad():
        found = certify(network(), cross_entropy, blobs(), b=2, seed=0)
    assert found.gradient_norm > 0


class NoisyInUse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x if self.training else x + torch.randn_like(x))


def test_a_model_that_cannot_be_judged_is_refused_before_the_first_round() -> None:
    heard: list[object] = []
    with pytest.raises(OptionError, match="random numbers"):
        fit(NoisyInUse(), cross_entropy, blobs(), b=2, rounds=3, seed=0, callback=heard.append)
    assert heard == []
    fit(NoisyInUse(), cross_entropy, blobs(), b=2, rounds=3, seed=0, certify=False)
