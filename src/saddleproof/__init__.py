"""Distributed training that Byzantine workers cannot hold at a saddle point.

    import saddleproof as sp

    problem = sp.problems.PCADigits(components=20, workers=20, seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), members=range(6))
    result = sp.minimize(fleet, sp.CertifiedPGD(), aggregator=sp.Median(), b=6, w0=problem.start)
    print(result)

Everything public is a name of this module. Names are loaded when they are first used (PEP 562),
so that `import saddleproof` is quick.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saddleproof import errors, problems
    from saddleproof.aggregators.base import Estimate
    from saddleproof.aggregators.mean import Mean
    from saddleproof.aggregators.median import Median
    from saddleproof.aggregators.trimmed_mean import TrimmedMean
    from saddleproof.attacks.base import Coalition
    from saddleproof.attacks.gaussian import Gaussian
    from saddleproof.attacks.non_finite import NonFinite
    from saddleproof.attacks.saddle import SaddleAttack
    from saddleproof.attacks.sign_flip import SignFlip
    from saddleproof.certificate.certify import certify
    from saddleproof.certificate.record import Certificate
    from saddleproof.fleets.base import Messages
    from saddleproof.fleets.local import LocalFleet
    from saddleproof.minimize import Result, minimize
    from saddleproof.optimizers.byzantine_pgd import ByzantinePGD
    from saddleproof.optimizers.certified_pgd import CertifiedPGD
    from saddleproof.optimizers.gradient_descent import GradientDescent
    from saddleproof.optimizers.pgd import PGD
    from saddleproof.problems.base import Problem
    from saddleproof.schedule import Practical, Theorem3, Theorem4

__version__ = "0.1.0"

__all__ = [
    "PGD",
    "ByzantinePGD",
    "Certificate",
    "CertifiedPGD",
    "Coalition",
    "Estimate",
    "Gaussian",
    "GradientDescent",
    "LocalFleet",
    "Mean",
    "Median",
    "Messages",
    "NonFinite",
    "Practical",
    "Problem",
    "Result",
    "SaddleAttack",
    "SignFlip",
    "Theorem3",
    "Theorem4",
    "TrimmedMean",
    "__version__",
    "certify",
    "errors",
    "minimize",
    "problems",
]

#: Where each public name lives.
_HOMES = {
    "ByzantinePGD": "optimizers.byzantine_pgd",
    "Certificate": "certificate.record",
    "CertifiedPGD": "optimizers.certified_pgd",
    "Coalition": "attacks.base",
    "Estimate": "aggregators.base",
    "Gaussian": "attacks.gaussian",
    "GradientDescent": "optimizers.gradient_descent",
    "LocalFleet": "fleets.local",
    "Mean": "aggregators.mean",
    "Median": "aggregators.median",
    "Messages": "fleets.base",
    "NonFinite": "attacks.non_finite",
    "PGD": "optimizers.pgd",
    "Practical": "schedule",
    "Problem": "problems.base",
    "Result": "minimize",
    "SaddleAttack": "attacks.saddle",
    "SignFlip": "attacks.sign_flip",
    "Theorem3": "schedule",
    "Theorem4": "schedule",
    "TrimmedMean": "aggregators.trimmed_mean",
    "certify": "certificate.certify",
    "minimize": "minimize",
}
_MODULES = ("errors", "problems")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        setattr(sys.modules[__name__], name, value)
        return value
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package, in which `minimize` is always the function.

    Importing a submodule binds it to its name in the package, and the function `minimize` lives
    in a module of the same name: without this, what `sp.minimize` means would depend on who
    imported what before.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "minimize" and isinstance(value, ModuleType):
            value = value.minimize
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
