"""What users give: messages to a rule, starting points, shards and the workers' names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import ODD, SAME, forms, in_form, matrix, odd_forms, same_forms, tried

import saddleproof as sp
from saddleproof.aggregators.table import AGGREGATORS
from saddleproof.errors import OptionError

pytest.importorskip("torch")
pytest.importorskip("pandas")

M, D = 11, 3
ROWS = np.random.default_rng(0).normal(size=(M, D)) * np.array([1.0, 1e-3, 1e3])


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
@settings(max_examples=80)
@given(name=st.sampled_from(sorted(AGGREGATORS)), form=forms, together=st.booleans())
def test_every_rule_gives_the_vector_of_the_clean_array_or_refuses(
    name: str, form: str, together: bool
) -> None:
    rule = AGGREGATORS[name]()
    b = min(2, rule.breakdown(M))
    clean = rule.estimate(ROWS, b)
    found, refusal = tried(
        lambda: rule.estimate(
            in_form(form, ROWS) if together else [in_form(form, row) for row in ROWS], b
        )
    )
    if refusal:
        assert form in ODD
        return
    assert form in SAME or form in ("one number less", "a tensor that needs its graph")
    if form == "one number less":  # eleven other messages
        clean = rule.estimate(np.ascontiguousarray(ROWS[:, :-1]), b)
    vector = found.vector.detach() if form.startswith("a tensor") else found.vector
    assert vector.shape == clean.vector.shape
    np.testing.assert_allclose(np.asarray(vector), clean.vector, rtol=1e-9, atol=1e-12)
    if found.inexactness is not None:
        assert found.inexactness == pytest.approx(clean.inexactness, rel=1e-9)


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ({"a": ROWS[0]}, r"given\[name\] for name in names"),
        ((row for row in ROWS), r"list\(given\)"),
        ([ROWS[0], np.ma.masked_less(ROWS[1], 1e9)], "message 1 has masked entries"),
    ],
)
def test_the_refusal_of_odd_messages_says_what_to_do(messages: Any, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        sp.Median()(messages, 1)


def test_a_matrix_of_messages_is_taken_as_an_array() -> None:
    for rule in (
        sp.aggregators.Krum(),
        sp.aggregators.GeometricMedian(),
        sp.aggregators.CenteredClipping(),
    ):
        found = rule(matrix(ROWS), 2)
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, rule(ROWS, 2))


class Bowl:
    """|w - the mean of the rows|^2 / 2."""

    d = D

    def value(self, w: Any, rows: Any) -> Any:
        return 0.5 * ((w - np.asarray(rows).mean(axis=0)) ** 2).sum()

    def gradient(self, points: Any, rows: Any) -> Any:
        return points - np.asarray(rows).mean(axis=0)


class Careless(Bowl):
    """The same, in the arithmetic of whatever its rows are."""

    def value(self, w: Any, rows: Any) -> Any:
        return 0.5 * ((w - rows.mean(axis=0)) ** 2).sum()

    def gradient(self, points: Any, rows: Any) -> Any:
        return points * 1.0 - rows.mean(axis=0) * np.ones(D)


SHARDS = [ROWS[i : i + 3] / 1e3 for i in range(7)]
OPTIONS: dict[str, Any] = {"b": 1, "seed": 0, "max_rounds": 3, "certify": False}
PROBLEM = sp.Problem(Bowl(), SHARDS)
START = np.array([0.5, -1.0, 2.0])
CLEAN = sp.minimize(PROBLEM, w0=START, **OPTIONS).w
CERTIFIED = str(sp.certify(sp.LocalFleet(PROBLEM), START, sp.Median(), 1, seed=0))


@settings(max_examples=20)
@given(form=forms)
def test_a_start_is_taken_as_its_numbers_or_refused_by_name(form: str) -> None:
    for use in (
        lambda w0: sp.minimize(PROBLEM, w0=w0, **OPTIONS).w,
        lambda w0: sp.minimize(sp.Problem(Bowl(), SHARDS, start=w0), **OPTIONS).w,
    ):
        found, refusal = tried(lambda use=use: use(in_form(form, START)))
        if refusal:
            assert form in ODD
            assert refusal.startswith(("w0", "start", "minimize needs a starting point"))
        else:
            assert form in SAME
            np.testing.assert_array_equal(found, CLEAN)


@settings(max_examples=12)
@given(form=forms)
def test_a_point_to_certify_is_taken_as_its_numbers_or_refused_by_name(form: str) -> None:
    fleet = sp.LocalFleet(PROBLEM)
    found, refusal = tried(lambda: sp.certify(fleet, in_form(form, START), sp.Median(), 1, seed=0))
    if refusal:
        assert form in ODD
        assert refusal.startswith(("w must", "w has", "points must be (q, d=3)"))
    else:
        assert form in SAME
        assert str(found) == CERTIFIED


@pytest.mark.parametrize("dtype", ["float16", "longdouble", "int64", "complex128"])
def test_a_start_of_a_precision_that_no_run_has_is_refused(dtype: str) -> None:
    with pytest.raises(OptionError, match=r"w0 must .*float"):
        sp.minimize(PROBLEM, w0=START.astype(dtype), **OPTIONS)


@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept")
@settings(max_examples=30)
@given(form=forms, position=st.integers(0, 6))
def test_a_shard_in_another_form_gives_the_same_run_or_is_refused_by_worker(
    form: str, position: int
) -> None:
    if form == "a subclass":  # its arithmetic is the user's business
        return
    data: list[Any] = list(SHARDS)
    data[position] = in_form(form, data[position])
    try:
        found, refusal = tried(
            lambda: sp.minimize(sp.Problem(Careless(), data), w0=START, **OPTIONS)
        )
    except (TypeError, AttributeError, ValueError, RuntimeError) as error:
        # The loss cannot read such a shard, and says so itself.
        found, refusal = None, " ".join(error.__notes__)
        if form in ("an array", "masked entries", "read-only", "big-endian"):
            raise
    if refusal:
        assert f"worker {position}" in refusal
    elif form not in ("one number less", "booleans"):  # other data
        np.testing.assert_allclose(found.w, CLEAN, rtol=1e-12)


def test_a_shard_of_python_numbers_is_handed_on_as_their_floats_and_text_as_it_is() -> None:
    numbers, words = SHARDS[0].astype(object), np.array(["a", "b"], dtype=object)
    problem = sp.Problem(Bowl(), [numbers, words])
    assert problem.shards[0].dtype == np.float64
    np.testing.assert_array_equal(problem.shards[0], SHARDS[0])
    assert problem.shards[1].tolist() == ["a", "b"]


@pytest.mark.parametrize("inside", [lambda x: x, lambda x: (x, 1), lambda x: {"x": [x]}])
def test_shards_with_masked_entries_and_matrices_are_refused(inside: Any) -> None:
    for bad, says in (
        (np.ma.masked_less(SHARDS[2], 0), "masked entries"),
        (matrix(SHARDS[2]), r"np\.asarray"),
    ):
        data = [*SHARDS[:2], inside(bad), *SHARDS[3:]]
        with pytest.raises(OptionError, match=f"worker 2's shard.*{says}"):
            sp.Problem(Bowl(), data)
        with pytest.raises(OptionError, match=f"'ben'.*{says}"):
            sp.Problem(Bowl(), {"anna": SHARDS[0], "ben": inside(bad)})


def test_shards_may_be_any_sequence_or_be_given_one_by_one() -> None:
    class Lazy(list):  # type: ignore[type-arg]
        pass

    stack = np.stack(SHARDS)
    for shards in (tuple(SHARDS), iter(SHARDS), (x for x in SHARDS), stack, Lazy(SHARDS),
                   np.ma.array(stack), dict(enumerate(SHARDS)).values()):  # fmt: skip
        problem = sp.Problem(Bowl(), shards)
        for _ in range(2):  # a generator is read once
            np.testing.assert_array_equal(problem.values(START), PROBLEM.values(START))


@pytest.mark.parametrize(
    "shards",
    [
        "data.csv", {1.0, 2.0}, np.float64(3.0), 7, None, np.ma.masked_less(np.stack(SHARDS), 0),
        matrix(SHARDS[0]), in_form("a data frame", SHARDS[0]),
        in_form("a data frame", SHARDS[0][0]), in_form("a sparse array", SHARDS[0]), [], {},
        iter([]),
    ],
)  # fmt: skip
def test_what_does_not_say_whose_data_are_whose_is_refused(shards: Any) -> None:
    with pytest.raises(OptionError, match="shard"):
        sp.Problem(Bowl(), shards)


def test_the_keys_of_a_mapping_are_the_workers_names() -> None:
    names = ("anna", "ben", "chloé", "worker 7")
    problem = sp.Problem(Bowl(), dict(zip(names, SHARDS, strict=False)), start=START)
    fleet = sp.LocalFleet(problem)
    assert problem.names == fleet.workers == names
    broken = Bowl()
    broken.gradient = lambda points, rows: points[:, : len(rows)]  # type: ignore[method-assign]
    short = sp.Problem(broken, {"anna": SHARDS[0], "ben": SHARDS[1][:2]})
    with pytest.raises(OptionError, match=r"worker 'ben' must return shape"):
        short.gradients(START[None])
    liar = sp.Coalition(fleet, sp.attacks.NonFinite(), [2])
    found = sp.minimize(liar, b=1, w0=START, seed=0, max_rounds=3)
    assert set(found.excluded) == {"chloé"}
    coded = sp.problems.Coded(problem, sp.codes.Repetition(s=0))
    assert sp.LocalFleet(coded).workers == names


@pytest.mark.parametrize("name", ["", " ", "\t", "anna ", " anna", 0, None, 1.5, b"anna", ("a",)])
def test_keys_that_are_no_names_are_refused(name: Any) -> None:
    with pytest.raises(OptionError, match=r"workers' names.*got"):
        sp.Problem(Bowl(), {"ben": SHARDS[0], name: SHARDS[1]})


def test_shards_that_are_read_from_a_disk_when_asked_for_stay_there() -> None:
    from collections.abc import Sequence

    read: list[int] = []

    class OnDisk(Sequence):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(SHARDS)

        def __getitem__(self, i: int) -> Any:
            if i >= len(SHARDS):
                raise IndexError
            read.append(i)
            return SHARDS[i]

    problem = sp.Problem(Bowl(), OnDisk())
    assert not read
    np.testing.assert_array_equal(problem.values(START), PROBLEM.values(START))
    assert not problem.shards[3].flags.writeable


@given(form=same_forms, bad=odd_forms)
@settings(max_examples=30)
def test_one_odd_row_spoils_a_stack_openly(form: str, bad: str) -> None:
    rows = [in_form(form, row) for row in ROWS[:6]] + [in_form(bad, ROWS[6])]
    if bad == "a tensor that needs its graph" and form == "a tensor":
        return  # a stack of tensors as good as any
    with pytest.raises(OptionError):
        sp.Median()(rows, 1)
