"""Distributed training that Byzantine workers cannot hold at a saddle point.

    import saddleproof as sp

    problem = sp.problems.PCADigits(components=20, workers=20, seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), members=range(6))
    result = sp.minimize(fleet, sp.CertifiedPGD(), aggregator=sp.Median(), b=6, w0=problem.start)
    print(result)

The names of this module, with the file of each, stand in __init__.pyi. Every other member of a
family is a name of the family: `sp.aggregators.Krum`, `sp.attacks.Gaussian`. A name is imported
when it is first used, so that `import saddleproof` is quick.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from typing import Any

import lazy_loader

__version__ = "0.2.0"

_face, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
#: Where a short name of version 0.1 is looked up.
_FAMILIES = (
    "aggregators", "attacks", "optimizers", "problems", "fleets", "schedule", "codes", "lab",
)  # fmt: skip
_FUNCTIONS = ("redteam", "workers", "stream", "sever_samples")


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _face(name)
    # Other names in lower case are left to the import system: they may be files of this package.
    for family in _FAMILIES if name[0].isupper() or name in _FUNCTIONS else ():
        home = importlib.import_module(f"{__name__}.{family}")
        if hasattr(home, name):
            new = f"{family}.{name}"
            warnings.warn(
                f"saddleproof.{name} is saddleproof.{new}; the short name goes with 0.3",
                DeprecationWarning,
                stacklevel=2,
            )
            return getattr(home, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# A library is silent until its user sets up logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())
