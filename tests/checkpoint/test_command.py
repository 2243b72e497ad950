"""The command line resumes as `minimize` does, and loses no result."""

from __future__ import annotations

from typing import Any

from click.testing import CliRunner

import saddleproof as sp
from saddleproof.cli import main
from saddleproof.config.parse import load
from saddleproof.config.setup import build
from saddleproof.errors import StoreError
from saddleproof.runs.store import Store

CONFIG = '[problem]\nname = "example2"\n[run]\nb = 2\nseed = 0\nmax_rounds = 6\n'


def test_the_command_refuses_a_run_of_another_version_and_takes_it_with_leave(
    tmp_path, monkeypatch
):
    config = tmp_path / "run.toml"
    config.write_text(CONFIG)
    command = ["run", str(config), "--out", str(tmp_path), "--resume"]
    with Store(tmp_path / "runs.sqlite") as store, monkeypatch.context() as before:
        before.setattr(sp, "__version__", "0.0.9")
        build(load(config)).minimize(
            checkpoint=store.begin(CONFIG, "0.0.9"), callback=lambda p: p.record.round == 2
        )
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 1
    assert "version was 0.0.9 and is" in refused.output
    taken = CliRunner().invoke(main, [*command, "--allow", "version"])
    assert "budget" in taken.output or "second_order" in taken.output


def test_the_command_prints_the_result_that_could_not_be_kept(tmp_path, monkeypatch):
    config = tmp_path / "run.toml"
    config.write_text(CONFIG)

    def fail(*_: Any) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(Store, "finish", fail)
    told = CliRunner().invoke(main, ["run", str(config), "--out", str(tmp_path)])
    assert told.exit_code == 1
    assert "certificate:" in told.output
    assert "no space left" in told.output
