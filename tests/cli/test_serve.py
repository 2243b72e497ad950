"""`saddleproof serve` from the first round to the last word, in this process."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

NAMES = tuple(f"worker-{i}" for i in range(5))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def committed(out: Path = Path("saddleproof-runs")) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(out / "runs.sqlite")) as db:
        return db.execute(
            "SELECT status, ended, (SELECT count(*) FROM rounds) FROM runs"
        ).fetchall()


def at_round(number: int, do: Any) -> Any:
    """An answer that does this, once, before it answers the round's question."""
    done = []

    def around(honest: Any) -> Any:
        def answer(question: Any, round_id: int, *, losses: bool) -> Any:
            if round_id == number and not done:
                done.append(round_id)
                do()
            return honest(question, round_id, losses=losses)

        return answer

    return around


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)  # the main thread hears it before this answer is there


def test_a_run_ends_with_its_result_and_a_row_for_every_worker(everybody):
    told = everybody.serve()
    assert told.exit_code == 0, told.output
    assert "status: second_order" in told.stdout
    rounds = int(re.search(r"rounds: (\d+)", told.stdout)[1])
    table = told.stdout.partition("workers, since this server started")[2].splitlines()
    assert table[1].split() == [
        "worker", "answered", "late", "lost", "stale", "refused", "replaced", "bytes", "unseated",
    ]  # fmt: skip
    rows = [line.split() for line in table[2 : 2 + len(NAMES)]]
    assert [row[0] for row in rows] == list(NAMES)
    for row in rows:
        assert int(row[1]) >= rounds  # the certificate asks too
        assert row[2:4] == ["0", "0"]
        assert int(row[7].replace(",", "")) > 88 * rounds  # a frame has a header of 88 bytes
        assert row[8] == "no"
    assert "go on with" not in told.stdout


def test_the_log_says_each_round_once_and_how_the_run_ended(everybody):
    told = everybody.serve("--log-format", "json")
    found = lines(told.stderr)
    rounds = [line for line in found if line.get("event") == "round"]
    assert [line["round"] for line in rounds] == list(range(len(rounds)))
    assert {line["answered"] for line in rounds} == {5}
    (over,) = [line for line in found if line.get("event") == "ends"]
    assert (over["status"], over["rounds"]) == ("second_order", len(rounds))
    assert {"listening", "gathered", "begins"} <= {line.get("event") for line in found}
    assert not [line for line in told.stderr.splitlines() if not line.startswith("{")]


def interrupted(served: Any, out: Path) -> Any:
    """A run that SIGTERM ends in round 6; and its workers."""
    clients = [served.start(NAMES[0], at_round(6, stop))]
    clients += [served.start(name) for name in NAMES[1:]]
    return served.serve("--out", str(out), "--log-level", "warning"), clients


def test_sigterm_commits_the_state_and_the_workers_dial_in_again(served, inside):
    told, clients = interrupted(served, inside / "out")
    assert told.exit_code == 130, told.output
    assert "interrupted in round 6" in told.stdout
    assert "workers, since this server started" in told.stdout
    assert committed(inside / "out") == [("interrupted", None, 6)]
    assert [client.ended for client in clients] == [None] * 5  # they dial in again


@pytest.mark.slow
def test_the_line_that_goes_on_does_when_it_is_pasted_into_a_shell_elsewhere(served, inside):
    out = inside / "it's a run; $HOME"
    told, _ = interrupted(served, out)
    line = re.search(r"^go on with: (.*)$", told.stdout, re.MULTILINE)[1]
    pasted = subprocess.run(line, shell=True, cwd="/", capture_output=True, text=True, check=False)
    assert pasted.returncode == 0, pasted.stderr
    assert "status: second_order" in pasted.stdout
    ((status, ended, rounds),) = committed(out)
    assert (status, ended is not None, rounds > 6) == ("second_order", True, True)


def test_sigterm_while_the_workers_are_waited_for_says_who_came_and_how_to_go_on(served):
    def leave() -> None:
        while not logs_of_connections():
            time.sleep(0.01)
        stop()

    heard: list[str] = []
    watch = logging.Handler()
    watch.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("saddleproof.fleets.grpc.streams").addHandler(watch)

    def logs_of_connections() -> bool:
        return any("worker-1 connected" in line for line in heard)

    worker = served.start("worker-1")
    thread = threading.Thread(target=leave)
    thread.start()
    told = served.serve()
    thread.join()
    logging.getLogger("saddleproof.fleets.grpc.streams").removeHandler(watch)
    assert told.exit_code == 130
    assert "workers, since this server started" in told.stdout
    assert "go on with: " in told.stdout
    assert worker.ended is None  # not told that the run is over


def test_a_signal_while_the_point_is_certified_leaves_the_run_open(everybody, monkeypatch):
    from saddleproof.server import Server

    whole = Server.certificate

    def interrupted(self: Any, *arguments: Any) -> Any:
        found = whole(self, *arguments)
        with pytest.raises(KeyboardInterrupt):
            stop()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Server, "certificate", interrupted)
        told = everybody.serve()
    assert told.exit_code == 130, told.output
    assert committed()[0][:2] == ("interrupted", None)
    again = everybody.serve("--resume")
    assert again.exit_code == 0, again.output
    assert committed()[0][0] == "second_order"


