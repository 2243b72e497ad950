"""A label acts nowhere: not on a terminal, on a page, in a figure's text, in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.console import Console

from saddleproof.cli import comparing, main
from saddleproof.cli.terminal import say
from saddleproof.config.parse import parse
from saddleproof.lab.comparison import rows, run_trials
from saddleproof.lab.report import figures
from saddleproof.lab.report.page import html
from saddleproof.lab.report.progress import Steps
from saddleproof.lab.report.text import comma_separated, failed, table, warned
from saddleproof.lab.rows import Row
from saddleproof.lab.trials import Failure
from saddleproof.printed import cell, drawn, one_line, printable, reason

TEXT = """
problem = { name = "example2", n = 5 }
optimizer = "gradient_descent"
run = { b = 6, max_rounds = 3, certify = false }
"""
(ROW,) = rows(parse(TEXT), list(run_trials(parse(TEXT), [0])))
#: What some place would take for its own language.
LABELS = [
    *("$x$", r"$\frac{1}{", r"\$x$", "$", "_hidden", "__x", "%d {0}", r"\input{x}"),
    *(
        "[red]x[/red]",
        "[/x]",
        "[link=http://x]y[/link]",
        "<script>x</script>",
        "{{ 1 + 1 }}",
        "&lt;",
    ),
    *("=1+1", "+1", "-1+1", "@x", " =1", "\t=1", "\r\n=1", "a;=1", "\uff1d1", "a,b", '"'),
    *(
        "\x1b[2J",
        "\x9b31m",
        "\x07",
        "\x08",
        "a\rb",
        "a\nb",
        "\u202eb",
        "\u2066b",
        "\ufeff",
        "x" * 999,
    ),
]
#: What begins a formula, in either width.
BEGINS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
#: No font here has a glyph for them, and matplotlib warns; no claim of ours.
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)


def every_label(test: Callable[[str], None]) -> Callable[[], None]:
    """The test with each of `LABELS`, and with some texts."""
    made = settings(max_examples=10)(given(texts)(test))
    for label in LABELS:
        made = example(label)(made)
    return made


def named(label: str, world: str = "") -> Row:
    """The row under another name, with a run that failed."""
    entry = replace(ROW.entry, label=label, world=world)
    trials = tuple(replace(t, label=label, world=world, notes=(label,)) for t in ROW.trials)
    return Row(entry, trials, (Failure(world, label, 1, one_line(label)),))


def harmless(text: str) -> bool:
    return printable(text, but="\n\t") == text


@every_label
def test_a_terminal_shows_the_label_and_does_not_obey_it(label: str) -> None:
    console = Console(file=io.StringIO(), width=5000, force_terminal=True, color_system=None)
    console.print(table([named(label, label)], label))
    for line in [*warned([named(label)]), *failed([named(label)])]:
        say(console, line)
    with Steps(console, "runs", 1) as steps:
        steps.advance(label)
    shown = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|\r", "", console.file.getvalue())  # rich's own
    assert harmless(shown)
    assert shown.count(one_line(label).strip()) >= 6


@every_label
def test_a_log_shows_the_label_on_one_line(label: str) -> None:
    console = Console(file=io.StringIO(), width=20)
    with Steps(console, "runs", 1) as steps:
        steps.advance(label)
    (line,) = console.file.getvalue().splitlines()
    assert line == f"runs: 1 of 1  {one_line(label)}".rstrip()


@every_label
def test_a_page_holds_the_label_as_text(label: str) -> None:
    page = html(label, label, [named(label, label)], [])
    assert harmless(page)
    assert "<script" not in page
    assert page.count("<") == html("a", "a", [named("a", "a")], []).count("<")


@every_label
def test_no_cell_of_the_file_is_a_formula(label: str) -> None:
    lines = list(csv.reader(io.StringIO(comma_separated([named(label, label)]))))
    assert len(lines) == 3
    assert {len(line) for line in lines} == {len(lines[0])}
    for text in (one for line in lines for one in line):
        assert text.isprintable()
        for part in text.split(";"):
            is_number = re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", part)
            assert part.lstrip()[:1] not in BEGINS or is_number or len(part.strip()) == 1


def test_numbers_stay_numbers_in_the_file() -> None:
    (line,) = csv.DictReader(io.StringIO(comma_separated([ROW])))
    assert float(line["lambda_min"]) == ROW.trials[0].judgement.lambda_min
    assert line["certificate"] == "-"


def shown_texts(figure: Figure) -> list[str]:
    """What is drawn: texts of mathematics are told by their dollars."""
    found = []
    for text in figure.findobj(Text):
        said = text.get_text()
        found.append(f"MATH {said}" if is_math_text(said) else said.replace(r"\$", "$"))
    return found


@pytest.mark.parametrize("label", [*LABELS[:8], "\x1b[2J", "x" * 999])
def test_a_figure_draws_the_label_as_it_is(label: str) -> None:
    both = [named(label, label), named("other", label)]
    figure = Figure()
    left, right = figure.subplots(1, 2)
    figures.shares(left, both, label)
    figures.gradient_norms(right, both)
    legend = figure.legend(*right.get_legend_handles_labels())
    said = ["".join(one.split()) for one in shown_texts(figure)]  # it may take several lines
    assert said.count("".join(one_line(label).split())) >= 2  # and none of it is cut
    assert len(legend.get_texts()) == 2
    ours = r"MATH gradient norm  $\|\hat g\|$"
    assert {one for one in shown_texts(figure) if one.startswith("MATH")} == {ours}


def test_a_sheet_of_odd_labels_is_drawn(recwarn: pytest.WarningsRecorder) -> None:
    odd = [named(label, "$x$") for label in LABELS[:4]]
    assert figures.png(figures.overview(odd, None)).startswith(b"\x89PNG")
    assert "<svg" in figures.svg(figures.by_world([("$x$", odd)]))


@given(st.text(), st.integers(3, 40))
def test_one_line_is_one_printable_line_of_bounded_length(text: str, most: int) -> None:
    assert one_line(text).isprintable()
    assert len(one_line(text, most)) <= most
    assert not is_math_text(drawn(text))
    assert not drawn(text).startswith("_")


@given(st.text())
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)
    assert (printable(text) == text) == text.isprintable()


@pytest.mark.parametrize("value", [-0.5, -1, True, None, float("-inf"), "-", "", "a-b", "x=1"])
def test_what_is_no_formula_stays_as_it_is(value: object) -> None:
    assert cell(value) is value or cell(value) == value


def test_an_error_is_told_with_its_place() -> None:
    with pytest.raises(ValueError, match="base") as caught:
        int("a\x1b\nb" * 300)
    said = reason(caught.value)
    assert said.startswith("ValueError: invalid literal for int() with base 10: ")
    assert said.isprintable()
    assert f"({Path(__file__).name}, line " in said
    assert len(said) < 400
    assert reason(KeyError()) == "KeyError"


@pytest.mark.parametrize("part", ["table", "write"])
def test_an_error_while_rendering_loses_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    (tmp_path / "c.toml").write_text(TEXT)

    def breaks(*_: object) -> None:
        raise ZeroDivisionError("a drawing")

    home = "saddleproof.lab.report.text" if part == "table" else "saddleproof.lab.report.page"
    monkeypatch.setattr(f"{home}.{part}", breaks)
    out = ["--out", str(tmp_path / "out"), "--seeds", "2", "--jobs", "1"]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(
        main, ["compare", str(tmp_path / "c.toml"), *out]
    )
    assert result.exit_code == 1
    assert len((tmp_path / "out" / "trials.csv").read_text().splitlines()) == 3
    if part == "write":
        assert "no report: ZeroDivisionError: a drawing (test_labels.py, line " in result.output


def test_the_file_is_written_before_anything_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    for name in ("_collect", "_write", "_show", "_report"):
        monkeypatch.setattr(comparing, name, lambda *_, name=name: order.append(name) or True)
    monkeypatch.setattr("saddleproof.lab.comparison.rows", lambda *_: ())
    comparing.compared(Console(), parse(TEXT), 1, Path(), 1, "title", comparing.Kept())
    assert order == ["_collect", "_write", "_show", "_report"]
