"""The Krylov space that a server grows from workers' gradients."""

from __future__ import annotations

import numpy as np
import pytest

import saddleproof as sp
from saddleproof import oracle
from saddleproof.arrays import Vector
from saddleproof.curvature.krylov import Krylov
from saddleproof.fleets.base import Messages

M, B = 20, 6


def space(hessian: Vector, rounds: int, seed: int, tilts: float = 0.0) -> Krylov:
    """The Krylov space of exact products; workers differ by tilts only."""
    d = len(hessian)
    rng = np.random.default_rng(seed)
    own = tilts * rng.standard_normal((M, d))
    w, names = np.zeros(d), tuple(map(str, range(M)))
    found = Krylov.begin(rng, d)
    while found.rounds < rounds and len(found.block):
        points = found.points(w, np.full(len(found.block), 1e-3))
        stack = (points @ hessian)[:, None] + own
        read = Messages(stack, ("ok",) * M)
        reading = oracle.read(read, sp.Median(), B, points=points, workers=names)
        found = found.grow(reading, points)
    return found


def test_the_space_reads_the_hessian_off_the_workers() -> None:
    rng = np.random.default_rng(0)
    hessian = rng.standard_normal((30, 30))
    hessian = hessian + hessian.T
    found = space(hessian, 4, seed=1, tilts=10.0)
    Q = found.basis[: len(found.products)]
    assert len(Q) == 16
    assert np.allclose(found.basis @ found.basis.T, np.eye(len(found.basis)), atol=1e-10)
    assert np.abs(found.centre - Q @ hessian @ Q.T).max() <= found.halfwidth.max() < 1e-8
    theta, v = found.lowest()
    assert theta == pytest.approx(v @ hessian @ v)
    assert found.residual() == pytest.approx(np.linalg.norm(hessian @ v - theta * v), rel=1e-6)


def test_an_invariant_space_ends_the_search() -> None:
    found = space(np.diag([-1.0, 1.0] * 10), 12, seed=0)
    assert found.rounds == 2
    assert found.lowest()[0] == pytest.approx(-1.0)


@pytest.mark.parametrize("rounds", [3, 6, 12])
def test_what_the_rounds_may_have_missed_is_covered(rounds: int) -> None:
    missed = []
    for seed in range(25):
        values = np.concatenate([[-1.0], np.linspace(-0.95, 1.0, 199)])
        found = space(np.diag(values), rounds, seed)
        missed.append(found.unseen() < 1.0)
    assert np.mean(missed) <= 0.05
