"""Runs that were stopped, killed, or given more budget."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import saddleproof as sp

PROBLEM = sp.problems.Example2(seed=0)
#: The default needs some forty rounds here, with all questions in turn.
LONGER = sp.problems.LinearAutoencoder(seed=0)
SCRIPT = """
import sys
import saddleproof as sp

PROBLEM = sp.problems.Example2(seed=0)
problem = getattr(sp.problems, sys.argv[4])(seed=0)
fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), members=range(6))
rule, optimizer = getattr(sp, sys.argv[2])(), getattr(sp, sys.argv[3])()
seed = None if sys.argv[5] == "none" else int(sys.argv[5])
result = sp.minimize(
    fleet, optimizer, aggregator=rule, b=6, seed=seed, checkpoint=sys.argv[1], resume=True,
    max_rounds=80,
    callback=lambda p: print(p.record.round, flush=True))
sys.stdout.buffer.write(b"end " + result.w.tobytes().hex().encode())
"""


@pytest.mark.parametrize(
    "rule",
    [
        "Median",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("CenteredClipping", "SafeguardSGD")
        ),
    ],
)
@pytest.mark.parametrize(
    "run",
    [
        # No seed: the key is drawn by the operating system, and only the checkpoint knows it.
        ("GradientOnlyPGD", "Example2", "none"),
        # Without a seed every worker draws its Lanczos starts anew, in every process.
        ("CertifiedPGD", "LinearAutoencoder", "0"),
    ],
    ids=lambda run: run[0],
)
def test_killed_at_any_round_and_resumed_it_ends_in_the_same_bytes(
    rule: str, run: tuple[str, str, str], tmp_path: Path
) -> None:
    path, copy = tmp_path / "run.npz", tmp_path / "whole.npz"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(checkpoint: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SCRIPT, str(checkpoint), rule, *run]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    for rounds in (1, 8):
        victim = start(path)
        for _ in range(rounds):
            victim.stdout.readline()
        if rounds == 1:
            copy.write_bytes(path.read_bytes())  # the same key, never killed from here on
        time.sleep(0.01)
        victim.send_signal(signal.SIGKILL)
        assert victim.wait() == -signal.SIGKILL
        victim.stdout.close()
    ends = [start(checkpoint).communicate()[0].split("end ")[1] for checkpoint in (path, copy)]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("rounds", [1, 2, 3, 4, 7, 19])
def test_a_run_that_its_budget_ended_goes_on_when_more_is_granted(
    rounds: int, tmp_path: Path
) -> None:
    path, asked = tmp_path / "run.npz", {"b": 6, "seed": 0}
    whole = sp.minimize(LONGER, **asked)
    assert whole.status != "budget"
    cut = sp.minimize(LONGER, **asked, max_rounds=rounds, checkpoint=path)
    assert (cut.status, cut.rounds, cut.success) == ("budget", rounds, False)
    again = sp.minimize(LONGER, **asked, max_rounds=rounds, checkpoint=path, resume=True)
    assert (again.status, again.w.tobytes()) == ("budget", cut.w.tobytes())
    more = sp.minimize(LONGER, **asked, checkpoint=path, resume=True)
    assert (more.status, more.message) == (whole.status, whole.message)
    assert (more.rounds, more.w.tobytes()) == (whole.rounds, whole.w.tobytes())
    assert (more.trace, str(more.certificate)) == (whole.trace, str(whole.certificate))
    settled = sp.minimize(LONGER, **asked, max_rounds=2000, checkpoint=path, resume=True)
    assert (settled.rounds, settled.w.tobytes()) == (more.rounds, more.w.tobytes())


@pytest.mark.parametrize("rounds", [1, 6, 10, 20, 30])
def test_a_run_that_plans_with_its_budget_goes_on_too(rounds: int, tmp_path: Path) -> None:
    path, asked = tmp_path / "run.npz", {"b": 6, "seed": 0, "certify": False}
    optimizer = sp.GradientOnlyPGD()
    whole = sp.minimize(PROBLEM, optimizer, **asked)
    cut = sp.minimize(PROBLEM, optimizer, **asked, max_rounds=rounds, checkpoint=path)
    assert (cut.status, cut.rounds) == ("budget", rounds)
    again = sp.minimize(
        PROBLEM, optimizer, **asked, max_rounds=rounds, checkpoint=path, resume=True
    )
    assert (again.status, again.w.tobytes()) == ("budget", cut.w.tobytes())
    more = sp.minimize(PROBLEM, optimizer, **asked, checkpoint=path, resume=True)
    assert more.status == whole.status == "no_escape_found"
    assert more.rounds > rounds
    assert PROBLEM.left_saddle(more.w)
    if rounds <= 10:  # no jump yet: the last round was not spent on a comparison
        assert (more.rounds, more.w.tobytes()) == (whole.rounds, whole.w.tobytes())
    settled = sp.minimize(
        PROBLEM, optimizer, **asked, max_rounds=2000, checkpoint=path, resume=True
    )
    assert (settled.rounds, settled.w.tobytes()) == (more.rounds, more.w.tobytes())


def test_a_checkpoint_of_another_optimizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    sp.minimize(PROBLEM, sp.GradientDescent(step=0.1), b=3, max_rounds=3, checkpoint=path)
    with pytest.raises(sp.errors.StoreError):
        sp.minimize(PROBLEM, sp.CertifiedPGD(), b=3, checkpoint=path, resume=True)
