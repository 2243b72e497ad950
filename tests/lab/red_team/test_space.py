"""The family that is searched: every member of it can be built, written down and read back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.attacks.table import ATTACKS
from saddleproof.config.parse import parse
from saddleproof.errors import ConfigError
from saddleproof.lab.red_team.space import ANSWERS, NAMED, PLANS, SAYS, Space, plainly, spelled
from saddleproof.lab.red_team.target import Target

WORLD: dict[str, Any] = {"problem": {"name": "example2"}, "run": {"b": 6}}
BENCH = Target(WORLD, 6, Space(100))
SEEDS = st.integers(0, 2**32)


def built(attack: dict[str, Any]) -> Any:
    liars = parse(BENCH.text(attack)).main.liars
    assert liars is not None
    return liars.attack.build()


OPENING = [*NAMED, *ANSWERS, *map(plainly, PLANS), *(plainly(plan, asked=True) for plan in PLANS)]


@pytest.mark.parametrize("attack", OPENING)
def test_whatever_the_search_opens_with_can_be_built(attack: dict[str, Any]) -> None:
    assert callable(built(attack))


def test_the_opening_knows_the_literature() -> None:
    first = Space(100, labelled=True, asked=True).opening(100, np.random.default_rng(0))
    assert len(first) == 100
    used = {one["name"] for one in first}
    # Malformed and NaN rows prove their senders bad, and cost the liars their votes.
    missing = set(ATTACKS) - used - {"malformed", "non_finite"}
    assert not missing, f"add {sorted(missing)} to NAMED in lab/red_team/space.py"


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_neighbours_are_attacks_again_and_again(seed: int) -> None:
    rng = np.random.default_rng(seed)
    space = Space(100, valued=bool(seed % 3), asked=bool(seed % 5))
    named = [*NAMED, *ANSWERS]
    attack = space.anyone(rng) if seed % 2 else dict(named[seed % len(named)])
    for _ in range(6):
        other = space.neighbour(attack, rng)
        assert callable(built(other))
        attack = other


def test_liars_lie_about_losses_where_somebody_asks() -> None:
    value = 'problem = "example1"\noptimizer = "value_pgd"\nrun = { b = 1, max_rounds = 9 }\n'
    assert Target.of(value).space.valued
    rng, space = np.random.default_rng(0), Space(9, valued=True)
    assert {space.anyone(rng).get("loss", "in a burst") for _ in range(50)} == {
        "honest", "no", "yes", "in a burst",
    }  # fmt: skip


def test_liars_lie_about_changes_and_curvatures_where_somebody_asks() -> None:
    """A certificate asks, whatever the trainer does; without one a descent asks nothing else."""
    silent = 'problem = "example1"\noptimizer = "gradient_descent"\nrun = { b = 1, max_rounds = 9'
    assert Target.of(f"{silent} }}\n").space.asked
    assert not Target.of(f"{silent}, certify = false }}\n").space.asked
    rng = np.random.default_rng(0)
    first = Space(9, asked=True).opening(300, rng)
    ways = {one.get("answers", one.get("says")) for one in first}
    assert ways >= set(SAYS)
    assert "nan" not in ways, "that would only prove its senders bad"
    for one in Space(9).opening(300, rng):
        assert one["name"] != "lying_answers"
        assert "answers" not in {*one, *one.get("attack", {})}


def test_every_way_to_answer_is_next_to_every_other() -> None:
    rng, space = np.random.default_rng(0), Space(9, asked=True)
    for attack in (plainly(PLANS[0], asked=True), dict(ANSWERS[0]), {"name": "omniscient"}):
        near = [space.neighbour(attack, rng) for _ in range(600)]
        near = [one["attack"] if one["name"] == "burst" else one for one in near]
        assert {one.get("answers", one.get("says")) for one in near} >= set(SAYS)


def test_a_plan_is_written_out_in_one_way() -> None:
    assert spelled(plainly({"test": "hold", "descent": "hold"})) == spelled(
        plainly({"descent": "hold", "probe": "honest", "escape": "honest", "test": "hold"})
    )


def test_a_neighbour_changes_little() -> None:
    rng = np.random.default_rng(0)
    attack = plainly(PLANS[3])
    for _ in range(50):
        other = Space(100).neighbour(attack, rng)
        if other["name"] == "playbook":
            assert sum(other.get(key) != attack.get(key) for key in {*other, *attack}) <= 1
        else:
            assert other["attack"] == attack


def test_a_bench_keeps_the_trainer_and_drops_what_the_search_replaces() -> None:
    text = """
    optimizer = "gradient_descent"
    attack = { name = "constant_pull", members = [3, 5] }
    run = { b = 4, max_rounds = 9 }
    problem = { name = "example1", n = 50 }
    [grid]
    aggregator = ["median", "mean"]
    """
    target = Target.of(text)
    assert target.members == [3, 5]
    assert target.space.max_rounds == 9
    assert set(target.tree) == {"optimizer", "run", "problem"}
    again = parse(target.text({"name": "burst", "attack": {"name": "gaussian"}}, seed=7))
    assert again.main.liars is not None
    assert again.main.liars.members == (3, 5)
    assert again.main.problem.options == {"n": 50, "seed": 7}
    assert again.main.liars.attack.options["attack"].options == {"seed": 7}
    inner = {"name": "lying_answers", "gradients": {"name": "gaussian"}, "says": "quiet"}
    deep = parse(target.text({"name": "burst", "attack": inner}, seed=7)).main.liars
    assert deep is not None
    assert deep.attack.options["attack"].options["gradients"].options == {"seed": 7}


def test_liars_are_the_first_b_unless_somebody_says_otherwise() -> None:
    assert Target.of('problem = "example1"\nrun = { b = 4, max_rounds = 9 }\n').members == 4


def test_an_attack_that_asks_for_too_much_counts_as_harmless() -> None:
    outcome = BENCH.run({"name": "inexact_oracle", "style": "stall"}, 0)
    assert outcome.status == "refused"
    assert outcome.left


def test_a_trainer_that_cannot_run_is_refused_before_the_search() -> None:
    with pytest.raises(ConfigError):
        Target.of('problem = "example1"\noptimizer = "nothing"\nrun = { b = 1 }\n')


def test_attacks_are_spelled_in_one_line() -> None:
    assert spelled({"name": "constant_pull"}) == "constant_pull()"
    assert spelled({"name": "constant_offset", "size": 0.1}) == "constant_offset(size=0.1)"
