"""Rounds over loopback with TLS: honest workers, late ones, dead ones, and those that come back."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace

import grpc
import numpy as np
import pytest

import saddleproof as sp
from saddleproof.cli.worker import from_config
from saddleproof.config.parse import load
from saddleproof.config.setup import build
from saddleproof.errors import FleetError, OptionError
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc import keys
from saddleproof.fleets.grpc.client import Client, honest
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.local import LocalFleet
from saddleproof.fleets.worker import Worker, workers_of
from saddleproof.questions import Changes, Gradients, LeastCurvature
from saddleproof.testing import check_fleet

POINTS = np.arange(12.0).reshape(3, 4)


@dataclass(frozen=True)
class NeedsValues:
    needs_values: bool = True


def announce(fleet, b=0, optimizer=None):
    fleet.announce(Announcement(sp.Median().estimates, b, optimizer))


class Silent:
    """A worker that says nothing until it may."""

    def __init__(self, answer):
        self.answer, self.may, self.asked = answer, threading.Event(), threading.Event()

    def __call__(self, question, round_id, *, losses):
        self.asked.set()
        self.may.wait(60)
        return self.answer(question, round_id, losses=losses)


def test_it_passes_the_suite(begun):
    check_fleet(begun, POINTS)


def test_it_answers_what_the_local_fleet_answers(begun, bowl):
    for round_id in range(3):
        messages = begun.round(POINTS, round_id=round_id)
        local = LocalFleet(bowl).round(POINTS, round_id=round_id)
        assert messages.status == local.status
        for one, other in zip(messages.answers, local.answers, strict=True):
            np.testing.assert_array_equal(one, other)


def test_it_answers_every_question_in_the_bytes_of_the_local_fleet(
    fleet, start, problem_of, same_bytes
):
    problem = problem_of(len(NAMES))
    for name, worker in zip(NAMES, workers_of(problem), strict=True):
        start(fleet, name, honest(worker))
    assert fleet.gather(60) == ()
    same_bytes(fleet, problem)


def test_it_passes_the_suite_with_every_question(fleet, start, problem_of, questions_about):
    problem = problem_of(len(NAMES))
    for name, worker in zip(NAMES, workers_of(problem), strict=True):
        start(fleet, name, honest(worker))
    assert fleet.gather(60) == ()
    check_fleet(fleet, problem.start[None], questions_about(problem))


@pytest.mark.parametrize("attack", [False, True])
def test_a_worker_of_a_configuration_answers_as_in_the_local_run(tmp_path, questions_about, attack):
    config = tmp_path / "run.toml"
    config.write_text("""
        problem = { name = "pca_digits", components = 10, workers = 5 }
        attack = { name = "sign_flip", members = 2 }
        run = { b = 2 }
    """)
    setup = build(load(config))
    answer = from_config(config, 1, attack=attack)
    fleet = setup.fleet if attack else LocalFleet(setup.problem)
    for round_id, question in enumerate(questions_about(setup.problem)):
        told, losses = answer(question, round_id, losses=False)
        expected = fleet.ask(question, round_id=round_id).answers[1]
        assert told.tobytes() == expected.tobytes()
        assert losses is None


def test_losses_come_when_the_optimizer_needs_them(begun, bowl):
    announce(begun, optimizer=NeedsValues())
    told = begun.round(POINTS, round_id=0).loss_answers
    np.testing.assert_array_equal(told, np.stack([bowl.values(w) for w in POINTS], axis=1))
    announce(begun)
    assert begun.round(POINTS, round_id=1).losses is None


def test_single_precision_stays_single(begun):
    messages = begun.round(POINTS.astype(np.float32), round_id=0)
    assert {answer.dtype for answer in messages.answers} == {np.dtype(np.float32)}


def test_a_run_ends_in_the_same_bytes_as_on_the_local_fleet(begun, bowl):
    run = {"b": 1, "w0": bowl.start, "seed": 0, "max_rounds": 60}
    far, near = sp.minimize(begun, **run), sp.minimize(bowl, **run)
    assert str(far.certificate) == str(near.certificate)
    assert far.w.tobytes() == near.w.tobytes()
    assert far.trace == near.trace
    counted = begun.counters()["worker-0"]
    assert counted["answered"] == far.rounds + far.certificate.rounds
    assert counted["late"] == counted["malformed"] == counted["refused"] == 0


def test_a_silent_liar_costs_less_and_less_time(folder, start, answers):
    fleet = GrpcFleet(NAMES, folder, deadline=Deadline(grace=0.2, slack=0.0, limit=60.0))
    announce(fleet, b=1)
    silent = Silent(answers[0])
    with contextlib.closing(fleet):
        for name, answer in zip(NAMES, [silent, *answers[1:]], strict=True):
            start(fleet, name, answer)
        assert fleet.gather(60) == ()
        for round_id in range(4):
            assert fleet.round(POINTS, round_id=round_id).status == ("late", *["ok"] * 4)
        silent.may.set()
    assert fleet.counters()["worker-0"]["late"] == 4


def test_a_late_answer_does_not_count_in_the_next_round(folder, start, answers, until):
    fleet = GrpcFleet(NAMES, folder, deadline=Deadline(grace=0.1, slack=0.0, limit=60.0))
    announce(fleet, b=1)
    silent = Silent(answers[0])
    with contextlib.closing(fleet):
        for name, answer in zip(NAMES, [silent, *answers[1:]], strict=True):
            start(fleet, name, answer)
        fleet.gather(60)
        assert fleet.round(POINTS, round_id=0).status[0] == "late"
        silent.may.set()
        until(lambda: fleet.counters()["worker-0"]["stale"] == 1)
        fleet.deadline = Deadline(grace=60.0)
        announce(fleet, b=0)
        messages = fleet.round(-POINTS, round_id=1)
        assert messages.status == ("ok",) * 5
        told, _ = answers[0](Gradients(-POINTS), 1, losses=False)
        np.testing.assert_array_equal(messages.answers[0], told)
        assert messages.notes == {"worker-0": "answered after its round was closed"}


def test_a_late_answer_is_in_the_trace_and_the_report_of_its_worker(
    folder, start, answers, bowl, until
):
    fleet = GrpcFleet(NAMES, folder, deadline=Deadline(grace=0.1, slack=0.0, limit=60.0))
    silent = Silent(answers[0])
    with contextlib.closing(fleet):
        for name, answer in zip(NAMES, [silent, *answers[1:]], strict=True):
            start(fleet, name, answer)
        fleet.gather(60)

        def wake(progress):
            silent.may.set()
            fleet.deadline = Deadline(grace=60.0)
            until(lambda: fleet.counters()["worker-0"]["stale"] == 1)

        result = sp.minimize(
            fleet, b=1, w0=bowl.start, seed=0, max_rounds=3, callback=wake, certify=False
        )
    assert [record.refused for record in result.trace] == [{}, {"worker-0": 1}, {}]
    report = sp.lab.workers(result, fleet.workers)
    assert (report["worker-0"].late, report["worker-0"].refused) == (1, 1)
    assert report.refused == {}


def test_a_slow_worker_answers_the_newest_question_only(folder, start, answers, until):
    fleet = GrpcFleet(NAMES, folder, deadline=Deadline(grace=0.0, slack=0.0, limit=60.0))
    announce(fleet, b=1)
    seen = []
    silent = Silent(lambda asked, n, losses: seen.append(n) or answers[0](asked, n, losses=False))
    with contextlib.closing(fleet):
        for name, answer in zip(NAMES, [silent, *answers[1:]], strict=True):
            start(fleet, name, answer)
        fleet.gather(60)
        fleet.round(POINTS, round_id=0)
        assert silent.asked.wait(60)
        for round_id in range(1, 20):
            fleet.round(POINTS, round_id=round_id)
        silent.may.set()
        until(lambda: len(seen) == 2)
        assert seen == [0, 19]


def test_who_dies_is_dead_and_who_comes_back_is_heard(begun, start, answers, until):
    announce(begun, b=1)
    lost = start(begun, "worker-3", answers[3])  # the one before is pushed out
    until(lambda: begun.counters()["worker-3"]["connected"] == 2)
    begun.round(POINTS, round_id=0)
    lost.stop()
    lost.thread.join()
    until(lambda: 3 in begun._desk.away())
    assert begun.round(POINTS, round_id=1).status[3] == "dead"
    start(begun, "worker-3", answers[3])
    until(lambda: 3 not in begun._desk.away())
    assert begun.round(POINTS, round_id=2).status == ("ok",) * 5


def test_a_worker_that_is_pushed_out_says_so_and_dials_in_again(
    fleet, start, answers, until, caplog
):
    first = start(fleet, "worker-2", answers[2])
    until(lambda: fleet.counters()["worker-2"]["connected"] == 1)
    thief = start(fleet, "worker-2", answers[2])
    until(lambda: fleet.counters()["worker-2"]["replaced"] == 2)
    thief.stop()
    thief.thread.join(60)
    until(lambda: "took its place; dialing in again" in caplog.text)
    until(lambda: "worker-2" in fleet._desk.lines)
    assert (first.refusal, first.thread.is_alive()) == (None, True)


def test_who_is_replaced_again_and_again_waits_longer_each_time(folder, answers):
    codes = grpc.StatusCode
    client = Client(answers[0], "127.0.0.1:1", keys.load(folder, "worker-0"), pause=5.0)
    client._answered = True  # which does not make the pauses short again
    replaced = SimpleNamespace(code=lambda: codes.ABORTED, details=lambda: "took its place")
    pauses = [0.05]
    for _ in range(8):
        pauses.append(client._after(replaced, pauses[-1], codes))
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_connection_that_is_replaced_again_and_again_is_an_alarm(
    fleet, start, answers, caplog, until
):
    for _ in range(2):
        start(fleet, "worker-2", answers[2])
    until(lambda: "its key is stolen: revoke it" in caplog.text, 60)
    alarms = [r for r in caplog.records if "its key is stolen" in r.getMessage()]
    assert {record.levelname for record in alarms} == {"ERROR"}
    fleet.announce(Announcement(sp.Median().estimates, 2))
    assert fleet.round(POINTS, round_id=0, timeout=0.1).refused["worker-2"] >= 3


def test_a_round_waits_for_those_who_dial_in_again_when_too_few_are_left(
    folder, start, answers, until
):
    fleet = GrpcFleet(NAMES, folder, deadline=Deadline(grace=30.0, limit=60.0))
    announce(fleet, b=1)
    with contextlib.closing(fleet):
        gone = [start(fleet, NAMES[i], answers[i]) for i in (0, 1, 2)]
        for i in (3, 4):
            start(fleet, NAMES[i], answers[i])
        fleet.gather(60)
        fleet.round(POINTS, round_id=0)
        for client in gone:
            client.stop()
        until(lambda: len(fleet._desk.away()) == 3)
        healed = threading.Timer(0.3, lambda: [start(fleet, NAMES[i], answers[i]) for i in (0, 1)])
        healed.start()
        messages = fleet.round(POINTS, round_id=1)
        assert messages.status.count("ok") >= 3
        healed.join()


def test_too_few_workers_stop_the_run_with_its_state(folder, start, bowl, answers, tmp_path):
    deadline = Deadline(grace=0.1, limit=0.5)
    fleet = GrpcFleet(NAMES, folder, deadline=deadline)
    kept = tmp_path / "state.npz"
    with contextlib.closing(fleet):
        clients = [start(fleet, n, a) for n, a in zip(NAMES, answers, strict=True)]
        fleet.gather(60)
        fleet.deadline = Deadline(grace=30.0)

        def cut(progress):
            if progress.record.round == 2:
                fleet.deadline = deadline
                for client in clients[:3]:
                    client.stop()
                    client.thread.join(60)

        run = {"b": 1, "w0": bowl.start, "seed": 0, "max_rounds": 60}
        gradients = sp.GradientDescent(step=0.1)
        stopped = sp.minimize(fleet, gradients, **run, callback=cut, checkpoint=kept)
        assert stopped.status == "too_few_workers"
        assert "round 3" in stopped.message
        assert all(name in stopped.message for name in NAMES[:3])
        fleet.deadline = Deadline(grace=30.0)
        for i in range(3):
            start(fleet, NAMES[i], answers[i])
        assert fleet.gather(60) == ()
        went_on = sp.minimize(fleet, gradients, **run, checkpoint=kept, resume=True)
    assert went_on.w.tobytes() == sp.minimize(bowl, gradients, **run).w.tobytes()


def test_a_loss_that_raises_makes_the_worker_late_and_not_its_process(folder, start, answers):
    fleet = GrpcFleet(NAMES, folder, deadline=Deadline(grace=0.2, slack=0.0, limit=60.0))
    announce(fleet, b=1)
    calls = []

    def fails_once(question, round_id, *, losses):
        calls.append(round_id)
        if len(calls) == 1:
            raise ZeroDivisionError
        return answers[0](question, round_id, losses=losses)

    with contextlib.closing(fleet):
        for name, answer in zip(NAMES, [fails_once, *answers[1:]], strict=True):
            start(fleet, name, answer)
        fleet.gather(60)
        assert fleet.round(POINTS, round_id=0).status[0] == "late"
        fleet.deadline = Deadline(grace=60.0)
        announce(fleet, b=0)
        assert fleet.round(POINTS, round_id=1).status[0] == "ok"


@pytest.mark.parametrize(
    ("question", "bounds"),
    [
        (Changes(np.zeros(4), np.ones((40, 4)), np.ones(40)), {"passes": 1000}),
        (LeastCurvature(np.zeros(4), steps=2**31), {"passes": 10}),
        (Changes(np.zeros(4), np.ones((40, 4)), np.ones(40)), {"largest": 5000}),
    ],
    ids=["ends", "steps", "answer"],
)
def test_a_question_that_costs_too_much_is_not_answered_and_the_next_one_is(
    folder, bowl, caplog, question, bounds
):
    """A worker need not trust its server to ask for a sensible amount of work."""
    fleet = GrpcFleet(NAMES[:1], folder, deadline=Deadline(grace=0.0, limit=60.0))
    client = Client(
        honest(workers_of(bowl)[0]), fleet.address, keys.load(folder, NAMES[0]), **bounds
    )
    thread = threading.Thread(target=client.run)
    thread.start()
    with contextlib.closing(fleet):
        assert fleet.gather(60) == ()
        assert fleet.ask(question, round_id=0, timeout=0.5).status == ("late",)
        assert fleet.round(POINTS, round_id=1).status == ("ok",)
    thread.join(60)
    assert "passes over the data" in caplog.text


def test_a_question_that_is_too_large_to_hold_ends_the_worker(folder, bowl):
    with contextlib.closing(GrpcFleet(NAMES[:1], folder)) as fleet:
        client = Client(
            honest(workers_of(bowl)[0]), fleet.address, keys.load(folder, NAMES[0]), largest=100
        )
        ended = []

        def run():
            with pytest.raises(FleetError, match="at most 100 bytes"):
                client.run()
            ended.append(True)

        thread = threading.Thread(target=run)
        thread.start()
        assert fleet.gather(60) == ()
        fleet.round(np.zeros((4, 4)), round_id=0, timeout=1.0)
        thread.join(60)
        assert ended == [True]


class Slow:
    """A loss in 100 dimensions whose products take their time."""

    def gradient(self, points, data):
        return points

    def value(self, w, data):
        return 0.0

    def product(self, w, v, data):
        data.append(1)
        time.sleep(0.05)
        return v * np.arange(100)


def test_lanczos_that_nobody_waits_for_any_more_is_broken_off(folder, start, until):
    products = []
    fleet = GrpcFleet(NAMES[:1], folder, deadline=Deadline(grace=0.0, limit=60.0))
    with contextlib.closing(fleet):
        start(fleet, NAMES[0], honest(Worker(Slow(), products)))
        assert fleet.gather(60) == ()
        question = LeastCurvature(np.zeros(100), steps=99, delta=1e-9)
        assert fleet.ask(question, round_id=0, timeout=0.2).status == ("late",)
        assert fleet.round(np.ones((1, 100)), round_id=1).status == ("ok",)
        assert len(products) < 50


def test_a_slow_lanczos_takes_no_grace_from_the_gradients(folder, start, answers):
    fleet = GrpcFleet(NAMES, folder, deadline=Deadline(grace=0.3, slack=0.0, limit=60.0))
    announce(fleet, b=1)

    def slow(question, round_id, *, losses):
        if isinstance(question, LeastCurvature):
            time.sleep(1.0)
        return np.zeros(question.shape), None

    with contextlib.closing(fleet):
        start(fleet, NAMES[0], slow)
        for name in NAMES[1:]:
            start(fleet, name, lambda asked, n, losses: (np.zeros(asked.shape), None))
        assert fleet.gather(60) == ()
        asked = LeastCurvature(np.zeros(4))
        assert fleet.ask(asked, round_id=0).status == ("late", *["ok"] * 4)
        assert fleet._patience.of(LeastCurvature) == (1.0, 0.0, 0.0, 0.0, 0.0)
        assert fleet._patience.of(Gradients) == (0.0,) * 5


def test_workers_outlive_a_server_and_serve_the_next_one(folder, start, answers):
    first = GrpcFleet(NAMES, folder, deadline=Deadline(grace=30.0))
    clients = [start(first, n, a) for n, a in zip(NAMES, answers, strict=True)]
    first.round(POINTS, round_id=0)
    first.close(done=False)
    second = GrpcFleet(NAMES, folder, listen=first.address, deadline=Deadline(grace=30.0))
    with contextlib.closing(second):
        assert second.gather(60) == ()
        assert second.round(POINTS, round_id=0).status == ("ok",) * 5
    for client in clients:
        client.thread.join(30)
        assert not client.thread.is_alive()


def test_a_closed_fleet_says_what_to_do(fleet):
    fleet.close()
    with pytest.raises(FleetError, match=r"make a new one with GrpcFleet\(workers, keys\)"):
        fleet.round(POINTS, round_id=0)


def test_a_port_that_is_taken_is_refused_at_once(fleet, folder):
    with pytest.raises(FleetError, match="cannot listen"):
        GrpcFleet(NAMES, folder, listen=fleet.address)


def test_a_roster_has_different_names(folder):
    with pytest.raises(OptionError, match="different names"):
        GrpcFleet(["ann", "ann"], folder)


NAMES = tuple(f"worker-{i}" for i in range(5))


def test_a_round_that_was_broken_off_does_not_close_the_next_one(folder):
    with contextlib.closing(GrpcFleet(["worker-0", "worker-1"], folder)) as fleet:
        fleet.gather(0.0)
        for _ in range(5):
            work = fleet._round(Gradients(POINTS), 0, 30.0)
            broken = asyncio.run_coroutine_threadsafe(work, fleet._loop)
            time.sleep(0.01)
            broken.cancel()  # as Ctrl-C does
            assert fleet.round(POINTS, round_id=0, timeout=0.02).status == ("dead", "dead")


def test_a_fleet_that_has_gathered_does_not_gather_again(folder):
    with contextlib.closing(GrpcFleet(["worker-0"], folder)) as fleet:
        assert fleet.gather(0.0) == ("worker-0",)
        began = time.monotonic()
        fleet.round(POINTS, round_id=0, timeout=2.0)
        assert time.monotonic() - began < 3.5  # and not 4
