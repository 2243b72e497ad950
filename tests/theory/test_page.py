"""The page that maps the paper to the code, and the command that prints its numbers."""

from __future__ import annotations

import re
from pathlib import Path

from click.testing import CliRunner

import saddleproof as sp
from saddleproof import theory
from saddleproof.cli import main

# --- the page and the command -----------------------------------------------------------------


def test_every_name_on_the_page_exists_and_every_function_is_on_it():
    page = (Path(__file__).parents[2] / "docs" / "theory.md").read_text()
    named = set(re.findall(r"`theory\.(\w+)", page))
    assert named == set(theory.__all__)
    assert all(getattr(theory, name).__doc__ for name in named)
    assert all(hasattr(sp, name) for name in re.findall(r"`sp\.(\w+)", page))


def test_the_command_says_what_is_vacuous_and_gives_a_practical_schedule():
    said = CliRunner().invoke(
        main, ["theory", "--L", "1", "--rho", "1", "--delta-inexact", "0.0001", "--d", "10"]
    )
    assert said.exit_code == 0, said.output
    for phrase in ("T_th < 1", "gamma > L", "bound (3) > L", "The largest Delta", "Practical"):
        assert phrase in said.output


def test_the_command_says_when_the_theorem_holds():
    said = CliRunner().invoke(
        main, ["theory", "--L", "1", "--rho", "1", "--delta-inexact", "1e-14", "--d", "10"]
    )
    assert "vacuous    no" in said.output


def test_the_command_answers_a_bad_number_in_one_line():
    said = CliRunner().invoke(
        main, ["theory", "--L", "1", "--rho", "-1", "--delta-inexact", "0.1", "--d", "10"]
    )
    assert said.exit_code == 1
    assert said.output.startswith("Error: hessian_lipschitz must be positive")
