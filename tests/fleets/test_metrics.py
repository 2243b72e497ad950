"""The endpoint for Prometheus: what it says, and that nobody who asks can hold the run."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import urllib.request
from typing import Any

import pytest

import saddleproof as sp

pytest.importorskip("prometheus_client")

from saddleproof.fleets import metrics
from saddleproof.fleets.metrics import Exporter


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as told:
        text: str = told.read().decode()
    return text


def scraped(port: int) -> dict[str, float]:
    lines = re.findall(r"^(saddleproof\S*) (\S+)$", page(port), re.MULTILINE)
    return {key: float(value) for key, value in lines}


def test_a_scrape_says_what_the_trace_says(faulty, run):
    with Exporter(workers=faulty.workers) as exporter:
        result = run(faulty, callback=exporter)
        seen = scraped(exporter.port)
    report = sp.lab.workers(result, faulty.workers)
    assert seen["saddleproof_rounds_total"] == result.rounds
    assert seen["saddleproof_queries_total"] == sum(r.queries for r in result.trace)
    assert seen["saddleproof_refused_total"] == 1
    assert seen["saddleproof_gradient_norm"] == result.trace[-1].gradient_norm
    assert seen["saddleproof_last_round_timestamp_seconds"] > 1.7e9
    for record in report.records:
        for event, count in (("answered", record.answered), ("late", record.late)):
            key = f'saddleproof_worker_rounds_total{{event="{event}",worker="{record.name}"}}'
            assert seen.get(key, 0) == count
    bad = 'saddleproof_worker_rounds_total{event="proved_bad",worker="worker-2"}'
    assert seen[bad] == 1


def test_what_a_fleet_counted_is_there_and_no_stranger_is_a_label(faulty, run):
    counted = {"worker-0": {"bytes": 7, "replaced": 2}, "mallory": {"bytes": 9}}
    with Exporter(workers=faulty.workers, counters=lambda: counted) as exporter:
        run(faulty, callback=exporter)
        text = page(exporter.port)
    assert 'saddleproof_worker_events_total{event="bytes",worker="worker-0"} 7.0' in text
    assert 'saddleproof_worker_events_total{event="replaced",worker="worker-0"} 2.0' in text
    assert "mallory" not in text


def test_who_lost_the_seat_before_a_resume_is_not_counted_as_answering(faulty, run):
    with Exporter(workers=faulty.workers, unseated=lambda: {"worker-5": "NaN"}) as exporter:
        run(faulty, callback=exporter)
        text = page(exporter.port)
    assert 'event="answered",worker="worker-5"' not in text
    assert 'event="answered",worker="worker-6"' in text


def test_a_closed_exporter_gives_its_port_back():
    with Exporter(workers=()) as exporter:
        port = exporter.port
    Exporter(port, workers=()).close()


def test_a_port_that_is_taken_is_an_oserror():
    with Exporter(workers=()) as exporter, pytest.raises(OSError, match="in use"):
        Exporter(exporter.port, workers=())


def threads() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def test_scrapes_that_never_end_hold_no_round_and_only_so_many_threads(faulty, run, monkeypatch):
    """Peers that connect and say nothing, or begin a request and stop."""
    monkeypatch.setattr(metrics, "_PATIENCE", 300.0)
    with contextlib.ExitStack() as stack:
        exporter = Exporter(workers=faulty.workers)
        for i in range(40):
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", exporter.port)))
            with contextlib.suppress(OSError):  # it was hung up on
                peer.sendall(b"GET /metrics HTTP/1.1\r\n"[: i % 24])
        assert run(faulty, callback=exporter).rounds == 6
        assert 0 < threads() <= metrics._SCRAPES
        exporter.close()  # which waits for none of them
        assert not exporter._thread.is_alive()


def test_after_a_flood_the_next_scrape_is_answered(monkeypatch):
    monkeypatch.setattr(metrics, "_PATIENCE", 0.2)
    with Exporter(workers=()) as exporter:
        peers = [socket.create_connection(("127.0.0.1", exporter.port)) for _ in range(20)]
        for _ in range(200):
            with contextlib.suppress(OSError):
                assert "saddleproof_rounds_total" in page(exporter.port)
                break
            threading.Event().wait(0.02)
        else:
            pytest.fail("nobody is answered any more")
        for peer in peers:
            peer.close()


def test_a_peer_that_hangs_up_writes_nothing_to_stderr(capfd):
    with Exporter(workers=()) as exporter:
        for said in (
            b"",
            b"\x00\xff\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"PUT / HTTP/1.1\r\n\r\n",
        ):
            peer = socket.create_connection(("127.0.0.1", exporter.port))
            peer.sendall(said)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            peer.close()
        page(exporter.port)
    assert capfd.readouterr() == ("", "")


def test_it_listens_where_it_is_told_and_asks_no_name_server(monkeypatch):
    def asked(*_: Any) -> Any:
        pytest.fail("a name was looked up")

    monkeypatch.setattr(socket, "getfqdn", asked)
    with Exporter(workers=(), address="0.0.0.0") as exporter:
        assert "saddleproof" in page(exporter.port)
