"""Problems with a known saddle, and `Problem` for a loss of one's own.

>>> import saddleproof as sp
>>> sp.problems.Example1(seed=0).saddle
array([0.])
"""

from saddleproof.problems.base import Loss, Problem
from saddleproof.problems.deeplin import DeepLin
from saddleproof.problems.gmm import Gmm12
from saddleproof.problems.known import KnownProblem
from saddleproof.problems.linear_autoencoder import LinearAutoencoder
from saddleproof.problems.logistic import Logistic
from saddleproof.problems.lower_bound import LowerBound
from saddleproof.problems.matrix_factorization import MatrixFactorization
from saddleproof.problems.pca import PCADigits, SpikedPCA
from saddleproof.problems.phase import Phase
from saddleproof.problems.quartic import Example1, Example2, Hetero10, RotatedQuartic
from saddleproof.problems.robust_regression import RobustRegression
from saddleproof.problems.saddle import SaddleProblem
from saddleproof.problems.sensing import Sensing
from saddleproof.problems.tensor import Tensor
from saddleproof.problems.two_layer import TwoLayer

__all__ = [
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
