"""Odd and hostile configuration files: one line with file, line and key, and no traceback."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from saddleproof.cli import main
from saddleproof.config import lines, source
from saddleproof.config.lines import line_of
from saddleproof.config.parse import load, parse
from saddleproof.config.setup import build
from saddleproof.config.source import MOST_BYTES, spelled
from saddleproof.errors import ConfigError

GOOD = 'problem = "example1"\n[attack]\nname = "sign_flip"\n[run]\nb = 2\n'


def complaint(text: str, *, built: bool = False) -> str:
    def read() -> None:
        config = parse(text, source="a.toml")
        if built:
            build(config)

    with pytest.raises(ConfigError) as caught:
        read()
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 1000
    return said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 5000 + "]" * 5000, "a.toml, line 1: a = [[["),
        (GOOD + "\na = [\n" + "[\n" * 3000 + "]\n" * 3000 + "]", "line 7: a = [: has too many br"),
        (GOOD + "seed = " + "[" * 30 + "]" * 30, "line 6: [run] seed.0.0.0.0"),
        (GOOD + "seed." + ".".join("a" * 5000) + " = 1", "line 6: seed.a.a.a.a"),
        (GOOD + "seed." + ".".join("a" * 40) + " = 1", "line 6: [run] seed.a.a.a.a"),
        (GOOD + "[" + "a . " * 60 + "b]", "has a key of more than 50 parts"),
        ("x = 1\n" + GOOD + "max_rounds = " + "9" * 5000, "line 7: max_rounds = 9999"),
        (GOOD + "max_rounds = " + "9" * 5000, "has a number with too many digits"),
        (GOOD + "max_rounds = 0x" + "f" * 5000, "line 6: [run] max_rounds: is a whole number of"),
        (GOOD + f"seed = {2**64}", "line 6: [run] seed: is a whole number of more than 64 bits"),
        (GOOD + "max_rounds = 0", "line 6: [run] max_rounds: max_rounds must be a whole number"),
        (GOOD + "max_rounds = -1", "line 6: [run] max_rounds: max_rounds must be a whole number"),
        (GOOD + "timeout = nan", "line 6: [run] timeout: needs a number; got nan"),
        (GOOD + "timeout = inf", "line 6: [run] timeout: timeout must be a positive number"),
        (GOOD + "timeout = -1", "line 6: [run] timeout: timeout must be a positive number"),
        (GOOD + "timeout = 1e300", "line 6: [run] timeout: timeout must be at most 1e+09 seconds"),
        (GOOD + "seed = -1", "line 6: [run] seed: seed must be None, a whole number"),
        (GOOD + "b = 3", "line 6: b = 3: Cannot overwrite a value"),
        (GOOD + "[run]\n", "line 6: [run]: Cannot declare"),
        (GOOD + "seed = 2026-02-30", "line 6: seed = 2026-02-30: Invalid date or datetime"),
        (GOOD + "seed = 2026-02-03", "line 6: [run] seed: needs a whole number; got"),
        (GOOD + "seed = 'a\nb'", "line 6: seed = 'a: "),
        (GOOD + "seed = [1,\n2,\n", "line 6: seed = [1,: Invalid value"),
        (GOOD + "seed = \x1b[31m", "line 6: seed = \\x1b[31m: Invalid value"),
        (GOOD + '"\\u001b[31m\\n" = 1', 'line 6: [run] "\\u001b[31m\\n": unknown key'),
        (GOOD + '"\u202eb" = 1', 'line 6: [run] "\\u202eb": unknown key'),
        (GOOD.replace("sign_flip", "a\\u001b\\nb"), "no attack is called 'a\\x1b\\nb'"),
        (GOOD.replace("sign_flip", ":x"), "line 3: [attack] name: cannot load ':x'"),
        (GOOD.replace("sign_flip", "a" * 5000), "line 3: [attack] name: is a string of more"),
        (GOOD.replace("sign_flip", "a" * 4000), "line 3: [attack] name: no attack is called 'aaaa"),
        (GOOD + "a" * 5000 + " = 1", "line 6: [run] aaa"),
        (GOOD.replace('"sign_flip"', '"sign_flip"\nmembers = 1000001'), "line 4: [attack] members"),
        (GOOD.replace('"sign_flip"', '"sign_flip"\nmembers = true'), "line 4: [attack] members"),
        (GOOD.replace('"sign_flip"', '"sign_flip"\nmembers = [-1]'), "line 4: [attack] members"),
        ("run = 1\nproblem = 'example1'", "line 1: [run]: needs a table; got 1"),
        ("run = [1]\nproblem = 'example1'", "line 1: [run]: needs a table; got [1]"),
        ("attack = [1]\nproblem = 'example1'\nrun.b = 1", "line 1: [attack]: needs a name or a"),
        ("compare = {}\nproblem = 'example1'\nrun.b = 1", "line 1: [compare]: is an array of tab"),
        ("compare = [1]\nproblem = 'example1'\nrun.b = 1", "line 1: [[compare]] number 1: needs"),
        ("grid = 1\nproblem = 'example1'\nrun.b = 1", "line 1: [grid]: needs a table; got 1"),
        ("", "a.toml: needs a [problem] table"),
        ("\0", "a.toml, line 1: \\x00: "),
    ],
)
def test_an_odd_text_is_one_line_with_line_and_key(text: str, said: str) -> None:
    assert said in complaint(text)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"sign_flip"', '"sign_flip"\nmembers = 999', "line 4: [attack] members: members must be"),
        ('"sign_flip"', '"sign_flip"\nmembers = [0, 0]', "line 4: [attack] members: members must"),
        ("b = 2", "b = 999", "line 2: [attack] members: members must be positions in 0.."),
        ('"example1"', '{ name = "example1", workers = 0 }', "line 1: [problem]: example1: "),
        ('"example1"', '{ name = "example1", n = -1 }', "line 1: [problem]: example1: "),
    ],
)
def test_what_only_building_can_tell_is_one_line_too(old: str, new: str, said: str) -> None:
    assert said in complaint(GOOD.replace(old, new), built=True)


def test_a_long_file_with_a_mistake_is_answered_at_once() -> None:
    rows = "".join(f'[[compare]]\nlabel = "{i}"\n' for i in range(2000))
    calls, loads = [], lines.tomllib.loads
    lines.tomllib.loads = lambda text: calls.append(len(text)) or loads(text)
    try:
        assert "line 4007: [[compare]] number 2001" in complaint(GOOD + rows + "[[compare]]\nx=1\n")
    finally:
        lines.tomllib.loads = loads
    assert sum(calls) < 100 * len(rows)  # not a prefix a line: that would be 2000 times as much


@pytest.mark.parametrize("separator", ["\x85", "\u2028", "\u2029"])
def test_only_line_breaks_of_toml_count_as_lines(separator: str) -> None:
    assert line_of(f"a = 1 # {separator} x\nb = 2\n", ("b",)) == 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xef\xbb\xbf" + GOOD.encode(), "line 1: begins with a byte order mark"),
        (GOOD.encode("utf-16"), "line 1: begins with a byte order mark"),
        (GOOD.encode() + b"# \xff\n", "line 6: is no text in UTF-8: byte 0xff"),
        (b"#" * (MOST_BYTES + 1), "at most 256 KiB; this one is longer"),
    ],
)
def test_odd_bytes_are_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.toml").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "a.toml")
    assert said in str(caught.value)
    assert "a.toml" in str(caught.value)
    assert str(caught.value).isprintable()


def test_line_breaks_of_other_systems_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert load(tmp_path / "a.toml").text == GOOD


def test_what_is_no_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    for name, said in {
        ".": "Is a directory",
        "loop": "symbolic links",
        "nothing": "No such file",
        "a\0b": "null",
        "\x1b[31m": "\\x1b[31m: No such file",
        "pipe": "needs a [problem] table",
    }.items():
        with pytest.raises(ConfigError) as caught:
            load(tmp_path / name)
        assert said in str(caught.value)
        assert str(caught.value).isprintable()


def test_an_endless_file_is_read_to_the_bound_and_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths, first = [], source._first

    def noted(*given: Any) -> bytes:
        lengths.append(len(first(*given)))
        return b"#" * lengths[0]

    monkeypatch.setattr(source, "_first", noted)
    with pytest.raises(ConfigError, match="this one is longer"):
        load("/dev/zero")
    assert lengths == [MOST_BYTES + 1]


def test_a_pipe_that_somebody_writes_to_is_read_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    keep = os.open(pipe, os.O_RDWR)  # so that the pipe has a writer when it is opened

    def write() -> None:
        for part in (GOOD[:20], GOOD[20:]):
            os.write(keep, part.encode())
        os.close(keep)

    writer = threading.Timer(0.1, write)
    writer.start()
    assert load(pipe).run.b == 2
    writer.join()


@pytest.mark.parametrize("command", ["run", "compare", "redteam", "serve"])
def test_a_command_says_it_in_one_line(tmp_path: Path, command: str) -> None:
    for name in (".", "nothing", "\x1b[31m.toml"):
        result = CliRunner().invoke(main, [command, str(tmp_path / name)])
        assert result.exit_code == 1
        assert result.output.startswith("Error: cannot read ")
        assert result.output.count("\n") == 1
        assert result.output.rstrip("\n").isprintable()


def test_two_rows_of_a_grid_with_one_name_are_refused() -> None:
    grid = """grid.optimizer = [{ name = "pgd", label = "x + y" }, { name = "pgd", label = "x" }]
grid.aggregator = [{ name = "mean", label = "z" }, { name = "median", label = "y + z" }]
"""
    assert "line 1: [grid]: two rows are called 'x + y + z'" in complaint(grid + GOOD)


def test_keys_that_are_not_bare_are_quoted() -> None:
    assert spelled(("run", "a b", "c")) == '[run] "a b".c'
    assert spelled(("compare", 0, "\n")) == '[[compare]] number 1, "\\n"'
