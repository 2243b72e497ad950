"""Sorting for devices, on the CPU, where it must do what the kernels do; on CUDA where there is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.aggregators import coordinatewise
from saddleproof.aggregators.coordinatewise import CoordinateWise
from saddleproof.aggregators.engine import device_sort, kernels
from saddleproof.aggregators.engine.networks import ALONE

torch = pytest.importorskip("torch")

RULES = {
    "median": sp.Median(),
    "trimmed mean": sp.TrimmedMean(),
    "around": sp.aggregators.MeanAroundMedian(),
}
DTYPES = [np.float32, np.float64]
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def messages(m: int, dtype: type, d: int = 61) -> np.ndarray:
    """Ties, outliers, infinities and NaN among them."""
    rng = np.random.default_rng(m)
    x = rng.standard_normal((m, d)).astype(dtype)
    x[:, ::7] = np.round(x[:, ::7])
    x[rng.integers(m), 3], x[rng.integers(m), 4], x[rng.integers(m), 5] = np.inf, -np.inf, np.nan
    return x


def check(rule: CoordinateWise, found: np.ndarray, expected: np.ndarray) -> None:
    """Medians to the bit; sums of float32, which kernels take in float64, to one last place."""
    if isinstance(rule, sp.Median) or found.dtype == np.float64:
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_array_max_ulp(found, expected, maxulp=1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", range(1, 41))
def test_the_network_sorts_as_numpy_does(m: int, dtype: type) -> None:
    x = messages(m, dtype)
    expected = np.sort(np.where(np.isnan(x), np.inf, x), axis=0)
    for way in (device_sort.by_sort, lambda s: device_sort.by_network(s, (ALONE,) * m)):
        np.testing.assert_array_equal(way(torch.as_tensor(x)[None])[0].numpy(), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_rules_over_the_network_are_the_kernels_to_the_last_place(
    rule: CoordinateWise, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_sort, "_asks_a_device", lambda _: True)
    monkeypatch.setattr(device_sort, "_network_wins", lambda *_: True)
    for m in range(1, 41):
        x, b = messages(m, dtype), (m - 1) // 3
        monkeypatch.setattr(kernels, "SMALL", 2**17)
        found = rule(torch.as_tensor(x), b)
        whole = rule.estimate(torch.as_tensor(x), b)
        monkeypatch.setattr(kernels, "SMALL", 0)
        expected = rule.estimate(x, b)
        for vector in (found.numpy(), whole.vector.numpy()):
            check(rule, vector, expected.vector)
        np.testing.assert_array_equal(whole.kept.numpy(), expected.kept)


def test_the_choice_is_timed_once_and_leaves_the_random_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_sort, "COLUMNS", 64)
    device_sort._network_wins.cache_clear()
    before = torch.random.get_rng_state()
    asked = (torch.device("cpu"), torch.float32, (ALONE,) * 5)
    assert device_sort._network_wins(*asked) in (True, False)
    device_sort._network_wins(*asked)
    assert device_sort._network_wins.cache_info().misses == 1
    assert torch.equal(torch.random.get_rng_state(), before)
    device_sort._network_wins.cache_clear()


@pytest.mark.parametrize(
    ("network", "sort", "wins"),
    [
        ([100.0, 3.0, 1.0, 3.0], [2.0] * 4, True),  # the first call loads and compiles
        ([0.0, 3.0, 3.0, 3.0], [2.0] * 4, False),
        ([0.0, 3.0, 3.0, 1.0], [2.0] * 4, True),
        ([1.0] * 4, [0.0, 3.0, 3.0, 2.0], True),
        ([2.0] * 4, [2.0] * 4, False),
    ],
)
def test_the_best_of_three_calls_after_the_first_decides(
    network: list[float], sort: list[float], wins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def lasting(seconds: list[float]) -> Callable[..., None]:
        left = iter(seconds)  # one call more fails

        def way(*_: object) -> None:
            now[0] += next(left)

        return way

    monkeypatch.setattr(device_sort, "COLUMNS", 64)
    monkeypatch.setattr(device_sort.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(device_sort, "by_network", lasting(network))
    monkeypatch.setattr(device_sort, "by_sort", lasting(sort))
    device_sort._network_wins.cache_clear()
    found = device_sort._network_wins(torch.device("cpu"), torch.float32, (ALONE,) * 5)
    device_sort._network_wins.cache_clear()
    assert found == wins


def test_tensors_in_main_memory_and_in_gradients_are_not_for_the_network() -> None:
    assert not device_sort._asks_a_device(np.ones((1, 2, 3)))
    assert not device_sort._asks_a_device(torch.ones(1, 2, 3))
    assert coordinatewise.in_order is device_sort.in_order


@needs_cuda
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_rules_on_a_device_answer_there_what_they_answer_here(
    rule: CoordinateWise, dtype: type
) -> None:
    for m in (2, 5, 20, 33):
        x, b = messages(m, dtype), (m - 1) // 3
        found = rule(torch.as_tensor(x).cuda(), b)
        assert found.is_cuda
        check(rule, found.cpu().numpy(), rule(x, b))


@needs_cuda
def test_aggregated_trees_stay_on_their_device() -> None:
    trees = [{"w": torch.full((3,), float(i), device="cuda")} for i in range(5)]
    found = sp.torch.aggregate(sp.NearestNeighborMixing(), trees, b=1)
    assert found["w"].is_cuda
