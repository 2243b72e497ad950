"""The map from the paper to the library has no dead entry, and the page shows it as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

import saddleproof as sp
from saddleproof import theory
from saddleproof.paper.experiments import page
from saddleproof.paper.symbols import MAP, place, resolve


@pytest.mark.parametrize(("paper", "name"), MAP, ids=[name for _, name in MAP])
def test_every_entry_names_something_that_is_there(paper, name):
    assert paper
    assert resolve(name) is not None
    assert (Path(sp.__file__).parent / place(name)).exists()


@pytest.mark.parametrize(
    "dead",
    ["saddleproof.nothing", "saddleproof.theory.nothing", "saddleproof.schedule.Theorem3:nothing"],
)
def test_a_dead_entry_would_be_found(dead):
    with pytest.raises((AttributeError, ModuleNotFoundError)):
        resolve(dead)


def test_every_function_of_theory_is_on_the_map():
    there = {name.partition(":")[0].rpartition(".")[2] for _, name in MAP if ".theory." in name}
    assert there == set(theory.__all__) - {"Guarantee"}


def test_the_page_carries_the_map_as_it_is():
    written = (Path(__file__).parents[2] / "docs" / "paper.md").read_text()
    assert page.symbols() in written


def test_a_reason_reads_without_its_formulas():
    assert page.plain(r"at most $\Delta^{2}$, $\alpha \ge 1$") == "at most Delta^2, alpha >= 1"
