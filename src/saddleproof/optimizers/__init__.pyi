from .accelerated_curvature import AcceleratedCurvature
from .accelerated_pgd import AcceleratedPGD
from .base import Answers, Evidence, Optimizer, Reading, Status
from .byzantine_pgd import ByzantinePGD
from .certified import CertifiedPGD
from .cubic_newton import CubicNewton
from .gauss_psgd import GaussPSGD
from .gradient_descent import GradientDescent
from .gradient_only import GradientOnlyPGD
from .hessian_pgd import HessianPGD
from .neon import Neon
from .neon2 import Neon2
from .pgd import PGD
from .plateaus import PlateauPGD
from .projected_sgd import ProjectedSGD
from .robust_second_order import RobustSecondOrder
from .simplified_pgd import SimplifiedPGD
from .value_pgd import ValuePGD

__all__ = [
    "PGD",
    "AcceleratedCurvature",
    "AcceleratedPGD",
    "Answers",
    "ByzantinePGD",
    "CertifiedPGD",
    "CubicNewton",
    "Evidence",
    "GaussPSGD",
    "GradientDescent",
    "GradientOnlyPGD",
    "HessianPGD",
    "Neon",
    "Neon2",
    "Optimizer",
    "PlateauPGD",
    "ProjectedSGD",
    "Reading",
    "RobustSecondOrder",
    "SimplifiedPGD",
    "Status",
    "ValuePGD",
]
