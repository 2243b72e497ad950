"""The formulas of the paper's statements (Yin et al. 2019), listed from `saddleproof.paper`.

>>> from saddleproof import theory
>>> round(theory.stuck_probability(inexactness=0.1, curvature=0.5, radius=1.0), 4)
0.2529

A formula is loaded when it is first used (PEP 562): its file holds an experiment as well, which
needs NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saddleproof.paper.lemma1 import descent_decrease, walking_decrease
    from saddleproof.paper.lemma2 import escape_time, width_conditions
    from saddleproof.paper.lemma3 import stuck_bound, stuck_volume_bound
    from saddleproof.paper.lemma4 import escape_decrease
    from saddleproof.paper.observation2 import gradient_floor
    from saddleproof.paper.proposition1 import HardFunction, hardest, second_order_floor
    from saddleproof.paper.proposition2 import iterate_radius
    from saddleproof.paper.proposition3 import (
        convex_gap,
        double_well_reach,
        double_well_stuck_probability,
    )
    from saddleproof.paper.proposition4 import stuck_probability
    from saddleproof.paper.table3 import table3
    from saddleproof.paper.theorem3 import Guarantee, theorem3_guarantee
    from saddleproof.paper.theorem3_proof import (
        effective_iterations,
        failure_bound,
        most_escapes,
        theorem3_escape_decrease,
        theorem3_width,
    )
    from saddleproof.paper.theorem4 import theorem4_guarantee, theorem4_width
    from saddleproof.paper.theorem5 import filtering_inexactness
    from saddleproof.paper.theorem7 import median_applies, median_inexactness
    from saddleproof.paper.theorem8 import trimmed_mean_inexactness
    from saddleproof.schedule.theorem3 import scales

__all__ = [
    "Guarantee",
    "HardFunction",
    "convex_gap",
    "descent_decrease",
    "double_well_reach",
    "double_well_stuck_probability",
    "effective_iterations",
    "escape_decrease",
    "escape_time",
    "failure_bound",
    "filtering_inexactness",
    "gradient_floor",
    "hardest",
    "iterate_radius",
    "median_applies",
    "median_inexactness",
    "most_escapes",
    "scales",
    "second_order_floor",
    "stuck_bound",
    "stuck_probability",
    "stuck_volume_bound",
    "table3",
    "theorem3_escape_decrease",
    "theorem3_guarantee",
    "theorem3_width",
    "theorem4_guarantee",
    "theorem4_width",
    "trimmed_mean_inexactness",
    "walking_decrease",
    "width_conditions",
]

_NAMES = {
    "paper.lemma1": ("descent_decrease", "walking_decrease"),
    "paper.lemma2": ("escape_time", "width_conditions"),
    "paper.lemma3": ("stuck_bound", "stuck_volume_bound"),
    "paper.lemma4": ("escape_decrease",),
    "paper.observation2": ("gradient_floor",),
    "paper.proposition1": ("HardFunction", "hardest", "second_order_floor"),
    "paper.proposition2": ("iterate_radius",),
    "paper.proposition3": ("convex_gap", "double_well_reach", "double_well_stuck_probability"),
    "paper.proposition4": ("stuck_probability",),
    "paper.table3": ("table3",),
    "paper.theorem3": ("Guarantee", "theorem3_guarantee"),
    "paper.theorem3_proof": (
        "effective_iterations", "failure_bound", "most_escapes", "theorem3_escape_decrease",
        "theorem3_width",
    ),
    "paper.theorem4": ("theorem4_guarantee", "theorem4_width"),
    "paper.theorem5": ("filtering_inexactness",),
    "paper.theorem7": ("median_applies", "median_inexactness"),
    "paper.theorem8": ("trimmed_mean_inexactness",),
    "schedule.theorem3": ("scales",),
}  # fmt: skip
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"saddleproof.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
