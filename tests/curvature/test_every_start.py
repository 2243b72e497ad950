"""A bound of Lanczos at the worst start that it allows, with products as wrong as they state.

The claim about a random start rests on one that holds for every start: where the part |c| of q_1
along an eigenvector is at least delta_0, the bound of delta_0 is not above the eigenvalue. Here the
matrices are diagonal, so that every |c| is known without rounding, and delta_0 is set to it.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddleproof.arrays import Vector
from saddleproof.curvature import recurrence
from saddleproof.curvature.lanczos import _bound, lower_bound
from saddleproof.curvature.recurrence import Recurrence

#: Parts below this are lost in the rounding of q_1, and no delta asks for them.
PARTS = 1e-9


def spectrum(kind: str, d: int, chance: np.random.Generator) -> Vector:
    x = chance.standard_normal(d)
    values: Vector = {
        "any": x,
        "repeated": np.round(2 * x) / 2,
        "all equal": np.full(d, x[0]),
        "a cluster and others": np.where(np.arange(d) < d // 2, -1 + 1e-9 * x, x),
        "nearly all equal": 1 + 10.0 ** -chance.integers(8, 16) * x,
        "many sizes": np.sign(x) * 10.0 ** chance.uniform(-14, 2, d),
        "below a geometric sequence": -np.r_[
            1 + 10.0 ** -chance.uniform(1, 12), 0.9 ** np.arange(d - 1)
        ],
        "one beside zeros": np.r_[x[0], np.zeros(d - 1)],
    }[kind]
    return values


KINDS = (
    "any",
    "repeated",
    "all equal",
    "a cluster and others",
    "nearly all equal",
    "many sizes",
    "below a geometric sequence",
    "one beside zeros",
)
WAYS = ("none", "random", "another matrix", "the lowest direction hidden", "float32")


def wrong(way: str, v: Vector, values: Vector, size: float, chance: np.random.Generator) -> Vector:
    """(d,) what is wrong with the product with v, about `size` long or less."""
    lowest, noise = values == values.min(), chance.standard_normal(len(v))
    if way == "random":
        return size * noise / np.linalg.norm(noise)
    if way == "another matrix":
        return v * np.where(lowest, 1.5 * size, 0.0)
    if way == "the lowest direction hidden":
        hidden = np.where(lowest, -v * values, 0.0)
        largest = np.abs(hidden).max()
        length = largest * np.linalg.norm(hidden / largest) if largest > 0 else 0.0
        return hidden * min(1.0, size / length) if length > 0 else hidden
    if way == "float32":
        return (v * values).astype(np.float32) - v * values
    return np.zeros_like(v)


def too_high(
    seed: int, d: int, steps: int, kind: str, way: str, exponent: float, scale: float, few: float
) -> list[float]:
    """By how much each bound that is too high is above its eigenvalue, as a share of the size."""
    chance = np.random.default_rng(seed)
    values = spectrum(kind, d, chance) * scale
    q = chance.standard_normal(d)
    q[values == values.min()] *= few
    q /= np.linalg.norm(q)
    size = float(np.abs(values).max()) or 1.0
    run = Recurrence(q[None], steps)
    for _ in range(steps):
        v = run.last[0]
        image = v * values + wrong(way, v, values, 10**exponent * size, chance)
        stated = size * np.linalg.norm((image - v * values) / size) * (1 + 1e-9)
        run.step(image[None], np.array([stated]))
    found = []
    for value in np.unique(values):
        c = float(np.linalg.norm(q[values == value]))
        if c >= PARTS:
            delta = c * np.sqrt(2 * d / np.pi) * (1 - 1e-9)
            found.append((_bound(run, 0, delta).low - value) / size)
    return [above for above in found if not above <= 0]


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    shape=st.sampled_from([2, 3, 4, 8, 15, 25]).flatmap(
        lambda d: st.tuples(st.just(d), st.just(d - 1) | st.integers(1, d - 1))
    ),
    kind=st.sampled_from(KINDS),
    way=st.sampled_from(WAYS),
    exponent=st.floats(-14, -1),
    scale=st.sampled_from([1.0, 1.0, 1e8, 1e-8, 1e150, 1e-140, 1e-150, 1e-310]),
    few=st.sampled_from([1.0, 1e-2, 1e-4, 1e-8]),
    loss=st.sampled_from([recurrence.LOSS, 0.0, 1e-5, np.inf]),
)
def test_no_start_with_enough_of_an_eigenvector_leads_above_its_eigenvalue(
    seed: int,
    shape: tuple[int, int],
    kind: str,
    way: str,
    exponent: float,
    scale: float,
    few: float,
    loss: float,
) -> None:
    if way == "float32" and not 1e-9 < scale < 1e9:
        way = "none"
    with pytest.MonkeyPatch.context() as patched, np.errstate(all="ignore"):
        patched.setattr(recurrence, "LOSS", loss)
        assert too_high(seed, *shape, kind, way, exponent, scale, few) == []


def test_what_a_breakdown_leaves_away_is_an_error() -> None:
    """It is lost beside the first product, and far from lost beside the last.

    All numbers are powers of two, so that A u = t u to 2^-84, and u'q_1 = 2^-44 to six digits.
    """
    t, u = -(2.0**-9), np.array([2.0**-44, -(2.0**-34), 1.0])
    matrix = np.array(
        [
            [t + 1, 2.0**-10, 0],
            [2.0**-10, t + 2.0**-20 + 2.0**-16, 2.0**-50],
            [0, 2.0**-50, t],
        ]
    )
    assert np.linalg.norm(matrix @ u - t * u) <= 2.0**-84
    run = Recurrence(np.eye(3)[:1], 2)
    for _ in range(2):
        run.step(run.last @ matrix, np.full(1, 2.0**-80))
    assert not run._beta[0, 1]
    c = u[0] / np.linalg.norm(u)
    assert _bound(run, 0, c * np.sqrt(6 / np.pi)).low <= t


@pytest.mark.parametrize("scale", [1e-310, 1e-161, 1e-159, 1e-158, 1e-150, 1e-140, 1e150])
def test_every_vector_of_the_recurrence_has_the_length_one_or_none(scale: float) -> None:
    """Squares of small numbers vanish, and a length with them."""
    d = 1000
    q = np.random.default_rng(0).standard_normal((1, d))
    run = Recurrence(q / np.linalg.norm(q), 6)
    for _ in range(6):
        run.step(run.last * np.linspace(-scale, scale, d), np.zeros(1))
    lengths = np.linalg.norm(run._basis[0], axis=1)
    assert (np.isclose(lengths, 1, rtol=0, atol=1e-12) | (lengths == 0)).all()


@pytest.mark.parametrize("stated", [1e10, 1e150, 1e300, np.inf, np.nan])
def test_an_error_beyond_everything_leaves_a_bound_beyond_everything(stated: float) -> None:
    run = Recurrence(np.full((1, 4), 0.5), 3)
    with np.errstate(all="ignore"):
        for _ in range(3):
            run.step(run.last * np.arange(4.0), np.full(1, stated))
        assert _bound(run, 0, 0.01).low <= -1e10


def test_one_step_in_one_dimension_more_is_as_tight_as_can_be() -> None:
    """The tests above see a delta_0 that is too large by a thousandth."""
    q, values = np.array([[1e-3, np.sqrt(1 - 1e-6)]]), np.array([-1.0, 1.0])
    run = Recurrence(q, 1)
    run.step(q * values, np.zeros(1))
    thetas, betas, vectors = run.ritz(0)
    delta = 1e-3 * np.sqrt(4 / np.pi)
    low = lower_bound(thetas, betas, 2, delta, vectors, run.errors(0))
    assert low <= -1.0 < low + 1e-5
    assert lower_bound(thetas, betas, 2, 1.001 * delta, vectors, run.errors(0)) > -1.0
