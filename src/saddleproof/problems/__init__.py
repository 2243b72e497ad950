"""Problems with a known saddle, and `Problem` for a loss of one's own.

>>> import saddleproof as sp
>>> sp.problems.Example1(seed=0).saddle
array([0.])
"""

from saddleproof.problems.base import Loss, Problem
from saddleproof.problems.deeplin import DeepLin
from saddleproof.problems.gmm import Gmm12
from saddleproof.problems.pca import PCADigits
from saddleproof.problems.phase import Phase
from saddleproof.problems.quartic import Example1, Example2, Hetero10, RotatedQuartic
from saddleproof.problems.saddle import SaddleProblem
from saddleproof.problems.sensing import Sensing
from saddleproof.problems.tensor import Tensor

__all__ = [
    "DeepLin",
    "Example1",
    "Example2",
    "Gmm12",
    "Hetero10",
    "Loss",
    "PCADigits",
    "Phase",
    "Problem",
    "RotatedQuartic",
    "SaddleProblem",
    "Sensing",
    "Tensor",
]
