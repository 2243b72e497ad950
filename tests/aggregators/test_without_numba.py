"""Without the extra `fast` the rules give the same bits; which of -0 and 0 is left open."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.aggregators import Mean, Median, TrimmedMean
from saddleproof.aggregators.engine import kernels, kernels_plain
from saddleproof.aggregators.engine.kernels_rows import LANES, rows_of
from saddleproof.aggregators.mean_around_median import MeanAroundMedian

RULES = (Mean(), Median(), TrimmedMean(), MeanAroundMedian())


def answers(stacks: list[np.ndarray]) -> list[np.ndarray]:
    """All that the rules say of each stack of 20 messages, 6 of them liars' (none for the mean)."""
    found = []
    for x in stacks:
        for rule, b in ((Mean(), 0), (Median(), 6), (TrimmedMean(), 6), (MeanAroundMedian(), 6)):
            estimate = rule.estimate(x, b)
            found += [rule(x, b), estimate.vector, estimate.kept, np.asarray(estimate.inexactness)]
    return found


#: The same in a process of its own: from the file argv[1] to the file argv[2].
ELSEWHERE = f"""
import sys
import numpy as np
from saddleproof.aggregators import Mean, Median, TrimmedMean
from saddleproof.aggregators.mean_around_median import MeanAroundMedian
{inspect.getsource(answers)}
with np.load(sys.argv[1]) as stored:
    found = answers(list(stored.values()))
np.savez(sys.argv[2], *found)
print("compiled" if sys.modules.get("numba") else "plain")
"""


def messages(kind: str, shape: tuple[int, ...], dtype: type, seed: int = 0) -> np.ndarray:
    """Normal rows, and rows with ties, with NaN and infinities, or with sums that cancel."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    if kind == "ties":
        x = np.round(2 * x)
    if kind == "not finite":
        for value in (np.nan, np.inf, -np.inf):
            x[rng.random(shape) < 0.1] = value
    if kind == "cancelling":
        x = np.where(rng.random(shape) < 0.5, 1e8, -1e8) + x
    return x.astype(dtype)


def bits(x: np.ndarray | None) -> bytes | None:
    """The bits, with one zero only."""
    return x if x is None else (x if x.dtype == bool else x + 0.0).tobytes()


KINDS = ("normal", "ties", "not finite", "cancelling")


STACKS = [messages(kind, (20, 7000), t) for kind in KINDS for t in (np.float32, np.float64)]


def answers_after(code: str, folder: Path) -> tuple[list[np.ndarray], str]:
    """The answers of a process that runs `code` first, and what it prints."""
    np.savez(folder / "rows.npz", *STACKS)
    command = [sys.executable, "-c", code + ELSEWHERE, folder / "rows.npz", folder / "found.npz"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    with np.load(folder / "found.npz") as stored:
        return list(stored.values()), ran.stdout + ran.stderr


def test_hiding_numba_changes_no_bit_of_any_coordinate_wise_rule(tmp_path: Path) -> None:
    pytest.importorskip("numba")
    assert STACKS[0].size >= kernels.SMALL
    hide = "import sys; sys.modules['numba'] = None  # an import then fails"
    plain, said = answers_after(hide, tmp_path)
    assert said == "plain\n"  # and no warning: nothing is wrong
    compiled = answers(STACKS)
    assert [bits(x) for x in plain] == [bits(x) for x in compiled]


def test_a_numba_that_does_not_load_is_named_in_a_warning(tmp_path: Path) -> None:
    (tmp_path / "numba.py").write_text("raise ImportError('Numba needs NumPy 1.0 or less')\n")
    _, said = answers_after(f"import sys; sys.path.insert(0, {str(tmp_path)!r})", tmp_path)
    assert "numba is installed but does not load (Numba needs NumPy 1.0 or less)" in said


@settings(max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    dtype=st.sampled_from([np.float32, np.float64]),
    m=st.integers(1, 40),
    d=st.integers(1, 10 * LANES),
    q=st.integers(1, 2),
    step=st.sampled_from([1, -1, 3]),
    judged=st.booleans(),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_both_kernels_give_the_same_bits(
    kind: str, dtype: type, m: int, d: int, q: int, step: int, judged: bool, seed: int, data
) -> None:
    pytest.importorskip("numba")
    compiled = importlib.import_module("saddleproof.aggregators.engine.kernels_compiled")
    rows = rows_of(messages(kind, (q, m, d * abs(step)), dtype, seed)[..., ::step])
    rule, most = data.draw(st.sampled_from(RULES)), data.draw(st.integers(0, (m - 1) // 2))
    window = None if judged else rule.window(m, most)
    b = most if judged else data.draw(st.sampled_from([None, most]))
    found = []
    for kernel in (compiled.scan, kernels_plain.scan):
        vector = np.linspace(-1, 1, q * d).reshape(q, d).astype(dtype) if judged else None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kernels, "_block_kernel", lambda kernel=kernel: kernel)
            scan = kernels.scan(rows, window, b=b, vector=vector, threads=2)
        found.append([bits(scan.vector), bits(scan.kept), bits(scan.norms)])
    assert found[0] == found[1]
