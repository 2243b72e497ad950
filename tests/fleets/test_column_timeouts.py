"""`ColumnFleet` and workers that stop: in the middle of an answer, of a chunk, for ever."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from saddleproof.fleets.columns import _COLUMNS, _HEADER, ColumnFleet

D = 1 << 20  # 8 MiB an answer, which no socket's buffer holds

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ColumnFleet]:
    """Two workers whose gradients are 0, 1, 2, ...; their processes import them."""
    (tmp_path / "counting_worker.py").write_text(
        "import numpy as np\n"
        "class Counting:\n"
        "    def answer(self, points):\n"
        "        return np.arange(float(points.shape[1]))[None], None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    counting = importlib.import_module("counting_worker").Counting
    with contextlib.closing(ColumnFleet([counting(), counting()], d=D)) as made:
        made.open(np.zeros(D))
        assert made.columns(0, 4).status == ("ok", "ok")
        yield made


def stopped(fleet: ColumnFleet, i: int) -> int:
    process = fleet._processes[i].pid
    os.kill(process, signal.SIGSTOP)
    return process


def test_a_worker_that_is_stopped_in_the_middle_of_an_answer_is_late_and_later_heard(
    fleet: ColumnFleet,
) -> None:
    fleet._ask(0, fleet_header(fleet, 0, D))
    time.sleep(1.0)  # its answer fills the socket, and waits there to be read
    process = stopped(fleet, 0)
    try:
        messages = fleet.columns(0, D, timeout=2.0)
        assert messages.status == ("late", "ok")
        assert 0 < len(fleet._text[0]) < 8 * D  # some of it was there
        assert fleet.columns(0, 8, timeout=0.5).status == ("late", "ok")
    finally:
        os.kill(process, signal.SIGCONT)
    messages = fleet.columns(8, 16, timeout=60.0)
    assert messages.status == ("ok", "ok")
    np.testing.assert_array_equal(messages.answers[0], [np.arange(8.0, 16.0)])


def test_an_answer_that_trickles_ends_no_later_than_the_timeout(
    fleet: ColumnFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something is always there to be read, and the end of the answer never comes."""
    monkeypatch.setattr(ColumnFleet, "_read", lambda self, i: not time.sleep(0.01))
    assert fleet.columns(0, D, timeout=0.3).status == ("late", "late")


def test_a_fleet_whose_worker_is_stopped_can_be_closed(fleet: ColumnFleet) -> None:
    stopped(fleet, 1)
    fleet.columns(0, D, timeout=0.2)
    fleet.close()


def fleet_header(fleet: ColumnFleet, start: int, stop: int) -> bytes:
    return _HEADER.pack(_COLUMNS, fleet._round, start, stop)
