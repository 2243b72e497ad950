from .algorithm1 import ByzantinePGD
from .base import Answers, Evidence, Optimizer, Reading, Status
from .baselines.accelerated_curvature import AcceleratedCurvature
from .baselines.accelerated_pgd import AcceleratedPGD
from .baselines.cubic_newton import CubicNewton
from .baselines.gauss_psgd import GaussPSGD
from .baselines.neon import Neon
from .baselines.neon2 import Neon2
from .baselines.projected_sgd import ProjectedSGD
from .baselines.robust_second_order import RobustSecondOrder
from .baselines.simplified_pgd import SimplifiedPGD
from .baselines.value_pgd import ValuePGD
from .branching import BranchAndJudge
from .certified import CertifiedPGD
from .gradient_descent import GradientDescent
from .gradient_only import GradientOnlyPGD
from .hessian.hessian_pgd import HessianPGD
from .pgd import PGD
from .plateaus import PlateauPGD

__all__ = [
    "PGD",
    "AcceleratedCurvature",
    "AcceleratedPGD",
    "Answers",
    "BranchAndJudge",
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
