"""Names of the optimizers, for configuration files and the command line only."""

from __future__ import annotations

from typing import Any

from saddleproof.optimizers.accelerated_curvature import AcceleratedCurvature
from saddleproof.optimizers.accelerated_pgd import AcceleratedPGD
from saddleproof.optimizers.base import Optimizer
from saddleproof.optimizers.byzantine_pgd import ByzantinePGD
from saddleproof.optimizers.certified import CertifiedPGD
from saddleproof.optimizers.cubic_newton import CubicNewton
from saddleproof.optimizers.gauss_psgd import GaussPSGD
from saddleproof.optimizers.gradient_descent import GradientDescent
from saddleproof.optimizers.gradient_only import GradientOnlyPGD
from saddleproof.optimizers.hessian_pgd import HessianPGD
from saddleproof.optimizers.neon import Neon
from saddleproof.optimizers.neon2 import Neon2
from saddleproof.optimizers.pgd import PGD
from saddleproof.optimizers.projected_sgd import ProjectedSGD
from saddleproof.optimizers.robust_second_order import RobustSecondOrder
from saddleproof.optimizers.simplified_pgd import SimplifiedPGD
from saddleproof.optimizers.value_pgd import ValuePGD

OPTIMIZERS: dict[str, type[Optimizer[Any]]] = {
    "accelerated_curvature": AcceleratedCurvature,
    "accelerated_pgd": AcceleratedPGD,
    "byzantine_pgd": ByzantinePGD,
    "certified_pgd": CertifiedPGD,
    "cubic_newton": CubicNewton,
    "gauss_psgd": GaussPSGD,
    "gradient_descent": GradientDescent,
    "gradient_only_pgd": GradientOnlyPGD,
    "hessian_pgd": HessianPGD,
    "neon": Neon,
    "neon2": Neon2,
    "pgd": PGD,
    "projected_sgd": ProjectedSGD,
    "robust_second_order": RobustSecondOrder,
    "simplified_pgd": SimplifiedPGD,
    "value_pgd": ValuePGD,
}
