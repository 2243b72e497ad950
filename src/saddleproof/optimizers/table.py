"""Names of the optimizers, for configuration files and the command line only."""

from __future__ import annotations

from typing import Any

from saddleproof.optimizers.base import Optimizer
from saddleproof.optimizers.byzantine_pgd import ByzantinePGD
from saddleproof.optimizers.certified_pgd import CertifiedPGD
from saddleproof.optimizers.gradient_descent import GradientDescent
from saddleproof.optimizers.pgd import PGD

OPTIMIZERS: dict[str, type[Optimizer[Any]]] = {
    "byzantine_pgd": ByzantinePGD,
    "certified_pgd": CertifiedPGD,
    "gradient_descent": GradientDescent,
    "pgd": PGD,
}
