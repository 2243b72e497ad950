from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof.arguments.renamed import CLASSES, NAMES
from saddleproof.config.imports import Imports
from saddleproof.config.lines import line_of
from saddleproof.config.members import find
from saddleproof.config.parse import load, parse
from saddleproof.config.setup import build
from saddleproof.errors import ConfigError
from saddleproof.lab.comparison import _check

EXAMPLES = Path(__file__).parents[2] / "examples"

GOOD = """\
[problem]
name = "example2"
n = 500

[attack]
name = "saddle"
style = "hold"
members = [1, 4]

[aggregator]
name = "trimmed_mean"

[optimizer]
name = "gradient_descent"
step = 1

[run]
b = 2
seed = 7
"""


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, source="a.toml")
    return str(caught.value)


def test_a_configuration_becomes_the_objects_that_it_names():
    setup = build(parse(GOOD))
    assert type(setup.problem).__name__ == "Example2"
    assert setup.fleet.members == (1, 4)
    assert setup.fleet.attack.style == "hold"
    assert setup.aggregator == sp.TrimmedMean()
    assert setup.optimizer == sp.GradientDescent(step=1)
    assert (setup.options.b, setup.options.seed) == (2, 7)


def test_a_problem_and_b_are_enough():
    setup = build(parse('problem = "example1"\nrun = { b = 3 }'))
    assert (setup.optimizer, setup.aggregator) == (sp.CertifiedPGD(), sp.Median())
    assert isinstance(setup.fleet, sp.LocalFleet)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[aggregator]", "[agregator]", "line 10: [agregator]: unknown key; did you mean aggrega"),
        ('"trimmed_mean"', '"trimed_mean"', "line 11: [aggregator] name: no aggregator is called"),
        ('"trimmed_mean"', '"trimed_mean"', "did you mean trimmed_mean"),
        ("step = 1", "stpe = 1", "line 15: [optimizer] stpe: unknown key; did you mean step"),
        ("step = 1", 'step = "big"', "line 15: [optimizer] step: needs a number; got 'big'"),
        ("step = 1", "step = true", "needs a number; got True"),
        ("n = 500", "n = 0.5", "line 3: [problem] n: needs a whole number; got 0.5"),
        (
            'style = "hold"',
            'style = "hodl"',
            "line 7: [attack] style: 'hodl' is none of its values",
        ),
        ('style = "hold"', 'style = "hodl"', "did you mean hold"),
        ("members = [1, 4]", "members = -1", "line 8: [attack] members: needs a number of workers"),
        ("b = 2", "", "line 17: [run] b: is missing"),
        ("seed = 7", "sed = 7", "line 19: [run] sed: unknown key; did you mean seed?"),
        ("seed = 7", "seed = 7\nmax_rounds = 1.5", "line 20: [run] max_rounds: needs a whole"),
        ('"gradient_descent"', '"nowhere.at:All"', "cannot load 'nowhere.at:All'"),
    ],
)
def test_an_error_names_line_key_and_nearest_names(old: str, new: str, said: str):
    assert said in complaint(GOOD.replace(old, new))


def test_an_option_that_the_constructor_refuses_is_an_error_of_the_file():
    config = parse(GOOD.replace("step = 1", "step = -1"), source="a.toml")
    with pytest.raises(ConfigError, match=r"a\.toml, line 13: \[optimizer\]: .*positive.*-1"):
        build(config)


class NoProblem:
    """A class of a user's that forgets the number of its workers."""

    start = 0.0

    def gradients(self, points): ...


def test_a_problem_without_workers_is_an_error_of_the_file():
    text = f'problem = "{__name__}:NoProblem"\nrun = {{ b = 1 }}\n'
    with pytest.raises(ConfigError, match=r"\[problem\].*NoProblem has no m"):
        build(parse(text, imports=Imports((__name__,))))


