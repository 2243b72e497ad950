"""The family of attacks that is searched: where it begins, and what is next to what.

An attack is a plain table, as in a configuration file: {"name": "playbook", "descent": "hold"}.
Anything may be wrapped in a burst, which is how it switches in time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_args

import numpy as np

from saddleproof.attacks.playbook import ROLES, Loss, Playbook
from saddleproof.attacks.tricks import TRICKS

Table = dict[str, Any]

#: Playbooks that a person would try first; several of them once stalled a predecessor of the
#: default.
PLANS: tuple[Table, ...] = (
    {"descent": "push", "probe": "push", "escape": "push", "test": "push"},
    {"descent": "hold", "probe": "hold", "escape": "hold", "test": "hold"},
    {"descent": "hold", "escape": "pin", "test": "vote_no", "size": 1e6},
    {"descent": "push", "probe": "inflate", "escape": "pin", "test": "edge_no", "size": 10.0},
    {"descent": "hold", "probe": "hide", "escape": "hide", "test": "edge_no", "size": 1.0},
    {"descent": "push", "probe": "flat", "escape": "flat", "test": "edge_no", "size": 1.0},
    {"descent": "push", "probe": "honest", "escape": "honest", "test": "vote_no", "size": 1e6},
    {"descent": "push", "probe": "honest", "escape": "invent", "test": "vote_yes", "size": 1e6},
    {"descent": "inflate", "probe": "inflate", "escape": "honest", "test": "vote_no", "size": 1e6},
    {"descent": "sway", "probe": "inflate", "escape": "random", "test": "vote_no", "size": 1e6},
    {"descent": "cancel", "probe": "hide", "escape": "cancel", "test": "edge_no", "size": 10.0},
    {"descent": "push", "probe": "grow", "escape": "pull", "test": "vote_no", "size": 1e3},
    {"descent": "drive", "probe": "drive", "escape": "drive", "test": "vote_yes", "size": 1e6},
    {"descent": "random", "probe": "random", "escape": "random", "test": "random", "size": 1e3},
    {"descent": "turn", "probe": "fall", "escape": "turn", "test": "edge_yes", "size": 1.0},
    {"descent": "mimic", "probe": "mimic", "escape": "mimic", "test": "edge_no", "size": 1.0},
)

#: The literature's attacks at their own settings.
NAMED: tuple[Table, ...] = (
    {"name": "saddle", "style": "push"},
    {"name": "saddle", "style": "hold"},
    {"name": "saddle", "style": "cancel"},
    {"name": "inexact_oracle", "style": "radial", "delta": 0.1},
    {"name": "optimised_scale"},
    {"name": "inner_product"},
    {"name": "min_max"},
    {"name": "min_sum"},
    {"name": "a_little_is_enough", "z": 1.5},
    {"name": "mimic"},
    {"name": "learned_mimic", "warm_up": 10},
    {"name": "delayed", "delay": 5},
    {"name": "sign_flip", "scale": 1.0},
    {"name": "omniscient"},
    {"name": "bias", "size": 0.1},
    {"name": "drive"},
    {"name": "gaussian", "scale": 1.0, "center": "own"},
    {"name": "bit_flip"},
    {"name": "vote", "says": "no"},
    {"name": "vote", "says": "yes"},
    {"name": "burst", "attack": {"name": "saddle", "style": "push"}, "start": 0, "stop": 20},
)

#: Sizes of a playbook: among the honest rows, at their edge, loud.
SIZES = (0.1, 0.3, 1.0, 3.0, 10.0, 1e3, 1e6)


#: For problems with labels.
LABELS: tuple[Table, ...] = ({"name": "label_flip"}, {"name": "random_label"})


def opening(
    count: int,
    max_rounds: int,
    rng: np.random.Generator,
    *,
    labelled: bool = False,
    valued: bool = False,
) -> list[Table]:
    """The first `count` attacks to try: plans and the literature in turn, then random ones.

    Args:
        count: how many.
        max_rounds: the budget of a run.
        rng: where the random ones come from.
        labelled: whether the problem has labels that can be changed.
        valued: whether the trainer asks for losses, about which liars can lie as well.
    """
    plans = [plainly(plan) for plan in PLANS]
    woven = [one for pair in zip(plans, NAMED, strict=False) for one in pair]
    known = [*woven, *NAMED[len(plans) :], *(LABELS if labelled else ())]
    return [*known, *(anyone(max_rounds, rng, valued=valued) for _ in range(count - len(known)))][
        :count
    ]


def plainly(plan: Table) -> Table:
    """A playbook's table with all that it leaves to the defaults written out, in one order."""
    written = {f.name: plan.get(f.name, f.default) for f in fields(Playbook) if f.name != "loss"}
    return {"name": "playbook", **written, **plan}


def anyone(max_rounds: int, rng: np.random.Generator, *, valued: bool = False) -> Table:
    """A random playbook, every third one asleep for a part of the time."""
    plan = plainly({role: _one(rng, TRICKS) for role in ROLES} | {"size": _one(rng, SIZES)})
    if valued:
        plan["loss"] = _one(rng, get_args(Loss))
    return _timed(plan, max_rounds, rng) if rng.random() < 1 / 3 else plan


def neighbour(
    attack: Table, max_rounds: int, rng: np.random.Generator, *, valued: bool = False
) -> Table:
    """An attack next to this one: one trick, one number or one moment is another."""
    if attack["name"] == "burst":
        inner = attack["attack"]
        match rng.integers(4):
            case 0:
                return dict(inner)
            case 1:
                return _timed(inner, max_rounds, rng)
            case _:
                return {**attack, "attack": neighbour(inner, max_rounds, rng, valued=valued)}
    if rng.random() < 0.15:
        return _timed(attack, max_rounds, rng)
    if attack["name"] == "playbook":
        if valued and rng.random() < 0.2:
            return {**attack, "loss": _one(rng, get_args(Loss))}
        if rng.random() < 0.25:
            return {**attack, "size": _one(rng, SIZES)}
        return {**attack, _one(rng, ROLES): _one(rng, TRICKS)}
    numbers = [key for key, value in attack.items() if type(value) is float]
    if numbers and rng.random() < 0.5:
        key = _one(rng, numbers)
        return {**attack, key: float(attack[key] * _one(rng, (0.1, 0.3, 3.0, 10.0)))}
    return anyone(max_rounds, rng, valued=valued)


def spelled(attack: Table) -> str:
    """An attack on one line.

    >>> spelled({"name": "burst", "attack": {"name": "vote", "says": "no"}, "stop": 9})
    'burst(vote(says=no), stop=9)'
    """
    return f"{attack['name']}({', '.join(_words(attack))})"


def _words(attack: Table) -> Iterator[str]:
    for key, value in attack.items():
        if key == "attack":
            yield spelled(value)
        elif key != "name":
            yield f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"


def _timed(attack: Table, max_rounds: int, rng: np.random.Generator) -> Table:
    """The attack in a window, once or again and again."""
    period = int(rng.choice([2, 4, 8, 20, 40, max(max_rounds, 2)]))
    period = min(period, max(max_rounds, 2))
    start, stop = sorted(int(t) for t in rng.choice(period + 1, 2, replace=False))
    return {"name": "burst", "attack": dict(attack), "start": start, "stop": stop, "period": period}


def _one(rng: np.random.Generator, values: Any) -> Any:
    return list(values)[rng.integers(len(values))]
