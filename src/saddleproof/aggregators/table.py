"""Names of the rules, for configuration files and the command line only."""

from __future__ import annotations

from saddleproof.aggregators.algorithm2.iterative_filtering import IterativeFiltering
from saddleproof.aggregators.arc import ARC
from saddleproof.aggregators.base import Rule
from saddleproof.aggregators.bucketing import Bucketing
from saddleproof.aggregators.bulyan import Bulyan
from saddleproof.aggregators.byzantine_sgd import ByzantineSGD
from saddleproof.aggregators.caf import CAF
from saddleproof.aggregators.centered_clipping import CenteredClipping
from saddleproof.aggregators.clipping import Clipping
from saddleproof.aggregators.dnc import DnC
from saddleproof.aggregators.fltrust import FLTrust
from saddleproof.aggregators.geometric_median import GeometricMedian
from saddleproof.aggregators.krum import Krum
from saddleproof.aggregators.mda import MDA
from saddleproof.aggregators.mean import Mean
from saddleproof.aggregators.mean_around_median import MeanAroundMedian
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.median_of_means import MedianOfMeans
from saddleproof.aggregators.monna import MoNNA
from saddleproof.aggregators.multi_krum import MultiKrum
from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from saddleproof.aggregators.norm_trimming import NormTrimming
from saddleproof.aggregators.safeguard_sgd import SafeguardSGD
from saddleproof.aggregators.sever import Sever
from saddleproof.aggregators.smea import SMEA
from saddleproof.aggregators.trimmed_mean import TrimmedMean

#: The rules that do without options.
AGGREGATORS: dict[str, type[Rule]] = {
    "arc": ARC,
    "bucketing": Bucketing,
    "bulyan": Bulyan,
    "byzantine_sgd": ByzantineSGD,
    "caf": CAF,
    "centered_clipping": CenteredClipping,
    "clipping": Clipping,
    "dnc": DnC,
    "geometric_median": GeometricMedian,
    "iterative_filtering": IterativeFiltering,
    "krum": Krum,
    "mda": MDA,
    "mean": Mean,
    "mean_around_median": MeanAroundMedian,
    "median": Median,
    "median_of_means": MedianOfMeans,
    "multi_krum": MultiKrum,
    "nearest_neighbor_mixing": NearestNeighborMixing,
    "norm_trimming": NormTrimming,
    "safeguard_sgd": SafeguardSGD,
    "sever": Sever,
    "smea": SMEA,
    "trimmed_mean": TrimmedMean,
}
#: Every rule: also those that must be told which worker to trust.
ALL_AGGREGATORS: dict[str, type[Rule]] = dict(
    sorted({**AGGREGATORS, "fltrust": FLTrust, "monna": MoNNA}.items())
)
