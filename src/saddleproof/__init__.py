"""Distributed training that Byzantine workers cannot hold at a saddle point.

    import saddleproof as sp

    problem = sp.problems.PCADigits(components=20, workers=20, seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), members=range(6))
    result = sp.minimize(fleet, sp.CertifiedPGD(), aggregator=sp.Median(), b=6, w0=problem.start)
    print(result)

Everything public is a name of this module. Names are loaded when they are first used (PEP 562),
so that `import saddleproof` is quick.
"""

from __future__ import annotations

import importlib
import logging
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saddleproof import errors, problems, theory, torch
    from saddleproof.aggregators.base import Estimate
    from saddleproof.aggregators.bucketing import Bucketing
    from saddleproof.aggregators.bulyan import Bulyan
    from saddleproof.aggregators.byzantine_sgd import ByzantineSGD
    from saddleproof.aggregators.centered_clipping import CenteredClipping
    from saddleproof.aggregators.clipping import Clipping
    from saddleproof.aggregators.draco import Draco
    from saddleproof.aggregators.filtering.iterative_filtering import (
        FilterEstimate,
        IterativeFiltering,
    )
    from saddleproof.aggregators.geometric_median import GeometricMedian, GeometricMedianEstimate
    from saddleproof.aggregators.krum import Krum
    from saddleproof.aggregators.mean import Mean
    from saddleproof.aggregators.mean_around_median import MeanAroundMedian
    from saddleproof.aggregators.median import Median
    from saddleproof.aggregators.median_of_means import MedianOfMeans
    from saddleproof.aggregators.multi_krum import MultiKrum
    from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
    from saddleproof.aggregators.norm_trimming import NormTrimming
    from saddleproof.aggregators.safeguard_sgd import SafeguardSGD
    from saddleproof.aggregators.sever import Sever, Severed, sever_samples
    from saddleproof.aggregators.streams import stream
    from saddleproof.aggregators.trimmed_mean import TrimmedMean
    from saddleproof.attacks.a_little_is_enough import ALittleIsEnough
    from saddleproof.attacks.base import Coalition
    from saddleproof.attacks.bias import Bias
    from saddleproof.attacks.bit_flip import BitFlip
    from saddleproof.attacks.burst import Burst
    from saddleproof.attacks.delayed import Delayed
    from saddleproof.attacks.drive import Drive
    from saddleproof.attacks.gaussian import Gaussian
    from saddleproof.attacks.inexact_oracle import InexactOracle
    from saddleproof.attacks.inner_product import InnerProduct
    from saddleproof.attacks.labels import LabelFlip, RandomLabel
    from saddleproof.attacks.learned_mimic import LearnedMimic
    from saddleproof.attacks.lying_answers import LyingAnswers
    from saddleproof.attacks.mimic import Mimic
    from saddleproof.attacks.min_max import MinMax
    from saddleproof.attacks.min_sum import MinSum
    from saddleproof.attacks.non_finite import NonFinite
    from saddleproof.attacks.omniscient import Omniscient
    from saddleproof.attacks.optimised_scale import OptimisedScale
    from saddleproof.attacks.playbook import Playbook
    from saddleproof.attacks.saddle import SaddleAttack
    from saddleproof.attacks.sign_flip import SignFlip
    from saddleproof.attacks.vote import Vote
    from saddleproof.certificate.certify import certify
    from saddleproof.claims.record import Certificate
    from saddleproof.codes import Cyclic, Repetition
    from saddleproof.fleets.base import Messages
    from saddleproof.fleets.grpc.fleet import GrpcFleet
    from saddleproof.fleets.local import LocalFleet
    from saddleproof.fleets.ray import RayFleet
    from saddleproof.minimize import minimize
    from saddleproof.optimizers.accelerated_curvature import AcceleratedCurvature
    from saddleproof.optimizers.accelerated_pgd import AcceleratedPGD
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
    from saddleproof.problems.base import Problem
    from saddleproof.problems.coded import Coded
    from saddleproof.redteam.search import redteam
    from saddleproof.report.workers import workers
    from saddleproof.result import Result
    from saddleproof.schedule import Practical, Theorem3, Theorem4

__version__ = "0.1.0"

__all__ = [
    "PGD",
    "ALittleIsEnough",
    "AcceleratedCurvature",
    "AcceleratedPGD",
    "Bias",
    "BitFlip",
    "Bucketing",
    "Bulyan",
    "Burst",
    "ByzantinePGD",
    "ByzantineSGD",
    "CenteredClipping",
    "Certificate",
    "CertifiedPGD",
    "Clipping",
    "Coalition",
    "Coded",
    "CubicNewton",
    "Cyclic",
    "Delayed",
    "Draco",
    "Drive",
    "Estimate",
    "FilterEstimate",
    "GaussPSGD",
    "Gaussian",
    "GeometricMedian",
    "GeometricMedianEstimate",
    "GradientDescent",
    "GradientOnlyPGD",
    "GrpcFleet",
    "HessianPGD",
    "InexactOracle",
    "InnerProduct",
    "IterativeFiltering",
    "Krum",
    "LabelFlip",
    "LearnedMimic",
    "LocalFleet",
    "LyingAnswers",
    "Mean",
    "MeanAroundMedian",
    "Median",
    "MedianOfMeans",
    "Messages",
    "Mimic",
    "MinMax",
    "MinSum",
    "MultiKrum",
    "NearestNeighborMixing",
    "Neon",
    "Neon2",
    "NonFinite",
    "NormTrimming",
    "Omniscient",
    "OptimisedScale",
    "Playbook",
    "Practical",
    "Problem",
    "ProjectedSGD",
    "RandomLabel",
    "RayFleet",
    "Repetition",
    "Result",
    "RobustSecondOrder",
    "SaddleAttack",
    "SafeguardSGD",
    "Sever",
    "Severed",
    "SignFlip",
    "SimplifiedPGD",
    "Theorem3",
    "Theorem4",
    "TrimmedMean",
    "ValuePGD",
    "Vote",
    "__version__",
    "certify",
    "errors",
    "minimize",
    "problems",
    "redteam",
    "sever_samples",
    "stream",
    "theory",
    "torch",
    "workers",
]

