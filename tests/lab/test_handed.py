"""A ledger minds when what a caller handed in has changed, however deep it lies."""

from __future__ import annotations

import functools
import importlib
import sys

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.config.members import Given, Handed, Member
from saddleproof.lab.handed import foreign
from saddleproof.lab.red_team.target import Target

OWN = """
import numpy as np
import saddleproof as sp

K = 1

class Base:
    d = 2

    def value(self, w, data):
        return K * float(((w - data) ** 2).sum())

    def gradient(self, points, data):
        return 2 * K * (points - data)

class Hidden(Base):
    def __init__(self, scale):
        self._held = scale

class Rule(sp.Median):
    pass

def make(seed):
    return sp.Problem(Base(), list(np.eye(2)), start=np.zeros(2))
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """own(text): the caller's module, imported anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def imported(text=OWN):
        (tmp_path / "own_members.py").write_text(text)
        sys.modules.pop("own_members", None)
        importlib.invalidate_caches()
        return importlib.import_module("own_members")

    yield imported
    sys.modules.pop("own_members", None)


def told(given):
    return foreign([Member("mine", Given(given), {}, Handed("mine"))])


def closing_over(held):
    return lambda: held


HOLDERS = {
    "itself": lambda module: module.Rule(),
    "an option": lambda module: sp.Problem(module.Base(), list(np.eye(2))),
    "a list": lambda module: [module.Base()],
    "a partial": lambda module: functools.partial(print, module.Base()),
    "a closure": lambda module: closing_over(module.Base()),
    "a function": lambda module: module.make,
    "a class": lambda module: module.Base,
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_changed_file_is_minded_wherever_its_object_lies(own, holder):
    before, again = told(HOLDERS[holder](own())), told(HOLDERS[holder](own()))
    changed = told(HOLDERS[holder](own(OWN.replace("K = 1", "K = 2"))))
    assert before == again != changed


def test_what_an_object_hides_is_minded(own):
    module = own()
    one, same, other = (told(module.Hidden(np.full(3, x))) for x in (1.0, 1.0, 2.0))
    assert one == same != other


def test_members_of_the_library_hold_nothing_foreign():
    assert told(sp.Median()) == []
    assert told(sp.problems.Example2(n=5)) == []


def test_a_comparison_with_a_changed_loss_is_run_anew(own, tmp_path):
    def loss(text):
        problem = sp.Problem(own(text).Base(), list(np.eye(2)), start=np.zeros(2))
        trainers = [sp.GradientDescent(step=0.1)]
        kept = {"ledger": tmp_path / "l.sqlite", "resume": True}
        found = sp.lab.compare(problem, trainers, b=0, seeds=1, max_rounds=3, certify=False, **kept)
        return found.rows[0].loss

    first, changed = loss(OWN), loss(OWN.replace("K = 1", "K = 2"))
    assert first == loss(OWN)
    assert changed != first


def test_a_red_team_minds_a_changed_file(own, tmp_path):
    def about(text):
        own(text)
        (tmp_path / "c.toml").write_text("""
problem = { name = "example2", n = 5 }
aggregator = "own_members:Rule"
optimizer = { name = "gradient_descent", step = 0.1 }
run = { b = 1, max_rounds = 3, certify = false }
""")
        return str(Target.of(tmp_path / "c.toml"))

    assert about(OWN) == about(OWN) != about(OWN + "\n\nL = 1\n")
