"""`saddleproof serve --check`: what it says is what a run would find."""

from __future__ import annotations

import re
import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import saddleproof as sp
from saddleproof.cli import main
from saddleproof.cli.check import room, slack
from saddleproof.errors import BreakdownError
from saddleproof.testing import QuarticSaddle

LONG = 5000


@pytest.fixture
def check(inside: Path, project: Path, free_port: int) -> Any:
    """check(...): exit code, and each check's mark and what it found."""

    def run(*options: str) -> tuple[int, dict[str, tuple[str, str]]]:
        told = ["--keys", str(project), "--listen", f"127.0.0.1:{free_port}", "--check"]
        ran = CliRunner().invoke(main, ["serve", "run.toml", *told, *options])
        rows = re.findall(r"^(ok|warn|BAD) +(.{14}) (.*)$", ran.stdout, re.MULTILINE)
        return ran.exit_code, {name.strip(): (mark, found) for mark, name, found in rows}

    run.port = free_port  # type: ignore[attr-defined]
    return run


def test_all_in_order_is_exit_code_0_and_leaves_nothing_behind(check, inside):
    code, found = check()
    assert (code, {mark for mark, _ in found.values()}) == (0, {"ok"})
    assert found["slack"][1].startswith("b = 1 of 5 leaves room for 1 crash;")
    assert [path.name for path in inside.iterdir()] == ["run.toml"]


def test_a_doubt_is_exit_code_4_and_a_fault_1(check, inside):
    (inside / "roster.txt").write_text("ann\nben\ncat\ndan\n")
    code, found = check("--roster", "roster.txt")
    assert (code, found["roster"][0]) == (4, "warn")
    assert "4 workers, 0 with a pinned key; the problem has 5" in found["roster"][1]
    assert "leaves no room for a single crash" in found["slack"][1]
    (inside / "roster.txt").write_text("ann\nben\n")
    code, found = check("--roster", "roster.txt")
    assert (code, found["slack"][0]) == (1, "BAD")


def test_keys_that_cannot_be_used_are_named(check, inside, project):
    mine = inside / "mine"
    shutil.copytree(project, mine)
    shutil.copy(mine / "eve.key", mine / "server.key")
    code, found = check("--keys", str(mine))
    assert (code, found["keys"][0]) == (1, "BAD")
    assert "the server's key is not that of its certificate" in found["keys"][1]
    code, found = check("--keys", "nowhere")
    assert (code, "authority.pem" in found["keys"][1]) == (1, True)


def test_a_server_s_certificate_of_another_authority_is_refused(check, inside, project):
    from saddleproof.fleets.grpc import keys

    keys.init(inside / "other")
    shutil.copy(project / "authority.pem", inside / "other")
    code, found = check("--keys", "other")
    assert (code, "not signed by this authority" in found["keys"][1]) == (1, True)


def test_a_certificate_that_ends_within_two_weeks_is_a_doubt(check, inside):
    from saddleproof.fleets.grpc import keys

    keys.init(inside / "short", days=10)
    code, found = check("--keys", "short")
    assert (code, found["authority"][0], found["server"][0]) == (4, "warn", "warn")
    assert "saddleproof keys renew short server" in found["server"][1]


def test_a_port_that_is_taken_is_a_fault(check):
    with socket.create_server(("127.0.0.1", check.port)):
        code, found = check()
    assert (code, found["port"][0]) == (1, "BAD")
    assert check()[0] == 0  # the check itself gives it back


@pytest.mark.parametrize(
    "listen", ["127.0.0.1", "127.0.0.1:99999", "127.0.0.1:-1", "192.0.2.1:7443"]
)
def test_an_address_that_is_none_is_a_fault(check, listen):
    code, found = check("--listen", listen)
    assert (code, found["port"][0]) == (1, "BAD")


def test_it_says_which_run_would_go_on(check, inside):
    from saddleproof.config.parse import load
    from saddleproof.runs.store import Store

    with Store(inside / "saddleproof-runs" / "runs.sqlite") as store:
        begun = store.begin(load(inside / "run.toml").text, "0")
        assert check()[1]["run"] == ("ok", "--resume goes on with run 1 after 0 rounds")
        with begun.leading(resume=True):
            code, found = check()
            assert (code, found["run"][0]) == (1, "BAD")
            assert "is led by process" in found["run"][1]


