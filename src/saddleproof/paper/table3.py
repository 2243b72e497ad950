"""Theorem 6 and Table 3 (Section 5.3): the inexactness of three aggregators, compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from saddleproof.errors import OptionError
from saddleproof.paper.arguments import at_most, positive
from saddleproof.paper.experiments.base import Assessment, Cell, Row, pick, values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rule = Literal["median", "trimmed_mean", "filtering"]

M, ALPHA = 200, 0.1
RULES = ("trimmed_mean", "median", "filtering")


def table3(rule: Rule, alpha: float, m: int, n: int, d: int, c: float = 1.0) -> float:
    """Table 3 and Theorem 6: the inexactness in alpha, m, n and d alone, logarithms left out.

        median         alpha sqrt(d) / sqrt(n) + d / sqrt(n m) + sqrt(d) / n
        trimmed_mean   alpha d / sqrt(n) + d / sqrt(n m)
        filtering      sqrt(alpha) / sqrt(n) + sqrt(d) / sqrt(n m)

    Args:
        rule: "median", "trimmed_mean" or "filtering".
        alpha: Byzantine share b / m, in [0, 1/2], for filtering in [0, 1/4].
        m: workers, >= 1.
        n: samples a worker, >= 1.
        d: dimension, >= 1.
        c: > 0, unknown; with 1 the exponents are right and the scale is not.

    Raises:
        OptionError: a value outside its range, or an unknown rule.

    >>> table3("filtering", alpha=0.25, m=4, n=4, d=4)
    0.75
    """
    positive(m=m, n=n, d=d, c=c)
    at_most(0.25 if rule == "filtering" else 0.5, alpha=alpha)
    root = math.sqrt(n)
    if rule == "median":
        return c * (alpha * math.sqrt(d) / root + d / math.sqrt(n * m) + math.sqrt(d) / n)
    if rule == "trimmed_mean":
        return c * (alpha * d / root + d / math.sqrt(n * m))
    if rule == "filtering":
        return c * (math.sqrt(alpha) / root + math.sqrt(d / (n * m)))
    raise OptionError(f'rule must be "median", "trimmed_mean" or "filtering"; got {rule!r}')


@dataclass(frozen=True)
class Table3Experiment:
    """The three rules in growing dimension, each under the strongest attack known against it.

    Args:
        few, many: the rule that is stated to be better in few and in many dimensions,
            "coordinates" or "filtering".
    """

    name: ClassVar[str] = "table3"
    title: ClassVar[str] = "Theorem 6 and Table 3"
    statement: ClassVar[str] = (
        r"For $d = O(1)$ median and trimmed mean have the smaller inexactness, for large $d$ "
        r"iterative filtering."
    )
    reported: ClassVar[str] = "reproduced"
    falsified: ClassVar[dict[str, str]] = {"few": "filtering"}

    few: str = "coordinates"
    many: str = "filtering"

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A repeat each."""
        dims = (1, 10, 200) if quick else (1, 2, 5, 10, 20, 50, 100, 200, 400)
        return [{"repeat": k, "dims": list(dims)} for k in range(4 if quick else 12)]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The error of each rule in each dimension."""
        from saddleproof.paper.experiments.worst_case import largest_error

        rows = []
        for d in cell["dims"]:
            setting = {"m": M, "n": 1, "d": d, "alpha": ALPHA}
            for rule in RULES:
                error = largest_error(rule, rng, setting)
                rows.append({"repeat": cell["repeat"], "d": d, "rule": rule, "error": error})
        return rows

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """Which rule is better in the fewest and in the most dimensions."""
        dims = values(rows, "d")
        ratio = {}
        for d in dims:
            errors = {rule: [row["error"] for row in pick(rows, rule=rule, d=d)] for rule in RULES}
            best = np.minimum(errors["median"], errors["trimmed_mean"])
            ratio[d] = float(np.exp(np.mean(np.log(np.array(errors["filtering"]) / best))))
        better = {d: "coordinates" if r > 1 else "filtering" for d, r in ratio.items()}
        crossing = next((d for d in dims if better[d] == "filtering"), None)
        return Assessment.of(
            holds=better[dims[0]] == self.few and better[dims[-1]] == self.many,
            tight=True,
            why=f"$m = {M}$, $\\alpha = {ALPHA}$: filtering's inexactness is {ratio[dims[0]]:.2f} "
            f"times that of the better of the two at $d = {dims[0]}$, {ratio[dims[-1]]:.2f} times "
            f"at $d = {dims[-1]}$, and the smaller one from $d = {crossing}$ on",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Errors against the dimension."""
        from saddleproof.paper.experiments.draw import lines

        dims = values(rows, "d")
        return lines(
            {
                rule.replace("_", " "): (
                    dims,
                    [
                        float(np.mean([r["error"] for r in pick(rows, rule=rule, d=d)]))
                        for d in dims
                    ],
                )
                for rule in RULES
            },
            x="dimension d",
            y=r"inexactness reached $\times \sqrt{n}$",
            title=rf"Table 3: strongest attacks, m = {M}, $\alpha$ = {ALPHA}",
        )
