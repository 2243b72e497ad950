"""What a reader of the page gets: the verdict on top, details folded, tables that stay tables."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from saddleproof import __version__
from saddleproof.config.parse import parse
from saddleproof.lab.comparison import rows, run_trials
from saddleproof.lab.report import figures
from saddleproof.lab.report.page import html
from saddleproof.lab.report.verdict import headline
from saddleproof.lab.rows import Row

CONFIG = parse("""
problem = { name = "example2", n = 5 }
optimizer = "gradient_descent"
run = { b = 6, max_rounds = 3 }
""")
(ROW,) = rows(CONFIG, list(run_trials(CONFIG, [0])))
LONG = "nearest_neighbor_mixing(rule=bucketing(rule=geometric_median(tolerance=1e-9))) + " * 3


def row(label: str, left: bool, runs: int = 9, **trial: object) -> Row:
    judgement = replace(ROW.trials[0].judgement, left=left)
    one = replace(ROW.trials[0], label=label, judgement=judgement, **trial)
    return Row(replace(ROW.entry, label=label), tuple(replace(one, seed=s) for s in range(runs)))


SOME = [row("free", True), row("held", False), row(LONG, False)]
PAGE = html("title", "config", SOME, [], "saddleproof compare c.toml --seeds 9")


class Folds(HTMLParser):
    """The text outside of every <details>, and the cells of every table by role."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.depth, self.outside, self.tags = 0, "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.depth += tag == "details"
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        self.depth -= tag == "details"

    def handle_data(self, data):
        self.outside += data if not self.depth else ""


def test_the_verdict_is_the_first_sentence_after_the_title() -> None:
    assert f'</h1>\n<p class="verdict">{headline(SOME)}</p>' in PAGE


def test_seeds_version_and_command_stand_on_the_page() -> None:
    told = re.search(r'<p class="made">(.*)</p>', PAGE)[1]
    assert told == (
        f"Seeds 0 to 8, 9 runs a row; saddleproof {__version__}. "
        "Made by <code>saddleproof compare c.toml --seeds 9</code>"
    )
    assert "Made by" not in html("title", "config", SOME, [])


def test_the_best_is_marked_though_it_is_not_the_last_and_nobody_where_they_overlap() -> None:
    marked = r'<tr role="row" class="best"><th role="rowheader" scope="row">([^<]*) <span'
    assert re.findall(marked, PAGE) == ["free"]
    assert "One run in full: free, seed 0" in PAGE
    overlap = html("title", "config", [row("free", True, 2), row("held", False, 2)], [])
    assert re.findall(marked, overlap) == []


def test_results_rounds_workers_and_configuration_are_folded() -> None:
    page = Folds(html("title", "the configuration's text", SOME, []))
    assert "the configuration's text" not in page.outside
    assert "worker-3" not in page.outside
    assert "||g_hat||" not in page.outside
    assert headline(SOME) in page.outside
    assert page.depth == 0


def test_every_table_keeps_its_roles_a_caption_and_the_names_of_its_columns() -> None:
    page = Folds(PAGE)
    count = [tag for tag, _ in page.tags].count
    assert count("table") == count("caption") >= 2
    roles = {"table": "table", "tr": "row", "td": "cell", "thead": "rowgroup", "tbody": "rowgroup"}
    for tag, attributes in page.tags:
        if tag in roles:
            assert attributes["role"] == roles[tag]
        if tag == "th":
            assert (attributes["role"], attributes["scope"]) in (
                ("columnheader", "col"), ("rowheader", "row"), ("rowheader", "rowgroup"),
            )  # fmt: skip
        if tag == "td":
            assert attributes["data-name"]
    style = PAGE[PAGE.index("<style>") : PAGE.index("</style>")]
    assert "attr(data-name)" in style
    for wide in ("nowrap", "min-width: 8rem", "overflow-x"):  # what would not fit 360 pixels
        assert wide not in style


def test_a_long_name_is_whole_on_the_page_and_in_every_drawing() -> None:
    assert escape(LONG.strip()) in PAGE
    figure = Figure()
    left, right = figure.subplots(1, 2)
    figures.shares(left, SOME)
    figures.gradient_norms(right, SOME)
    ticks = [one.get_text() for one in left.get_yticklabels()]
    legend = right.get_legend_handles_labels()[1]
    for shown in (ticks, legend):
        assert "".join(LONG.split()) in ["".join(text.split()) for text in shown]
        assert max(len(line) for text in shown for line in text.splitlines()) <= 40


def traced(*norms: float, label: str = "a") -> Row:
    record = ROW.trials[0].trace[0]
    trace = tuple(replace(record, round=k, gradient_norm=x) for k, x in enumerate(norms))
    return row(label, True, 1, trace=trace, rounds=len(norms))


@pytest.mark.parametrize(
    ("norms", "scale"),
    [((1.0, 2.0, 3.0), "linear"), ((1.0, 0.1), "log"), ((0.0, 0.0), "linear"), ((5.0,), "linear")],
)
def test_an_axis_is_logarithmic_where_the_numbers_span_a_power_of_ten(norms, scale) -> None:
    ax = Figure().subplots()
    figures.gradient_norms(ax, [traced(*norms)])
    assert ax.get_yscale() == scale


def test_all_that_was_measured_is_on_the_axes_and_a_zero_is_a_gap() -> None:
    ax = Figure().subplots()
    figures.gradient_norms(ax, [traced(1.0, 0.0, 1e-12, label="a"), traced(*[0.5] * 40, label="b")])
    line = ax.lines[0].get_ydata()
    np.testing.assert_array_equal(line, [1.0, np.nan, 1e-12])
    low, high = ax.get_ylim()
    assert low < 1e-12
    assert high > 1.0
    assert ax.get_xlim() == (0, 40)
    assert ax.get_xscale() == "symlog"  # 3 rounds beside 40
    assert ax.get_xlabel() == "round (logarithmic beyond 3)"


def test_paths_that_lie_together_are_drawn_with_falling_width() -> None:
    ax = Figure().subplots()
    five = [traced(*[0.5] * 4, label=f"t{k}") for k in range(5)]
    figures.gradient_norms(ax, five)
    widths = [line.get_linewidth() for line in ax.lines if len(line.get_xdata()) > 1]
    assert len(widths) == 5
    assert widths == sorted(set(widths), reverse=True)
