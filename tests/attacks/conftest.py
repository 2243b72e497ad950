"""A small round for coalitions to look at, and what the server makes of their lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from saddleproof.aggregators import Median
from saddleproof.attacks import AttackView

MakeView = Callable[..., AttackView]
Told = Callable[[AttackView, Any], np.ndarray]


@pytest.fixture(scope="session")
def make_view() -> MakeView:
    def make(rule: Any = None, m: int = 11, k: int = 3, seed: int = 0, **other: Any) -> AttackView:
        rng = np.random.default_rng(seed)
        q, d = 3, 5
        known: dict[str, Any] = {
            "points": rng.standard_normal((q, d)),
            "messages": rng.standard_normal((q, 1, d)) + rng.standard_normal((q, m, d)),
            "members": tuple(sorted(rng.choice(m, k, replace=False).tolist())),
            "round_id": seed,
            "b": k,
            "aggregate": lambda stack: (rule or Median()).estimates(stack, k).vector,
            "optimizer": None,
            "problem": None,
        }
        return AttackView(**(known | other))

    return make


@pytest.fixture(scope="session")
def told() -> Told:
    def read(view: AttackView, lies: Any) -> np.ndarray:
        stack = view.messages.copy()
        stack[:, view.members] = lies
        return view.aggregate(stack)

    return read
