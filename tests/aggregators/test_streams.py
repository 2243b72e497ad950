"""Messages larger than memory: the same answers, in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from saddleproof.aggregators.algorithm2 import IterativeFiltering
from saddleproof.aggregators.base import Rule
from saddleproof.aggregators.bucketing import Bucketing
from saddleproof.aggregators.bulyan import Bulyan
from saddleproof.aggregators.clipping import Clipping
from saddleproof.aggregators.engine.row_blocks import forget
from saddleproof.aggregators.engine.streams import stream
from saddleproof.aggregators.geometric_median import GeometricMedian
from saddleproof.aggregators.krum import Krum
from saddleproof.aggregators.mean import Mean
from saddleproof.aggregators.mean_around_median import MeanAroundMedian
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.median_of_means import MedianOfMeans
from saddleproof.aggregators.multi_krum import MultiKrum
from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from saddleproof.aggregators.sever import Sever
from saddleproof.aggregators.trimmed_mean import TrimmedMean
from saddleproof.errors import BreakdownError, OptionError

RULES = (Mean(), Median(), TrimmedMean(), MeanAroundMedian())


def on_disk(folder: Path, x: np.ndarray) -> list[np.ndarray]:
    for i, row in enumerate(x):
        np.save(folder / f"{i}.npy", row)
    return [np.load(folder / f"{i}.npy", mmap_mode="r") for i in range(len(x))]


@pytest.mark.parametrize("rule", RULES)
def test_a_stream_says_what_the_rule_says(rule: Mean, tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((20, 8000)).astype(np.float32)
    found, expected = stream(rule, on_disk(tmp_path, x), 6, columns=768), rule.estimate(x, 6)
    assert found.vector.tobytes() == expected.vector.tobytes()
    assert found.inexactness == pytest.approx(expected.inexactness, rel=1e-12)
    np.testing.assert_array_equal(found.kept, expected.kept)


BY_DISTANCE = (
    Krum(),
    MultiKrum(),
    GeometricMedian(),
    MedianOfMeans(),
    Sever(),
    IterativeFiltering(),
    IterativeFiltering(method="saddle", tolerance=1e-2),
    NearestNeighborMixing(MultiKrum()),
    Bucketing(GeometricMedian(), key="fixed"),
    Clipping(IterativeFiltering()),
)


@pytest.mark.parametrize("rule", BY_DISTANCE, ids=repr)
def test_rules_that_weigh_rows_stream_in_two_passes(rule: Rule, tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((20, 6000)).astype(np.float32)
    x[:4] += 3.0
    told: list[tuple[int, int]] = []
    found = stream(rule, on_disk(tmp_path, x), 4, columns=768, progress=lambda *n: told.append(n))
    expected = rule.estimate(x, 4)
    np.testing.assert_allclose(found.vector, expected.vector, rtol=1e-6, atol=1e-7)
    assert found.inexactness == pytest.approx(expected.inexactness, rel=1e-6)
    np.testing.assert_array_equal(found.kept, expected.kept)
    assert told == sorted(told)
    assert told[-1] == (12000, 12000)
    assert any(0 < done <= 6000 for done, _ in told)


@pytest.mark.parametrize("rule", [Bulyan(), NearestNeighborMixing(Median())], ids=repr)
def test_a_rule_that_needs_its_messages_in_one_piece_says_so(rule: Rule) -> None:
    with pytest.raises(OptionError, match="in one piece"):
        stream(rule, np.zeros((20, 10)), 4)


def test_a_third_or_more_is_refused_here_too() -> None:
    found = stream(Median(), np.random.default_rng(0).standard_normal((20, 50)), 7)
    assert found.inexactness is None
    assert "b=7 of m=20" in found.reason


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_stream_too(dtype: type, tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((9, 1000)).astype(dtype)
    found = stream(TrimmedMean(), on_disk(tmp_path, x), 2, columns=300).vector
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, TrimmedMean()(x, 2))


def test_progress_is_told_and_the_answer_goes_where_it_is_wanted(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((5, 1000))
    told: list[tuple[int, int]] = []
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float64, (1000,))
    found = stream(Median(), x, 2, columns=400, out=out, progress=lambda *at: told.append(at))
    assert told == [(400, 1000), (800, 1000), (1000, 1000)]
    assert found.vector is out or np.shares_memory(found.vector, out)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), np.median(x, axis=0))


def test_a_private_map_keeps_what_was_written_to_it(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(4096))
    private = np.load(tmp_path / "x.npy", mmap_mode="c")
    private[:] = 1
    forget(private[:2048])
    assert (private == 1).all()


def test_misuse_is_refused() -> None:
    x = np.zeros((5, 10))
    with pytest.raises(BreakdownError, match="got b=3"):
        stream(Median(), x, 3)
    with pytest.raises(OptionError, match="one length"):
        stream(Median(), [np.zeros(3), np.zeros(4), np.zeros(3)], 1)
    with pytest.raises(OptionError, match="got int64"):
        stream(Median(), np.zeros((3, 4), dtype=int), 1)
    with pytest.raises(OptionError, match="out must be"):
        stream(Median(), x, 2, out=np.zeros(9))


PROBE = """
import sys
from pathlib import Path
import numpy as np
from saddleproof import Median
from saddleproof.aggregators import MultiKrum
from saddleproof.aggregators.engine.streams import stream
rule = {"median": Median(), "multi_krum": MultiKrum()}[sys.argv[2]]
def resident(kind):  # bytes
    return int(Path("/proc/self/status").read_text().split(kind)[1].split()[1]) * 1024
stream(rule, np.zeros((20, 4096), np.float32), 6)  # compiled, imported
rows = list(np.load(sys.argv[1], mmap_mode="r"))
before, files = resident("VmHWM"), resident("RssFile")
stream(rule, rows, 6, columns=2**16)
print(resident("VmHWM") - before, resident("RssFile") - files)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="counts resident pages as Linux does")
@pytest.mark.parametrize("rule", ["median", "multi_krum"])
def test_resident_memory_is_a_chunk_and_the_answer(rule: str, tmp_path: Path) -> None:
    m, d = 20, 5_000_000  # 400 MB
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (m, d))
    for row in x:
        row[:] = np.random.default_rng(0).standard_normal(d, dtype=np.float32)
    x.flush()
    del x
    command = [sys.executable, "-c", PROBE, str(tmp_path / "x.npy"), rule]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    chunk, answer, huge_page = m * 2**16 * 4, d * 4, 2**21
    peak, left = map(int, ran.stdout.split())
    assert peak <= answer + 2 * chunk + m * huge_page  # of 400 MB
    assert left <= huge_page  # nothing of the file stays behind
