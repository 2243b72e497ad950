"""A state that no run can have reached is refused, and the field is named."""

from __future__ import annotations

from dataclasses import make_dataclass, replace
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.checkpoint import FileCheckpoint, Progressed, RoundRecord
from saddleproof.errors import StoreError
from saddleproof.runs.store import Store

PROBLEM = sp.problems.Example2(workers=9, seed=0)
OPTIMIZER, RULE = sp.GradientDescent(step=0.1), sp.aggregators.SafeguardSGD()
ASKED: dict[str, Any] = {"aggregator": RULE, "b": 2, "seed": 0, "certify": False}


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Progressed:
    place = tmp_path_factory.mktemp("kept") / "run.npz"
    sp.minimize(PROBLEM, OPTIMIZER, **ASKED, max_rounds=4, checkpoint=place)
    state = OPTIMIZER.init(PROBLEM.start)
    found = FileCheckpoint(place).load(type(state), type(RULE.begin(("a",), 2)))
    assert found is not None
    return found


def record(loop: Progressed, at: int, **change: Any) -> Progressed:
    trace = [replace(one, **change) if k == at else one for k, one in enumerate(loop.trace)]
    return replace(loop, trace=tuple(trace))


def descent(loop: Progressed, **change: Any) -> Progressed:
    return replace(loop, state=replace(loop.state, descent=replace(loop.state.descent, **change)))


def memory(loop: Progressed, **change: Any) -> Progressed:
    return replace(loop, memory=replace(loop.memory, **change))


FORGED = {
    "a point with NaN": (lambda x: descent(x, w=np.array([[np.nan, 0.0]])), "holds NaN"),
    "a point at infinity": (lambda x: descent(x, w=np.array([[np.inf, 0.0]])), "infinite"),
    "a longer point": (lambda x: descent(x, w=np.zeros(3)), r"shape \(3,\)"),
    "other columns": (lambda x: descent(x, w=np.zeros((1, 3))), "shape"),
    "whole numbers": (lambda x: descent(x, w=np.zeros(2, dtype=int)), r"state\.descent\.w"),
    "a text for a point": (lambda x: descent(x, w="here"), r"state\.descent\.w"),
    "a number for a flag": (lambda x: replace(x, state=replace(x.state, searching=3)), "searching"),
    "rounds below 0": (lambda x: replace(x, round=-1, trace=()), "round is -1"),
    "rounds that the trace lacks": (lambda x: replace(x, round=9), "trace has 4 records after 9"),
    "fewer rounds than the trace": (lambda x: replace(x, round=1), "trace has 4 records after 1"),
    "a round twice": (lambda x: record(x, 2, round=1), r"trace\[2\]\.round is 1"),
    "queries below 0": (lambda x: record(x, 1, queries=-5), r"trace\[1\]\.queries is -5"),
    "a norm below 0": (lambda x: record(x, 1, gradient_norm=-1.0), r"gradient_norm is -1\.0"),
    "a text for a norm": (lambda x: record(x, 1, gradient_norm="big"), r"trace\[1\]"),
    "refusals below 0": (lambda x: record(x, 1, refused={"a": -2}), "counts -2 for a"),
    "a stranger proved bad": (lambda x: replace(x, excluded={"eve": "late"}), "excluded names eve"),
    "a reason that is none": (lambda x: replace(x, excluded={"worker-0": 3}), "excluded"),
    "a memory with NaN": (lambda x: memory(x, A=np.full_like(x.memory.A, np.nan)), r"memory\.A"),
    "memory rounds below 0": (lambda x: memory(x, rounds=-1), r"memory\.rounds is -1"),
    "a roster that is none": (
        lambda x: replace(x, fingerprint=x.fingerprint | {"roster": "7"}),
        "roster",
    ),
    "no roster": (
        lambda x: replace(x, fingerprint={"b": "2"}),
        "other conditions",
    ),
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_state_is_refused_and_the_field_is_named(kept, tmp_path, forged):
    change, said = FORGED[forged]
    place = tmp_path / "run.npz"
    FileCheckpoint(place).save(change(kept))
    with pytest.raises(StoreError, match=said):
        sp.minimize(PROBLEM, OPTIMIZER, **ASKED, max_rounds=8, checkpoint=place, resume=True)


def test_the_state_as_it_was_goes_on(kept, tmp_path):
    place = tmp_path / "run.npz"
    FileCheckpoint(place).save(kept)
    options = ASKED | {"max_rounds": 8, "checkpoint": place, "resume": True}
    assert sp.minimize(PROBLEM, OPTIMIZER, **options).rounds == 8


def test_a_field_that_the_state_has_not_is_refused(kept, tmp_path):
    names = ["descent", "searching", "extra"]
    kind = make_dataclass("GradientState", names, frozen=True)
    forged = kind(kept.state.descent, kept.state.searching, 1)
    place = FileCheckpoint(tmp_path / "run.npz")
    place.save(replace(kept, state=forged))
    with pytest.raises(StoreError, match=r"unknown field 'extra', in Progressed\.state"):
        place.load(type(kept.state), type(kept.memory))


def test_a_field_that_is_missing_is_refused(kept, tmp_path):
    forged = make_dataclass("GradientState", ["searching"], frozen=True)(False)
    place = FileCheckpoint(tmp_path / "run.npz")
    place.save(replace(kept, state=forged))
    with pytest.raises(StoreError, match=r"'descent' is missing, in Progressed\.state"):
        place.load(type(kept.state), type(kept.memory))


def test_a_store_refuses_a_state_whose_trace_contradicts_it(tmp_path):
    record = RoundRecord(0, 1, 1.0, 1.0)
    with Store(tmp_path / "runs.sqlite") as store:
        checkpoint = store.begin("a", "0")
        with pytest.raises(StoreError, match="after 5 rounds with 1 records"):
            checkpoint.save(Progressed(5, {}, (record,), OPTIMIZER.init(PROBLEM.start)))
        assert store.trace(checkpoint.run) == ()
