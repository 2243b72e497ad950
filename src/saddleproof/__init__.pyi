from . import (
    aggregators,
    attacks,
    benchmark,
    codes,
    errors,
    fleets,
    lab,
    optimizers,
    problems,
    schedule,
    testing,
    theory,
    torch,
)
from .aggregators.algorithm2.iterative_filtering import IterativeFiltering
from .aggregators.base import Aggregator, Estimate
from .aggregators.mean import Mean
from .aggregators.median import Median
from .aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from .aggregators.trimmed_mean import TrimmedMean
from .attacks.base import Attack, Coalition
from .attacks.saddle import SaddleAttack
from .certificate.certify import certify
from .claims.record import Certificate
from .fleets.base import Fleet
from .fleets.grpc.fleet import GrpcFleet
from .fleets.local import LocalFleet
from .fleets.ray import RayFleet
from .loop import minimize
from .optimizers.algorithm1 import ByzantinePGD
from .optimizers.base import Optimizer, Reading
from .optimizers.certified import CertifiedPGD
from .optimizers.gradient_descent import GradientDescent
from .optimizers.gradient_only import GradientOnlyPGD
from .problems.base import Loss, Problem
from .questions import Question
from .result import Result
from .schedule import Schedule
from .words import Ending, Level

__version__: str

__all__ = [
    "Aggregator",
    "Attack",
    "ByzantinePGD",
    "Certificate",
    "CertifiedPGD",
    "Coalition",
    "Ending",
    "Estimate",
    "Fleet",
    "GradientDescent",
    "GradientOnlyPGD",
    "GrpcFleet",
    "IterativeFiltering",
    "Level",
    "LocalFleet",
    "Loss",
    "Mean",
    "Median",
    "NearestNeighborMixing",
    "Optimizer",
    "Problem",
    "Question",
    "RayFleet",
    "Reading",
    "Result",
    "SaddleAttack",
    "Schedule",
    "TrimmedMean",
    "__version__",
    "aggregators",
    "attacks",
    "benchmark",
    "certify",
    "codes",
    "errors",
    "fleets",
    "lab",
    "minimize",
    "optimizers",
    "problems",
    "schedule",
    "testing",
    "theory",
    "torch",
]
