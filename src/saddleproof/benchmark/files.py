"""The folder that a benchmark leaves.

runs.csv, cells.csv, pairs.csv, curves.csv      every run, cell, pair of rules, evaluation
tables.tex                                      the tables for a paper, to be input
accuracy.svg, curves.svg                        heatmaps and curves, on sheets of A4
cite.txt                                        what it takes to make all of it again
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from saddleproof import __version__
from saddleproof.benchmark.latex import latex
from saddleproof.benchmark.results import Results
from saddleproof.benchmark.running import digest_of
from saddleproof.benchmark.text import cells_csv, curves_csv, pairs_csv, runs_csv
from saddleproof.errors import OptionError
from saddleproof.lab.sheets import FORMATS, written
from saddleproof.printed import one_line

#: The names of the pictures, whatever their format and number.
_PICTURE = re.compile(rf"(accuracy|curves)(-\d+)?\.({'|'.join(FORMATS)})")


def tables(results: Results, folder: Path, command: str = "") -> list[Path]:
    """Write all that is text; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "runs.csv": runs_csv(results),
        "cells.csv": cells_csv(results),
        "pairs.csv": pairs_csv(results),
        "curves.csv": curves_csv(results),
        "tables.tex": latex(results),
        "cite.txt": citation(results, command),
    }
    if results.plan.text:
        texts["benchmark.toml"] = results.plan.text
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def pictures(results: Results, folder: Path, formats: Sequence[str] = ("svg",)) -> list[Path]:
    """Draw heatmaps and curves; returns the files.

    Pictures of an earlier benchmark in this folder go, also where none can be drawn: beside the
    tables that are there now they would show other numbers.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OptionError: a format that is none.
    """
    if wrong := [one for one in formats if one not in FORMATS]:
        raise OptionError(f"a figure's format is one of {', '.join(FORMATS)}; got {wrong[0]!r}")
    from saddleproof.benchmark import figures

    for old in folder.iterdir():
        if _PICTURE.fullmatch(old.name):
            old.unlink()
    drawn = {"accuracy": figures.heatmaps(results), "curves": figures.curves(results)}
    return [
        file
        for name, sheets in drawn.items()
        for form in formats
        for file in written(sheets, folder / f"{name}.{form}")
    ]


def citation(results: Results, command: str = "") -> str:
    """What a paper states, and what it takes to make the same numbers again."""
    plan = results.plan
    seeds = ", ".join(map(str, plan.seeds))
    others = (
        f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}, "
        f"{platform.system()} {platform.machine()}"
    )
    ended = f"{results.done} of {results.total} runs, {len(results.failures)} of them failed"
    lines = [
        f"saddleproof {__version__}, {others}",
        f"command: {command or 'saddleproof.benchmark.run(...)'}",
        f"seeds: {seeds}; {ended}",
        *(f"data: {one_line(name)}, SHA-256 {found}" for name, found in results.digests.items()),
    ]
    if plan.text:
        found = hashlib.sha256(plan.text.encode()).hexdigest()
        lines.append(f"configuration: benchmark.toml, SHA-256 {found}")
    lines.append(f"all that the runs depend on: SHA-256 {digest_of(plan)}")
    return "\n".join(lines) + "\n"
