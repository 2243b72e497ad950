"""What a fleet remembers is part of the run: a resumed one answers as if it had not stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.runs.store import Store

PROBLEM = sp.problems.Example2(workers=9, seed=0)
OPTIMIZER = sp.GradientDescent(step=0.05)


class Averaging(sp.LocalFleet):
    """Workers that send an average over their past gradients."""

    def announce(self, announcement: Any) -> None:
        super().announce(announcement)
        self.past: Any = None

    def round(self, points: Any, *, round_id: int, timeout: float | None = None) -> Any:
        heard = super().round(points, round_id=round_id, timeout=timeout)
        rows = np.stack(heard.answers, axis=1)
        self.past = rows if self.past is None else 0.9 * self.past + 0.1 * rows
        return type(heard)(self.past, heard.status)

    def kept(self) -> dict[str, Any]:
        return {"past": self.past}

    def restore(self, kept: dict[str, Any]) -> None:
        self.past = kept["past"]


@pytest.mark.parametrize("lied", [False, True])
@pytest.mark.parametrize("rounds", [1, 4, 7])
def test_a_resumed_run_ends_in_the_same_bytes(tmp_path, rounds, lied):
    def go(limit: int, **more: Any) -> sp.Result:
        fleet: Any = Averaging(PROBLEM)
        if lied:
            fleet = sp.Coalition(fleet, sp.SaddleAttack(PROBLEM.saddle), members=range(2))
        return sp.minimize(fleet, OPTIMIZER, b=2, seed=0, max_rounds=limit, certify=False, **more)

    whole = go(9)
    with Store(tmp_path / "runs.sqlite") as store:
        for place in (tmp_path / "run.npz", store.begin("a", "0")):
            go(rounds, checkpoint=place)
            resumed = go(9, checkpoint=place, resume=True)
            assert resumed.w.tobytes() == whole.w.tobytes()
            assert resumed.trace == whole.trace


def test_an_interrupted_round_leaves_no_trace_in_the_memory(tmp_path):
    class Interrupted(Averaging):
        stop = 5

        def round(self, points: Any, *, round_id: int, timeout: float | None = None) -> Any:
            heard = super().round(points, round_id=round_id, timeout=timeout)
            if round_id == self.stop:
                raise KeyboardInterrupt  # the memory has moved on, the run has not
            return heard

    asked: dict[str, Any] = {"b": 2, "seed": 0, "max_rounds": 9, "certify": False}
    whole = sp.minimize(Averaging(PROBLEM), OPTIMIZER, **asked)
    place = tmp_path / "run.npz"
    cut = sp.minimize(Interrupted(PROBLEM), OPTIMIZER, checkpoint=place, **asked)
    assert (cut.status, cut.rounds) == ("interrupted", 5)
    resumed = sp.minimize(Averaging(PROBLEM), OPTIMIZER, checkpoint=place, resume=True, **asked)
    assert resumed.w.tobytes() == whole.w.tobytes()
