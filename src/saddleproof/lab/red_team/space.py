"""The family of attacks that is searched: where it begins, and what is next to what.

An attack is a plain table, as in a configuration file: {"name": "playbook", "descent": "hold"}.
Anything may be wrapped in a burst, which is how it switches in time, and in lying answers, which is
how an attack on gradients lies about changes and curvatures as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, get_args

import numpy as np

from saddleproof.attacks.answers import WAYS
from saddleproof.attacks.playbook import ROLES, Loss, Playbook
from saddleproof.attacks.playbook_messages import MESSAGES

Table = dict[str, Any]

#: Playbooks that a person would try first: a message for each role, a size and a way to answer.
#: Several of them once stalled a predecessor of the default.
PLANS: tuple[Table, ...] = tuple(
    dict(zip((*ROLES, "size", "answers"), plan, strict=True))
    for plan in (
        ("push", "push", "push", "push", 1e6, "against"),
        ("hold", "hold", "hold", "hold", 1e6, "forge"),
        ("hold", "honest", "pin", "vote_no", 1e6, "quiet"),
        ("push", "inflate", "pin", "edge_no", 10.0, "waste"),
        ("hold", "hide", "hide", "edge_no", 1.0, "against"),
        ("push", "flat", "flat", "edge_no", 1.0, "forge"),
        ("push", "honest", "honest", "vote_no", 1e6, "loud"),
        ("push", "honest", "invent", "vote_yes", 1e6, "for"),
        ("inflate", "inflate", "honest", "vote_no", 1e6, "median"),
        ("sway", "inflate", "random", "vote_no", 1e6, "opposite"),
        ("cancel", "hide", "cancel", "edge_no", 10.0, "quiet"),
        ("push", "grow", "pull", "vote_no", 1e3, "forge"),
        ("drive", "drive", "drive", "vote_yes", 1e6, "waste"),
        ("random", "random", "random", "random", 1e3, "huge"),
        ("turn", "fall", "turn", "edge_yes", 1.0, "for"),
        ("mimic", "mimic", "mimic", "edge_no", 1.0, "quiet"),
    )
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
    {"name": "steer_judge"},
    {"name": "omniscient"},
    {"name": "constant_offset", "size": 0.1},
    {"name": "constant_pull"},
    {"name": "gaussian", "scale": 1.0, "center": "own"},
    {"name": "bit_flip"},
    {"name": "vote", "says": "no"},
    {"name": "vote", "says": "yes"},
    {"name": "burst", "attack": {"name": "saddle", "style": "push"}, "start": 0, "stop": 20},
)

#: Lies about changes and curvatures, for trainers and certificates that ask for them.
ANSWERS: tuple[Table, ...] = tuple(
    {
        "name": "lying_answers",
        "gradients": {"name": "saddle", "style": style},
        "says": says,
        "size": size,
    }
    for style, says, size in (
        ("push", "against", 1.0),
        ("hold", "quiet", 1.0),
        ("cancel", "forge", 1.0),
        ("push", "waste", 1e3),
        ("hold", "for", 1.0),
        ("cancel", "loud", 1.0),
        ("push", "opposite", 1.0),
        ("hold", "median", 1.0),
        ("cancel", "huge", 1.0),
    )
)

#: The ways to answer that are searched: NaN proves its senders bad and costs them their votes.
SAYS = tuple(way for way in WAYS if way != "nan")

#: Sizes of a playbook and of lies about losses: among the honest rows, at their edge, loud.
SIZES = (0.1, 0.3, 1.0, 3.0, 10.0, 1e3, 1e6)

#: For problems with labels.
LABELS: tuple[Table, ...] = ({"name": "label_flip"}, {"name": "random_label"})

#: Options of a playbook that its table shows only where somebody asks for them.
_OPTIONAL = ("loss", "answers")


@dataclass(frozen=True)
class Space:
    """The attacks that make sense against one trainer.

    Attributes:
        max_rounds: the budget of a run.
        labelled: whether the problem has labels that can be changed.
        valued: whether the trainer asks for losses beside gradients.
        asked: whether the trainer or the certificate asks for changes or curvatures.
    """

    max_rounds: int
    labelled: bool = False
    valued: bool = False
    asked: bool = False

    def opening(self, count: int, rng: np.random.Generator) -> list[Table]:
        """The first `count` attacks to try: plans and the literature in turn, then random ones."""
        named = [*_in_turn(ANSWERS, NAMED)] if self.asked else [*NAMED]
        known = _in_turn(
            [plainly(plan, asked=self.asked) for plan in PLANS],
            [*named, *(LABELS if self.labelled else ())],
        )
        return [*known, *(self.anyone(rng) for _ in range(count - len(known)))][:count]

    def anyone(self, rng: np.random.Generator) -> Table:
        """A random playbook, every third one asleep for a part of the time."""
        plan = plainly({role: _one(rng, MESSAGES) for role in ROLES} | {"size": _one(rng, SIZES)})
        if self.valued:
            plan["loss"] = _one(rng, get_args(Loss))
        if self.asked:
            plan["answers"] = _one(rng, SAYS)
        return self._timed(plan, rng) if rng.random() < 1 / 3 else plan

    def neighbour(self, attack: Table, rng: np.random.Generator) -> Table:
        """An attack next to this one: one message, one way, one number or one moment is another."""
        if attack["name"] == "burst":
            match rng.integers(4):
                case 0:
                    return dict(attack["attack"])
                case 1:
                    return self._timed(attack["attack"], rng)
                case _:
                    return {**attack, "attack": self.neighbour(attack["attack"], rng)}
        if rng.random() < 0.15:
            return self._timed(attack, rng)
        if attack["name"] == "lying_answers":
            return self._next_answers(attack, rng)
        if attack["name"] == "playbook":
            return self._next_plan(attack, rng)
        if self.asked and rng.random() < 0.4:
            lies = {"says": _one(rng, SAYS), "size": _one(rng, SIZES)}
            return {"name": "lying_answers", "gradients": dict(attack), **lies}
        numbers = [key for key, value in attack.items() if type(value) is float]
        if numbers and rng.random() < 0.5:
            key = _one(rng, numbers)
            return {**attack, key: float(attack[key] * _one(rng, (0.1, 0.3, 3.0, 10.0)))}
        return self.anyone(rng)

    def _next_answers(self, attack: Table, rng: np.random.Generator) -> Table:
        match rng.integers(3):
            case 0:
                return {**attack, "says": _one(rng, SAYS)}
            case 1:
                return {**attack, "size": _one(rng, SIZES)}
            case _:
                return {**attack, "gradients": self.neighbour(attack["gradients"], rng)}

    def _next_plan(self, attack: Table, rng: np.random.Generator) -> Table:
        if self.asked and rng.random() < 0.3:
            return {**attack, "answers": _one(rng, SAYS)}
        if self.valued and rng.random() < 0.2:
            return {**attack, "loss": _one(rng, get_args(Loss))}
        if rng.random() < 0.25:
            return {**attack, "size": _one(rng, SIZES)}
        return {**attack, _one(rng, ROLES): _one(rng, MESSAGES)}

    def _timed(self, attack: Table, rng: np.random.Generator) -> Table:
        """The attack in a window, once or again and again."""
        longest = max(self.max_rounds, 2)
        period = min(int(rng.choice([2, 4, 8, 20, 40, longest])), longest)
        start, stop = sorted(int(t) for t in rng.choice(period + 1, 2, replace=False))
        window = {"start": start, "stop": stop, "period": period}
        return {"name": "burst", "attack": dict(attack), **window}


def plainly(plan: Table, *, asked: bool = False) -> Table:
    """A playbook's table with all that it leaves to the defaults written out, in one order.

    Args:
        plan: its options.
        asked: whether to keep the way to answer.
    """
    known = {key: value for key, value in plan.items() if asked or key != "answers"}
    written = {
        f.name: known.get(f.name, f.default) for f in fields(Playbook) if f.name not in _OPTIONAL
    }
    return {"name": "playbook", **written, **known}


def spelled(attack: Table) -> str:
    """An attack on one line.

    >>> spelled({"name": "burst", "attack": {"name": "vote", "says": "no"}, "stop": 9})
    'burst(vote(says=no), stop=9)'
    """
    return f"{attack['name']}({', '.join(_words(attack))})"


def _words(attack: Table) -> Iterator[str]:
    for key, value in attack.items():
        if isinstance(value, dict):
            yield spelled(value)
        elif key != "name":
            yield f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"


def _in_turn(one: Sequence[Table], other: Sequence[Table]) -> list[Table]:
    """Both lists in turn, then what is left of the longer one."""
    short = min(len(one), len(other))
    pairs = zip(one[:short], other[:short], strict=True)
    return [*(table for pair in pairs for table in pair), *one[short:], *other[short:]]


def _one(rng: np.random.Generator, values: Any) -> Any:
    return list(values)[rng.integers(len(values))]
