"""What can be seen of a run from outside: counters, logs, and a real scrape of the endpoint."""

from __future__ import annotations

import csv
import logging
import re
import urllib.request
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.attacks.table import ATTACKS
from saddleproof.checkpoint import RoundRecord
from saddleproof.fleets.base import DEAD, LATE, OK
from saddleproof.fleets.logs import log_messages, log_round
from saddleproof.fleets.metrics import Exporter
from saddleproof.lab.report.precision import precision
from saddleproof.lab.report.workers import section, workers
from saddleproof.questions import Curvatures
from saddleproof.testing import Bowl


class Faulty:
    """A fleet in which worker-1 is late every second round, and worker-2 sends NaN in round 2."""

    def __init__(self, problem: Any) -> None:
        self._inner = sp.LocalFleet(problem)
        self.workers, self.close = self._inner.workers, self._inner.close
        self.announce = self._inner.announce

    def round(
        self, points: Any, *, round_id: int, timeout: float | None = None
    ) -> sp.fleets.Messages:
        answers = self._inner.round(points, round_id=round_id).answers
        status = [OK] * len(answers)
        notes = {"mallory": "not on the roster"} if round_id == 3 else {}
        if round_id % 2 == 1:
            answers[1], status[1] = None, LATE
        if round_id == 2:
            answers[2] = np.full_like(points, np.nan)
        return sp.fleets.Messages(answers, tuple(status), notes)


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
    report = sp.lab.workers(result, fleet.workers)
    assert (report["worker-1"].answered, report["worker-1"].late) == (3, 3)
    assert (report["worker-2"].answered, report["worker-2"].proved) == (2, "NaN or Inf (round 2)")
    assert report["worker-0"].answered == result.rounds == 6
    assert report.refused == {"mallory": 1}
    for record in report.records:
        assert record.kept + record.left_out == record.answered


def test_a_liar_far_away_stands_out_and_is_listed_first() -> None:
    problem = Bowl(m=9)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.attacks.ConstantOffset(100.0), members=[4])
    result = sp.minimize(fleet, aggregator=sp.TrimmedMean(), b=1, w0=problem.start, seed=0)
    report = sp.lab.workers(result, fleet.workers)
    assert report.stand_out == ("worker-4",)
    assert max(report.records, key=lambda record: record.suspicion).name == "worker-4"
    assert str(report).splitlines()[1].startswith("worker-4")


def evidence(**suspicious: float) -> list[RoundRecord]:
    """Two rounds in which the workers a, b and c contradict themselves this much, or not at all."""
    found = {"contradiction": dict.fromkeys("abc", 0.25) | suspicious}
    return [RoundRecord(t, 0, 1.0, 0.1, question="Changes", evidence=found) for t in range(2)]


def test_who_stands_out_comes_first_and_all_others_are_not_ranked() -> None:
    report = workers(evidence(a=0.5, b=0.75, c=2.5), ["a", "b", "c"])
    assert [row[0] for row in report.cells] == ["worker", "c", "a", "b"]
    assert report.cells[1][7:9] == ("2.50", "its answers contradict each other")
    assert "Stand out: c." in report.caption
    for text in (str(report), section(evidence(), 1)):
        assert report.measured in text.replace("&#x27;", "'")


def test_nobody_stands_out_among_equals() -> None:
    report = workers(evidence(), ["a", "b", "c"])
    assert [row[0] for row in report.cells] == ["worker", "a", "b", "c"]
    assert report.stand_out == ()
    assert "Nobody stands out." in report.caption


def test_no_suspicion_is_printed_without_what_was_measured_of_it() -> None:
    with_it, without = workers(evidence(c=9.0), "abc"), workers(evidence(c=9.0)[:1], "abc")
    assert with_it.measured
    assert with_it.measured in str(with_it)
    assert "No suspicion" in str(without)
    assert "suspicion" not in without.cells[0]
    assert not any(record.stands_out for record in without.records)


def test_what_was_measured_is_read_from_the_file_that_the_benchmark_writes() -> None:
    with files("saddleproof.lab.report").joinpath("suspicion.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for optimizer in ("CertifiedPGD", "GradientOnlyPGD"):
        mine = [row for row in rows if row["optimizer"] == optimizer]
        lied = [row for row in mine if row["attack"] != "none"]
        runs, found = (sum(float(row[name]) for row in lied) for name in ("runs", "found"))
        text = str(precision(optimizer))
        assert f"In {runs:.0f} measured runs of {optimizer}" in text
        assert f"{found / runs:.0%}" in text
        worst = min(
            {row["attack"] for row in lied},
            key=lambda attack: np.divide(
                *(
                    sum(float(row[name]) for row in lied if row["attack"] == attack)
                    for name in ("found", "runs")
                )
            ),
        )
        assert f"worst attack, {worst}: " in text
        honest = [row for row in mine if row["attack"] == "none"]
        named, trials = (sum(int(row[name]) for row in honest) for name in ("naming", "runs"))
        assert trials > 0
        assert f"In {named} of {trials} runs without liars" in text
        measured = {row["attack"] for row in lied}
        proved = {"malformed", "non_finite"}  # nobody is left to be suspected
        assert set(ATTACKS) - proved - {"lying_answers", "delayed"} <= measured


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
    report = sp.lab.workers(result, fleet.workers)
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
    messages = sp.fleets.Messages([None, None, 1], (LATE, DEAD, OK), {"b": "connection lost"})
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
