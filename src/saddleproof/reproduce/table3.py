"""Table 3 (Section 5.3): which rule is better where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof.reproduce.base import Cell, Row, Verdict, judge, pick, values
from saddleproof.reproduce.rates import Sweep, reached

if TYPE_CHECKING:
    from matplotlib.figure import Figure

M, ALPHA = 200, 0.1
RULES = ("trimmed_mean", "median", "filtering")


@dataclass(frozen=True)
class Table3:
    """The three rules side by side in d, each under the strongest attack known against it.

    Args:
        few, many: which rule is claimed to be the better one in few and in many dimensions,
            "coordinates" or "filtering".
    """

    name: ClassVar[str] = "table3"
    title: ClassVar[str] = "Theorem 6 and Table 3"
    statement: ClassVar[str] = (
        r"For $d = O(1)$ median and trimmed mean have the smaller inexactness, for large $d$ "
        r"iterative filtering."
    )
    known: ClassVar[str] = "reproduced"
    turned: ClassVar[dict[str, str]] = {"few": "filtering"}

    few: str = "coordinates"
    many: str = "filtering"

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A repeat each."""
        dims = (1, 10, 200) if quick else (1, 2, 5, 10, 20, 50, 100, 200, 400)
        return [{"repeat": k, "dims": list(dims)} for k in range(4 if quick else 12)]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The error of each rule in each dimension."""
        rows = []
        for d in cell["dims"]:
            setting = {"m": M, "n": 1, "d": d, "alpha": ALPHA}
            for rule in RULES:
                error = reached(rule, rng, Sweep("d", "d", (), 0.0), setting)
                rows.append({"repeat": cell["repeat"], "d": d, "rule": rule, "error": error})
        return rows

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """Who is better at both ends, by more than chance."""
        dims = values(rows, "d")
        ratio = {}
        for d in dims:
            errors = {rule: [row["error"] for row in pick(rows, rule=rule, d=d)] for rule in RULES}
            best = np.minimum(errors["median"], errors["trimmed_mean"])
            ratio[d] = float(np.exp(np.mean(np.log(np.array(errors["filtering"]) / best))))
        better = {d: "coordinates" if r > 1 else "filtering" for d, r in ratio.items()}
        crossing = next((d for d in dims if better[d] == "filtering"), None)
        return judge(
            holds=better[dims[0]] == self.few and better[dims[-1]] == self.many,
            tight=True,
            why=f"$m = {M}$, $\\alpha = {ALPHA}$: filtering's inexactness is {ratio[dims[0]]:.2f} "
            f"times that of the better of the two at $d = {dims[0]}$, {ratio[dims[-1]]:.2f} times "
            f"at $d = {dims[-1]}$, and the smaller one from $d = {crossing}$ on",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Errors against d."""
        from saddleproof.reproduce.draw import lines

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
