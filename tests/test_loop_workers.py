"""Workers that are late, send no numbers, or are proved bad, in a whole run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.errors import BreakdownError
from saddleproof.fleets.base import LATE, OK, Messages

PROBLEM = sp.problems.Example2(seed=0)


class Troubled(sp.LocalFleet):
    """Some workers are late, from some round on."""

    def __init__(self, problem: Any, late: Sequence[int], since: int = 0) -> None:
        super().__init__(problem)
        self.late, self.since = late, since

    def round(self, points: np.ndarray, *, round_id: int, timeout: Any = None) -> Messages:
        return self._late(super().round(points, round_id=round_id, timeout=timeout), round_id)

    def ask(self, question: Any, *, round_id: int, timeout: Any = None) -> Messages:
        return self._late(super().ask(question, round_id=round_id, timeout=timeout), round_id)

    def _late(self, heard: Messages, round_id: int) -> Messages:
        if round_id < self.since:
            return heard
        status = [LATE if i in self.late else OK for i in range(len(self.workers))]
        return Messages(heard.values, tuple(status))


@pytest.mark.parametrize("value", ["nan", "inf", "mixed"])
def test_workers_that_send_no_numbers_are_named_and_the_run_goes_on(value: str) -> None:
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), sp.attacks.NonFinite(value), members=[2, 5])
    result = sp.minimize(fleet, b=6, seed=0)
    assert PROBLEM.left_saddle(result.w)
    assert result.excluded == {"worker-2": "NaN or Inf", "worker-5": "NaN or Inf"}
    assert result.trace[0].charged == result.excluded
    assert not any(record.charged for record in result.trace[1:])  # once is enough


def test_one_bad_worker_too_many_stops_the_run_and_names_them() -> None:
    fleet = sp.Coalition(sp.LocalFleet(PROBLEM), sp.attacks.Malformed("shape"), members=[1, 2, 3])
    result = sp.minimize(fleet, b=2, seed=0)
    assert result.status == "too_few_workers"
    for name in ("round 0", "worker-1", "worker-2", "worker-3"):
        assert name in result.message


def test_a_late_worker_is_no_liar() -> None:
    result = sp.minimize(Troubled(PROBLEM, late=[0]), b=6, seed=0)
    assert PROBLEM.left_saddle(result.w)
    assert result.excluded == {}
    assert result.trace[0].absent == {"worker-0": "late"}


@pytest.mark.parametrize("since", range(4))  # every kind of question
@pytest.mark.parametrize(
    ("optimizer", "late", "says"),
    [
        (sp.CertifiedPGD(), 8, "12 usable messages cannot hold b=6 Byzantine ones for Median"),
        (sp.GradientOnlyPGD(), 2, "GradientOnlyPGD holds at most 5 Byzantine workers of 18"),
    ],
    ids=["rule", "optimizer"],
)
def test_too_many_late_workers_stop_the_run_and_it_resumes(
    optimizer: Any, late: int, says: str, since: int, tmp_path: Path
) -> None:
    whole = sp.minimize(PROBLEM, optimizer, b=6, seed=0)
    asked = {"b": 6, "seed": 0, "checkpoint": tmp_path / "run.npz"}
    stuck = sp.minimize(Troubled(PROBLEM, range(late), since), optimizer, **asked)
    assert (stuck.status, stuck.rounds, stuck.certificate) == ("too_few_workers", since, None)
    assert stuck.message.startswith(f"round {since}: {says}")
    for i in range(late):
        assert f"worker-{i}" in stuck.message
    assert f"worker-{late}" not in stuck.message
    resumed = sp.minimize(PROBLEM, optimizer, **asked, resume=True)
    assert resumed.w.tobytes() == whole.w.tobytes()
    assert (resumed.rounds, resumed.trace) == (whole.rounds, whole.trace)


def test_more_liars_than_the_rule_holds_are_refused() -> None:
    with pytest.raises(BreakdownError, match="at most 9 Byzantine rows of 20; got b=10"):
        sp.minimize(PROBLEM, sp.GradientDescent(), b=10)
