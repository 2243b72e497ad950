"""What a person sees first: the verdict, on any terminal; and what a script sees: the exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from saddleproof.claims import Certificate
from saddleproof.cli import main
from saddleproof.cli.run import verdict
from saddleproof.cli.terminal import console
from saddleproof.result import Result
from saddleproof.words import Ending, Level

CONFIG = """
problem = { name = "example2", n = 50 }
attack = { name = "saddle", members = 2 }
run = { b = 2, seed = 0, max_rounds = 30 }
"""


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path


def invoke(*arguments: str, **environment: str) -> str:
    result = CliRunner(env=environment).invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (("run", "c.toml"), {}),
        (("compare", "c.toml", "--seeds", "1", "--jobs", "1"), {"COLUMNS": "60", "NO_COLOR": "1"}),
    ],
)
def test_the_verdict_comes_before_the_details_and_stands_on_one_line(
    inside: Path, command: tuple[str, ...], environment: dict[str, str]
) -> None:
    lines = [line for line in invoke(*command, **environment).splitlines() if line]
    first = next(line for line in lines if not line.startswith(("runs:", "rounds:")))
    assert first.startswith("verdict: ")
    assert len(first) > 60
    assert "\x1b" not in "".join(lines)


def ended(status: Ending, level: Level | None, message: str = "because") -> Result:
    found = None if level is None else Certificate(level, f"reason of {level}")
    return Result(None, status, message, 7, found, (), {}, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("status", list(Ending))
def test_the_verdict_of_a_run_claims_its_level_and_never_a_higher_one(
    status: Ending, level: Level
) -> None:
    said = verdict(ended(status, level))
    assert f"{level}: reason of {level}" in said or f"{level} after 7 rounds: reason" in said
    higher = [one for one in Level if one is not level and str(one) != str(status)]
    words = set(re.findall(r"\w+", said))
    assert not words & {str(one) for one in higher}
    if status is not level.ending:
        assert said.startswith(f"verdict: {status} after 7 rounds: because")


def test_without_a_certificate_the_verdict_says_so() -> None:
    said = verdict(ended(Ending.STATIONARY, None))
    assert said == "verdict: stationary after 7 rounds, without a certificate: because"


@pytest.mark.parametrize("command", ["run", "compare", "demo", "redteam"])
def test_help_and_the_manual_have_the_same_exit_codes(command: str) -> None:
    told = invoke(command, "--help").partition("Exit codes:")[2]
    codes = dict(re.findall(r"^ +(\d+)  (.+)$", told, re.MULTILINE))
    page = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split("|") for line in page.splitlines() if re.match(r"\| \d+ ", line)]
    column = {"run": 1, "compare": 2, "demo": 2, "redteam": 3}[command]
    manual = {
        row[0].strip(): row[column].strip() for row in rows if row[column:] and row[column].strip()
    }
    assert set(codes) == set(manual)
    assert codes["0"] == manual["0"]


def test_columns_sets_the_width_of_a_file_which_else_has_120(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    widths: list[Any] = []
    for columns in ("60", ""):
        monkeypatch.setenv("COLUMNS", columns)
        widths.append(console().width)
    assert widths == [60, 120]
