"""Every optimizer is a pure state machine whose state survives being saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from saddleproof.optimizers.algorithm1 import ByzantinePGD
from saddleproof.optimizers.baselines.accelerated_curvature import AcceleratedCurvature
from saddleproof.optimizers.baselines.accelerated_pgd import AcceleratedPGD
from saddleproof.optimizers.baselines.cubic_newton import CubicNewton
from saddleproof.optimizers.baselines.gauss_psgd import GaussPSGD
from saddleproof.optimizers.baselines.neon import Neon
from saddleproof.optimizers.baselines.neon2 import Neon2
from saddleproof.optimizers.baselines.robust_second_order import RobustSecondOrder
from saddleproof.optimizers.baselines.simplified_pgd import SimplifiedPGD
from saddleproof.optimizers.baselines.value_pgd import ValuePGD
from saddleproof.optimizers.table import OPTIMIZERS
from saddleproof.schedule import Schedule
from saddleproof.testing import check_optimizer

MEMBERS = [
    ByzantinePGD(schedule=Schedule(0.3, 0.3, 0.2, 0.4, 3, 5)),
    ValuePGD(0.3, horizon=10),
    SimplifiedPGD(0.3),
    SimplifiedPGD(0.3, rest=5),
    Neon(0.3),
    Neon(0.3, curvature=0.5, differences="workers"),
    Neon2(0.3, curvature=0.5),
    Neon2(0.3, curvature=0.5, differences="workers"),
    AcceleratedCurvature(0.1, curvature=0.5),
    AcceleratedCurvature(0.1, curvature=0.5, differences="workers"),
    AcceleratedPGD(0.1, horizon=10),
    GaussPSGD(0.3, horizon=4, rounds=3),
    CubicNewton(cubic=6.0),
    RobustSecondOrder(0.3, hessian_lipschitz=6.0),
]


def test_every_optimizer_of_the_library_is_run_through_the_suite():
    tests = [page.read_text() for page in Path(__file__).parent.glob("test_*.py")]
    run = "\n".join(text for text in tests if "check_optimizer(" in text)
    missing = [made.__name__ for made in OPTIMIZERS.values() if f"{made.__name__}(" not in run]
    assert not missing, "add them to MEMBERS, above"


@pytest.mark.parametrize("optimizer", MEMBERS, ids=lambda one: type(one).__name__)
def test_the_public_suite_passes(optimizer):
    check_optimizer(optimizer)
