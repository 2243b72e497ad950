"""The verdict of a comparison claims no more than its runs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.config.parse import parse
from saddleproof.lab.comparison import rows, run_trials
from saddleproof.lab.report.palette import looks
from saddleproof.lab.report.text import cells
from saddleproof.lab.report.verdict import headline, verdicts
from saddleproof.lab.rows import Row
from saddleproof.lab.trials import Failure, Trial

CONFIG = parse("""
problem = { name = "example2", n = 5 }
optimizer = "gradient_descent"
run = { b = 6, max_rounds = 2, certify = false }
""")
(ROW,) = rows(CONFIG, list(run_trials(CONFIG, [0])))


def trial(label: str, seed: int, *, left: bool | None = True, loss: float = 0.0) -> Trial:
    first = ROW.trials[0]
    judgement = replace(first.judgement, left=left, loss=loss)
    return replace(first, label=label, seed=seed, judgement=judgement)


def row(label: str, lefts: int, runs: int, world: str = "") -> Row:
    entry = replace(ROW.entry, label=label, world=world)
    trials = (replace(trial(label, s, left=s < lefts), world=world) for s in range(runs))
    return Row(entry, tuple(trials))


def lossy(label: str, losses: list[float]) -> Row:
    trials = tuple(trial(label, s, left=None, loss=x) for s, x in enumerate(losses))
    return Row(replace(ROW.entry, label=label), trials)


def test_the_best_is_marked_where_its_interval_overlaps_with_no_other() -> None:
    (found,) = verdicts([row("a", 20, 20), row("b", 2, 20), row("c", 0, 20)])
    assert found.best == "a"
    assert found.sentence == (
        "Best: a left the saddle in 20 of 20 runs (95 % interval 0.84 to 1.00); the interval of "
        "each of the 2 other trainers lies below."
    )


def test_an_overlap_is_told_and_marks_nobody() -> None:
    (found,) = verdicts([row("a", 20, 20), row("b", 18, 20), row("c", 0, 20)])
    assert (found.best, found.shown) == (None, "a")
    assert "and that of b overlaps with it; the other trainer lies below." in found.sentence


def test_trainers_with_one_share_are_not_told_apart() -> None:
    found = headline([row("a", 4, 4), row("b", 4, 4)])
    assert found == (
        "No trainer is told from the others: all 2 left the saddle in 4 of 4 runs each."
    )


def test_nearly_all_runs_are_not_said_to_be_all() -> None:
    found = headline([row("a", 299, 300), row("b", 299, 300)])
    assert "in 299 of 300 runs each" in found
    assert "100" not in found


def test_a_problem_that_a_function_makes_is_not_said_to_be_judged_by_its_loss_alone() -> None:
    def make(seed: int) -> Any:
        return ROW.entry.problem.build()

    made = [row("a", 3, 4), row("b", 0, 4)]
    member = replace(made[0].entry.problem, make=make)
    rows = [Row(replace(one.entry, problem=member), one.trials) for one in made]
    assert "left the saddle, or lost half of the loss, in 3 of 4" in headline(rows)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_losses_that_are_no_numbers_have_no_median_and_no_leader(loss: float) -> None:
    both = [lossy("a", [loss] * 8), lossy("b", [loss] * 8)]
    assert headline(both) == "No trainer is told from the others: no median loss is finite."
    assert cells(both[0])[7] == ("-" if math.isnan(loss) else "inf")


def test_one_trainer_is_best_of_nothing() -> None:
    (found,) = verdicts([row("a", 3, 4)])
    assert found.best is None
    assert found.sentence.startswith("a left the saddle in 3 of 4 runs")


def test_failures_and_certificates_against_the_truth_stand_in_the_headline() -> None:
    one = row("a", 2, 2)
    wrong = replace(one.trials[0], judgement=replace(one.trials[0].judgement, refuted=True))
    one = Row(one.entry, (wrong, one.trials[1]), (Failure("", "a", 2, "boom"),))
    said = headline([one])
    assert said.endswith(
        "1 certificate is contradicted by the truth (REFUTED). 1 run failed and is in no number."
    )


def test_worlds_are_counted_and_each_has_its_own_verdict() -> None:
    some = [row("a", 9, 9, "x"), row("b", 0, 9, "x"), row("a", 9, 9, "y"), row("b", 9, 9, "y")]
    assert headline(some) == ("Best of 2 worlds: a in 1; in 1 no trainer is told from all others.")
    assert [one.best for one in verdicts(some)] == ["a", None]
    assert headline(some[2:] + some[:0] + [row("a", 1, 1, "z")]).startswith("In none of 2 worlds")


def test_nothing_is_said_where_every_run_failed() -> None:
    failed = Row(ROW.entry, (), (Failure("", "a", 0, "boom"),))
    assert headline([failed]).startswith("Every run failed.")


def test_where_no_minimum_is_known_the_sign_test_decides() -> None:
    low, high = lossy("low", [0.1] * 10), lossy("high", [0.2] * 10)
    assert [one.best for one in verdicts([high, low])] == ["low"]
    few = [lossy("high", [0.2] * 4), lossy("low", [0.1] * 4)]  # 1/8 at four seeds
    (found,) = verdicts(few)
    assert found.best is None
    assert "the sign test does not tell it from high" in found.sentence


def test_a_lower_median_is_not_best_where_the_other_wins_more_seeds() -> None:
    a = lossy("a", [*range(1, 20), -100.0])
    b = lossy("b", [s + 0.6 for s in range(20)])  # lower in 19 of 20 seeds, with a higher median
    (found,) = verdicts([a, b])
    assert (found.best, found.shown) == (None, "a")


def test_every_pair_counts_as_a_test_since_the_runs_chose_the_leader() -> None:
    six = [lossy("low", [0.1] * 6), lossy("high", [0.2] * 6)]
    assert verdicts(six)[0].best == "low"  # 1/32
    assert verdicts([*six, lossy("higher", [0.3] * 6)])[0].best is None  # three times as much


def test_without_a_saddle_it_speaks_of_half_of_the_loss() -> None:
    config = parse('problem = "logistic"\nrun = { b = 0, max_rounds = 2, certify = false }')
    (one,) = rows(config, list(run_trials(config, [0])))
    assert "lost half of the loss" in headline([one])


@given(st.lists(st.integers(0, 12), min_size=2, max_size=5))
def test_the_marked_trainer_is_above_every_other_whatever_the_counts(counts: list[int]) -> None:
    some = [row(f"t{i}", k, 12) for i, k in enumerate(counts)]
    (found,) = verdicts(some)
    ranked = sorted(some, key=lambda one: one.left.value)
    apart = ranked[-1].left.low > max(one.left.high for one in ranked[:-1])
    assert (found.best is not None) == apart
    if apart:
        assert found.best == ranked[-1].label
    assert found.sentence.startswith("Best") == apart


@pytest.mark.parametrize("best", [None, "s3"])
def test_no_two_of_49_series_look_alike(best: str | None) -> None:
    names = [f"s{i}" for i in range(49)]
    style = looks(names, best)
    assert list(style) == [n for n in names if n != best] + [best] * (best is not None)
    assert len({str(look) for look in style.values()}) == 49
    solid = [name for name, look in style.items() if look.line == "-"]
    assert solid == [best] * (best is not None)