def test_a_damaged_store_is_a_fault(check, inside):
    folder = inside / "saddleproof-runs"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "runs.sqlite")) as db:
        db.execute("CREATE TABLE other (a)")
    code, found = check()
    assert (code, found["run store"][0]) == (1, "BAD")


def test_a_disk_without_room_is_a_fault_and_one_with_little_a_doubt(check, monkeypatch):
    for free, code in ((0, 1), (1 << 20, 4), (1 << 40, 0)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        assert check()[0] == code


def test_too_few_files_are_a_fault(check, monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (70, 70))
    code, found = check()
    assert (code, found["connections"][0]) == (1, "BAD")


class Silent:
    """A fleet whose last workers never answer."""

    def __init__(self, m: int, silent: int) -> None:
        self._inner = sp.LocalFleet(QuarticSaddle(m=m))
        self.workers, self.close = self._inner.workers, self._inner.close
        self.announce, self.silent = self._inner.announce, silent
        self.questions = self._inner.questions

    def round(self, points: Any, **named: Any) -> Any:
        return self._without(self._inner.round(points, **named))

    def ask(self, question: Any, **named: Any) -> Any:
        return self._without(self._inner.ask(question, **named))

    def _without(self, messages: Any) -> Any:
        m = len(self.workers)
        answers = [*messages.answers[: m - self.silent], *[None] * self.silent]
        status = ["ok"] * (m - self.silent) + ["late"] * self.silent
        return sp.fleets.Messages(answers, tuple(status))


PARTS = [
    (sp.CertifiedPGD, sp.Median),
    (sp.GradientOnlyPGD, sp.Median),
    (sp.CertifiedPGD, sp.aggregators.Krum),
    (lambda: sp.GradientDescent(step=0.1), sp.TrimmedMean),
    (lambda: sp.GradientDescent(step=0.1), sp.aggregators.Mean),
]


@given(st.integers(3, 13), st.integers(0, 5), st.sampled_from(PARTS))
def test_a_run_outlasts_as_many_crashes_as_the_check_says_and_no_more(m, b, parts):
    optimizer, rule = parts[0](), parts[1]()
    setup: Any = SimpleNamespace(aggregator=rule, optimizer=optimizer, options=SimpleNamespace(b=b))
    try:
        left = room(setup, m)
    except BreakdownError:
        assert not slack(setup, m).good
        with pytest.raises(BreakdownError):
            sp.minimize(Silent(m, 0), optimizer, aggregator=rule, b=b, w0=QuarticSaddle().start)
        return
    for silent in {b + left, b + left + 1} & set(range(m + 1)):
        loop: Any = {"w0": QuarticSaddle().start + 0.1, "max_rounds": 1, "certify": False}
        result = sp.minimize(Silent(m, silent), optimizer, aggregator=rule, b=b, seed=0, **loop)
        stopped = result.status == "too_few_workers"
        assert stopped == (silent > b + left), (silent, left, result.message)
    assert slack(setup, m).doubtful == (left <= 0)


def test_the_sentence_about_a_tight_roster():
    setup: Any = SimpleNamespace(
        aggregator=sp.Median(), optimizer=sp.CertifiedPGD(), options=SimpleNamespace(b=2)
    )
    assert slack(setup, 7).found.startswith("b = 2 of 7 leaves no room for a single crash")
    assert slack(setup, 6).found.startswith("b = 2 of 6: 2 silent workers stop it")
    assert slack(setup, 9).found.startswith("b = 2 of 9 leaves room for 2 crashes")


def test_the_size_of_a_snapshot_grows_with_the_dimension():
    from saddleproof.cli.check import snapshot_size

    def size(d: int) -> int:
        problem: Any = SimpleNamespace(start=np.zeros(d))
        setup: Any = SimpleNamespace(
            problem=problem, optimizer=sp.CertifiedPGD(), options=SimpleNamespace(max_rounds=10)
        )
        return snapshot_size(setup)

    assert size(LONG) - size(0) >= 8 * LONG
