"""Rounds over loopback with TLS: the answers are those of the local fleet."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.cli.worker import from_config
from saddleproof.config.parse import load
from saddleproof.config.setup import build
from saddleproof.errors import FleetError, OptionError
from saddleproof.fleets.base import Announcement
from saddleproof.fleets.grpc.client import honest
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.local import LocalFleet
from saddleproof.fleets.worker import workers_of
from saddleproof.questions import Gradients
from saddleproof.testing import check_fleet

POINTS = np.arange(12.0).reshape(3, 4)


@dataclass(frozen=True)
class NeedsValues:
    needs_values: bool = True


def announce(fleet, b=0, optimizer=None):
    fleet.announce(Announcement(sp.Median().estimates, b, optimizer))


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
