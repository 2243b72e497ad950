"""Names of the rules, for configuration files and the command line only."""

from __future__ import annotations

from saddleproof.aggregators.algorithm2.iterative_filtering import IterativeFiltering
from saddleproof.aggregators.base import Rule
from saddleproof.aggregators.bucketing import Bucketing
from saddleproof.aggregators.bulyan import Bulyan
from saddleproof.aggregators.byzantine_sgd import ByzantineSGD
from saddleproof.aggregators.centered_clipping import CenteredClipping
from saddleproof.aggregators.clipping import Clipping
from saddleproof.aggregators.geometric_median import GeometricMedian
from saddleproof.aggregators.krum import Krum
from saddleproof.aggregators.mean import Mean
from saddleproof.aggregators.mean_around_median import MeanAroundMedian
from saddleproof.aggregators.median import Median
from saddleproof.aggregators.median_of_means import MedianOfMeans
from saddleproof.aggregators.multi_krum import MultiKrum
from saddleproof.aggregators.nearest_neighbor_mixing import NearestNeighborMixing
from saddleproof.aggregators.norm_trimming import NormTrimming
from saddleproof.aggregators.safeguard_sgd import SafeguardSGD
from saddleproof.aggregators.sever import Sever
from saddleproof.aggregators.trimmed_mean import TrimmedMean

AGGREGATORS: dict[str, type[Rule]] = {
    "bucketing": Bucketing,
    "bulyan": Bulyan,
    "byzantine_sgd": ByzantineSGD,
    "centered_clipping": CenteredClipping,
    "clipping": Clipping,
    "geometric_median": GeometricMedian,
    "iterative_filtering": IterativeFiltering,
    "krum": Krum,
    "mean": Mean,
    "mean_around_median": MeanAroundMedian,
    "median": Median,
    "median_of_means": MedianOfMeans,
    "multi_krum": MultiKrum,
    "nearest_neighbor_mixing": NearestNeighborMixing,
    "norm_trimming": NormTrimming,
    "safeguard_sgd": SafeguardSGD,
    "sever": Sever,
    "trimmed_mean": TrimmedMean,
}
