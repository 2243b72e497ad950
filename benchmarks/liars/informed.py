"""Liars that know how suspicion is measured, and all others that `suspicion` runs.

Each attack is what the head of suspicion.py says of it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import saddleproof as sp
from behaviour.suite import ANSWERS
from saddleproof.attacks.base import remembered
from saddleproof.attacks.table import ATTACKS
from saddleproof.errors import OptionError
from saddleproof.questions import Changes, Curvatures

#: Attacks that prove their senders bad: nobody is left to be suspected.
PROVED = ("malformed", "non_finite")


@dataclass(frozen=True)
class Dithered:
    """Another attack, every number off by a share of itself."""

    attack: Any
    share: float = 1e-6

    def __call__(self, view: sp.attacks.AttackView) -> np.ndarray:
        """The lies about gradients."""
        return self._off(self.attack(view), view.round_id)

    def answer(self, view: Any) -> np.ndarray:
        """The lies about the rest, or the truth."""
        told = self.attack.answer(view) if hasattr(self.attack, "answer") else view.own
        return self._off(told, view.round_id)

    def remember(self, view: sp.attacks.AttackView) -> Any:
        """What the other attack remembers."""
        return remembered(self.attack, view)

    def _off(self, told: np.ndarray, seed: int) -> np.ndarray:
        noise = np.random.default_rng(seed).standard_normal(told.shape)
        return np.asarray(told * (1 + self.share * noise))


@dataclass(frozen=True)
class OneFunction:
    """Every answer is that of L |w - saddle - c_i|^2 / 2."""

    def __call__(self, view: sp.attacks.AttackView) -> np.ndarray:
        """(q, k, d)."""
        center, L = _bowl(view)
        return np.asarray(L * (view.points[:, None] - center))

    def answer(self, view: Any) -> np.ndarray:
        """(k, *question.shape)."""
        (center, L), question = _bowl(view), view.question
        if isinstance(question, Changes):
            slopes = L * (question.w - center) @ question.directions.T
            squares = L * (question.directions**2).sum(axis=1)
            return slopes[..., None] * question.lengths + squares[:, None] * question.lengths**2 / 2
        if isinstance(question, Curvatures):
            squares = L * (question.directions**2).sum(axis=1)
            return np.repeat(np.stack([squares, squares])[None], len(center), axis=0)
        random = np.random.default_rng(view.round_id).standard_normal(center.shape)
        units = random / np.linalg.norm(random, axis=1, keepdims=True)
        return np.concatenate([np.full((len(center), 3), L), units], axis=1)


def _bowl(view: Any) -> tuple[np.ndarray, float]:
    if view.problem.saddle is None:
        raise OptionError("no saddle")
    rng = np.random.default_rng(0)
    own = 1e-3 * rng.standard_normal((len(view.members), len(view.problem.saddle)))
    return view.problem.saddle + own, float(view.problem.smoothness or 1.0)


class SmallFunction:
    """The truth about F_i(w) + <a, w>, a of the length of one honest deviation where runs begin."""

    def __init__(self) -> None:
        self._slope: np.ndarray | None = None

    def __call__(self, view: sp.attacks.AttackView) -> np.ndarray:
        """(q, k, d)."""
        return np.asarray(view.own + self._a(view.problem))

    def answer(self, view: Any) -> np.ndarray:
        """(k, *question.shape)."""
        question = view.question
        if not isinstance(question, Changes):
            return np.asarray(view.own)
        slopes = question.directions @ self._a(view.problem)
        return np.asarray(view.own + slopes[:, None] * question.lengths)

    def _a(self, problem: Any) -> np.ndarray:
        if self._slope is None:
            if problem.saddle is None:
                raise OptionError("no saddle")
            rows = problem.gradients(np.asarray(problem.start)[None])[0]
            length = np.sqrt(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean())
            self._slope = length * problem.escape_direction
        return self._slope


def poisoned(problem: Any, b: int) -> Any:
    """The problem with the first b workers' labels turned."""
    if not isinstance(getattr(problem, "y", None), np.ndarray) or set(problem.y.flat) != {-1, 1}:
        raise OptionError("labels that are not +1 and -1")
    other = copy(problem)
    other.y = problem.y.copy()
    other.y[:b] *= -1
    return other


def attacks(optimizer: str) -> dict[str, Callable[[], Any]]:
    """Name to a maker; attacks that lie about answers only where there are any."""
    found: dict[str, Callable[[], Any]] = {
        name: make for name, make in ATTACKS.items() if name not in (*PROVED, "lying_answers")
    }
    found["hold"] = lambda: sp.SaddleAttack(style="hold")
    found["cancel"] = lambda: sp.SaddleAttack(style="cancel")
    found["dithered saddle"] = lambda: Dithered(sp.SaddleAttack())
    found["dithered hold"] = lambda: Dithered(sp.SaddleAttack(style="hold"))
    found["dithered mimic"] = lambda: Dithered(ATTACKS["mimic"]())
    found["dithered a_little_is_enough"] = lambda: Dithered(ATTACKS["a_little_is_enough"]())
    found["one function"] = OneFunction
    found["small function"] = SmallFunction
    found["poisoned labels"] = poisoned
    if optimizer == "CertifiedPGD":
        for says in ANSWERS:
            found[f"answers {says}"] = partial(sp.attacks.LyingAnswers, says=says)
        found["dithered answers quiet"] = lambda: Dithered(sp.attacks.LyingAnswers(says="quiet"))
        found["dithered answers forge"] = lambda: Dithered(sp.attacks.LyingAnswers(says="forge"))
    return found