def test_a_member_that_is_not_on_the_roster_is_an_error_of_the_file():
    config = parse(GOOD.replace("[1, 4]", "[1, 40]"))
    with pytest.raises(ConfigError, match=r"line 8: \[attack\] members: members must be positi"):
        build(config)


def test_broken_toml_is_a_config_error_with_its_line():
    assert "line 2" in complaint("[problem]\nname = \n")


def test_a_file_that_is_not_there_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path / "no.toml")


def test_members_of_ones_own_are_written_as_package_module_class():
    text = GOOD.replace('"trimmed_mean"', '"saddleproof.aggregators.mean:Mean"')
    assert build(parse(text)).aggregator == sp.Mean()


def test_a_schedule_is_an_option_with_options_and_learns_what_the_problem_knows():
    text = """
problem = "example2"
run = { b = 0 }
[optimizer]
name = "byzantine_pgd"
schedule = { name = "heuristic", curvature = 0.5 }
"""
    setup = build(parse(text))
    schedule = setup.optimizer.schedule(2, 0.01)
    assert schedule == sp.schedule.HeuristicSchedule(2, 0.01, 0.5, 1 / setup.problem.smoothness)
    assert "curvatur: unknown key; did you mean curvature" in complaint(
        text.replace("curvature", "curvatur")
    )


def test_a_rule_inside_a_rule_is_an_option_with_options():
    nested = """name = "nearest_neighbor_mixing"
rule = { name = "bucketing", size = 3, rule = "krum" }
"""
    text = GOOD.replace('name = "trimmed_mean"\n', nested)
    mixing = build(parse(text)).aggregator
    assert type(mixing) is sp.NearestNeighborMixing
    assert (type(mixing.rule), mixing.rule.size) == (sp.aggregators.Bucketing, 3)
    assert mixing.rule.rule == sp.aggregators.Krum()
    assert "line 12: [aggregator] rule.rule.name: no aggregator" in complaint(
        text.replace("krum", "crumb")
    )


def test_liars_are_the_first_b_workers_unless_said_and_none_at_all_by_that_name():
    assert build(parse(GOOD.replace("members = [1, 4]\n", ""))).fleet.members == (0, 1)
    text = 'problem = "example1"\nattack = "none"\nrun = { b = 3 }'
    assert isinstance(build(parse(text)).fleet, sp.LocalFleet)


def test_seeds_reach_members_inside_members():
    attack = """name = "burst"
attack = { name = "constant_pull", size = 1 }
"""
    config = parse(GOOD.replace('name = "saddle"\nstyle = "hold"\n', attack))
    assert build(config, seed=5).fleet.attack.attack.seed == 5


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ("optimiser = []", "line 21: [grid] optimiser: unknown key; did you mean optimizer?"),
        ('aggregator = "mean"', "line 21: [grid] aggregator: needs a list of names and tables"),
        ("attack = []", "[grid] attack: needs a list"),
        ('aggregator = ["mean", "mean"]', "[grid] aggregator.1: 'mean' is there twice"),
        ('aggregator = ["mean", "meen"]', "[grid] aggregator.1.name: no aggregator is called"),
        ('attack = [{ name = "saddle", label = 1 }]', "attack.0.label: needs a string; got 1"),
        ('optimizer = ["pgd"]\n[[compare]]\noptimizer = "pgd"', "stands in [[compare]] here"),
    ],
)
def test_a_mistake_in_a_grid_is_named_with_its_place(grid: str, said: str):
    assert said in complaint(GOOD + "[grid]\n" + grid)


def test_a_grid_stands_in_for_the_tables_and_is_crossed_with_the_entries():
    grid = '[grid]\nproblem = ["example1", "deep_linear"]\n[[compare]]\n'
    config = parse(GOOD + grid + '[[compare]]\naggregator = "mean"')
    assert config.main.problem.name == "example2"  # `saddleproof run` goes by the tables
    found = [(entry.problem.name, entry.aggregator.name) for entry in config.compare]
    names = ("example1", "deep_linear"), ("trimmed_mean", "mean")
    assert found == [(problem, rule) for problem in names[0] for rule in names[1]]
    assert (
        parse('[run]\nb = 1\n[grid]\nproblem = ["deep_linear"]').main.problem.name == "deep_linear"
    )


