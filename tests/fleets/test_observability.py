"""What can be seen of a run from outside: the report on its workers."""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import Any

import numpy as np

import saddleproof as sp
from saddleproof.attacks.table import ATTACKS
from saddleproof.checkpoint import RoundRecord
from saddleproof.lab.report.precision import precision
from saddleproof.lab.report.workers import section, workers
from saddleproof.testing import QuarticSaddle


def test_every_round_of_every_worker_is_counted_once(faulty: Any, run: Any) -> None:
    fleet, result = faulty, run(faulty)
    report = sp.lab.workers(result, fleet.workers)
    assert (report["worker-1"].answered, report["worker-1"].late) == (3, 3)
    assert (report["worker-2"].answered, report["worker-2"].proved) == (2, "NaN or Inf (round 2)")
    assert report["worker-0"].answered == result.rounds == 6
    assert report.refused == {"mallory": 1}
    for record in report.records:
        assert record.kept + record.left_out == record.answered


def test_a_liar_far_away_stands_out_and_is_listed_first() -> None:
    problem = QuarticSaddle(m=9)
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
        missing = set(ATTACKS) - proved - {"lying_answers", "delayed"} - measured
        assert not missing, (
            f"measure them: python benchmarks suspicion --attacks {' '.join(sorted(missing))} "
            "--out src/saddleproof/lab/report/suspicion.csv --append"
        )


def test_the_page_escapes_what_a_worker_may_have_chosen() -> None:
    trace = [RoundRecord(0, 1, 1.0, 0.1, charged={"worker-0": "<script>"})]
    assert "<script>" not in section(trace, 2)
    assert "&lt;script&gt;" in section(trace, 2)
