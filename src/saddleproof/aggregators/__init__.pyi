from .algorithm2.iterative_filtering import FilterEstimate, IterativeFiltering
from .arc import ARC
from .base import Aggregator, Estimate
from .bucketing import Bucketing
from .bulyan import Bulyan
from .byzantine_sgd import ByzantineSGD
from .caf import CAF
from .centered_clipping import CenteredClipping
from .clipping import Clipping
from .dnc import DnC
from .draco import Draco
from .engine.streams import stream
from .fltrust import FLTrust
from .geometric_median import GeometricMedian, GeometricMedianEstimate
from .krum import Krum
from .mda import MDA
from .mean import Mean
from .mean_around_median import MeanAroundMedian
from .median import Median
from .median_of_means import MedianOfMeans
from .monna import MoNNA
from .multi_krum import MultiKrum
from .nearest_neighbor_mixing import NearestNeighborMixing
from .norm_trimming import NormTrimming
from .safeguard_sgd import SafeguardSGD
from .sever import Sever, Severed, sever_samples
from .smea import SMEA
from .trimmed_mean import TrimmedMean

__all__ = [
    "ARC",
    "CAF",
    "MDA",
    "SMEA",
    "Aggregator",
    "Bucketing",
    "Bulyan",
    "ByzantineSGD",
    "CenteredClipping",
    "Clipping",
    "DnC",
    "Draco",
    "Estimate",
    "FLTrust",
    "FilterEstimate",
    "GeometricMedian",
    "GeometricMedianEstimate",
    "IterativeFiltering",
    "Krum",
    "Mean",
    "MeanAroundMedian",
    "Median",
    "MedianOfMeans",
    "MoNNA",
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
