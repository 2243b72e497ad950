"""From proposals and answers to facts: the bounds hold for the Hessians that were asked about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.arrays import Vector
from saddleproof.claims import CurvatureFacts
from saddleproof.proposals import curvature_facts, matrices_of, polar, polarised, proposals
from saddleproof.questions import LeastCurvature

EPS = float(np.finfo(float).eps)
M = 5
SEEDS = st.integers(0, 2**32 - 1)


def symmetric(generator: np.random.Generator, d: int, size: float = 1.0) -> Vector:
    """(M, d, d) Hessians."""
    drawn = generator.standard_normal((M, d, d)) * size
    found: Vector = drawn + drawn.swapaxes(1, 2)
    return found


def rated(matrices: Vector, directions: Vector, wide: Vector) -> Vector:
    """(M, 2, p) ends about v'Hv, this far below it and above it."""
    along = np.einsum("pi,mij,pj->mp", directions, matrices, directions)
    return np.stack([along - wide, along + wide], axis=1)


def said(matrices: Vector) -> Vector:
    """(M, 3 + d) answers to `LeastCurvature`, with the eigenvalues themselves."""
    values, vectors = np.linalg.eigh(matrices)
    ends = values[:, [0, 0, -1]]
    return np.concatenate([ends, vectors[:, :, 0]], axis=1)


def known(matrices: Vector) -> CurvatureFacts:
    """The facts after two rounds."""
    names = tuple("abcde")
    answers = said(matrices)
    directions = proposals(answers, 2)
    ends = rated(matrices, directions, np.zeros((M, len(directions))))
    question = LeastCurvature(np.zeros(matrices.shape[1]), steps=60)
    return curvature_facts((names, answers), (names, ends), directions, question)


@given(SEEDS, st.integers(1, 4), st.integers(1, 6))
def test_proposals_are_distinct_unit_directions_and_the_lowest_comes_first(seed, d, count):
    generator = np.random.default_rng(seed)
    answers = generator.standard_normal((M, 3 + d))
    found = proposals(answers, count)
    assert 1 <= len(found) <= count
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-12)
    cosines = np.abs(found @ found.T) - np.eye(len(found))
    assert cosines.max() < 0.999
    lowest = answers[np.argmin(answers[:, 1]), 3:]
    assert abs(found[0] @ lowest) >= (1 - 1e-9) * np.linalg.norm(lowest)


@pytest.mark.parametrize("odd", [0.0, np.nan, np.inf])
def test_who_proposes_no_direction_proposes_nothing(odd):
    answers = np.full((M, 3 + 4), odd)
    assert proposals(answers, 3).shape == (0, 4)
    answers[2] = np.arange(7.0)
    assert proposals(answers, 3).shape == (1, 4)


@given(SEEDS, st.integers(1, 4), st.sampled_from([0.0, 1e-6, 1.0]))
def test_a_hessian_is_as_near_to_the_answers_about_it_as_its_error_says(seed, d, wide):
    generator = np.random.default_rng(seed)
    matrices, directions = symmetric(generator, d), polar(d)
    assert directions.shape == (d * (d + 1) // 2, d)
    width = wide * generator.random((M, len(directions)))
    ends = rated(matrices, directions, width) + width[:, None] * generator.uniform(-1, 1)
    found, errors = matrices_of(ends, d)
    away = np.linalg.norm(matrices - found, 2, axis=(1, 2))
    assert (away <= errors + 1e-12).all()
    assert (errors <= 3 * d * wide + 1e-12).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_no_number_gives_no_hessian_and_no_bound_of_its_error(odd):
    matrices = symmetric(np.random.default_rng(0), 3)
    ends = rated(matrices, polar(3), np.zeros((M, 6)))
    ends[1, 0, 4] = odd
    found, errors = matrices_of(ends, 3)
    assert errors[1] == np.inf
    assert not found[1].any()
    assert np.isfinite(np.delete(errors, 1)).all()


@given(SEEDS, st.integers(2, 4), st.sampled_from([1e-6, 1.0, 1e6]))
def test_the_rounding_of_whole_hessians_is_in_their_bounds(seed, d, size):
    matrices = symmetric(np.random.default_rng(seed), d, size)
    before = known(matrices)
    blind = replace(before, lows=np.full(M, -np.inf))
    ends = rated(matrices, polar(d), np.zeros((M, len(polar(d)))))
    found = polarised(blind, before.workers, ends)
    values = np.linalg.eigvalsh(matrices)
    largest = np.abs(values).max(axis=1)
    assert (found.lows <= values[:, 0] - EPS * largest).all()
    assert (found.lows >= values[:, 0] - 1e-10 * largest).all()
    along = np.einsum("i,mij,j->m", found.directions[-1], matrices, found.directions[-1])
    assert (found.highs[-1] >= along + EPS * largest).all()


@given(SEEDS, st.sampled_from([1e-6, 1.0, 1e6]))
def test_the_rounding_of_a_rating_is_in_its_upper_end(seed, size):
    matrices = symmetric(np.random.default_rng(seed), 3, size)
    found = known(matrices)
    along = np.einsum("pi,mij,pj->pm", found.directions, matrices, found.directions)
    largest = np.abs(np.linalg.eigvalsh(matrices)).max(axis=1)
    assert (found.highs >= along + EPS * largest).all()
    assert (found.highs <= along + 1e-10 * largest).all()


def test_who_was_not_heard_in_both_rounds_is_left_out_and_the_others_keep_their_answers():
    matrices = symmetric(np.random.default_rng(1), 3)
    answers, names = said(matrices), tuple("abcde")
    directions = proposals(answers, 2)
    ends = rated(matrices, directions, np.zeros((M, len(directions))))
    order = [3, 0, 4]
    question = LeastCurvature(np.zeros(3))
    found = curvature_facts(
        (names, answers), (tuple("dae"), ends[order]), directions, question
    )  # fmt: skip
    assert found.workers == ("a", "d", "e")
    np.testing.assert_array_equal(found.lows, answers[[0, 3, 4], 0])
    np.testing.assert_allclose(found.highs, ends[[0, 3, 4], 1].T, atol=1e-10)
    assert polarised(found, ("z",), ends[:1]).workers == ()
