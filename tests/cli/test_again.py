"""The line that goes on with a run."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from saddleproof.cli import main
from saddleproof.cli.again import again


def line(*arguments: str) -> list[str]:
    """The words of the line after this command."""
    with main.make_context("saddleproof", ["serve", *arguments]) as outer:
        command = main.commands["serve"]
        context = command.make_context("serve", list(arguments), parent=outer)
    return shlex.split(again(context))


def test_paths_are_absolute_and_options_that_were_not_given_stay_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = line("a b.toml", "--grace", "3", "--allow", "roster", "--allow", "b")
    assert words[:3] == [sys.executable, "-m", "saddleproof"]
    assert words[3] == "serve"
    assert str(tmp_path / "a b.toml") in words
    assert words[words.index("--out") + 1] == str(tmp_path / "saddleproof-runs")
    assert words[words.index("--grace") + 1] == "3.0"
    assert [words[i + 1] for i, word in enumerate(words) if word == "--allow"] == ["roster", "b"]
    assert not {"--listen", "--keys", "--wait", "--local-workers"} & set(words)
    assert words[-1] == "--resume"
    assert line("a.toml", "--resume").count("--resume") == 1


def test_a_script_on_the_search_path_is_called_by_its_name(tmp_path, monkeypatch):
    script = tmp_path / "saddleproof"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", "")
    assert line("a.toml")[0] == str(script)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert line("a.toml")[0] == "saddleproof"


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=12)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "--keys": TEXT,
            "--roster": TEXT,
            "--out": TEXT,
            "--listen": TEXT,
            "--grace": st.floats(0, 1e6).map(repr),
            "--metrics-port": st.integers(0, 65535).map(str),
            "--log-format": st.sampled_from(["text", "json"]),
        },
    )
)
def test_the_line_says_what_was_said_whatever_the_names_hold(options: dict[str, str]) -> None:
    arguments = [word for pair in options.items() for word in pair]
    words = line("run.toml", *arguments)
    parsed = main.commands["serve"].make_context("serve", words[4:])
    first = main.commands["serve"].make_context("serve", ["run.toml", *arguments])
    for name, value in first.params.items():
        if isinstance(value, Path):
            assert parsed.params[name] == value.expanduser().absolute()
        elif name != "resume":
            assert parsed.params[name] == value
    assert parsed.params["resume"] is True
