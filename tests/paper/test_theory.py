"""The list of formulas, the page that maps them to the paper, and the command on Theorem 3."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

import saddleproof as sp
from saddleproof import theory
from saddleproof.cli import main

# --- the list ---------------------------------------------------------------------------------


def test_a_formula_is_listed_once_with_the_file_that_defines_it():
    assert set(theory._HOMES) == set(theory.__all__)
    for name, home in theory._HOMES.items():
        assert getattr(theory, name).__module__ == f"saddleproof.{home}"


def test_a_type_checker_finds_the_formulas_where_they_are_loaded_from():
    tree = ast.parse(Path(theory.__file__).read_text())
    imports = {
        alias.name: node.module.removeprefix("saddleproof.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("saddleproof.")
        for alias in node.names
    }
    assert imports == theory._HOMES


def test_a_name_that_is_no_formula_is_an_attribute_error():
    assert not hasattr(theory, "theorem9")


def test_theory_loads_no_formula_before_it_is_used_and_no_matplotlib_then():
    code = (
        "import sys; from saddleproof import theory;"
        "before = {'numpy', 'saddleproof.paper'} & set(sys.modules);"
        "[getattr(theory, name) for name in theory.__all__];"
        "print(before, {'matplotlib', 'scipy', 'saddleproof.minimize'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set() set()"


# --- the page and the command -----------------------------------------------------------------


def test_every_name_on_the_page_exists_and_every_function_is_on_it():
    page = (Path(__file__).parents[2] / "docs" / "theory.md").read_text()
    named = set(re.findall(r"`theory\.(\w+)", page))
    assert named == set(theory.__all__)
    assert all(getattr(theory, name).__doc__ for name in named)
    assert all(hasattr(sp, name) for name in re.findall(r"`sp\.(\w+)", page))


def test_the_command_says_what_is_vacuous_and_gives_a_heuristic_schedule():
    said = CliRunner().invoke(
        main, ["theory", "--L", "1", "--rho", "1", "--delta-inexact", "0.0001", "--d", "10"]
    )
    assert said.exit_code == 0, said.output
    phrases = ("T_th < 1", "gamma > L", "bound (3) > L", "The largest Delta", "HeuristicSchedule")
    for phrase in phrases:
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
