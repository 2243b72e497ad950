"""A run goes on under the conditions that it was begun with, or is refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof.checkpoint import FileCheckpoint, Progressed
from saddleproof.errors import OptionError, StoreError
from saddleproof.fingerprint import conditions_of, described
from saddleproof.problems.table import PROBLEMS
from saddleproof.runs.store import Store

BASE = sp.problems.Example2(workers=9, seed=0)
DESCENT = sp.GradientDescent(step=0.1)
BEGUN: dict[str, Any] = {"b": 2, "seed": 0, "max_rounds": 4, "certify": False, "w0": BASE.start}


class Renamed(sp.LocalFleet):
    """The same workers under other names."""

    def __init__(self, problem: Any, workers: tuple[str, ...]) -> None:
        super().__init__(problem)
        self.workers = workers


def named(*workers: str) -> Renamed:
    return Renamed(BASE, workers)


class Ridge:
    d = 2

    def __init__(self, weight: float) -> None:
        self.weight, self.calls, self.buffer = weight, 0, None

    def value(self, w: Any, data: Any) -> float:
        return float(((w - data) ** 2).mean() + self.weight * (w**2).sum())

    def gradient(self, points: Any, data: Any) -> Any:
        self.calls += 1
        self.buffer = points - data.mean(axis=0) + 2 * self.weight * points
        return self.buffer


OLD = tuple(f"worker-{i}" for i in range(9))
#: What differs, and a word of the sentence that says so.
CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"b": 0}, "b was 2 and is 0"),
    ({"aggregator": sp.TrimmedMean()}, "aggregator was .*Median and is .*TrimmedMean"),
    ({"w0": BASE.start + 7}, "w0 was"),
    ({"w0": BASE.start.astype(np.float32)}, "dtype was float64 and is float32"),
    ({"optimizer": sp.GradientDescent(step=0.2)}, "optimizer.step was 0.1 and is 0.2"),
    ({"optimizer": sp.CertifiedPGD()}, "optimizer was .*GradientDescent and is .*CertifiedPGD"),
    ({"seed": 1}, "seed was 0 and is 1"),
    ({"seed": None}, "seed was 0 and is None"),
    ({"fleet": sp.problems.Example2(workers=9, seed=1)}, "problem.tilts was"),
    ({"fleet": sp.Problem(Ridge(1.0), [np.zeros((1, 2))] * 9)}, "problem was .*Example2"),
    ({"fleet": sp.problems.RotatedQuartic(d=4, workers=9), "w0": np.zeros(4)}, "d was 2 and is 4"),
    ({"fleet": sp.problems.Example2(workers=10, seed=0)}, "roster: worker-9 joined it"),
    ({"fleet": named(*OLD[:-1], "new")}, "roster: worker-8 left it and new joined it"),
    ({"fleet": named(*OLD[::-1])}, "roster: its order changed"),
]


@pytest.fixture(params=["file", "store"])
def place(request, tmp_path):
    if request.param == "file":
        yield tmp_path / "run.npz"
    else:
        with Store(tmp_path / "runs.sqlite") as store:
            yield store.begin("config", "0")


def go_on(place: Any, **change: Any) -> sp.Result:
    options = BEGUN | {"max_rounds": 8, "checkpoint": place, "resume": True} | change
    fleet, optimizer = options.pop("fleet", BASE), options.pop("optimizer", DESCENT)
    return sp.minimize(fleet, optimizer, **options)


@pytest.mark.parametrize(("change", "said"), CHANGES, ids=lambda x: x if isinstance(x, str) else "")
def test_another_condition_is_refused_by_name(place, change, said):
    sp.minimize(BASE, DESCENT, **BEGUN, checkpoint=place)
    with pytest.raises(StoreError, match=said):
        go_on(place, **change)
    assert go_on(place).rounds == 8  # the refusal has hurt nothing


@pytest.fixture(scope="module")
def begun_once(tmp_path_factory):
    place = tmp_path_factory.mktemp("once") / "run.npz"
    sp.minimize(BASE, DESCENT, **BEGUN, checkpoint=place)
    return place


@settings(max_examples=40)
@given(
    st.sets(st.sampled_from([i for i, x in enumerate(CHANGES) if "d was" not in x[1]]), min_size=1)
)
def test_any_set_of_differences_is_refused(begun_once, chosen):
    change: dict[str, Any] = {}
    for at in chosen:
        change |= CHANGES[at][0]
    with pytest.raises(StoreError, match="begun under other conditions"):
        go_on(begun_once, **change)


def test_the_sentences_name_all_that_differs_and_the_cure(place):
    sp.minimize(BASE, DESCENT, **BEGUN, checkpoint=place)
    with pytest.raises(StoreError) as refused:
        go_on(place, b=1, seed=5)
    said = str(refused.value)
    assert "b was 2 and is 1; seed was 0 and is 5" in said
    assert "allow={'b', 'seed'}" in said


ALLOWED = [
    (change, said) for change, said in CHANGES if "d was" not in said and "optimizer" not in change
]


@pytest.mark.parametrize(("change", "said"), ALLOWED, ids=lambda x: x if isinstance(x, str) else "")
def test_what_is_allowed_goes_on_from_the_point(place, change, said):
    begun = sp.minimize(BASE, DESCENT, **BEGUN, checkpoint=place)
    every = {"b", "aggregator", "w0", "dtype", "seed", "problem", "roster"}
    result = go_on(place, allow=every, **change)
    assert result.rounds == 8
    assert result.trace[:4] == begun.trace
    # The next resume knows the new conditions, and needs no leave.
    assert go_on(place, **change, max_rounds=9).rounds == 9


def test_an_allowed_option_of_the_optimizer_is_named_alone(place):
    sp.minimize(BASE, DESCENT, **BEGUN, checkpoint=place)
    other = sp.GradientDescent(step=0.2)
    with pytest.raises(StoreError, match=r"optimizer\.step"):
        go_on(place, optimizer=other, allow={"optimizer.nesterov"})
    assert go_on(place, optimizer=other, allow={"optimizer.step"}).rounds == 8


def test_an_allowed_difference_takes_over_the_point_and_nothing_else(tmp_path):
    place = tmp_path / "run.npz"
    problem = sp.problems.RotatedQuartic(d=5, workers=20, seed=0)
    sp.minimize(problem, b=6, seed=0, max_rounds=5, checkpoint=place, certify=False)
    optimizer = sp.CertifiedPGD()
    kept = FileCheckpoint(place).load(type(optimizer.init(problem.start)))
    assert kept is not None
    point = optimizer.point(kept.state)
    seen = []
    sp.minimize(
        problem, b=5, seed=0, max_rounds=kept.round + 2, checkpoint=place, resume=True, allow={"b"},
        certify=False, callback=lambda p: seen.append(p.state),
    )  # fmt: skip
    fresh = optimizer.init(point, seed=0, max_rounds=2)
    again = []
    sp.minimize(
        problem, b=5, w0=point, seed=0, max_rounds=2, certify=False,
        callback=lambda p: again.append(p.state),
    )  # fmt: skip
    assert optimizer.point(fresh).tobytes() == point.tobytes()
    assert [optimizer.point(s).tobytes() for s in seen] == [
        optimizer.point(s).tobytes() for s in again
    ]


@pytest.mark.parametrize("allow", [{"B"}, "everything", {"d"}, [3], [["b"]]])
def test_a_name_that_cannot_be_allowed_is_refused(tmp_path, allow):
    sp.minimize(BASE, DESCENT, **BEGUN, checkpoint=tmp_path / "run.npz")
    with pytest.raises(OptionError, match="Valid names: aggregator, b, dtype, fingerprint"):
        go_on(tmp_path / "run.npz", allow=allow)


def test_a_generator_is_the_seed_that_it_gives(tmp_path):
    place = tmp_path / "run.npz"
    sp.minimize(BASE, DESCENT, **BEGUN | {"seed": np.random.default_rng(0)}, checkpoint=place)
    assert go_on(place, seed=np.random.default_rng(0)).rounds == 8
    with pytest.raises(StoreError, match="seed was"):
        go_on(place, seed=np.random.default_rng(5))


def test_a_checkpoint_that_says_nothing_of_its_run_is_refused_unless_allowed(tmp_path):
    place = tmp_path / "run.npz"
    problem = sp.problems.Tensor(workers=20, seed=0)
    optimizer = sp.CertifiedPGD()
    begun = optimizer.init(np.array(problem.start), seed=0, max_rounds=60)
    gone = {f"gone-{i}": "NaN or Inf" for i in range(6)}
    FileCheckpoint(place).save(Progressed(0, gone, (), begun, None))
    fleet = sp.Coalition(
        sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle, style="push"), members=range(6)
    )
    options: dict[str, Any] = {"b": 6, "seed": 0, "max_rounds": 60, "checkpoint": place}
    with pytest.raises(StoreError, match="does not say what its run was begun with"):
        sp.minimize(fleet, optimizer, **options, resume=True)
    result = sp.minimize(fleet, optimizer, **options, resume=True, allow={"fingerprint"})
    assert not result.excluded
    honest = np.linalg.norm(problem.gradients(result.w[None])[0][6:].mean(axis=0))
    assert not result.certificate.certified or honest <= result.certificate.gradient_bound


class Spoiled(sp.LocalFleet):
    """Some workers answer NaN, and are proved bad."""

    def __init__(self, problem: Any, workers: tuple[str, ...], bad: set[str]) -> None:
        super().__init__(problem)
        self.workers, self.bad = workers, bad

    def round(self, points: Any, *, round_id: int, timeout: float | None = None) -> Any:
        heard = super().round(points, round_id=round_id, timeout=timeout)
        rows = [
            np.full_like(row, np.nan) if name in self.bad else row
            for name, row in zip(self.workers, heard.answers, strict=True)
        ]
        return replace(heard, values=rows)


def test_workers_that_were_replaced_count_against_b_no_more(tmp_path):
    place = tmp_path / "run.npz"
    options = BEGUN | {"checkpoint": place, "aggregator": sp.aggregators.SafeguardSGD()}
    first = sp.minimize(Spoiled(BASE, OLD, {OLD[0]}), DESCENT, **options)
    assert list(first.excluded) == [OLD[0]]
    new = ("fresh", *OLD[1:])
    options |= {"max_rounds": 8, "resume": True}
    with pytest.raises(StoreError, match="worker-0 left it and fresh joined it"):
        sp.minimize(Spoiled(BASE, new, set()), DESCENT, **options)
    # Two more are proved bad: with the one that is gone they would be more than b.
    fleet = Spoiled(BASE, new, {"fresh", OLD[1]})
    result = sp.minimize(fleet, DESCENT, **options, allow="roster")
    assert (result.status, sorted(result.excluded)) == ("budget", ["fresh", OLD[1]])


@pytest.mark.parametrize(
    "name",
    [
        name
        if name in ("tensor", "logistic", "rotated_quartic")
        else pytest.param(name, marks=pytest.mark.slow)
        for name in sorted(PROBLEMS)
    ],
)
def test_problems_with_other_data_look_different(name):
    make = PROBLEMS[name]
    one, same, other = (conditions_of(sp.LocalFleet(make(seed=s))) for s in (0, 0, 1))
    assert one == same
    assert one != other


def test_a_loss_of_ones_own_counts_by_its_options_and_not_by_what_it_has_done():
    shards = [np.full((3, 2), float(i)) for i in range(5)]
    loss = Ridge(0.5)
    before = conditions_of(sp.LocalFleet(sp.Problem(loss, shards)))
    loss.gradient(np.zeros((1, 2)), shards[0])
    assert conditions_of(sp.LocalFleet(sp.Problem(loss, shards))) == before
    assert conditions_of(sp.LocalFleet(sp.Problem(Ridge(0.6), shards))) != before
    moved = [*shards[:-1], shards[-1] + 1e-12]
    assert conditions_of(sp.LocalFleet(sp.Problem(loss, moved))) != before


def test_functions_are_told_apart_by_their_code_and_what_they_close_over():
    def scaled(by: float) -> Any:
        return lambda x: x * by

    texts = [described(f, "f")["f"] for f in (scaled(2), scaled(2), scaled(3), lambda x: x + 1)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_a_file_that_is_not_there_begins_and_one_that_is_empty_is_refused(tmp_path: Path):
    place = tmp_path / "run.npz"
    assert go_on(place).rounds == 8
    place.write_bytes(b"")
    with pytest.raises(StoreError, match=r"run\.npz: .*it is empty"):
        go_on(place)
