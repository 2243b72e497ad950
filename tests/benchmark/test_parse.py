"""A benchmark file is a plan, or one line with line and key."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from saddleproof.benchmark.parse import load, parse
from saddleproof.errors import ConfigError

GOOD = """\
[benchmark]
data = ["digits", { name = "topics", rows = 300 }]
models = ["linear", { name = "mlp", hidden = 8 }]
splits = { name = "dirichlet", alpha = 0.3 }
rules = ["mean", { name = "nearest_neighbor_mixing", rule = "krum", label = "NNM" }]
attacks = ["none", "sign_flip"]
liars = [0, 2]
workers = 10
seeds = [3, 5]
test = 0.25

[training]
rounds = 4
batch_size = "all"
"""
EXAMPLE = Path(__file__).parents[2] / "examples" / "benchmark.toml"


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, source="a.toml")
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 1000
    return said


def test_every_combination_is_a_cell_and_without_liars_nobody_attacks():
    plan = parse(GOOD)
    assert len(plan.cells) == 2 * 2 * 1 * (2 * 2 + 1 * 2)
    assert {(cell.b, cell.labels["attack"]) for cell in plan.cells} == {
        (0, "none"), (2, "none"), (2, "sign_flip"),
    }  # fmt: skip
    assert plan.cells[-1].labels == {
        "data": "topics(rows=300)", "model": "mlp(hidden=8)", "split": "dirichlet(alpha=0.3)",
        "attack": "sign_flip", "rule": "NNM",
    }  # fmt: skip
    assert (plan.workers, plan.seeds, plan.test) == (10, (3, 5), 0.25)
    assert plan.training.options["batch_size"] is None


def test_data_rules_and_liars_are_enough():
    plan = parse("benchmark = { data = 'digits', rules = 'median', liars = 1 }")
    (cell,) = plan.cells
    assert (cell.labels["model"], cell.labels["split"], cell.attack) == ("linear", "iid", None)
    assert plan.seeds == (0, 1, 2, 3, 4)


def test_the_example_is_a_benchmark():
    assert load(EXAMPLE).cells


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[benchmark]", "[bench]", "a.toml: needs a [benchmark] table"),
        ("[training]", "[trainings]", "line 12: [trainings]: unknown key; did you mean training"),
        ("models =", "model =", "line 3: [benchmark] model: unknown key; did you mean models"),
        ('"digits"', '"digit"', "line 2: [benchmark] data.0.name: no data"),
        ('"digits"', '"digit"', "no data is called 'digit'; did you mean digits"),
        ("hidden = 8", "hiden = 8", "unknown key; did you mean hidden"),
        ("hidden = 8", "classes = 8", "classes: unknown key"),
        ("hidden = 8", 'hidden = "8"', "needs a whole number; got '8'"),
        ("alpha = 0.3", "workers = 3", "workers: unknown key"),
        ("alpha = 0.3", 'alpha = "x"', "line 4: [benchmark] splits.alpha: needs a number"),
        ('"mean"', '"men"', "no aggregator is called 'men'; did you mean"),
        ('rule = "krum"', 'rule = "krumm"', "no aggregator is called 'krumm'"),
        ('label = "NNM"', "label = 1", "label: needs a string; got 1"),
        ('label = "NNM"', 'label = "mean"', "'mean' is there twice"),
        ('["none", "sign_flip"]', "[]", "line 6: [benchmark] attacks: needs at least one name"),
        ("liars = [0, 2]", "liars = 10", "line 7: [benchmark] liars: must be less than workers"),
        ("liars = [0, 2]", "liars = [2, 2]", "or a list of different ones; got [2, 2]"),
        ("liars = [0, 2]", "liars = -1", "line 7: [benchmark] liars: needs a whole number"),
        ("liars = [0, 2]\n", "", "line 1: [benchmark] liars: needs a whole number"),
        ("seeds = [3, 5]", "seeds = 0", "line 9: [benchmark] seeds: needs a whole number from 1"),
        ("seeds = [3, 5]", "seeds = []", "line 9: [benchmark] seeds: needs a whole number"),
        ("seeds = [3, 5]", "seeds = true", "line 9: [benchmark] seeds"),
        ("test = 0.25", "test = 1.0", "line 10: [benchmark] test: needs a share"),
        ("rounds = 4", "rounds = 0", "line 13: [training] rounds: rounds must be"),
        ("rounds = 4", "momentum = 1.0", "line 13: [training] momentum: momentum must be in [0"),
        ("rounds = 4", "lr = -1.0", "line 13: [training] lr: lr must be"),
        ('batch_size = "all"', 'batch_size = "many"', "line 14: [training] batch_size: batch_size"),
        ('batch_size = "all"', "batch_size = 0", "line 14: [training] batch_size"),
        ("rounds = 4", "epochs = 4", "line 13: [training] epochs: unknown key"),
        ('"digits"', '"os:system"', "to trust it, give --allow-import os"),
    ],
)
def test_a_mistake_is_one_line_with_line_and_key(old, new, said):
    assert old in GOOD
    assert said in complaint(GOOD.replace(old, new, 1))


def test_no_liars_and_only_attacks_is_refused():
    text = "benchmark = { data = 'digits', rules = 'mean', liars = 0, attacks = 'sign_flip' }"
    assert 'no attack "none" leave no cell' in complaint(text)


def test_a_grid_that_nobody_can_run_is_refused_at_once():
    listed = ", ".join(f'{{ name = "mean", label = "{i}" }}' for i in range(400))
    liars = ", ".join(map(str, range(1, 300)))
    text = f"[benchmark]\ndata = 'digits'\nrules = [{listed}]\nliars = [{liars}]\nworkers = 400\n"
    assert "has 119600 cells" in complaint(text)


KEYS = ["data", "models", "rules", "liars", "seeds", "name", "label", "test", "rounds", "lr"]
VALUES = (
    st.none().map(lambda _: "none")
    | st.sampled_from(["digits", "mean", "mlp", "iid", "os:system", "", "all", "\x1b[2J"])
    | st.integers(-3, 10**6)
    | st.floats()
    | st.booleans()
    | st.lists(st.integers(0, 3), max_size=3)
    | st.dictionaries(st.sampled_from(KEYS), st.integers(0, 3), max_size=2)
)


@st.composite
def mutated(draw):
    """The file with values replaced, removed or added."""
    tree = copy.deepcopy(tomllib.loads(GOOD))
    for _ in range(draw(st.integers(1, 3))):
        home = tree[draw(st.sampled_from([key for key in tree if isinstance(tree[key], dict)]))]
        key = draw(st.sampled_from([*home, *KEYS]))
        if draw(st.booleans()) and isinstance(home.get(key), list) and home[key]:
            home[key][draw(st.integers(0, len(home[key]) - 1))] = draw(VALUES)
        elif draw(st.booleans()):
            home.pop(key, None)
        else:
            home[key] = draw(VALUES)
    return tomli_w.dumps(tree)


def outcome(text):
    """The plan, or the complaint; any other error fails the test."""
    try:
        return parse(text, source="a.toml")
    except ConfigError as error:
        return str(error)


@given(mutated())
@settings(max_examples=60)
def test_a_benchmark_with_other_values_is_a_plan_or_one_line(text):
    plan = outcome(text)
    if isinstance(plan, str):
        assert plan.startswith("a.toml")
        assert plan.isprintable()
        return
    given_seeds = tomllib.loads(text)["benchmark"].get("seeds", 5)
    assert len(plan.seeds) == (given_seeds if isinstance(given_seeds, int) else len(given_seeds))
