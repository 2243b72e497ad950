"""The statements of the paper as plain functions, each with its number (Yin et al. 2019).

>>> from saddleproof import theory
>>> round(theory.stuck_probability(inexactness=0.1, curvature=0.5, radius=1.0), 4)
0.2529
"""

from saddleproof.theory.escape import (
    descent_decrease,
    escape_decrease,
    escape_time,
    failure_bound,
    stuck_bound,
    stuck_volume_bound,
    walking_decrease,
    width_conditions,
)
from saddleproof.theory.guarantees import (
    Guarantee,
    effective_iterations,
    iterate_radius,
    most_escapes,
    scales,
    theorem3_escape_decrease,
    theorem3_guarantee,
    theorem3_width,
    theorem4_guarantee,
    theorem4_width,
)
from saddleproof.theory.hard import HardFunction, hardest, second_order_floor
from saddleproof.theory.rates import (
    filtering_inexactness,
    gradient_floor,
    median_applies,
    median_inexactness,
    table3,
    trimmed_mean_inexactness,
)
from saddleproof.theory.stuck import (
    convex_gap,
    double_well_reach,
    double_well_stuck_probability,
    stuck_probability,
)

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
