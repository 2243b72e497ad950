"""What code of the user's is handed: for reading. Whoever writes is told at once, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.border import Lent, kept
from saddleproof.errors import OptionError
from saddleproof.fleets.worker import Worker, workers_of
from saddleproof.questions import Changes, Curvatures, Gradients, Question

M, D = 5, 2
START = np.array([1.0, -2.0])
OPTIONS: dict[str, Any] = {"b": 1, "w0": START, "seed": 0, "max_rounds": 4}


class Bowl:
    """|w - the mean of the rows|^2 / 2; data are a dict of a tuple of an array."""

    d = D

    def value(self, w: Any, data: Any) -> float:
        return 0.5 * float(((w - data["x"][0].mean(axis=0)) ** 2).sum())

    def gradient(self, points: Any, data: Any) -> Any:
        return points - data["x"][0].mean(axis=0)

    def values_at(self, points: Any, data: Any) -> Any:
        return np.array([self.value(w, data) for w in points])

    def product(self, w: Any, v: Any, data: Any) -> Any:
        return v.copy()


def shards() -> list[Any]:
    return [{"x": (np.full((3, D), float(i)),), "name": "rows"} for i in range(M)]


def assign(x: Any) -> None:
    x[:] = 7.0


def scale(x: Any) -> None:
    x *= 2.0


def order(x: Any) -> None:
    x.sort()


def fill(x: Any) -> None:
    np.negative(x, out=x)


def through_a_tensor(x: Any) -> None:
    torch = pytest.importorskip("torch")
    torch.from_numpy(x).mul_(2.0)


def after_opening_it(x: Any) -> None:
    x.flags.writeable = True
    x *= 2.0


WRITERS = [assign, scale, order, fill, through_a_tensor, after_opening_it]
METHODS = ["gradient", "value", "values_at", "product"]
ASKED: dict[str, Callable[[Worker], Any]] = {
    "gradient": lambda worker: worker.reply(Gradients(START[None])),
    "value": lambda worker: worker.answer(START[None], losses=True),
    "values_at": lambda worker: worker.reply(Changes(START, np.eye(D), np.ones(1))),
    "product": lambda worker: worker.reply(Curvatures(START, np.eye(D))),
}


def writing(method: str, write: Callable[[Any], None], which: Callable[..., Any]) -> Bowl:
    """A loss whose method writes into what `which` picks of its arguments."""
    loss = Bowl()
    true = getattr(loss, method)

    def write_first(*given: Any) -> Any:
        write(which(*given))
        return true(*given)

    setattr(loss, method, write_first)
    return loss


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("method", METHODS)
def test_a_loss_that_writes_into_its_points_is_refused_by_name(
    method: str, write: Callable[[Any], None]
) -> None:
    problem = sp.Problem(writing(method, write, lambda w, *_: w), shards())
    says = rf"the loss's {method} of worker 3 writes into what it was handed.*w\.copy\(\)"
    with pytest.raises(OptionError, match=says):
        ASKED[method](workers_of(problem)[3])
    if method in ("gradient", "value"):
        with pytest.raises(OptionError, match=says.replace("3", "0")):
            problem.gradients(START[None]) if method == "gradient" else problem.values(START)
    np.testing.assert_array_equal(START, [1.0, -2.0])


@pytest.mark.parametrize("write", [assign, scale, order, fill])
@pytest.mark.parametrize("method", METHODS)
def test_a_loss_that_writes_into_its_shard_is_refused_by_name(
    method: str, write: Callable[[Any], None]
) -> None:
    loss, data = writing(method, write, lambda *given: given[-1]["x"][0]), shards()
    for worker in (workers_of(sp.Problem(loss, data))[3], Worker(loss, data[3], "worker 3")):
        with pytest.raises(OptionError, match=f"the loss's {method} of worker 3 writes into"):
            ASKED[method](worker)
    np.testing.assert_array_equal(data[3]["x"][0], np.full((3, D), 3.0))


def test_a_loss_that_writes_stops_a_run_before_its_first_round_is_over() -> None:
    seen: list[Any] = []
    problem = sp.Problem(writing("gradient", scale, lambda w, _: w), {"anna": {}, "ben": {}})
    with pytest.raises(OptionError, match="of worker 'anna' writes into what it was handed"):
        sp.minimize(problem, **OPTIONS | {"b": 0}, callback=seen.append)
    assert not seen


def test_the_users_own_shards_stay_writable_and_are_not_copied() -> None:
    data = shards()
    problem = sp.Problem(Bowl(), data)
    data[2]["x"][0][:] = 9.0
    np.testing.assert_array_equal(problem.shards[2]["x"][0], np.full((3, D), 9.0))


def test_a_memory_map_is_handed_on_as_a_read_only_map(tmp_path: Any) -> None:
    path = tmp_path / "rows"
    np.full((3, D), 2.0).tofile(path)
    rows = np.memmap(path, np.float64, mode="r+", shape=(3, D))
    problem = sp.Problem(writing("gradient", scale, lambda _, z: z["x"][0]), [{"x": (rows,)}])
    held = problem.shards[0]["x"][0]
    assert np.shares_memory(held, rows)
    assert isinstance(held, np.memmap)
    with pytest.raises(OptionError, match="of worker 0 writes"):
        problem.gradients(START[None])
    sealed = np.memmap(path, np.float64, mode="r", shape=(3, D))
    assert kept(sealed) is sealed
    assert kept(rows) is not rows


class Whole:
    """Bowls of all workers in one call; `which` of its methods writes into its points."""

    m, start = M, START

    def __init__(self, which: str) -> None:
        self.which = which

    def write(self, method: str, w: Any) -> None:
        if method == self.which:
            w *= 2.0

    def gradients(self, points: Any) -> Any:
        self.write("gradients", points)
        return np.repeat(points[:, None], M, axis=1)

    def values(self, w: Any) -> Any:
        self.write("values", w)
        return np.full(M, 0.5 * w @ w)

    def values_at(self, points: Any) -> Any:
        self.write("values_at", points)
        return np.repeat(0.5 * (points**2).sum(axis=1, keepdims=True), M, axis=1)

    def products(self, w: Any, v: Any) -> Any:
        self.write("products", v)
        return v.copy()


@pytest.mark.parametrize("method", ["gradients", "values", "values_at", "products"])
def test_a_problem_that_writes_into_its_points_is_refused_by_name(method: str) -> None:
    optimizer = sp.optimizers.ValuePGD(step=0.1) if method == "values" else None
    with pytest.raises(OptionError, match=f"the problem's {method} writes into what it was"):
        sp.minimize(Whole(method), optimizer, **OPTIONS)


@pytest.mark.parametrize(
    "which", [lambda progress: progress.w, lambda progress: progress.state.run.w]
)
def test_a_callback_that_writes_into_what_it_is_shown_is_refused(which: Any) -> None:
    problem = sp.Problem(Bowl(), shards())
    for write in (assign, scale, order, fill):
        with pytest.raises(OptionError, match="the callback writes into what it was handed"):
            sp.minimize(problem, **OPTIONS, callback=lambda progress, f=write: f(which(progress)))


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_what_a_callback_does_to_its_point_past_numpy_changes_no_run() -> None:
    problem = sp.Problem(Bowl(), shards())
    clean = sp.minimize(problem, **OPTIONS)
    found = sp.minimize(problem, **OPTIONS, callback=lambda progress: through_a_tensor(progress.w))
    assert found.w.tobytes() == clean.w.tobytes()


def test_the_point_of_a_result_is_a_copy() -> None:
    found = sp.minimize(sp.Problem(Bowl(), shards()), **OPTIONS)
    state = found.state.run.w.copy()
    found.w[:] = 7.0
    np.testing.assert_array_equal(found.state.run.w, state)


def test_an_attack_that_writes_into_the_points_is_refused_by_name() -> None:
    class Vandal:
        def __call__(self, view: Any) -> Any:
            view.points[:] = 0.0
            return view.messages[:, list(view.members)]

    fleet = sp.Coalition(sp.LocalFleet(sp.Problem(Bowl(), shards())), Vandal(), [1])
    with pytest.raises(OptionError, match="Vandal writes into what it was handed"):
        sp.minimize(fleet, **OPTIONS)


@pytest.mark.parametrize("question", [
    Gradients(START[None]), Changes(START, np.eye(D), np.ones(1)), Curvatures(START, np.eye(D)),
])  # fmt: skip
def test_a_question_keeps_its_points_whatever_happens_to_the_array(question: Question) -> None:
    own = START[None].copy()
    asked = Gradients(own)
    own[:] = 9.0
    np.testing.assert_array_equal(asked.points, START[None])
    assert not any(x.flags.writeable for x in vars(question).values())


def test_an_error_of_the_users_own_is_left_as_it_is() -> None:
    def fails(_: Any) -> None:
        raise ValueError("my own")

    with pytest.raises(ValueError, match="my own") as caught:
        Lent(START).to(fails, whose="mine")
    assert not isinstance(caught.value, OptionError)


def test_points_of_nan_are_not_taken_for_points_that_were_written_into() -> None:
    assert Lent(np.array([np.nan, 1.0])).to(lambda w: w, whose="mine") is not None
