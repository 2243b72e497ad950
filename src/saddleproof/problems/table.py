"""Names of the problems, for configuration files and the command line only."""

from __future__ import annotations

from saddleproof.problems.deeplin import DeepLin
from saddleproof.problems.gmm import Gmm12
from saddleproof.problems.pca import PCADigits
from saddleproof.problems.phase import Phase
from saddleproof.problems.quartic import Example1, Example2, Hetero10, RotatedQuartic
from saddleproof.problems.saddle import SaddleProblem
from saddleproof.problems.sensing import Sensing
from saddleproof.problems.tensor import Tensor

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
        DeepLin,
        Gmm12,
        Hetero10,
    )
}
