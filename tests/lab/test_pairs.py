"""Trainers against the last one, paired by seed, and all worlds together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import binomtest

from saddleproof.cli import comparing, main
from saddleproof.config.parse import parse
from saddleproof.errors import OptionError
from saddleproof.lab.comparison import rows, run_trials
from saddleproof.lab.pairs import comma_separated, lines, pairs, pooled
from saddleproof.lab.pictures import figure
from saddleproof.lab.shares import wilson
from saddleproof.lab.trials import Failure

CONFIG = parse("""
run = { b = 2, max_rounds = 1, certify = false }
optimizer = { name = "gradient_descent", step = 0.5 }

[grid]
problem = [{ name = "example1", label = "one" }, { name = "example1", n = 20, label = "two" }]

[[compare]]
label = "first"

[[compare]]
label = "last"
""")
TRIALS = list(run_trials(CONFIG, [0]))


def shown(left, loss=None):
    """Rows in which the runs of (world, label) left so by seed; None of a seed is a failure."""
    ended = []
    for (world, label), numbers in left.items():
        (trial,) = [x for x in TRIALS if (x.world, x.label) == (world, label)]
        for seed, value in numbers.items():
            if value is None:
                ended.append(Failure(world, label, seed, "why"))
                continue
            about = {"left": None, "loss": value} if loss else {"left": value}
            judgement = dataclasses.replace(trial.judgement, **about)
            ended.append(dataclasses.replace(trial, seed=seed, judgement=judgement))
    return rows(CONFIG, ended)


def test_seeds_are_paired_by_their_number_and_failures_are_in_no_pair():
    first = {0: True, 1: False, 2: None, 3: True, 4: False}
    last = {4: True, 3: True, 2: False, 1: True, 0: False}
    (pair,) = pairs(shown({("one", "first"): first, ("one", "last"): last}))
    assert (pair.n, pair.ours, pair.theirs, pair.about) == (4, 1, 2, "left")
    assert pair.p == pytest.approx(binomtest(1, 3).pvalue)
    assert pair.share == wilson(1, 3)


def test_where_nobody_knows_a_minimum_the_lower_loss_counts_and_a_divergence_is_no_win():
    first = {0: 1.0, 1: 5.0, 2: np.nan, 3: 2.0, 4: -np.inf}
    last = {0: 2.0, 1: 5.0, 2: 9.0, 3: np.inf, 4: 0.0}
    (pair,) = pairs(shown({("one", "first"): first, ("one", "last"): last}, loss=True))
    assert (pair.about, pair.n, pair.ours, pair.theirs) == ("lower loss", 5, 3, 1)


def test_all_pairs_of_a_comparison_are_judged_together():
    held, free = dict.fromkeys(range(9), False), dict.fromkeys(range(9), True)
    found = pairs(shown({(world, label): numbers for world in ("one", "two")
                         for label, numbers in (("first", held), ("last", free))}))  # fmt: skip
    assert [pair.world for pair in found] == ["one", "two"]
    assert all(pair.adjusted == pytest.approx(2 * pair.p) for pair in found)
    assert all("told apart (p = 0.0078" in str(pair) for pair in found)


def test_few_seeds_do_not_tell_trainers_apart():
    held, free = dict.fromkeys(range(5), False), dict.fromkeys(range(5), True)
    (pair,) = pairs(shown({("one", "first"): held, ("one", "last"): free}))
    assert "not told apart" in str(pair)


def test_pooled_runs_count_as_one_for_each_seed():
    left = {0: True, 1: True, 2: True, 3: False}
    found = pooled(
        shown({
            ("one", "first"): left, ("two", "first"): left | {9: True},
            ("one", "last"): dict.fromkeys(range(4), True), ("two", "last"): {0: None},
        })
    )  # fmt: skip
    (one,) = found  # the last trainer has no seed with a run in both worlds
    assert (one.label, one.worlds, one.seeds, one.value) == ("first", 2, 4, 0.75)
    assert (one.low, one.high) == pytest.approx((wilson(3, 4).low, wilson(3, 4).high))


def test_one_world_is_pooled_with_nothing():
    assert pooled(shown({("one", "first"): {0: True}, ("one", "last"): {0: True}})) == ()


def test_the_terminal_shows_pairs_that_differ_and_counts_the_others():
    same = {("one", "first"): {0: True}, ("one", "last"): {0: True}}
    other = {("two", "first"): {0: False}, ("two", "last"): {0: True}}
    told = "\n".join(lines(shown(same | other)))
    assert "two: first left alone in 0 of 1 seeds, last in 1: not told apart" in told
    assert "1 of 2 pairs: no seed differs" in told
    assert comma_separated(shown(same | other)).count("\n") == 3


def test_trainers_that_never_ran_with_the_same_seed_are_not_said_to_agree():
    apart = {("one", "first"): {0: True}, ("one", "last"): {0: None, 1: True}}
    told = "\n".join(lines(shown(apart)))
    assert "one: first and last: no common seed" in told
    assert "no seed differs" not in told


@pytest.mark.parametrize("ending", ["svg", "pdf", "png"])
def test_a_figure_for_a_paper_has_one_panel_a_world_and_equal_bytes(tmp_path, ending):
    pytest.importorskip("matplotlib")
    drawn = shown({(world, label): {0: True, 1: False}
                   for world in ("one", "two") for label in ("first", "last")})  # fmt: skip
    (one,), (other,) = (figure(drawn, tmp_path / f"{name}.{ending}") for name in "ab")
    assert one.read_bytes() == other.read_bytes()
    if ending == "svg":
        assert one.read_text().count('id="axes_') == 2


def test_worlds_that_do_not_fit_a_page_go_to_the_next_one(tmp_path):
    pytest.importorskip("matplotlib")
    from saddleproof.lab.sheets import HEIGHT, WIDTH, Panel, sheets, written

    seen = []
    made = sheets([Panel(seen.append, 3.0)] * 8)
    assert len(made) == 3
    assert len(seen) == 8
    for sheet in made:
        width, height = sheet.get_size_inches()
        assert (width, height <= HEIGHT) == (WIDTH, True)
    assert len(written(made, tmp_path / "a.svg")) == 3
    assert len(written(made, tmp_path / "a.pdf")) == 1


def test_another_ending_is_refused_by_name(tmp_path):
    drawn = shown({("one", "first"): {0: True}})
    with pytest.raises(OptionError, match=r"ends in one of .svg, .pdf, .png; got 'a.gif'"):
        figure(drawn, tmp_path / "a.gif")
    with pytest.raises(OptionError, match="nothing to draw"):
        figure([], tmp_path / "a.svg")


def test_compare_refuses_a_figure_that_it_cannot_write_before_it_runs_anything(tmp_path):
    (tmp_path / "c.toml").write_text(CONFIG.text)
    words = ["compare", str(tmp_path / "c.toml"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*words, "--figure", str(tmp_path / "a.gif")])
    assert result.exit_code == 1
    assert "ends in one of .svg, .pdf, .png; got 'a.gif'" in result.output
    assert not (tmp_path / "out").exists()


def test_compare_draws_figures_and_writes_pairs(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "c.toml").write_text(CONFIG.text)
    words = ["compare", str(tmp_path / "c.toml"), "--out", str(tmp_path / "out"), "--seeds", "1"]
    figures = ["--figure", str(tmp_path / "a.svg"), "--figure", str(tmp_path / "b.pdf")]
    result = CliRunner().invoke(main, [*words, "--jobs", "1", *figures])
    assert result.exit_code == 0, result.output
    assert "2 of 2 pairs: no seed differs" in result.output
    assert (tmp_path / "a.svg").exists()
    assert (tmp_path / "b.pdf").exists()
    assert (tmp_path / "out" / "pairs.csv").read_text().count("\n") == 3


def test_no_report_of_other_runs_stays_beside_the_trials_of_today(tmp_path):
    (tmp_path / "report.html").touch()
    (tmp_path / "report.png").touch()
    comparing._write(tmp_path, shown({("one", "first"): {0: True}}))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pairs.csv", "trials.csv"]
