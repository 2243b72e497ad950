"""What can be seen of a run from outside: counters, logs, and a real scrape of the endpoint."""

from __future__ import annotations

import logging
import re
import urllib.request
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.checkpoint import RoundRecord
from saddleproof.errors import OptionError
from saddleproof.fleets.base import DEAD, LATE, OK
from saddleproof.fleets.logs import log_messages, log_round
from saddleproof.fleets.metrics import Exporter
from saddleproof.questions import Curvatures
from saddleproof.report.workers import section, workers
from saddleproof.testing import Bowl


class Faulty:
    """A fleet in which worker-1 is late every second round, and worker-2 sends NaN in round 2."""

    def __init__(self, problem: Any) -> None:
        self._inner = sp.LocalFleet(problem)
        self.workers, self.close = self._inner.workers, self._inner.close
        self.announce = self._inner.announce

    def round(self, points: Any, *, round_id: int, timeout: float | None = None) -> sp.Messages:
        answers = self._inner.round(points, round_id=round_id).answers
        status = [OK] * len(answers)
        notes = {"mallory": "not on the roster"} if round_id == 3 else {}
        if round_id % 2 == 1:
            answers[1], status[1] = None, LATE
        if round_id == 2:
            answers[2] = np.full_like(points, np.nan)
        return sp.Messages(answers, tuple(status), notes)


@pytest.fixture
def fleet() -> Faulty:
    return Faulty(Bowl(m=9))


def run(fleet: Any, **options: Any) -> sp.Result:
    return sp.minimize(
        fleet,
        sp.GradientDescent(step=0.1, tolerance=1e-12),
        b=2,
        w0=Bowl().start,
        max_rounds=6,
        certify=False,
        **options,
    )


def test_every_round_of_every_worker_is_counted_once(fleet: Faulty) -> None:
    result = run(fleet)
    report = sp.workers(result, fleet.workers)
    assert (report["worker-1"].answered, report["worker-1"].late) == (3, 3)
    assert (report["worker-2"].answered, report["worker-2"].proved) == (2, "NaN or Inf (round 2)")
    assert report["worker-0"].answered == result.rounds == 6
    assert report.refused == {"mallory": 1}
    for record in report.records:
        assert record.kept + record.left_out == record.answered


def test_suspicion_is_nought_on_average_where_all_are_heard() -> None:
    rng = np.random.default_rng(0)
    names = [f"worker-{i}" for i in range(7)]
    trace = [
        RoundRecord(t, 1, 1.0, 0.1, left_out=tuple(n for n in names if rng.random() < 0.4))
        for t in range(50)
    ]
    np.testing.assert_allclose(workers(trace, names).suspicion.sum(axis=1), 0.0, atol=1e-12)


def test_who_is_left_out_more_than_others_becomes_suspicious_and_is_forgiven() -> None:
    names = ["a", "b", "c", "d"]
    trace = [RoundRecord(t, 1, 1.0, 0.1, left_out=("b",) if t < 30 else ()) for t in range(90)]
    history = workers(trace, names).suspicion
    assert (np.diff(history[:30, 1]) > 0).all()
    assert history[29, 1] == pytest.approx(0.75, abs=0.05)
    assert abs(history[-1, 1]) < 0.01


def test_a_liar_far_away_is_the_most_suspicious() -> None:
    problem = Bowl(m=9)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.Bias(100.0), members=[4])
    result = sp.minimize(fleet, aggregator=sp.TrimmedMean(), b=1, w0=problem.start, seed=0)
    report = sp.workers(result, fleet.workers)
    assert max(report.records, key=lambda record: record.suspicion).name == "worker-4"
    assert str(report).splitlines()[1].startswith("worker-4")


def test_a_window_below_one_round_is_refused() -> None:
    with pytest.raises(OptionError, match="window must be at least 1"):
        workers([], ["a"], window=0)


def test_the_page_escapes_what_a_worker_may_have_chosen() -> None:
    trace = [RoundRecord(0, 1, 1.0, 0.1, charged={"worker-0": "<script>"})]
    assert "<script>" not in section(trace, 2)
    assert "&lt;script&gt;" in section(trace, 2)


def scraped(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        text = page.read().decode()
    lines = re.findall(r"^(saddleproof\S*) (\S+)$", text, re.MULTILINE)
    return {key: float(value) for key, value in lines}


def test_a_scrape_says_what_the_trace_says(fleet: Faulty) -> None:
    pytest.importorskip("prometheus_client")
    with Exporter(workers=fleet.workers) as exporter:
        result = run(fleet, callback=exporter)
        seen = scraped(exporter.port)
    report = sp.workers(result, fleet.workers)
    assert seen["saddleproof_rounds_total"] == result.rounds
    assert seen["saddleproof_queries_total"] == sum(r.queries for r in result.trace)
    assert seen["saddleproof_refused_total"] == 1
    assert seen["saddleproof_gradient_norm"] == result.trace[-1].gradient_norm
    for record in report.records:
        for event, count in (("answered", record.answered), ("late", record.late)):
            key = f'saddleproof_worker_rounds_total{{event="{event}",worker="{record.name}"}}'
            assert seen.get(key, 0) == count
    bad = 'saddleproof_worker_rounds_total{event="proved_bad",worker="worker-2"}'
    assert seen[bad] == 1


def test_a_closed_exporter_gives_its_port_back() -> None:
    pytest.importorskip("prometheus_client")
    with Exporter(workers=()) as exporter:
        port = exporter.port
    Exporter(port, workers=()).close()


def test_a_stranger_never_becomes_a_label(fleet: Faulty) -> None:
    pytest.importorskip("prometheus_client")
    with Exporter(workers=fleet.workers) as exporter:
        run(fleet, callback=exporter)
        assert not any("mallory" in key for key in scraped(exporter.port))


def test_a_round_is_one_log_line_with_fields_and_a_bad_worker_one_warning(
    fleet: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="saddleproof"):
        result = run(fleet, callback=log_round)
    lines = [r for r in caplog.records if r.levelno == logging.INFO]
    assert [r.saddle_round for r in lines] == list(range(result.rounds))  # type: ignore[attr-defined]
    assert [r.saddle_gradient_norm for r in lines] == [  # type: ignore[attr-defined]
        record.gradient_norm for record in result.trace
    ]
    warned = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert [r.saddle_worker for r in warned] == ["worker-2"]  # type: ignore[attr-defined]


def test_a_transport_warns_of_everyone_who_did_not_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    messages = sp.Messages([None, None, 1], (LATE, DEAD, OK), {"b": "connection lost"})
    asked = Curvatures(np.zeros(2), np.eye(2))
    log_messages(logging.getLogger("saddleproof.test"), 4, ("a", "b", "c"), messages, 0.5, asked)
    warned = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert [r.getMessage() for r in warned] == [
        "round 4: a is late (no answer in time)",
        "round 4: b is dead (connection lost)",
    ]
    assert {r.saddle_question for r in warned} == {"Curvatures"}  # type: ignore[attr-defined]


def test_the_library_is_silent_unless_logging_is_set_up() -> None:
    handlers = logging.getLogger("saddleproof").handlers
    assert any(isinstance(handler, logging.NullHandler) for handler in handlers)