# A library is silent until its user sets up logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())

#: Where each public name lives.
_HOMES = {
    "ALittleIsEnough": "attacks.a_little_is_enough",
    "AcceleratedCurvature": "optimizers.accelerated_curvature",
    "AcceleratedPGD": "optimizers.accelerated_pgd",
    "Bias": "attacks.bias",
    "BitFlip": "attacks.bit_flip",
    "Bucketing": "aggregators.bucketing",
    "Bulyan": "aggregators.bulyan",
    "Burst": "attacks.burst",
    "ByzantinePGD": "optimizers.byzantine_pgd",
    "ByzantineSGD": "aggregators.byzantine_sgd",
    "CenteredClipping": "aggregators.centered_clipping",
    "Certificate": "claims.record",
    "CertifiedPGD": "optimizers.certified",
    "Clipping": "aggregators.clipping",
    "Coalition": "attacks.base",
    "Coded": "problems.coded",
    "CubicNewton": "optimizers.cubic_newton",
    "Cyclic": "codes",
    "Delayed": "attacks.delayed",
    "Draco": "aggregators.draco",
    "Drive": "attacks.drive",
    "Estimate": "aggregators.base",
    "FilterEstimate": "aggregators.filtering.iterative_filtering",
    "GaussPSGD": "optimizers.gauss_psgd",
    "Gaussian": "attacks.gaussian",
    "GeometricMedian": "aggregators.geometric_median",
    "GeometricMedianEstimate": "aggregators.geometric_median",
    "GradientDescent": "optimizers.gradient_descent",
    "GradientOnlyPGD": "optimizers.gradient_only",
    "GrpcFleet": "fleets.grpc.fleet",
    "HessianPGD": "optimizers.hessian_pgd",
    "InexactOracle": "attacks.inexact_oracle",
    "InnerProduct": "attacks.inner_product",
    "IterativeFiltering": "aggregators.filtering.iterative_filtering",
    "Krum": "aggregators.krum",
    "LabelFlip": "attacks.labels",
    "LearnedMimic": "attacks.learned_mimic",
    "LocalFleet": "fleets.local",
    "LyingAnswers": "attacks.lying_answers",
    "Mean": "aggregators.mean",
    "MeanAroundMedian": "aggregators.mean_around_median",
    "Median": "aggregators.median",
    "MedianOfMeans": "aggregators.median_of_means",
    "Messages": "fleets.base",
    "Mimic": "attacks.mimic",
    "MinMax": "attacks.min_max",
    "MinSum": "attacks.min_sum",
    "MultiKrum": "aggregators.multi_krum",
    "NearestNeighborMixing": "aggregators.nearest_neighbor_mixing",
    "Neon": "optimizers.neon",
    "Neon2": "optimizers.neon2",
    "NonFinite": "attacks.non_finite",
    "NormTrimming": "aggregators.norm_trimming",
    "Omniscient": "attacks.omniscient",
    "OptimisedScale": "attacks.optimised_scale",
    "PGD": "optimizers.pgd",
    "Playbook": "attacks.playbook",
    "Practical": "schedule",
    "Problem": "problems.base",
    "ProjectedSGD": "optimizers.projected_sgd",
    "RandomLabel": "attacks.labels",
    "RayFleet": "fleets.ray",
    "Repetition": "codes",
    "Result": "result",
    "RobustSecondOrder": "optimizers.robust_second_order",
    "SaddleAttack": "attacks.saddle",
    "SafeguardSGD": "aggregators.safeguard_sgd",
    "Sever": "aggregators.sever",
    "Severed": "aggregators.sever",
    "SignFlip": "attacks.sign_flip",
    "SimplifiedPGD": "optimizers.simplified_pgd",
    "Theorem3": "schedule",
    "Theorem4": "schedule",
    "TrimmedMean": "aggregators.trimmed_mean",
    "ValuePGD": "optimizers.value_pgd",
    "Vote": "attacks.vote",
    "certify": "certificate.certify",
    "minimize": "minimize",
    "redteam": "redteam.search",
    "sever_samples": "aggregators.sever",
    "stream": "aggregators.streams",
    "workers": "report.workers",
}
_MODULES = ("errors", "problems", "theory", "torch")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        setattr(sys.modules[__name__], name, value)
        return value
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package, in which `minimize` and `redteam` are always the functions.

    Importing a submodule binds it to its name in the package, and these functions live in modules
    of the same name: without this, what `sp.minimize` means would depend on who imported what
    before.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("minimize", "redteam") and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
