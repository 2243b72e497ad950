"""Every rule answers at every scale as at scale 1, and chooses as exact arithmetic would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.aggregators.algorithm2.iterative_filtering import IterativeFiltering
from saddleproof.aggregators.base import Aggregator, Estimate, Rule
from saddleproof.aggregators.bucketing import Bucketing
from saddleproof.aggregators.byzantine_sgd import ByzantineSGD
from saddleproof.aggregators.centered_clipping import CenteredClipping
from saddleproof.aggregators.clipping import Clipping
from saddleproof.aggregators.engine.streams import stream
from saddleproof.aggregators.geometric_median import GeometricMedian
from saddleproof.aggregators.krum import Krum
from saddleproof.aggregators.median_of_means import MedianOfMeans
from saddleproof.aggregators.multi_krum import MultiKrum
from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from saddleproof.aggregators.safeguard_sgd import SafeguardSGD
from saddleproof.aggregators.table import AGGREGATORS
from saddleproof.aggregators.weighted import weighted_sums
from saddleproof.errors import BreakdownError, OptionError
from saddleproof.testing import check_scales

M, B = 15, 3


def rows(d: int, kind: str) -> np.ndarray:
    x = np.random.default_rng(d).standard_normal((M, d))
    x[:B] += 8.0
    if kind == "not finite":
        x[0], x[1, 0] = np.nan, np.inf
    return x


#: Rules with a length of their own: k to the rule whose length is 2^k times as large.
LENGTHS: dict[str, Callable[[int], Rule]] = {
    "clipping": lambda k: Clipping(radius=float(np.ldexp(1.5, k))),
    "centered_clipping": lambda k: CenteredClipping(tau=float(np.ldexp(1.5, k))),
    "filtering": lambda k: IterativeFiltering(sigma=float(np.ldexp(1.5, k))),
    "saddle": lambda k: IterativeFiltering(sigma=float(np.ldexp(1.5, k)), method="saddle"),
    "byzantine_sgd": lambda k: ByzantineSGD(noise=float(np.ldexp(1.5, k))),
    "safeguard_sgd": lambda k: SafeguardSGD(noise=float(np.ldexp(1.5, k))),
}


@pytest.mark.parametrize("name", AGGREGATORS)
@pytest.mark.parametrize("kind", ["finite", "not finite"])
def test_a_scale_of_all_rows_changes_no_bit_of_any_rule(name: str, kind: str) -> None:
    if name == "mean" and kind == "not finite":
        pytest.skip("holds no such row")
    rule = Bucketing(key="k") if name == "bucketing" else AGGREGATORS[name]()
    check_scales(rule, rows(4, kind), B)


@pytest.mark.parametrize("name", LENGTHS)
def test_a_rule_with_a_length_scales_with_it(name: str) -> None:
    at = LENGTHS[name]
    check_scales(at(0), rows(3, "finite"), B, scaled=at, powers=(-1000, -530, 530, 1000))


@pytest.mark.parametrize("name", ["median", "mean", "krum", "norm_trimming", "geometric_median"])
def test_blocks_and_the_kernel_scale_too(name: str) -> None:
    check_scales(AGGREGATORS[name](), rows(9000, "finite"), B, powers=(-1000, 1000))


@pytest.mark.parametrize("rule", [Krum(), GeometricMedian(), AGGREGATORS["median"]()])
def test_a_stream_scales_too(rule: Rule) -> None:
    x = rows(40, "finite")
    one = stream(rule, x, B, columns=7)
    for k in (-1000, 1000):
        found = stream(rule, np.ldexp(x, k), B, columns=7)
        np.testing.assert_array_equal(found.vector, np.ldexp(one.vector, k))
        assert found.inexactness == np.ldexp(one.inexactness, k)


def test_points_of_different_scales_do_not_mix() -> None:
    x = rows(4, "finite")
    stack = np.stack([np.ldexp(x, k) for k in (0, -1000, 1000)])
    for rule in (Krum(), GeometricMedian(), IterativeFiltering(), Clipping(), CenteredClipping()):
        batch = rule.estimates(stack, B)
        for k, alone in enumerate(stack):
            np.testing.assert_array_equal(batch.vector[k], rule(alone, B))


def exact_scores(x: np.ndarray, b: int) -> list[Fraction]:
    """Krum's, in rational numbers."""
    exact = [[Fraction(float(value)) for value in row] for row in x]
    found = []
    for i, row in enumerate(exact):
        others = exact[:i] + exact[i + 1 :]
        squares = sorted(sum((p - q) ** 2 for p, q in zip(row, o, strict=True)) for o in others)
        found.append(Fraction(sum(squares[: max(len(x) - b - 2, 1)])))
    return found


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(5, 11), st.integers(-600, 600), st.data())
def test_krum_chooses_as_rational_numbers_do_however_far_liars_are(
    seed: int, m: int, scale: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    b = Krum().breakdown(m)
    x = np.ldexp(rng.standard_normal((m, 3)), scale)
    for i in range(data.draw(st.integers(0, b))):
        x[i] = np.ldexp(rng.standard_normal(3), data.draw(st.integers(scale - 40, 1020)))
    scores = exact_scores(x, b)
    chosen = int(np.flatnonzero(Krum().estimate(x, b).kept)[0])
    assert scores[chosen] <= min(scores) * (1 + Fraction(1, 10**12))
    kept = MultiKrum().estimate(x, b).kept
    best = sorted(scores)[m - b - 1]
    assert all(scores[i] <= best * (1 + Fraction(1, 10**12)) for i in np.flatnonzero(kept))


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(3, 11), st.integers(-300, 300), st.data())
def test_unit_vectors_from_the_geometric_median_cancel_however_far_liars_are(
    seed: int, m: int, scale: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    x = np.ldexp(rng.standard_normal((m, 3)), scale)
    for i in range(data.draw(st.integers(0, (m - 1) // 2))):
        x[i] = np.ldexp(rng.standard_normal(3), data.draw(st.integers(scale + 3, scale + 700)))
    apart = np.ldexp(x, -scale).astype(np.longdouble) - np.ldexp(GeometricMedian()(x, 0), -scale)
    length = np.sqrt((apart**2).sum(axis=1))
    away = length > 1e-7
    pull = np.linalg.norm((apart[away] / length[away, None]).sum(axis=0).astype(float))
    assert pull <= (~away).sum() + 1e-5 * m


FAR = [
    Krum(),
    MultiKrum(),
    GeometricMedian(),
    IterativeFiltering(),
    Clipping(),
    NearestNeighborMixing(),
    NearestNeighborMixing(GeometricMedian()),
    AGGREGATORS["sever"](),
    AGGREGATORS["bulyan"](),
]


@pytest.mark.parametrize("rule", FAR)
@pytest.mark.parametrize("size", [1e140, 1e150, 1e300, 1.7e308])
def test_liars_out_of_range_leave_the_honest_rows_apart(rule: Aggregator, size: float) -> None:
    x = 1e-3 * np.random.default_rng(0).standard_normal((M, 4))
    honest = x[2:].mean(axis=0)
    x[0], x[1] = size, -size
    found = rule(x, 2)
    assert np.linalg.norm(found - honest) < 5e-3
    assert found.any()  # honest differences were not lost: nobody's coordinate is zero


@pytest.mark.parametrize("d", [4, 3000])
def test_differences_beyond_the_largest_number_are_compared_all_the_same(d: int) -> None:
    x = np.random.default_rng(0).uniform(-7, 7, (M, d))
    x[:3] = 7.0 * np.sign(x[:3])
    for rule in (Krum(), MultiKrum(), GeometricMedian()):
        np.testing.assert_array_equal(rule(np.ldexp(x, 1021), B), np.ldexp(rule(x, B), 1021))


def test_a_batch_with_a_liar_out_of_range_pulls_as_its_mean_does() -> None:
    x = rows(3, "finite")
    x[1] = np.ldexp(x[1], 700)
    means = np.stack([batch.mean(axis=0) for batch in np.array_split(x, 5)])
    found = MedianOfMeans(batches=5)(x, 2)
    np.testing.assert_allclose(found, GeometricMedian()(means, 2), rtol=1e-9)


@pytest.mark.parametrize("name", ["byzantine_sgd", "safeguard_sgd"])
def test_what_a_rule_remembers_of_a_round_scales_with_it(name: str) -> None:
    x, workers = rows(3, "finite"), tuple(f"w{i}" for i in range(M))
    for noise in (1e-3, 1.5, 100.0):  # too small for any center, and large enough
        told = []
        for k in (0, -1000, 1000):
            rule = replace(AGGREGATORS[name](), noise=float(np.ldexp(noise, k)))
            memory = rule.step(rule.begin(workers, 3), np.ldexp(x, k), B)[1]
            told.append((memory.widened, memory.trusted.tolist()))
        assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("name", AGGREGATORS)
def test_no_coordinates_one_row_and_equal_rows(name: str) -> None:
    rule = AGGREGATORS[name]()
    x = np.random.default_rng(0).standard_normal((11, 4))
    with np.errstate(all="raise"):
        assert rule(np.zeros((11, 0)), 1).shape == (0,)
        assert rule.estimate(np.zeros((11, 0)), 1).vector.shape == (0,)
        np.testing.assert_allclose(rule(np.tile(x[0], (11, 1)), 2), x[0], rtol=1e-15)
        zeros = np.where(np.arange(44).reshape(11, 4) % 3, 0.0, -0.0)
        np.testing.assert_array_equal(rule(zeros, 2), np.zeros(4))
        assert np.isfinite(rule(x * 0 + 5e-324, 2)).all()
        if rule.breakdown(1) < 0:
            with pytest.raises(BreakdownError):
                rule(x[:1], 0)
        else:
            np.testing.assert_allclose(rule(x[:1], 0), x[0], rtol=1e-15)


@pytest.mark.parametrize("name", AGGREGATORS)
def test_messages_that_require_a_gradient_are_aggregated(name: str) -> None:
    torch = pytest.importorskip("torch")
    rule = Bucketing(key="k") if name == "bucketing" else AGGREGATORS[name]()
    x = rows(4, "finite")
    given_ = torch.tensor(x, requires_grad=True)
    for messages in (given_, list(given_)):
        np.testing.assert_allclose(rule(messages, B).detach().numpy(), rule(x, B), rtol=1e-9)
    found = rule.estimate(given_, B)
    assert found.inexactness is None or isinstance(found.inexactness, float)


#: Rules that JAX can trace.
TRACED = {"mean", "median", "trimmed_mean", "mean_around_median", "centered_clipping"}


@pytest.mark.slow
@pytest.mark.parametrize("name", AGGREGATORS)
def test_jax_traces_a_rule_or_is_told_that_it_cannot(name: str) -> None:
    jax = pytest.importorskip("jax")
    rule = Bucketing(key="k") if name == "bucketing" else AGGREGATORS[name]()
    for dtype in (jax.numpy.float32, jax.numpy.bfloat16):
        x = jax.numpy.asarray(rows(4, "finite"), dtype=dtype)
        plain = rule.estimate(x, B).vector
        assert plain.dtype == dtype
        if name in TRACED:
            np.testing.assert_allclose(
                np.asarray(jax.jit(lambda y: rule(y, B))(x), float),
                np.asarray(plain, float),
                rtol=1e-2,
            )
            jax.jit(lambda y: rule.estimate(y, B).inexactness)(x)
        else:
            with pytest.raises(OptionError, match="JAX cannot trace it: call it outside jit"):
                jax.jit(lambda y: rule(y, B))(x)


def test_the_suite_finds_a_rule_that_squares_before_it_scales() -> None:
    class Squares(Krum):
        def _batch(self, stack: np.ndarray, b: int) -> Estimate:
            square = ((stack - np.median(stack, axis=1, keepdims=True)) ** 2).sum(axis=2)
            return weighted_sums(stack, list(np.eye(stack.shape[1])[square.argmin(axis=1)]), b)

        def __call__(self, messages: np.ndarray, b: int) -> np.ndarray:
            return self.estimate(messages, b).vector

    with pytest.raises(AssertionError, match=r"rows times 2\^-1000 must give"):
        check_scales(Squares(), rows(4, "finite"), B)
