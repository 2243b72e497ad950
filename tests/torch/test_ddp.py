"""A robust rule in the place of DistributedDataParallel's mean, over gloo, four processes."""

from __future__ import annotations

import difflib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import ddp_ranks
import numpy as np
import pytest
import torch
import torch.multiprocessing

import saddleproof as sp
from saddleproof.errors import OptionError

RULES = {"none": sp.Median(), "trimmed": sp.TrimmedMean()}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What every rank found."""
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(ddp_ranks.run, (str(folder),), nprocs=ddp_ranks.RANKS)
    files = [folder / f"rank-{rank}.pickle" for rank in range(ddp_ranks.RANKS)]
    return [pickle.loads(file.read_bytes()) for file in files]  # our own


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_the_gradient_is_the_rule_of_all_ranks_gradients(
    told: list[dict[str, Any]], name: str
) -> None:
    for rank in told:
        for sound, found in rank[name]["rounds"]:
            assert torch.equal(found, RULES[name](sound, 1))


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["flips", "nan"])
def test_a_faulty_rank_moves_no_coordinate_out_of_the_sound_ranks_range(
    told: list[dict[str, Any]], fault: str
) -> None:
    sound = [i for i in range(ddp_ranks.RANKS) if i != ddp_ranks.FAULTY]
    for rank in told:
        for rows, found in rank[fault]["rounds"]:
            assert (found >= rows[sound].min(dim=0).values).all()
            assert (found <= rows[sound].max(dim=0).values).all()
        assert rank[fault]["losses"][-1] < rank[fault]["losses"][0]


@pytest.mark.slow
def test_without_the_hook_the_same_faults_ruin_the_model(told: list[dict[str, Any]]) -> None:
    assert not told[0]["plain"]["losses"][-1] < 10 * told[0]["plain"]["losses"][0]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["none", "flips", "nan"])
def test_every_rank_names_the_faulty_rank_and_no_other(
    told: list[dict[str, Any]], fault: str
) -> None:
    for rank in told:
        named = set(rank[fault]["last"].suspects)
        assert named == (set() if fault == "none" else {ddp_ranks.FAULTY})
        assert np.isfinite(rank[fault]["last"].distances).all()


@pytest.mark.slow
def test_a_window_that_is_not_full_names_nobody(told: list[dict[str, Any]]) -> None:
    assert told[0]["trimmed"]["last"] is None


@pytest.mark.slow
def test_what_the_ranks_cannot_do_is_refused_in_the_first_backward_pass(
    told: list[dict[str, Any]],
) -> None:
    for rank in told:
        assert "b=2" in rank["too many"]
        assert "all ranks need the same hook" in rank["unlike"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: sp.torch.ddp_hook(sp.aggregators.Krum(), 1), "Krum needs whole rows"),
        (lambda: sp.torch.ddp_hook(sp.Median, 1), "Median"),
        (lambda: sp.torch.ddp_hook(sp.Median(), 0.25), "b"),
        (lambda: sp.torch.ddp_hook(sp.Median(), 1, window=0), "window"),
        (lambda: sp.torch.ddp_hook(sp.Median(), 1, excess=1.0), "excess"),
    ],
)
def test_misuse_is_refused_before_any_step(make: Any, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        make()


@pytest.mark.slow
def test_two_lines_save_a_script_that_a_bad_device_ruins() -> None:
    texts, accuracies = [], []
    for when in ("before", "after"):
        script = Path(__file__).parents[2] / "examples" / "migrate" / f"ddp_{when}.py"
        ran = subprocess.run(
            [sys.executable, str(script)], check=True, capture_output=True, text=True
        )
        texts.append(script.read_text().splitlines()[4:])
        accuracies.append(float(ran.stdout.split()[-1]))
    assert accuracies[0] < 0.2
    assert accuracies[1] > 0.85
    changed = [line for line in difflib.ndiff(*texts) if line[0] in "+-" and line[2:]]
    assert [line[0] for line in changed] == ["+", "+"]
