"""Models x data splits x rules x attacks x b x seeds: accuracy, loss, certificate.

    found = sp.benchmark.run("benchmark.toml", jobs=2)       # as `saddleproof benchmark` does
    plan = sp.benchmark.plan(                                # or with your own members
        data={"mine": (x, y)}, rules={"median": sp.Median(), "mine": MyRule()},
        attacks={"none": None, "flip": sp.attacks.SignFlip()}, liars=[1, 2], workers=10, seeds=5,
    )
    found = sp.benchmark.run(plan)
    print(found)                                             # the tables
    found.write("folder")                                    # CSV, LaTeX, heatmaps, curves

Needs the extra `torch`. Data sets, models and splits are listed in `saddleproof.benchmark.data`,
`.models` and `.dividing`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from saddleproof.errors import MissingExtraError

if TYPE_CHECKING:
    from saddleproof.benchmark.calling import plan, run
    from saddleproof.benchmark.data import Data
    from saddleproof.benchmark.plans import Plan
    from saddleproof.benchmark.results import Results

__all__ = ["Data", "Plan", "Results", "plan", "run"]

_HOMES = {
    "Data": "data",
    "Plan": "plans",
    "Results": "results",
    "plan": "calling",
    "run": "calling",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("torch", "torch") from error
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
