from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from saddleproof.checkpoint import RoundRecord
from saddleproof.config.parse import parse
from saddleproof.config.setup import build
from saddleproof.lab.comparison import rows, run_trials
from saddleproof.lab.report.page import write
from saddleproof.lab.report.palette import looks
from saddleproof.lab.report.plane import Plane
from saddleproof.lab.report.progress import Steps
from saddleproof.lab.report.text import cards, cells, comma_separated, table
from saddleproof.lab.report.workers import workers

CONFIG = parse("""
problem = "example2"
attack = { name = "saddle", members = 6 }
run = { b = 6, max_rounds = 60 }

[[compare]]
label = "plain <mean>"
optimizer = { name = "gradient_descent", step = 0.5 }
aggregator = "mean"

[[compare]]
label = "free"
""")


@pytest.fixture(scope="module")
def shown():
    return rows(CONFIG, list(run_trials(CONFIG, range(2))))


@pytest.fixture(scope="module")
def page(shown, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return write(folder, "Held & free", CONFIG.text, shown, build(CONFIG).problem)


class Outline(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_one_file_that_points_nowhere(page):
    text = page.read_text()
    assert "//" not in re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)
    outline = Outline(text)
    assert not outline.open
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in outline.tags}
    for _, attributes in outline.tags:
        for name in ("href", "xlink:href", "src"):
            assert attributes.get(name, "#").startswith("#")


def test_every_figure_has_words_that_stand_for_it(page):
    pictures = [a for tag, a in Outline(page.read_text()).tags if a.get("role") == "img"]
    assert len(pictures) == 3
    assert all(len(a["aria-label"]) > 60 for a in pictures)
    assert "free: 1.00 [0.34, 1.00]" in pictures[0]["aria-label"]


def test_ids_that_are_referred_to_are_there(page):
    text = page.read_text()
    ids = set(re.findall(r' id="([^"]*)"', text))
    used = set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', text))
    assert {one or other for one, other in used} <= ids


def test_labels_are_escaped(page):
    text = page.read_text()
    assert "plain &lt;mean&gt;" in text
    assert "<mean>" not in text


def test_the_drawings_take_the_readers_ink(page):
    text = page.read_text()
    drawings = "".join(re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL))
    assert "currentColor" in drawings
    assert "#1b2b3a" not in drawings


def test_the_picture_is_a_png(page):
    assert page.with_name("report.png").read_bytes().startswith(b"\x89PNG")


