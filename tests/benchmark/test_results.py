"""Tables, marks and files: what is printed is what the runs say."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

import saddleproof as sp
from saddleproof.benchmark import files
from saddleproof.benchmark.latex import escaped, latex
from saddleproof.benchmark.results import Results
from saddleproof.benchmark.text import cells_csv, curves_csv, legend, mark, pairs_csv, runs_csv
from saddleproof.benchmark.training import Trained
from saddleproof.lab.trials import Failure


def made(seed, accuracy, loss=1.0):
    """A run that ended so."""
    curve = np.array([0.0, accuracy])
    return Trained(
        seed, accuracy, loss, "budget", "-", "", np.nan, np.nan, 3, 6, (48, 12), "abc", (0, 3),
        curve, np.array([2.0, loss]), (), 0.1,
    )  # fmt: skip


@pytest.fixture
def results(make):
    """results({rule: accuracies by seed}): one world; an accuracy of None is a run that failed."""

    def of(accuracies, **options):
        n = max(map(len, accuracies.values()))
        rules = dict.fromkeys(accuracies, sp.Mean())
        plan = make(rules=rules, attacks=None, seeds=n, **options)
        runs = [
            (i, Failure("world", "rule", seed, "why") if x is None else made(seed, x))
            for i, numbers in enumerate(accuracies.values())
            for seed, x in enumerate(numbers)
        ]
        return Results(plan, runs)

    return of


RNG = np.random.default_rng(0)
NOISE = RNG.normal(0, 0.01, size=10)


def marks(found):
    return [mark(found, one) for one in found.cells]


def test_a_rule_that_is_above_all_others_in_every_seed_is_best(results):
    found = results({"a": 0.9 + NOISE, "b": 0.7 - NOISE, "c": 0.5 + NOISE[::-1]})
    assert found.best(found.cells[0].cell.world) == ("a",)
    assert marks(found) == ["*", "", ""]


def test_rules_that_are_not_told_apart_share_the_mark(results):
    found = results({"a": 0.9 + NOISE, "b": 0.901 - NOISE, "c": 0.5 + NOISE})
    assert set(found.best(found.cells[0].cell.world)) == {"a", "b"}
    assert marks(found) == ["~", "~", ""]


def test_five_seeds_tell_nothing_apart(results):
    found = results({"a": 0.9 + NOISE[:5], "b": 0.1 + NOISE[:5]})
    assert marks(found) == ["~", "~"]


def test_a_pair_that_only_stands_out_among_many_is_not_told_apart(results):
    rng = np.random.default_rng(0)
    gaps = rng.normal(0, 0.1, size=12)
    gaps += 0.052 - gaps.mean()  # p is about .03 for this pair alone
    found = results({"a": 0.5 + gaps, "b": np.full(12, 0.5), "c": np.full(12, 0.5) + gaps[::-1]})
    (pair,) = [pair for pair in found.pairs if (pair.one, pair.other) == ("a", "b")]
    assert pair.gap.p < 0.05 < pair.p
    assert not pair.apart
    assert marks(found) == ["~", "~", "~"]


def test_one_seed_has_no_marks_and_no_interval(results):
    found = results({"a": [0.9], "b": [0.1]})
    assert marks(found) == ["", ""]
    assert "one seed: no intervals and no tests" in legend(found)
    assert "+-" not in repr(found).replace(legend(found), "")


def test_noise_is_marked_as_best_in_at_most_a_few_of_many_tables(results):
    rng = np.random.default_rng(3)
    starred = 0
    for _ in range(60):
        found = results({name: rng.normal(0.5, 0.1, size=10) for name in "abcd"})
        starred += "*" in marks(found)
    assert starred <= 6  # at level .05 at most 3 are expected, and 3 pairs must reject together


def test_runs_that_failed_are_in_no_number_and_are_told(results):
    found = results({"a": [0.9, None, 0.7], "b": [0.5, 0.6, 0.4], "c": [None, None, None]})
    a, _, c = found.cells
    assert a.accuracy.value == pytest.approx(0.8)
    assert c.accuracy is None
    assert {pair.gap.n for pair in found.pairs} == {2}
    assert "1 failed, 2 seeds" in repr(found)
    assert "3 failed" in repr(found)
    assert "seeds 0, 1, 2: why" in repr(found)
    assert found.pooled().keys() == {("clouds", "a"), ("clouds", "b")}
    assert "failed" in latex(found)


def test_pooled_numbers_count_every_seed_once(make):
    plan = make(rules={"mean": sp.Mean()}, liars=[1, 2], seeds=3)
    numbers = RNG.random((len(plan.cells), 3))
    runs = [(i, made(seed, numbers[i, seed])) for i in range(len(plan.cells)) for seed in range(3)]
    found = Results(plan, runs).pooled()["clouds", "mean"]
    assert found.n == 3
    assert found.value == pytest.approx(numbers.mean())
    assert found.half == pytest.approx(
        4.302652729911275 * numbers.mean(axis=0).std(ddof=1) / np.sqrt(3)
    )


def test_a_seed_with_a_failed_run_is_in_no_pooled_number(make):
    plan = make(rules={"mean": sp.Mean()}, attacks=None, liars=[1, 2], seeds=3)
    runs = [(i, made(seed, 0.1 * seed)) for i in (0, 1) for seed in (1, 2)]
    runs += [(0, made(0, 1.0)), (1, Failure("world", "mean", 0, "why"))]
    found = Results(plan, runs).pooled()["clouds", "mean"]
    assert (found.n, found.value) == (2, pytest.approx(0.15))


def test_a_rule_that_is_above_on_the_seeds_of_both_is_not_said_to_be_lower(results):
    hard, easy = [0.5 + 0.001 * k for k in range(8)], [0.9] * 8
    other = [x + 0.1 + 0.001 * (k % 2) for k, x in enumerate(hard)]
    found = results({"a": hard + easy, "b": other + [None] * 8})
    (pair,) = found.pairs
    assert pair.apart
    assert pair.gap.value < 0 < found.cells[0].accuracy.value - found.cells[1].accuracy.value
    assert marks(found) == ["~", "~"]


def test_a_number_without_all_seeds_says_how_many_it_has_wherever_it_stands(results):
    whole = results({"a": [0.9, 0.8, 0.7], "b": [0.5, 0.6, None]})
    stopped = Results(whole.plan, [(0, made(0, 0.9)), (0, made(1, 0.8)), (1, made(0, 0.5))])
    assert "(2 seeds)" in latex(stopped)
    assert "(1 seed)" in latex(stopped)
    assert "(1 failed, 2 seeds)" in latex(whole)
    pytest.importorskip("matplotlib")
    from saddleproof.benchmark.figures import heatmaps

    (sheet,) = heatmaps(stopped)
    assert [text.get_text().split("\n")[-1] for text in sheet.axes[0].texts] == [
        "2 seeds",
        "1 seed",
    ]


def test_a_curve_has_means_only_where_every_run_was_evaluated(results):
    pytest.importorskip("matplotlib")
    from saddleproof.benchmark.figures import common_rounds, curves

    plan = results({"a": [0.5, 0.5]}).plan
    runs = [
        (0, dataclasses.replace(made(seed, x), at=at, accuracies=np.array(y), losses=np.array(y)))
        for seed, x, at, y in (
            (0, 0.9, (0, 25, 50, 60), [0.1, 0.2, 0.3, 0.9]),
            (1, 0.5, (0, 26, 50), [0.3, 0.4, 0.5]),
        )
    ]
    found = Results(plan, runs)
    assert common_rounds(found.cells[0]) == [0, 50]
    (line,) = curves(found)[0].axes[0].lines
    assert line.get_xydata() == pytest.approx(np.array([[0, 0.2], [50, 0.4]]))


def test_a_row_of_latex_does_not_begin_with_an_option_of_the_row_before(make):
    attacks = {"[x]": None, '*"y"': sp.attacks.SignFlip()}
    plan = make(rules={"a": sp.Mean()}, attacks=attacks, seeds=1)
    text = latex(Results(plan, [(0, made(0, 0.5))]))
    assert "{[}x]" in text
    assert "{*}''y''" in text
    assert re.search(r"\\\\\s*[\[*]", text) is None
    assert "textquotedbl" not in text  # LaTeX has none in its first encoding


def test_two_plans_with_other_options_have_other_citations(make):
    one, other, again = (
        files.citation(Results(make(training={"rounds": 3, "lr": lr}), []))
        for lr in (0.1, 0.2, 0.1)
    )
    assert one == again != other


def test_no_picture_of_an_earlier_benchmark_stays_beside_other_tables(
    results, tmp_path, monkeypatch
):
    pytest.importorskip("matplotlib")
    found = results({"a": [0.9, 0.8]})
    files.pictures(found, tmp_path, ("png",))
    for name in ("accuracy-2.svg", "curves.pdf", "my-accuracy.svg"):
        (tmp_path / name).touch()
    files.pictures(found, tmp_path, ("svg",))
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "accuracy.svg", "curves.svg", "my-accuracy.svg",
    ]  # fmt: skip
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(sp.errors.MissingExtraError):
        files.pictures(found, tmp_path, ("svg",))
    assert [file.name for file in tmp_path.iterdir()] == ["my-accuracy.svg"]


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_files_hold_every_run_cell_pair_and_evaluation(results):
    found = results({"a": [0.9, 0.8], "b": [0.5, None]})
    runs, cells, pairs, curves = (
        read(write(found)) for write in (runs_csv, cells_csv, pairs_csv, curves_csv)
    )
    assert [float(row["accuracy"]) for row in runs if row["accuracy"]] == [0.9, 0.8, 0.5]
    assert [row["status"] for row in runs] == ["budget", "budget", "budget", "failed"]
    assert [(row["seeds"], row["failed"]) for row in cells] == [("2", "0"), ("1", "1")]
    assert float(cells[0]["accuracy_low"]) < 0.85 < float(cells[0]["accuracy_high"])
    assert [(row["rule"], row["less"], row["seeds"]) for row in pairs] == [("a", "b", "1")]
    assert [row["round"] for row in curves] == ["0", "3"] * 3


def test_hostile_labels_are_text_everywhere(make, tmp_path):
    label = "=1+1 $x_1$ \\input{a} & 50 % <b>\x1b[2J"
    plan = make(rules={label: sp.Mean()}, attacks={f"~{label}": None}, seeds=2)
    found = Results(plan, [(0, made(0, 0.5)), (0, made(1, 0.6))])
    assert "\x1b" not in repr(found)
    text = latex(found)
    assert r"\textbackslash{}input\{a\}" in text
    assert r"\input" not in text
    assert all(not row["rule"].startswith("=") for row in read(runs_csv(found)))
    files.tables(found, tmp_path)
    pytest.importorskip("matplotlib")
    for file in files.pictures(found, tmp_path, ("svg", "png", "pdf")):
        assert file.stat().st_size > 1000


def test_every_character_of_latex_is_escaped():
    for character in r"\{}$&#%_~^":
        assert escaped(character) != character
        assert escaped(character).startswith("\\")


def test_a_folder_says_what_it_takes_to_make_it_again(results, tmp_path):
    found = results({"a": [0.9, 0.8], "b": [0.5, None]})
    files.tables(found, tmp_path, "saddleproof benchmark b.toml")
    told = (tmp_path / "cite.txt").read_text()
    assert f"saddleproof {sp.__version__}" in told
    assert "command: saddleproof benchmark b.toml" in told
    assert "seeds: 0, 1; 4 of 4 runs, 1 of them failed" in told
    assert "data: clouds, SHA-256 abc" in told
