"""Names of the problems, for configuration files and the command line only."""

from __future__ import annotations

from saddleproof.problems.deep_linear import DeepLinear
from saddleproof.problems.gaussian_mixture import GaussianMixture
from saddleproof.problems.known import KnownProblem
from saddleproof.problems.linear_autoencoder import LinearAutoencoder
from saddleproof.problems.logistic import Logistic
from saddleproof.problems.lower_bound import LowerBound
from saddleproof.problems.matrix_factorization import MatrixFactorization
from saddleproof.problems.pca import PCADigits, SpikedPCA
from saddleproof.problems.phase import Phase
from saddleproof.problems.quartic import Example1, Example2, RotatedQuartic, UnequalHessians
from saddleproof.problems.robust_regression import RobustRegression
from saddleproof.problems.saddle import SaddleProblem
from saddleproof.problems.sensing import Sensing
from saddleproof.problems.tensor import Tensor
from saddleproof.problems.two_layer import TwoLayer

#: The suite: saddles that a run is meant to leave, whoever lies.
PROBLEMS: dict[str, type[SaddleProblem]] = {
    problem.name: problem
    for problem in (
        Example1,
        Example2,
        RotatedQuartic,
        PCADigits,
        Tensor,
        Phase,
        Sensing,
        DeepLinear,
        GaussianMixture,
        UnequalHessians,
        LinearAutoencoder,
        SpikedPCA,
    )
}
#: Every problem: also those where nothing separates (`TwoLayer`), nobody may be asked to win
#: (`LowerBound`), or there is no saddle at all.
ALL_PROBLEMS: dict[str, type[KnownProblem]] = {
    **PROBLEMS,
    **{
        problem.name: problem
        for problem in (MatrixFactorization, TwoLayer, LowerBound, RobustRegression, Logistic)
    },
}
