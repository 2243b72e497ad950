"""Column by column: the same aggregate as from whole rows, in memory that knows no d."""

from __future__ import annotations

import os
import signal
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof.columns import aggregate
from saddleproof.errors import BreakdownError, FleetError, OptionError
from saddleproof.fleets.base import LATE, OK, Messages
from saddleproof.fleets.columns import ColumnFleet
from saddleproof.fleets.worker import RowOf, Worker
from saddleproof.oracle import TooFewWorkers
from saddleproof.testing import QuarticSaddle

RULES = [sp.Mean(), sp.Median(), sp.TrimmedMean(), sp.aggregators.MeanAroundMedian()]


class Rows:
    """Workers that are rows of a function; `bad` says who fails from which column on."""

    def __init__(self, m: int, row: Any, bad: dict[int, tuple[int, str]] | None = None) -> None:
        self.workers = tuple(f"worker-{i}" for i in range(m))
        self._row, self._bad = row, bad or {}

    def open(self, w: Any) -> None:
        self.w = w

    def columns(self, start: int, stop: int, *, timeout: float | None = None) -> Messages:
        values: list[Any] = [self._row(i, start, stop)[None] for i in range(len(self.workers))]
        status = [OK] * len(values)
        for i, (since, how) in self._bad.items():
            if start >= since and how == "late":
                values[i], status[i] = None, LATE
            elif start >= since:
                values[i] = np.full_like(values[i], np.nan)
        return Messages(values, tuple(status))


@given(
    m=st.integers(3, 9),
    d=st.integers(1, 40),
    width=st.integers(1, 50),
    rule=st.sampled_from(RULES),
    seed=st.integers(0, 9),
)
@settings(max_examples=60)
def test_chunks_give_the_aggregate_of_whole_rows(
    m: int, d: int, width: int, rule: Any, seed: int
) -> None:
    rows = np.random.default_rng(seed).standard_normal((m, d))
    b = min(rule.breakdown(m), 1)
    found = aggregate(Rows(m, lambda i, s, e: rows[i, s:e]), rule, np.zeros(d), b, columns=width)
    whole = rule.estimate(rows, b)
    np.testing.assert_array_equal(found.vector, whole.vector)
    if width >= d and whole.inexactness is not None:
        assert found.inexactness == pytest.approx(whole.inexactness)


def test_memory_does_not_know_d(tmp_path: Any) -> None:
    m, width, peaks = 9, 10_000, []
    for d in (10 * width, 100 * width):
        out = np.lib.format.open_memmap(tmp_path / f"{d}.npy", "w+", shape=(d,))
        point = np.lib.format.open_memmap(tmp_path / f"w{d}.npy", "w+", shape=(d,))
        rows = Rows(m, lambda i, s, e: np.arange(s, e) * 1.0 + i)
        tracemalloc.start()
        aggregate(rows, sp.Median(), point, 2, columns=width, out=out)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        np.testing.assert_array_equal(out[-3:], np.arange(d - 3, d) + (m - 1) / 2)
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 7 * m * width * 8


def test_who_is_proved_bad_in_a_chunk_is_not_heard_again() -> None:
    rows = Rows(7, lambda i, s, e: np.full(e - s, float(i)), {6: (4, "nan")})
    found = aggregate(rows, sp.Median(), np.zeros(12), 2, columns=4)
    assert found.charged == {"worker-6": "NaN or Inf"}
    np.testing.assert_array_equal(found.vector, [3.0] * 4 + [2.5] * 8)


def test_who_is_late_is_counted_and_keeps_its_seat() -> None:
    rows = Rows(7, lambda i, s, e: np.full(e - s, float(i)), {0: (8, "late")})
    found = aggregate(rows, sp.Median(), np.zeros(12), 2, columns=4)
    assert found.absent == {"worker-0": 1}
    np.testing.assert_array_equal(found.vector, [3.0] * 8 + [3.5] * 4)


def test_too_few_columns_stop_the_pass() -> None:
    rows = Rows(5, lambda i, s, e: np.zeros(e - s), dict.fromkeys(range(3), (0, "late")))
    with pytest.raises(TooFewWorkers, match="cannot hold b=2"):
        aggregate(rows, sp.Median(), np.zeros(4), 2)


def test_a_rule_that_needs_whole_rows_is_refused() -> None:
    with pytest.raises(OptionError, match="Krum needs whole rows"):
        aggregate(Rows(9, None), sp.aggregators.Krum(), np.zeros(3), 1)  # type: ignore[arg-type]


def test_more_liars_than_the_rule_holds_are_refused() -> None:
    with pytest.raises(BreakdownError):
        aggregate(Rows(4, None), sp.Median(), np.zeros(3), 2)


@pytest.fixture(scope="module")
def processes() -> Iterator[ColumnFleet]:
    fleet = ColumnFleet([Worker(RowOf(QuarticSaddle(m=3, d=1000)), i) for i in range(3)], d=1000)
    yield fleet
    fleet.close()
    fleet.close()


def test_processes_hand_out_what_they_computed(processes: ColumnFleet) -> None:
    for w in (np.linspace(-1, 1, 1000), np.linspace(0, 2, 1000)):
        found = aggregate(processes, sp.Median(), w, 1, columns=300, timeout=60)
        truth = sp.Median()(QuarticSaddle(m=3, d=1000).gradients(w[None])[0], 1)
        np.testing.assert_array_equal(found.vector, truth)


def test_a_point_of_another_length_is_refused(processes: ColumnFleet) -> None:
    with pytest.raises(FleetError, match=r"must be \(1000,\) float64"):
        processes.open(np.zeros(999))


@pytest.mark.slow
def test_a_killed_process_is_dead_and_a_stopped_one_is_late() -> None:
    fleet = ColumnFleet([Worker(RowOf(QuarticSaddle(m=5)), i) for i in range(5)], d=4)
    fleet.open(np.ones(4))
    assert fleet.columns(0, 4, timeout=60).status == ("ok",) * 5
    os.kill(fleet._processes[1].pid or 0, signal.SIGKILL)
    os.kill(fleet._processes[2].pid or 0, signal.SIGSTOP)
    fleet._processes[1].join()
    assert fleet.columns(0, 2, timeout=1).status == ("ok", "dead", "late", "ok", "ok")
    os.kill(fleet._processes[2].pid or 0, signal.SIGCONT)
    messages = fleet.columns(2, 4, timeout=60)
    assert messages.status == ("ok", "dead", "ok", "ok", "ok")
    np.testing.assert_array_equal(
        messages.answers[2], QuarticSaddle(m=5).gradients(np.ones((1, 4)))[:, 2, 2:4]
    )
    fleet.close()
    with pytest.raises(FleetError, match="closed"):
        fleet.open(np.ones(4))


def test_a_late_answer_that_was_longer_does_not_end_its_worker() -> None:
    bowl = QuarticSaddle(m=3, d=10)
    fleet = ColumnFleet([Worker(RowOf(bowl), i) for i in range(3)], d=10)
    try:
        fleet.open(np.ones(10))
        assert fleet.columns(0, 1, timeout=60).status == (OK,) * 3
        pid = fleet._processes[2].pid or 0
        os.kill(pid, signal.SIGSTOP)
        assert fleet.columns(0, 5, timeout=1).status[2] == LATE
        os.kill(pid, signal.SIGCONT)
        messages = fleet.columns(8, 9, timeout=60)
        assert messages.status == (OK,) * 3
        truth = bowl.gradients(np.ones((1, 10)))[:, 2, 8:9]
        np.testing.assert_array_equal(messages.answers[2], truth)
    finally:
        fleet.close()
