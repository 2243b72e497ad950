from .algorithm2.iterative_filtering import FilterEstimate, IterativeFiltering
from .base import Aggregator, Estimate
from .bucketing import Bucketing
from .bulyan import Bulyan
from .byzantine_sgd import ByzantineSGD
from .centered_clipping import CenteredClipping
from .clipping import Clipping
from .draco import Draco
from .engine.streams import stream
from .geometric_median import GeometricMedian, GeometricMedianEstimate
from .krum import Krum
from .mean import Mean
from .mean_around_median import MeanAroundMedian
from .median import Median
from .median_of_means import MedianOfMeans
from .multi_krum import MultiKrum
from .nearest_neighbor_mixing import NearestNeighborMixing
from .norm_trimming import NormTrimming
from .safeguard_sgd import SafeguardSGD
from .sever import Sever, Severed, sever_samples
from .trimmed_mean import TrimmedMean

__all__ = [
    "Aggregator",
    "Bucketing",
    "Bulyan",
    "ByzantineSGD",
    "CenteredClipping",
    "Clipping",
    "Draco",
    "Estimate",
    "FilterEstimate",
    "GeometricMedian",
    "GeometricMedianEstimate",
    "IterativeFiltering",
    "Krum",
    "Mean",
    "MeanAroundMedian",
    "Median",
    "MedianOfMeans",
    "MultiKrum",
    "NearestNeighborMixing",
    "NormTrimming",
    "SafeguardSGD",
    "Sever",
    "Severed",
    "TrimmedMean",
    "sever_samples",
    "stream",
]
