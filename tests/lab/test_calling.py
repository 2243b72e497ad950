"""`sp.lab.compare`: problems and trainers as objects, or a file."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.config.parse import parse
from saddleproof.errors import ConfigError, OptionError
from saddleproof.lab import comparison
from saddleproof.lab.comparison import rows, run_trials
from saddleproof.lab.report.text import comma_separated

TEXT = """
problem = { name = "example2", n = 20 }
attack = { name = "saddle", members = 6 }
run = { b = 6, max_rounds = 12, certify = false }

[[compare]]
label = "held"
optimizer = { name = "gradient_descent", step = 0.5 }
aggregator = "mean"

[[compare]]
label = "free"
optimizer = { name = "gradient_descent", step = 0.5 }
"""


def made(seed):
    return sp.problems.Example2(n=20, seed=seed)


TRAINERS = {
    "held": (sp.GradientDescent(step=0.5), sp.Mean()),
    "free": sp.GradientDescent(step=0.5),
}
ATTACK = sp.SaddleAttack(saddle=sp.problems.Example2().saddle)


def compared(problems=made, trainers=TRAINERS, **options):
    usual = {"b": 6, "attacks": ATTACK, "seeds": 2, "max_rounds": 12, "certify": False}
    return sp.lab.compare(problems, trainers, **(usual | options))


class Distance:
    d = 2

    def value(self, w, data):
        return float(((w - data) ** 2).sum())

    def gradient(self, points, data):
        return 2 * (points - data)


def distance():
    return sp.Problem(Distance(), list(np.eye(2)), start=np.zeros(2))


def test_objects_give_the_runs_that_a_file_gives(tmp_path):
    (tmp_path / "c.toml").write_text(TEXT)
    file = sp.lab.compare(tmp_path / "c.toml", seeds=2)
    config = parse(TEXT)
    known = rows(config, list(run_trials(config, range(2))))
    assert comma_separated(file.rows) == comma_separated(known)
    for row, own in zip(known, compared().rows, strict=True):
        assert row.label == own.label
        assert [t.path.tobytes() for t in row.trials] == [t.path.tobytes() for t in own.trials]
        assert [t.judgement for t in row.trials] == [t.judgement for t in own.trials]


def test_a_problem_of_one_s_own_without_a_known_minimum_is_compared_by_its_loss(tmp_path):
    found = sp.lab.compare(
        {"mine": distance()},
        {"slow": sp.GradientDescent(step=0.01), "fast": sp.GradientDescent(step=0.2)},
        b=0, seeds=7, max_rounds=5,
    )  # fmt: skip
    slow, fast = found.rows
    assert slow.loss > fast.loss
    (pair,) = found.pairs
    assert (pair.about, pair.n, pair.theirs) == ("lower loss", 7, 7)
    assert "slow had the lower loss in 0 of 7 seeds, fast in 7: told apart" in repr(found)
    assert found.pooled == ()
    pytest.importorskip("matplotlib")
    (file,) = found.figure(tmp_path / "x.svg")
    assert file.stat().st_size > 5000


def test_every_trainer_runs_in_every_world_and_worlds_are_pooled():
    found = compared({"a": made, "b": sp.problems.Example2}, attacks={"none": None, "hold": ATTACK})
    worlds = ["a, none", "a, hold", "b, none", "b, hold"]
    assert [(row.world, row.label) for row in found.rows] == [
        (world, label) for world in worlds for label in ("held", "free")
    ]
    assert [(one.worlds, one.seeds) for one in found.pooled] == [(4, 2)] * 2


@pytest.fixture
def ran(monkeypatch):
    made_runs, run = [], comparison._trial

    def noted(config, entry, seed):
        made_runs.append((entry.label, seed))
        return run(config, entry, seed)

    monkeypatch.setattr(comparison, "_trial", noted)
    return made_runs


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({}, 0),
        ({"trainers": {"other": TRAINERS["held"], "free": TRAINERS["free"]}}, 0),
        ({"trainers": TRAINERS | {"free": sp.GradientDescent(step=0.4)}}, 2),
        ({"trainers": TRAINERS | {"free": (TRAINERS["free"], sp.TrimmedMean())}}, 2),
        ({"attacks": sp.attacks.SignFlip()}, 4),
        ({"problems": lambda seed: sp.problems.Example2(n=21, seed=seed)}, 4),
        ({"problems": distance(), "attacks": None, "b": 0}, 4),
        ({"seeds": 3}, 2),
    ],
)
def test_only_what_was_changed_is_run_again(tmp_path, ran, change, again):
    compared(ledger=tmp_path / "l.sqlite")
    del ran[:]
    compared(**({"ledger": tmp_path / "l.sqlite", "resume": True} | change))
    assert len(ran) == again


@pytest.mark.slow
def test_two_processes_find_what_one_finds():
    one, two = (compared(sp.problems.Example2, jobs=jobs) for jobs in (1, 2))
    assert comma_separated(one.rows) == comma_separated(two.rows)


def test_what_cannot_be_sent_to_another_process_is_refused_before_anything_runs(ran):
    problem = lambda seed: sp.problems.Example2(seed=seed)  # noqa: E731 - a lambda is the case
    with pytest.raises(OptionError, match=r"jobs=2 sends .* cannot be pickled: .* pass jobs=1"):
        compared(problem, jobs=2)
    assert not ran


class Broken(sp.Median):
    def estimates(self, stack, b):
        raise ZeroDivisionError("no way")


def test_a_run_that_fails_is_told_and_the_others_go_on(tmp_path):
    seen = []
    trainers = {"bad": (sp.GradientDescent(step=0.5), Broken()), "free": TRAINERS["free"]}
    found = compared(trainers=trainers, callback=seen.append)
    assert len(seen) == 4
    assert len(found.failures) == 2
    assert "no way" in repr(found)
    found.write(tmp_path / "out")
    with (tmp_path / "out" / "trials.csv").open() as file:
        assert [row["status"] == "failed" for row in csv.DictReader(file)] == [True] * 2 + [
            False
        ] * 2


NO_START = sp.Problem(Distance(), list(np.eye(2)))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"trainers": None}, OptionError, "needs trainers and b"),
        ({"b": None}, OptionError, "needs trainers and b"),
        ({"trainers": {}}, OptionError, "at least one problem and one trainer"),
        ({"trainers": {"a": sp.Median()}}, OptionError, "optimizer"),
        ({"trainers": {"a": (TRAINERS["free"], sp.GradientDescent)}}, OptionError, "rule"),
        ({"trainers": [TRAINERS["free"], TRAINERS["held"]]}, OptionError, "pass a dict"),
        ({"attacks": {"a": 3}}, OptionError, "attack"),
        ({"problems": 3}, OptionError, "problem"),
        ({"problems": lambda: None}, OptionError, "takes seed"),
        ({"seeds": []}, OptionError, "seed"),
        ({"resume": True}, OptionError, "pass ledger="),
        ({"problems": NO_START, "b": 0, "attacks": None}, ConfigError, "no start"),
        ({"problems": "c.toml"}, OptionError, "a file says itself"),
    ],
)  # fmt: skip
def test_arguments_that_cannot_work_are_refused(options, error, said):
    with pytest.raises(error, match=said):
        compared(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds": [0, 0]}, "seeds must be different ones"),
        ({"seeds": True}, "seeds must be a whole number"),
        ({"seeds": 0}, "seeds must be"),
        ({"b": 0, "attacks": sp.attacks.SignFlip()}, "b=0 leaves nobody to lie"),
    ],
)
def test_what_would_count_a_run_twice_or_name_liars_that_are_none_is_refused(options, said):
    with pytest.raises(OptionError, match=said):
        sp.lab.compare(made(0), TRAINERS, **({"b": 6, "seeds": 1, "max_rounds": 1} | options))


def test_a_number_of_numpy_is_a_number_of_seeds():
    found = sp.lab.compare(made(0), TRAINERS, b=6, seeds=np.int64(1), max_rounds=1)
    assert [len(row.trials) for row in found.rows] == [1, 1]
