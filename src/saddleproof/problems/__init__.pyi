from .base import Loss, Problem
from .coded import Coded
from .deeplin import DeepLin
from .gmm import Gmm12
from .known import KnownProblem
from .linear_autoencoder import LinearAutoencoder
from .logistic import Logistic
from .lower_bound import LowerBound
from .matrix_factorization import MatrixFactorization
from .pca import PCADigits, SpikedPCA
from .phase import Phase
from .quartic import Example1, Example2, Hetero10, RotatedQuartic
from .robust_regression import RobustRegression
from .saddle import SaddleProblem
from .sensing import Sensing
from .tensor import Tensor
from .two_layer import TwoLayer

__all__ = [
    "Coded",
    "DeepLin",
    "Example1",
    "Example2",
    "Gmm12",
    "Hetero10",
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
]
