"""The map from the paper to this library: each entry names something that is there.

A name is a dotted path below `saddleproof`; after a colon stands an argument or a field of it.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import saddleproof

#: What the paper calls it, and where it is.
MAP: tuple[tuple[str, str], ...] = (
    ("Section 3: $f(w; z)$", "saddleproof.problems.Loss"),
    ("$F$, $F_i$, $m$ workers with $n$ samples", "saddleproof.Problem"),
    ("$\\widehat g_i(w)$, (1)", "saddleproof.fleets.Messages:values"),
    ("$\\mathcal B$, $*$ in (1)", "saddleproof.Coalition:members"),
    ("$\\alpha m$", "saddleproof.minimize:b"),
    ("$w_0$", "saddleproof.minimize:w0"),
    ("$d$", "saddleproof.problems.Problem"),
    ("Definition 1, $(\\epsilon_g, \\epsilon_H)$", "saddleproof.Certificate"),
    ("Definition 2, $L_F$", "saddleproof.schedule.Theorem3:smoothness"),
    ("Definition 2, $\\rho_F$", "saddleproof.schedule.Theorem3:hessian_lipschitz"),
    ("GradAGG", "saddleproof.aggregators.base.Aggregator"),
    ("Definition 3, the oracle's answer", "saddleproof.Estimate:vector"),
    ("Definition 3, $\\Delta$ as the messages show it", "saddleproof.Estimate:inexactness"),
    ("Definition 3, $\\Delta$ as it is assumed", "saddleproof.schedule.Theorem3:inexactness"),
    ("the adversarial oracle of Section 4", "saddleproof.attacks.InexactOracle"),
    ("saddle point attack, Section 1", "saddleproof.SaddleAttack"),
    ("Algorithm 1, ByzantinePGD", "saddleproof.ByzantinePGD"),
    ("Algorithm 1, Escape", "saddleproof.optimizers.algorithm1.Escape"),
    ("$\\tilde w$", "saddleproof.optimizers.algorithm1.ByzantineState:w"),
    ("$w'$", "saddleproof.optimizers.algorithm1.Escape:w"),
    ("$w'_0$", "saddleproof.optimizers.algorithm1.Escape:origin"),
    ("$k$", "saddleproof.optimizers.algorithm1.Escape:k"),
    ("$t$", "saddleproof.optimizers.algorithm1.Escape:t"),
    ("$p_k \\sim \\mathrm{Unif}(B_0(r))$", "saddleproof.optimizers.randomness.ball"),
    ("what the adversary cannot predict", "saddleproof.optimizers.randomness.RandomKey"),
    ("$\\eta$", "saddleproof.schedule.Schedule:step"),
    ("$\\epsilon$", "saddleproof.schedule.Schedule:epsilon"),
    ("$r$", "saddleproof.schedule.Schedule:r"),
    ("$R$", "saddleproof.schedule.Schedule:R"),
    ("$Q$", "saddleproof.schedule.Schedule:Q"),
    ("$T_{th}$", "saddleproof.schedule.Schedule:T_th"),
    ("$\\delta$", "saddleproof.schedule.Schedule:delta"),
    ("$\\gamma$", "saddleproof.schedule.Schedule:curvature"),
    ("$F_0 - F^*$", "saddleproof.schedule.Theorem3:excess"),
    ("(2), (6): a step of Escape", "saddleproof.ByzantinePGD.tell"),
    ("Theorem 3, the schedule; (17), (24)", "saddleproof.schedule.Theorem3"),
    ("Theorem 3, the guarantee; (3), (16), (26), (27)", "saddleproof.theory.theorem3_guarantee"),
    ("Theorem 4, the schedule", "saddleproof.schedule.Theorem4"),
    ("Theorem 4, the guarantee", "saddleproof.theory.theorem4_guarantee"),
    ("Lemma 1, (4)", "saddleproof.theory.descent_decrease"),
    ("(5)", "saddleproof.theory.walking_decrease"),
    ("Lemma 2, (7)", "saddleproof.theory.escape_time"),
    ("Lemma 2, (7)-(10); (50)-(52)", "saddleproof.theory.width_conditions"),
    ("$\\mu$", "saddleproof.theory.width_conditions:width"),
    ("Lemma 3", "saddleproof.theory.stuck_bound"),
    ("Lemma 3, before its last estimate", "saddleproof.theory.stuck_volume_bound"),
    ("Lemma 4, (11); (53)", "saddleproof.theory.escape_decrease"),
    ("(12)", "saddleproof.theory.theorem3_width"),
    ("(13), (14)", "saddleproof.theory.scales"),
    ("(21)", "saddleproof.theory.theorem3_escape_decrease"),
    ("(23)", "saddleproof.theory.most_escapes"),
    ("the union bound before (24)", "saddleproof.theory.failure_bound"),
    ("(25)", "saddleproof.theory.effective_iterations"),
    ("$\\mu$ at the end of Appendix C", "saddleproof.theory.theorem4_width"),
    ("Proposition 1, $f_s$", "saddleproof.theory.HardFunction"),
    ("Proposition 1, the choice of $s$", "saddleproof.theory.hardest"),
    ("Proposition 1, $\\Delta/2$ and $\\Delta^{1/2}/2$", "saddleproof.theory.second_order_floor"),
    ("Proposition 2, (57)-(60)", "saddleproof.theory.iterate_radius"),
    ("$D$", "saddleproof.theory.filtering_inexactness:diameter"),
    ("Example 1", "saddleproof.problems.Example1"),
    ("Example 2", "saddleproof.problems.Example2"),
    ("Proposition 3 (i)", "saddleproof.theory.convex_gap"),
    ("Proposition 3 (ii)", "saddleproof.theory.double_well_stuck_probability"),
    (
        "Proposition 3 (ii), $w^*$ of the best adversary (ours)",
        "saddleproof.theory.double_well_reach",
    ),
    ("Proposition 4 (ii)", "saddleproof.theory.stuck_probability"),
    ("Algorithm 2, iterative filtering", "saddleproof.IterativeFiltering"),
    ("$c_i$, $\\tau_i$, the loop of Algorithm 2", "saddleproof.aggregators.algorithm2.reweighting"),
    ("$\\min_W \\max_U$ of Algorithm 2", "saddleproof.aggregators.algorithm2.saddle"),
    ("$\\sigma$ of Algorithm 2, (61)", "saddleproof.IterativeFiltering:sigma"),
    ("Lemma 5, (64)", "saddleproof.aggregators.algorithm2.error_bound"),
    ("Theorem 5", "saddleproof.theory.filtering_inexactness"),
    ("$\\sigma$, $\\zeta$", "saddleproof.theory.filtering_inexactness:zeta"),
    ("$\\mathsf{med}$", "saddleproof.Median"),
    ("$\\mathsf{trmean}_\\beta$", "saddleproof.TrimmedMean"),
    ("Theorem 6, Table 3", "saddleproof.theory.table3"),
    ("Theorem 7", "saddleproof.theory.median_inexactness"),
    ("Theorem 7, its condition", "saddleproof.theory.median_applies"),
    ("$v$", "saddleproof.theory.median_inexactness:deviation"),
    ("$s$", "saddleproof.theory.median_inexactness:skewness"),
    ("Theorem 8", "saddleproof.theory.trimmed_mean_inexactness"),
    ("$\\xi$", "saddleproof.theory.trimmed_mean_inexactness:xi"),
    ("Observation 2, Lemma 6", "saddleproof.theory.gradient_floor"),
    ("Table 1, PGD with the decrease in $F$", "saddleproof.optimizers.ValuePGD"),
    ("Table 1, PGD with the distance", "saddleproof.optimizers.PGD"),
    ("Table 1, Neon + GD", "saddleproof.optimizers.Neon"),
    ("Table 1, Neon2 + GD", "saddleproof.optimizers.Neon2"),
    ("Table 2, Krum", "saddleproof.aggregators.Krum"),
    ("Table 2, geometric median", "saddleproof.aggregators.GeometricMedian"),
    ("Table 2, mean around median", "saddleproof.aggregators.MeanAroundMedian"),
)


def resolve(name: str) -> Any:
    """What a name of the map stands for.

    Raises:
        AttributeError: a dead entry.
    """
    path, _, argument = name.partition(":")
    found: Any = saddleproof
    for part in path.split(".")[1:]:
        if hasattr(found, part):
            found = getattr(found, part)
        else:
            found = importlib.import_module(f"{found.__name__}.{part}")
    if argument:
        known = {*inspect.signature(found).parameters, *getattr(found, "__dataclass_fields__", ())}
        if argument not in known:
            raise AttributeError(f"{path} has no {argument!r}; it has {', '.join(sorted(known))}")
    return found


def place(name: str) -> str:
    """The file that defines it, from the root of the package's sources."""
    file = inspect.getsourcefile(inspect.unwrap(resolve(name)))
    root = Path(saddleproof.__file__).parent
    return Path(str(file)).relative_to(root).as_posix()
