"""Lemma 4 (Appendix B): how much an escape lowers F, told by the distance alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof import theory
from saddleproof.optimizers.randomness import ball, sphere
from saddleproof.reproduce.base import Cell, Row, Verdict, column, judge, pick
from saddleproof.reproduce.worlds import Wavy, norms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Perturbation radius, displacement that counts as an escape, steps after which one gives up.
RADIUS, REACH, PATIENCE = 1e-2, 0.5, 60


@dataclass(frozen=True)
class Lemma4:
    """Escapes from random saddles, and the one step at which (11) is an equality.

    That step is in the bowl ||w||^2 / 2, from Delta to -Delta: the error doubles the gradient, the
    displacement is 2 Delta, and F is what it was.

    Args:
        budget: length of the oracle's errors over Delta.
    """

    name: ClassVar[str] = "lemma4"
    title: ClassVar[str] = "Lemma 4"
    statement: ClassVar[str] = (
        r"If $\|w_t - w_0\| \ge R$ for a $t \le T_{th}$, then $F(\tilde w) - F(w_t) \ge "
        r"L_F R^2/(4T_{th}) - \Delta^2 T_{th}/L_F - 4\Delta r - L_F r^2/2$."
    )
    known: ClassVar[str] = "reproduced"
    turned: ClassVar[dict[str, float]] = {"budget": 1.5}

    budget: float = 1.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """Saddles by the hundred, and the bowl."""
        saddles = [{"world": "saddles", "block": k, "runs": 100} for k in range(1 if quick else 10)]
        return [*saddles, {"world": "bowl", "block": 0, "runs": 50}]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """What was lost and what (11) promised, a line an escape."""
        measure = self._bowl if cell["world"] == "bowl" else self._saddle
        found = (measure(rng) for _ in range(cell["runs"]))
        return [{"world": cell["world"], **row} for row in found if row is not None]

    def _bowl(self, rng: np.random.Generator) -> Row:
        Delta = 10 ** rng.uniform(-3, 0)
        start, lie = Delta, self.budget * Delta
        end = start - (start + lie)
        return self._row(Delta, 0.0, abs(end - start), 1, (start**2 - end**2) / 2, 1.0)

    def _saddle(self, rng: np.random.Generator) -> Row | None:
        d, Delta = 4, 10 ** rng.uniform(-4, -2)
        F = Wavy(rng, d, shift=1.0)
        origin = np.zeros(d)
        tilt = 4 * Delta * sphere(rng, 1, d)[0]  # grad F(w~), the longest that (11) allows
        start = w = RADIUS * ball(rng, 1, d)[0]
        for t in range(1, PATIENCE):
            g = F.gradient(w) + tilt
            way = (g / norms(g), -g / norms(g), sphere(rng, 1, d)[0])[rng.integers(3)]
            w = w - (g + self.budget * Delta * way) / F.smoothness
            if norms(w - start) >= REACH:
                fallen = float(F.value(origin) - F.value(w) - tilt @ w)
                return self._row(Delta, RADIUS, REACH, t, fallen, F.smoothness)
        return None

    def _row(self, Delta: float, r: float, R: float, t: int, fallen: float, L: float) -> Row:
        return {
            "Delta": Delta, "t": t, "fallen": fallen,
            "promised": theory.escape_decrease(r, R, t, Delta, L),
            "scale": L * R**2 / (4 * t),
        }  # fmt: skip

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """F never falls by less than promised."""
        scale = column(rows, "scale")
        gap = (column(rows, "fallen") - column(rows, "promised")) / scale
        saddles = pick(rows, world="saddles")
        positive = int((column(saddles, "promised") > 0).sum())
        ratio = column(saddles, "fallen") / column(saddles, "promised")
        usual = float(np.median(ratio[column(saddles, "promised") > 0]))
        return judge(
            holds=bool(gap.min() >= -1e-9),
            tight=bool(gap.min() <= 1e-9),
            why=f"in {len(rows)} escapes $F$ falls by the promise and at least {gap.min():.2f} of "
            f"its first term more (0: the equality, one step of $\\|w\\|^2/2$); from random "
            f"saddles it falls {usual:.1f} times as far as promised (median of the {positive} of "
            f"{len(saddles)} with a positive promise)",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Lost against promised."""
        from saddleproof.reproduce.draw import lines

        shown = [row for row in pick(rows, world="saddles") if row["promised"] > 0]
        x, y = column(shown, "promised").tolist(), column(shown, "fallen").tolist()
        ends = [min(x), max(x)]
        return lines(
            {},
            theory={"Lemma 4": (ends, ends)},
            x="decrease that (11) promises",
            y="decrease measured",
            title="Lemma 4: escapes from random saddles",
            more=lambda ax: ax.plot(x, y, "o", ms=3.5, alpha=0.5, color="#009E73", mec="none"),
        )
