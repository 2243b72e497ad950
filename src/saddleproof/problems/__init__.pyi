from . import partition
from .base import Loss, Problem
from .coded import Coded
from .deep_linear import DeepLinear
from .gaussian_mixture import GaussianMixture
from .known import KnownProblem
from .linear_autoencoder import LinearAutoencoder
from .logistic import Logistic
from .lower_bound import LowerBound
from .matrix_factorization import MatrixFactorization
from .pca import PCADigits, SpikedPCA
from .phase import Phase
from .quartic import Example1, Example2, RotatedQuartic, UnequalHessians
from .robust_regression import RobustRegression
from .saddle import SaddleProblem
from .sensing import Sensing
from .tensor import Tensor
from .two_layer import TwoLayer

__all__ = [
    "Coded",
    "DeepLinear",
    "Example1",
    "Example2",
    "GaussianMixture",
    "KnownProblem",
    "LinearAutoencoder",
    "Logistic",
    "Loss",
    "LowerBound",
    "MatrixFactorization",
    "PCADigits",
    "Phase",
    "Problem",
    "RobustRegression",
    "RotatedQuartic",
    "SaddleProblem",
    "Sensing",
    "SpikedPCA",
    "Tensor",
    "TwoLayer",
    "UnequalHessians",
    "partition",
]
