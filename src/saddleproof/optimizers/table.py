"""Names of the optimizers, for configuration files and the command line only."""

from __future__ import annotations

from typing import Any

from saddleproof.optimizers.algorithm1 import ByzantinePGD
from saddleproof.optimizers.base import Optimizer
from saddleproof.optimizers.baselines.accelerated_curvature import AcceleratedCurvature
from saddleproof.optimizers.baselines.accelerated_pgd import AcceleratedPGD
from saddleproof.optimizers.baselines.cubic_newton import CubicNewton
from saddleproof.optimizers.baselines.gauss_psgd import GaussPSGD
from saddleproof.optimizers.baselines.neon import Neon
from saddleproof.optimizers.baselines.neon2 import Neon2
from saddleproof.optimizers.baselines.projected_sgd import ProjectedSGD
from saddleproof.optimizers.baselines.robust_second_order import RobustSecondOrder
from saddleproof.optimizers.baselines.simplified_pgd import SimplifiedPGD
from saddleproof.optimizers.baselines.value_pgd import ValuePGD
from saddleproof.optimizers.certified import CertifiedPGD
from saddleproof.optimizers.gradient_descent import GradientDescent
from saddleproof.optimizers.gradient_only import GradientOnlyPGD
from saddleproof.optimizers.hessian.hessian_pgd import HessianPGD
from saddleproof.optimizers.pgd import PGD

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
