"""The red team finds traps where there are some, says so honestly, and can be replayed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.config.parse import parse
from saddleproof.config.setup import build
from saddleproof.errors import ConfigError, OptionError, StoreError
from saddleproof.lab.comparison import rows, run_trials
from saddleproof.lab.ledger import Ledger
from saddleproof.lab.red_team import Attempt, Findings
from saddleproof.lab.red_team.outcomes import Outcome
from saddleproof.lab.red_team.runners import Runner
from saddleproof.lab.red_team.search import SearchProgress
from saddleproof.lab.red_team.target import Target

GD = """
problem = "example1"
optimizer = "gradient_descent"
run = { b = 6, max_rounds = 25, certify = false }
"""
PGD = """
problem = "example2"
optimizer = "pgd"
run = { b = 6, max_rounds = 60, certify = false }
"""
OURS = """
problem = "example2"
run = { b = 6, max_rounds = 150 }
"""
#: Nobody lies, and the trainer leaves in a few rounds: a search that finds nothing, quickly.
FREE = """
problem = "example2"
optimizer = "robust_second_order"
attack = { name = "saddle", members = 0 }
run = { b = 0, max_rounds = 4, certify = false }
"""


def searched(text: str, **other: Any) -> Findings:
    return sp.lab.redteam(text, **({"budget": 30, "fresh": 6} | other))


@pytest.fixture(scope="module")
def trap() -> Findings:
    return searched(GD)


def test_it_traps_robust_descent(trap: Findings) -> None:
    assert trap.worst is not None
    assert trap.worst.left.value <= 0.2
    assert "worst attack" in str(trap)


@pytest.mark.slow
def test_it_traps_pgd() -> None:
    found = searched(PGD, fresh=4)
    assert found.worst is not None
    assert found.worst.left.value <= 0.25


@pytest.mark.slow
def test_it_finds_nothing_where_nobody_lies() -> None:
    found = searched(FREE)
    assert found.worst is not None
    assert found.worst.left.value == 1
    assert {one.left.value for one in found.tried} == {1}


@pytest.mark.slow
def test_it_does_not_trap_the_default() -> None:
    found = searched(OURS, budget=60, fresh=10)
    assert found.worst is not None
    assert found.worst.left.value >= 0.9
    assert found.worst.deceived.value == 0


def test_what_it_reports_is_what_compare_measures(trap: Findings) -> None:
    found = trap
    (row,) = rows(parse(found.replay), list(run_trials(parse(found.replay), range(6))))
    assert found.worst is not None
    assert row.left == found.worst.left
    assert str(row.left) in found.replay


def test_the_replay_runs_alone_and_ends_where_the_search_saw_it_end(trap: Findings) -> None:
    found = trap
    setup = build(parse(found.replay))
    result = setup.minimize()
    assert not setup.problem.left_saddle(result.w)
    tree = tomllib.loads(found.replay)
    assert tree["attack"]["name"] == found.worst.attack["name"]
    assert tree["run"]["seed"] == tree["problem"]["seed"]


def test_the_attack_is_measured_on_seeds_that_did_not_choose_it(tmp_path: Path) -> None:
    seen: list[SearchProgress] = []
    log = tmp_path / "ledger.sqlite"
    found = searched(FREE, fresh=4, callback=seen.append, log=log)
    assert found.worst is not None
    assert len(found.worst.outcomes) == 4
    with Ledger(log) as ledger:
        ran = [seed for (_, seed), _ in ledger]
    chose = {seed for seed, one in zip(ran, seen, strict=True) if one.stage != "fresh seeds"}
    assert ran[-4:] == [0, 1, 2, 3]
    assert chose.isdisjoint(range(4))


def lines(found: Findings) -> list[Any]:
    return [(one.name, one.outcomes) for one in found.tried]


@pytest.mark.slow
def test_one_seed_gives_one_search_and_another_gives_another() -> None:
    one, again, other = (searched(FREE, budget=40, seed=s) for s in (0, 0, 1))
    assert lines(one) == lines(again)
    assert {name for name, _ in lines(one)} != {name for name, _ in lines(other)}


@pytest.mark.slow
def test_two_processes_search_as_one_does() -> None:
    assert lines(searched(GD)) == lines(searched(GD, jobs=2))


@pytest.mark.slow
def test_the_budget_is_kept() -> None:
    for budget in (30, 47):
        found = searched(FREE, budget=budget)
        assert found.runs - 6 == budget
        assert sum(len(one.outcomes) for one in found.tried) == found.runs - 6


def interrupted_after(runs: int) -> Any:
    def stop(progress: SearchProgress) -> None:
        if progress.runs == runs:
            raise KeyboardInterrupt

    return stop


def test_ctrl_c_shows_the_best_so_far_and_the_ledger_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "here" / "ledger.sqlite"
    cut = searched(FREE, log=log, callback=interrupted_after(12))
    assert cut.interrupted
    assert cut.worst is None
    assert cut.runs == 12
    assert "not measured on fresh" in cut.replay
    parse(cut.replay)
    whole = searched(FREE)
    went_on = searched(FREE, log=log)
    assert lines(went_on) == lines(whole)
    assert went_on.worst == whole.worst
    with monkeypatch.context() as forbidden:
        forbidden.setattr(Target, "run", None)  # would fail if it were called
        assert lines(searched(FREE, log=log)) == lines(whole)


def test_one_ledger_keeps_two_searches_apart_and_runs_nothing_twice() -> None:
    ledger, tasks = Ledger(None), [({"name": "saddle"}, 0), ({"name": "saddle"}, 1)]
    longer = FREE.replace("max_rounds = 4", "max_rounds = 5")
    with ledger:
        for text, known in ((FREE, 2), (longer, 4), (FREE, 4)):
            outcomes = list(Runner(Target.of(text), 1, ledger).run([*tasks, *tasks]))
            assert outcomes[:2] == outcomes[2:]
            assert len(list(ledger)) == known


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"about": "a log of an earlier version"}\n' * 99)
    with pytest.raises(StoreError, match="not a database"):
        searched(FREE, log=log)


@pytest.mark.parametrize(
    ("text", "other", "error", "says"),
    [
        (GD, {"budget": 29}, OptionError, "budget must be a whole number of at least 30"),
        (GD, {"fresh": 0}, OptionError, "fresh must be a whole number of at least 1"),
        (GD, {"objective": "win"}, OptionError, "trap, lie"),
        (GD.replace("example1", "robust_regression"), {}, ConfigError, "known saddle"),
        (GD.replace("problem =", "grid ="), {}, ConfigError, "grid|problem"),
        ("no_such_file.toml", {}, ConfigError, "cannot read"),
    ],
)
def test_misuse_says_what_is_needed(
    text: str, other: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        searched(text, **other)


def outcome(**other: Any) -> Outcome:
    plain: dict[str, Any] = {
        "left": True, "forged": False, "beyond": False,
        "excess": 0.0, "rounds": 0.3, "status": "second_order",
    }  # fmt: skip
    return Outcome(**(plain | other))


def test_harm_is_one_for_a_success_and_below_a_half_short_of_it() -> None:
    def harm(objective: Any, **other: Any) -> float:
        return Attempt({"name": "constant_pull"}, (outcome(**other),)).harm(objective)

    assert harm("trap", left=False) == 1
    assert harm("trap", excess=np.nan, rounds=2.0, status="budget") <= 0.5
    assert harm("trap", rounds=0.9) > harm("trap", rounds=0.3)
    assert harm("lie", left=False, excess=1.0) <= 0.5
    assert harm("lie", forged=True) == harm("lie", beyond=True) == 1
