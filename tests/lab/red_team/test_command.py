"""`saddleproof redteam`, from the file to the file that replays what was found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from saddleproof.cli import main
from saddleproof.config.parse import load

CONFIG = """
problem = "example2"
optimizer = "robust_second_order"
attack = { name = "saddle", members = 0 }
run = { b = 0, max_rounds = 4, certify = false }
"""


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path


def invoke(*arguments: str, status: int = 0) -> str:
    options = ["--budget", "30", "--fresh", "3", "--jobs", "1"]
    result = CliRunner().invoke(main, ["redteam", "c.toml", *options, *arguments])
    assert result.exit_code == status, result.output
    return result.output


def test_it_prints_what_was_tried_and_writes_a_configuration_that_runs(inside: Path) -> None:
    output = invoke()
    assert re.search(r"^verdict: (Nothing found: .* 0|Found: .*) of 3 runs", output, re.MULTILINE)
    assert output.index("verdict: ") < output.index("worst attack")
    assert "3 fresh seeds" in output
    replay = inside / "saddleproof-redteam" / "c-worst.toml"
    assert load(replay).main.liars is not None
    run = CliRunner().invoke(main, ["compare", str(replay), "--seeds", "3", "--jobs", "1"])
    assert run.exit_code == 0, run.output


def test_ctrl_c_shows_the_best_so_far_and_the_same_command_goes_on(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saddleproof.lab.red_team.target import Target

    ran: list[int] = []
    run = Target.run

    def cut(self: Target, attack: dict[str, Any], seed: int) -> Any:
        if len(ran) == 9:
            ran.append(seed)
            raise KeyboardInterrupt
        ran.append(seed)
        return run(self, attack, seed)

    monkeypatch.setattr(Target, "run", cut)
    output = invoke(status=130)
    assert "interrupted after 9 runs" in output
    assert "no attack was measured on fresh seeds" in output
    before = len(ran)
    assert "worst attack" in invoke()
    assert len(ran) - before == 33 - 9  # nine of them are known already


def test_a_wrong_configuration_ends_in_one_line(inside: Path) -> None:
    (inside / "c.toml").write_text(CONFIG.replace("example2", "exampel2"))
    output = invoke(status=1)
    assert "did you mean" in output
    assert "Traceback" not in output