def test_saddle_and_minimum_lie_in_the_plane():
    problem = build(parse('problem = "deep_linear"\nrun = { b = 0 }')).problem
    plane = Plane.of(problem)
    assert plane is not None
    back = plane.origin + plane.minimum @ plane.axes
    np.testing.assert_allclose(back, problem.minimum, atol=1e-9)
    np.testing.assert_allclose(plane.axes @ plane.axes.T, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(np.abs(plane.axes[0] @ problem.escape_direction), 1.0)


def test_one_dimension_has_no_plane_and_still_a_report(tmp_path):
    config = parse('problem = "example1"\nrun = { b = 0, max_rounds = 20 }')
    shown = rows(config, list(run_trials(config, [0])))
    page = write(tmp_path, "one", config.text, shown, build(config).problem)
    assert page.read_text().count('role="img"') == 2


def test_a_run_that_diverges_does_not_set_the_scale():
    problem = build(CONFIG).problem
    plane = Plane.of(problem)
    assert plane is not None
    x, y, loss = plane.grid(np.array([[0.0, 0.0], [1e9, -1e9]]), steps=5)
    assert np.abs(x).max() < 3 * np.linalg.norm(problem.minimum - problem.saddle)
    assert loss.shape == (len(y), len(x))


def test_series_differ_by_more_than_colour():
    style = list(looks("abcdefg").values())
    for attribute in ("color", "line", "marker"):
        assert len({str(getattr(look, attribute)) for look in style}) == 7


def test_the_table_holds_every_entry(shown):
    console = Console(file=io.StringIO(), width=100)
    console.print(table(shown))
    text = console.file.getvalue()
    assert "plain <mean>" in text
    assert "2 of 2" in text


def test_cards_hold_what_the_table_holds_and_fit_a_narrow_terminal(shown):
    text = cards(shown, "world")
    for row in shown:
        assert all(said in text for said in cells(row))
    assert text.startswith("world\nplain <mean>\n  left        0 of 2 [0.00, 0.66]\n")
    assert max(map(len, text.splitlines())) <= 60


def test_every_run_is_a_line_of_the_file(shown):
    lines = list(csv.DictReader(io.StringIO(comma_separated(shown))))
    assert [(line["label"], line["seed"]) for line in lines] == [
        (row.label, str(trial.seed)) for row in shown for trial in row.trials
    ]
    first, trial = lines[0], shown[0].trials[0]
    assert float(first["lambda_min"]) == trial.judgement.lambda_min
    assert int(first["messages"]) == trial.judgement.messages == 20 * trial.rounds
    assert (first["attack"], first["optimizer"]) == ("saddle", "gradient_descent(step=0.5)")


def test_a_certificate_against_the_truth_stands_out(shown):
    row = shown[1]
    wrong = replace(row.trials[0], judgement=replace(row.trials[0].judgement, refuted=True))
    assert cells(row)[-1] == "2 conditional"
    assert cells(replace(row, trials=(wrong, row.trials[1])))[-1] == "2 conditional, 1 REFUTED"


def test_a_certificate_whose_tolerance_asks_for_nothing_stands_out():
    text = 'problem = "example2"\nrun = { b = 6, max_rounds = 60 }\n'
    config = parse(text + 'optimizer = { name = "certified_pgd", curvature = 1e6 }')
    (row,) = rows(config, list(run_trials(config, [0])))
    assert cells(row)[-1] == "1 open, 1 VACUOUS"
    (line,) = csv.DictReader(io.StringIO(comma_separated([row])))
    assert (line["certificate"], line["vacuous"], line["refuted"]) == ("open", "True", "False")


def test_the_page_tells_the_last_run_round_by_round(shown, page, tmp_path):
    trial, text = shown[-1].trials[0], page.read_text()
    cell = r'<td role="cell" data-name="[^"]*"(?: class="said")?><span>([^<]*)</span></td>'
    rounds = text[text.index("Its rounds") : text.index("Its workers")]
    told = re.findall(f'<th role="rowheader" scope="row">\\d+</th>{cell}{cell}', rounds)
    assert told == [(record.question, escape(record.event)) for record in trial.trace]
    assert sum(event.startswith("jump: ") for _, event in told) == 1
    assert f"ends after {trial.rounds} rounds with status {trial.status}." in text
    silent = write(tmp_path, "silent", CONFIG.text, shown[:1], build(CONFIG).problem).read_text()
    assert "Its rounds" in text
    assert "Its rounds" not in silent  # gradient descent has nothing to say


def test_only_rounds_of_gradients_keep_a_workers_row_or_leave_it_out():
    asked = ["Gradients", "LeastCurvature", "Curvatures", "Changes", "Gradients"]
    trace = [
        RoundRecord(k, 0, 1.0, 0.1, question=question, left_out=("b",) if k == 0 else ())
        for k, question in enumerate(asked)
    ]
    trace[3] = replace(trace[3], absent={"a": "late"})
    found = workers(trace, ["a", "b"])
    counted = [(r.name, r.answered, r.late, r.kept, r.left_out) for r in found.records]
    assert counted == [("a", 4, 1, 2, 0), ("b", 5, 0, 1, 1)]


def test_the_page_shows_what_became_of_every_worker(shown, page):
    text = page.read_text()
    trial = shown[-1].trials[0]
    table = text[text.index("Its workers") :]
    assert table.count('<th role="rowheader" scope="row">worker-') == trial.m == 20
    for record in workers(trial.trace, [f"worker-{i}" for i in range(20)]).records:
        assert record.kept + record.left_out == trial.judgement.queries < record.answered


def test_a_grid_has_a_table_and_a_picture_a_world(tmp_path):
    text = """
run = { b = 6, max_rounds = 5 }
[grid]
problem = ["example1", "example2"]
attack = ["none", { name = "saddle", label = "<push>" }]
optimizer = ["gradient_descent", "pgd"]
"""
    config = parse(text)
    shown = rows(config, list(run_trials(config, [0])))
    page = write(tmp_path, "a grid", config.text, shown, build(config).problem).read_text()
    assert page.count('role="img"') == page.count('class="world"') == 4
    assert "example2, &lt;push&gt;" in page
    assert not Outline(page).open
    assert (tmp_path / "report.png").exists()


def test_progress_is_a_few_plain_lines_where_there_is_no_terminal():
    console = Console(file=io.StringIO(), width=20)
    with Steps(console, "runs", 100) as steps:
        for k in range(100):
            steps.advance(f"[seed {k}]")
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[-1] == "runs: 100 of 100  [seed 99]"
