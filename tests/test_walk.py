"""The walks that CONTRIBUTING.md describes are the ones that a round takes."""

from __future__ import annotations

import os
import re
import sys
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import saddleproof
from saddleproof.config.parse import parse
from saddleproof.config.setup import build

ROOT = Path(saddleproof.__file__).parent
TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
CONFIG = """
problem = "example2"
{attack}
optimizer = {{ name = "gradient_descent", step = 0.3 }}
run = {{ b = 6, max_rounds = 2, certify = false, seed = 0 }}
"""


def walk(title: str) -> list[str]:
    """The files of a numbered list, in order."""
    lines = TEXT.split(f"{title}:\n")[1].strip().split("\n\n")[0]
    return re.findall(r"^\d+\. `([^`]+)`", lines, re.MULTILINE)


def calls(config: str) -> set[frozenset[str]]:
    """Pairs of files, one of which called the other while a configuration ran."""
    setup, found = build(parse(config)), set()

    def inside(frame: FrameType | None) -> str | None:
        name = "" if frame is None else frame.f_code.co_filename
        within = name.startswith(f"{ROOT}{os.sep}")
        return Path(name).relative_to(ROOT).as_posix() if within else None

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and (callee := inside(frame)) is not None:
            caller = frame.f_back
            while caller is not None and inside(caller) is None:
                caller = caller.f_back
            found.add(frozenset((callee, inside(caller) or "")))

    sys.setprofile(watch)
    try:
        setup.minimize()
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.parametrize(
    ("title", "attack"),
    [
        ("A gradient, from TOML to the next point", ""),
        ("A lie, from TOML to the message", 'attack = { name = "saddle", members = 6 }'),
    ],
    ids=["gradient", "lie"],
)
def test_a_walk_enters_the_rooms_that_are_listed(title: str, attack: str) -> None:
    steps, made = walk(title), calls(CONFIG.format(attack=attack))
    assert len(steps) > 5
    for one, other in pairwise(steps):
        by_hand_over = {one, other} == {"problems/base.py", "oracle/gradients.py"}
        through = frozenset((one, other)) in made or by_hand_over
        assert through or frozenset(("oracle/gradients.py", other)) in made, (one, other)


def test_a_gradient_makes_at_most_eleven_stays_and_one_return() -> None:
    rooms = [step.split("/")[0] for step in walk("A gradient, from TOML to the next point")]
    stays = [room for k, room in enumerate(rooms) if k == 0 or rooms[k - 1] != room]
    assert len(stays) <= 11
    assert len(stays) - len(set(stays)) <= 1
