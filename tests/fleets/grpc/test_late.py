"""Workers that are silent, slow or gone, and what they cost."""

from __future__ import annotations

import contextlib
import threading
import time

import numpy as np

import saddleproof as sp
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.deadline import Deadline
from saddleproof.fleets.grpc.client import honest
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.worker import Worker
from saddleproof.questions import Gradients, LeastCurvature

POINTS = np.arange(12.0).reshape(3, 4)
NAMES = tuple(f"worker-{i}" for i in range(5))


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