def test_compare_entries_inherit_what_they_do_not_say():
    config = parse(GOOD + '[[compare]]\naggregator = "mean"\n[[compare]]\noptimizer = "pgd"\n')
    first, second = config.compare
    assert (first.optimizer.name, first.aggregator.name) == ("gradient_descent", "mean")
    assert (second.optimizer.name, second.aggregator.name) == ("pgd", "trimmed_mean")
    assert first.label == "gradient_descent + mean"


def test_two_entries_of_one_label_are_refused():
    rows = '[[compare]]\nlabel = "x"\n[[compare]]\nlabel = "x"\n'
    assert "line 23: [[compare]] number 2, label: 'x' is there twice" in complaint(GOOD + rows)


def test_seeds_reach_the_data_and_the_run():
    config = parse(GOOD)
    one, two = build(config, seed=1), build(config, seed=2)
    assert (one.options.seed, two.options.seed) == (1, 2)
    assert (one.problem.start != two.problem.start).any()


@pytest.mark.parametrize(
    "example",
    sorted({*EXAMPLES.glob("*.toml")} - {EXAMPLES / "benchmark.toml"}),
    ids=lambda path: path.name,
)
def test_every_example_can_be_built(example: Path):
    _check(load(example), seed=0)


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1\nb = [\n 1,\n 2,\n]\nc = 3\n", ("b",), 2),
        ("a = 1\nb = [\n 1,\n 2,\n]\nc = 3\n", ("c",), 6),
        ('s = """\n[run]\nb = 1\n"""\n[run]\nb = 2\n', ("run", "b"), 6),
        ("[[compare]]\nx = 1\n\n# more\n[[compare]]\nx = 2\n", ("compare", 1, "x"), 6),
        ("run = { b = 2,  seed = 3 }\n", ("run", "seed"), 1),
        ("[a.b]\nc = 1\n", ("a", "b", "c"), 2),
        ("a = 1\n", ("z",), None),
    ],
)
def test_lines_are_found_in_every_way_of_writing(text, path, line):
    assert line_of(text, path) == line


@given(st.lists(st.sampled_from(["# x", "", "[t{}]", "k{} = 1", "k{} = '''\n=\n'''"]), max_size=12))
def test_every_key_is_found_on_the_line_that_names_it(parts: list[str]):
    text = "\n".join(part.replace("{}", str(i)) for i, part in enumerate(parts))
    lines = text.splitlines()
    for key, value in tomllib.loads(text).items():
        for path in [(key,), *((key, inner) for inner in (value if type(value) is dict else ()))]:
            found = line_of(text, path)
            assert found is not None
            assert lines[found - 1].strip("[]").startswith(path[-1])


@pytest.mark.parametrize(("old", "new"), NAMES.items())
def test_a_name_of_before_is_refused_with_the_new_one(old: str, new: str) -> None:
    family = (
        "schedule" if old == "practical" else "attack" if old in ("bias", "drive") else "problem"
    )
    assert find(family, new)
    with pytest.raises(ConfigError, match=f"the {family} '{old}' is called '{new}' now"):
        find(family, old)


@pytest.mark.parametrize(("old", "new"), CLASSES.items())
def test_a_class_of_before_is_found_with_a_warning(old: str, new: str) -> None:
    home = next(family for family in (sp.problems, sp.attacks, sp.schedule) if hasattr(family, new))
    with pytest.warns(DeprecationWarning, match=new):
        assert getattr(home, old) is getattr(home, new)


def test_a_rule_is_found_under_its_short_name_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="saddleproof.aggregators.Krum"):
        assert sp.Krum is sp.aggregators.Krum
