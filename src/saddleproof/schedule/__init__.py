"""The parameters of Algorithm 1, from constants of F and the oracle (Yin et al. 2019, Section 4).

    step eta, epsilon, r, R, Q, T_th     as in Algorithm 1
    d                                    dimension
    inexactness Delta                    of the gradient oracle (Definition 3)
    smoothness L, hessian_lipschitz rho  of F (Assumption 1)
    excess F_0 - F*                      how far F can fall from the start
    delta                                admitted probability of failure

`Theorem3` and `Theorem4` are the printed schedules. They warn where their theorem promises nothing.
`HeuristicSchedule` is a heuristic with usable constants, without a theorem.

Optimizers and configuration files take schedules, and the experiments of `saddleproof.paper` run
optimizers. The printed schedules therefore stand here, below the optimizers. What the theorems
promise for them, and how that is measured, stands in `paper/theorem3.py` and `paper/theorem4.py`.
"""

from typing import Any

from saddleproof.arguments.renamed import with_old_names
from saddleproof.schedule.base import Schedule, VacuousScheduleWarning
from saddleproof.schedule.practical import HeuristicSchedule
from saddleproof.schedule.theorem3 import Theorem3
from saddleproof.schedule.theorem4 import Theorem4

__all__ = ["HeuristicSchedule", "Schedule", "Theorem3", "Theorem4", "VacuousScheduleWarning"]


def _found(name: str) -> Any:
    try:
        return globals()[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


__getattr__ = with_old_names(_found, __name__)
