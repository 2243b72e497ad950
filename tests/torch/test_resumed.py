"""A training that was killed and resumed ends in the bytes of one that was not."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_torch import network, rows
from torch import nn
from torch.nn.functional import cross_entropy

from saddleproof.aggregators import CenteredClipping
from saddleproof.attacks import SignFlip
from saddleproof.checkpoint import FileCheckpoint, Progressed
from saddleproof.errors import OptionError, StoreError
from saddleproof.fleets.local import LocalFleet
from saddleproof.optimizers.plateaus import PlateauPGD
from saddleproof.storage import snapshot
from saddleproof.torch import ServerYogi, TorchProblem, WorkerMomentum, fit


class Killed(BaseException):
    """The process ends here."""


def killed_after(number: int) -> Callable[[Any], None]:
    def callback(progress: Any) -> None:
        if progress.record.round == number:
            raise Killed

    return callback


def dropping() -> nn.Module:
    return nn.Sequential(network(), nn.Dropout(0.3)).float()


def adamw(parameters: Any) -> Any:
    made = torch.optim.AdamW(parameters, lr=0.05)
    return made, torch.optim.lr_scheduler.CosineAnnealingLR(made, 40)


OPTIONS: dict[str, dict[str, Any]] = {
    "minibatches": {},
    "liars": {"attack": SignFlip()},
    "no momentum": {"momentum": 0.0},
    "a rule with a memory": {"aggregator": CenteredClipping()},
    "full batches": {"batch_size": None, "optimizer": PlateauPGD(step=0.25)},
    "dropout": {"module": dropping()},
    "schedule": {"schedule": lambda k: 0.3 * 0.95**k},
    "server's Yogi": {"optimizer": ServerYogi()},
    "AdamW and its scheduler": {"optimizer": adamw},
    "local steps": {"local_steps": 3},
    "sample": {"sample": 3, "momentum": 0.5},
    "weights": {"weights": [1.0, 2.0, 3.0, 4.0, 50.0]},
    "all at once": {
        "optimizer": adamw, "local_steps": 2, "local_lr": 0.1, "sample": 3, "weights": "rows",
        "module": dropping(), "attack": SignFlip(),
    },
}  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_killed_and_resumed_training_ends_in_the_same_bytes(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"module": network().float(), "rounds": 28, "batch_size": 5} | options
    data, path = rows(workers=5, n=8, dtype=torch.float32), tmp_path / "run"
    train = functools.partial(
        fit, loss=cross_entropy, shards=data, b=1, seed=5, certify=False, evaluate=data[0],
        evaluate_every=4, **given,
    )  # fmt: skip
    trained, whole = train()
    with pytest.raises(Killed):
        train(checkpoint=path, callback=killed_after(26))  # beyond the first look at the loss
    again, resumed = train(checkpoint=path, resume=True)
    assert resumed.w.tobytes() == whole.w.tobytes()
    assert snapshot.dumps(resumed.history) == snapshot.dumps(whole.history)
    assert len(resumed.history.rounds) == 8  # every fourth round and the end
    assert snapshot.dumps(resumed.state) == snapshot.dumps(whole.state)
    assert resumed.rounds == whole.rounds == len(resumed.trace) == 28
    pairs = zip(trained.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"momentum": 0.5}, "momentum was 0.9 and is 0.5"),
        ({"lr": 0.5}, "optimizer.step"),
        ({"b": 1}, "b was 2 and is 1"),
        ({"batch_size": 4}, "problem.batch_size was 5 and is 4"),
        ({"penalty": lambda p: p["0.bias"].sum()}, "problem.penalty"),
        ({"seed": 6}, "seed was 5 and is 6"),
        ({"shards": 1}, "problem.shards"),
        ({"loss": nn.CrossEntropyLoss(weight=torch.ones(3))}, "problem.loss"),
        ({"module": network().float()}, "w0"),
        ({"module": 1}, "problem.module"),
        ({"schedule": lambda _: 0.1}, "optimizer.schedule"),
        ({"optimizer": ServerYogi()}, "optimizer.server"),
        ({"local_steps": 2}, "local_steps was not there and is 2"),
        ({"sample": 5}, "sample was not there and is 5"),
        ({"weights": "rows"}, "aggregator was"),
    ],
    # Names only: the text of a function holds its address.
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else value,
)
def test_another_training_is_refused_by_name_and_may_be_allowed(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    module, data = network().float(), rows(workers=7, n=12, dtype=torch.float32)
    given: dict[str, Any] = {
        "module": module,
        "loss": cross_entropy,
        "shards": data,
        "b": 2,
        "seed": 5,
        "batch_size": 5,
        "certify": False,
        "checkpoint": tmp_path / "run",
    }
    fit(**given, rounds=3)
    if changed.get("module") == 1:
        changed = {"module": nn.Sequential(*module).eval()}
    if "shards" in changed:
        changed = {"shards": [(x + 1, y) for x, y in data]}
    given |= changed
    with pytest.raises(StoreError, match=message) as refused:
        fit(**given, rounds=6, resume=True)
    names = str(refused.value).split("allow={")[1].split("}")[0].replace("'", "").split(", ")
    _, result = fit(**given, rounds=6, resume=True, allow=names)
    assert result.rounds == 6


def forged(momenta: Any) -> dict[str, Any]:
    return {"momentum": momenta}


ROW = np.zeros((1, 43), np.float32)


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"momentum": 3},
        forged({"worker-0": np.full_like(ROW, np.nan)}),
        forged({"worker-0": ROW, "nobody": ROW}),
        forged({"worker-0": ROW, "worker-1": ROW[:, :3]}),
        forged({"worker-0": ROW[0]}),
        forged({"worker-0": ROW.astype(int)}),
        forged({"worker-0": "text"}),
    ],
    ids=["nothing", "a number", "NaN", "a stranger", "lengths", "a vector", "whole", "text"],
)
def test_forged_momenta_are_refused(tmp_path: Path, kept: dict[str, Any]) -> None:
    module, data = network().float(), rows(workers=7, n=12, dtype=torch.float32)
    path = tmp_path / "run"
    train = functools.partial(
        fit, module, cross_entropy, data, b=2, seed=5, batch_size=5, certify=False, checkpoint=path
    )
    _, result = train(rounds=3)
    loop = FileCheckpoint(path).load(type(result.state))
    assert isinstance(loop, Progressed)
    assert set(loop.fleet["momentum"]) == {f"worker-{i}" for i in range(7)}
    snapshot.save(path, Progressed(**{**vars(loop), "fleet": kept}))
    with pytest.raises(StoreError, match="moment"):
        train(rounds=6, resume=True)


def test_momenta_of_another_length_are_refused() -> None:
    problem = TorchProblem(network(), cross_entropy, rows())
    fleet = WorkerMomentum(LocalFleet(problem))
    with pytest.raises(StoreError, match="differ in length"):
        fleet.restore(forged({"worker-0": ROW, "worker-1": ROW.astype(np.float64)}))


def test_a_resume_without_a_checkpoint_is_refused() -> None:
    with pytest.raises(OptionError, match="checkpoint"):
        fit(network(), cross_entropy, rows(), b=1, resume=True)


class Full(FileCheckpoint):
    """A disk without room after three rounds."""

    def leading(self, *, resume: bool) -> Any:
        return contextlib.nullcontext(self)

    def save(self, loop: Progressed) -> None:
        if loop.round > 3:
            raise StoreError("no space left")


def test_a_checkpoint_that_cannot_be_written_leaves_the_model(tmp_path: Path) -> None:
    module, data = network().float(), rows(workers=5, n=8, dtype=torch.float32)
    train = functools.partial(
        fit, module, cross_entropy, data, b=1, seed=5, batch_size=5, certify=False
    )
    with pytest.raises(StoreError, match="no space left") as lost:
        train(rounds=9, checkpoint=Full(tmp_path / "run"))
    trained, result = lost.value.result
    same, _ = train(rounds=result.rounds)
    assert result.rounds in (3, 4)
    assert torch.equal(trained[0].weight, same[0].weight)


@pytest.mark.parametrize(
    "curves",
    [
        3,
        {},
        {"rounds": np.zeros(2, np.int64), "metrics": {}},
        {"rounds": np.array([1.0]), "metrics": {}},
        {"rounds": np.array([0, 4]), "metrics": {"loss": np.zeros(3)}},
        {"rounds": np.array([0, 4]), "metrics": {"loss": "text"}},
        {"rounds": np.array([-1]), "metrics": {}},
        {"rounds": np.array([0]), "metrics": 3},
    ],
)
def test_forged_curves_are_refused(tmp_path: Path, curves: Any) -> None:
    data, path = rows(workers=5, n=8, dtype=torch.float32), tmp_path / "run"
    train = functools.partial(
        fit, network().float(), cross_entropy, data, b=1, seed=5, certify=False, checkpoint=path
    )
    _, result = train(rounds=3, evaluate=data[0])
    loop = FileCheckpoint(path).load(type(result.state))
    assert isinstance(loop, Progressed)
    assert set(loop.fleet["curves"]) == {"rounds", "metrics"}
    snapshot.save(path, Progressed(**{**vars(loop), "fleet": {**loop.fleet, "curves": curves}}))
    with pytest.raises(StoreError, match="no curves of a training"):
        train(rounds=6, resume=True)


def test_a_run_may_be_resumed_with_and_without_an_evaluation(tmp_path: Path) -> None:
    data, path = rows(workers=5, n=8, dtype=torch.float32), tmp_path / "run"
    train = functools.partial(
        fit, network().float(), cross_entropy, data, b=1, seed=5, certify=False, checkpoint=path
    )
    train(rounds=3)
    train(rounds=6, resume=True, evaluate=data[0])
    assert train(rounds=9, resume=True)[1].history.rounds.tolist() == [3]
    found = train(rounds=12, resume=True, evaluate=data[0], metrics={"one": lambda *_: 1})[1]
    assert found.history.rounds.tolist() == [3, 12]
    np.testing.assert_array_equal(found.history["one"], [np.nan, 1.0])
    assert np.isfinite(found.history["loss"][0])