def test_too_few_workers_are_exit_code_3_and_the_line_that_goes_on(served, inside):
    text = (inside / "run.toml").read_text().replace("b = 1", "b = 1, timeout = 0.5")
    (inside / "run.toml").write_text(text)
    clients: list[Any] = []

    def leave() -> None:
        for client in clients[2:]:
            client.stop()

    clients += [served.start(NAMES[0], at_round(4, leave))]
    clients += [served.start(name) for name in NAMES[1:]]
    told = served.serve("--log-format", "json")
    assert told.exit_code == 3, told.output
    assert "status: too_few_workers" in told.stdout
    assert "go on with: " in told.stdout
    assert committed()[0][0] == "too_few_workers"
    rows = re.findall(r"^(worker-\d) +\d+ +(\d+) +(\d+)", told.stdout, re.MULTILINE)
    assert {name for name, late, lost in rows if int(late) + int(lost)} == set(NAMES[2:])


def test_a_worker_that_is_lost_and_one_that_is_proved_bad_are_named_once_each(served):
    import numpy as np

    lost = served.start(NAMES[0], at_round(3, lambda: lost.stop()))  # noqa: PLW0108 - it is not there yet
    served.start(NAMES[1], lambda honest: lambda q, n, losses: (np.full(q.shape, np.nan), None))
    for name in NAMES[2:]:
        served.start(name)
    told = served.serve("--log-format", "json", "--grace", "0.5")
    assert told.exit_code == 0, told.output
    found = [line for line in lines(told.stderr) if line["logger"] == "saddleproof.rounds"]
    moved = [(line["event"], line["worker"]) for line in found if line["event"] != "round"]
    assert sorted(set(moved)) == [("lost", "worker-0"), ("unseated", "worker-1")]
    assert moved.count(("unseated", "worker-1")) == 1
    assert moved.count(("lost", "worker-0")) <= 2  # late first, perhaps, and then dead
    assert re.search(r"^worker-1 .*NaN", told.stdout, re.MULTILINE)


def test_a_scrape_while_the_run_goes_on_says_what_it_says_and_no_secret(served):
    pytest.importorskip("prometheus_client")
    from saddleproof.fleets import metrics

    seen: list[str] = []
    ports: list[int] = []
    made = metrics.Exporter.__init__

    def remember(self: Any, *arguments: Any, **named: Any) -> None:
        made(self, *arguments, **named)
        ports.append(self.port)

    def scrape() -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}/metrics", timeout=10) as page:
            seen.append(page.read().decode())

    served.start(NAMES[0], at_round(5, scrape))
    for name in NAMES[1:]:
        served.start(name)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(metrics.Exporter, "__init__", remember)
        told = served.serve("--metrics-port", "0")
    assert told.exit_code == 0, told.output
    assert "saddleproof_rounds_total 5.0" in seen[0]
    row = r'saddleproof_worker_events_total{event="bytes",worker="worker-1"} (\S+)'
    assert float(re.search(row, seen[0])[1]) > 0
    key = (served.keys / "server.key").read_text().splitlines()[1]
    assert key not in seen[0] + told.output


def test_a_metrics_port_that_is_taken_is_one_line_and_no_run(served, free_port):
    import socket

    pytest.importorskip("prometheus_client")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        told = served.serve("--metrics-port", str(port))
    assert told.exit_code == 1
    assert f"cannot listen at 127.0.0.1:{port} for --metrics-port" in told.output
    assert not Path("saddleproof-runs").exists()


@pytest.mark.slow
def test_a_server_of_a_resumed_run_knows_who_lost_the_seat_before(served):
    import numpy as np

    served.start(NAMES[0], lambda honest: lambda q, n, losses: (np.full(q.shape, np.nan), None))
    served.start(NAMES[1], at_round(6, stop))
    for name in NAMES[2:]:
        served.start(name)
    assert served.serve("--grace", "0.5").exit_code == 130
    told = served.serve("--resume", "--log-format", "json", "--grace", "0.5", "--wait", "3")
    assert told.exit_code == 0, told.output
    first = next(line for line in lines(told.stderr) if line.get("event") == "round")
    assert (first["round"], first["answered"], first["unseated"]) == (6, 4, 1)


def test_a_run_that_is_led_elsewhere_is_refused_before_anybody_is_waited_for(served, inside):
    from saddleproof.config.parse import load
    from saddleproof.runs.store import Store

    with Store(inside / "saddleproof-runs" / "runs.sqlite") as store:
        begun = store.begin(load(inside / "run.toml").text, "0")
        with begun.leading(resume=True):
            told = served.serve("--resume")  # no worker ever dials in
    assert told.exit_code == 1
    assert "is led by process" in told.output


def test_who_is_proved_bad_in_the_last_round_is_in_the_table_too(served, inside):
    import numpy as np

    def last(honest: Any) -> Any:
        def answer(question: Any, round_id: int, *, losses: bool) -> Any:
            told, values = honest(question, round_id, losses=losses)
            return (np.full_like(told, np.nan) if round_id == 2 else told), values

        return answer

    text = (inside / "run.toml").read_text().replace("max_rounds = 60", "max_rounds = 3")
    (inside / "run.toml").write_text(text.replace("b = 1", "certify = false, b = 1"))
    served.start(NAMES[0], last)
    for name in NAMES[1:]:
        served.start(name)
    told = served.serve()
    assert told.exit_code == 0, told.output
    assert re.search(r"^worker-0 .*NaN", told.stdout, re.MULTILINE)
