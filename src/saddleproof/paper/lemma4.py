"""Lemma 4 (Appendix B): the least decrease of F in an escape, from its displacement alone.

The experiment measures escapes from random saddles, and the step with equality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof.optimizers.randomness import ball, sphere
from saddleproof.paper.arguments import not_negative, positive
from saddleproof.paper.experiments.base import Assessment, Cell, Row, column, pick
from saddleproof.paper.experiments.inexact import norms
from saddleproof.paper.experiments.landscapes import QuadraticWithWaves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Perturbation radius, displacement that counts as an escape, most steps of a round.
RADIUS, REACH, STEPS = 1e-2, 0.5, 60


def escape_decrease(
    r: float, R: float, T_th: float, inexactness: float, smoothness: float
) -> float:
    """Lemma 4, (11): the least decrease of F from w~ to the end of a successful escape round.

        F(w~) - F(w_t)  >=  L R^2 / (4 T_th) - Delta^2 T_th / L - 4 Delta r - L r^2 / 2

    for a start within r of w~, where ||g_hat(w~)|| <= 3 Delta, and the first t <= T_th with
    ||w_t - w_0|| >= R. A negative value means that the displacement alone shows no decrease.

    Args:
        r: >= 0.
        R: > 0.
        T_th: >= 1.
        inexactness: Delta, >= 0.
        smoothness: L > 0.

    >>> escape_decrease(r=0.0, R=2.0, T_th=4.0, inexactness=0.1, smoothness=1.0)
    0.21
    """
    positive(R=R, T_th=T_th, smoothness=smoothness)
    not_negative(r=r, inexactness=inexactness)
    L, Delta = smoothness, inexactness
    return L * R**2 / (4 * T_th) - Delta**2 * T_th / L - 4 * Delta * r - L * r**2 / 2


@dataclass(frozen=True)
class Lemma4Experiment:
    """Escapes from random saddles, and a step for which (11) is an equality.

    The equality is the step from Delta to -Delta on ||w||^2 / 2. The error doubles the gradient,
    the displacement is 2 Delta, and F does not change.

    Args:
        budget: norm of the oracle's errors over Delta.
    """

    name: ClassVar[str] = "lemma4"
    title: ClassVar[str] = "Lemma 4"
    statement: ClassVar[str] = (
        r"If $\|w_t - w_0\| \ge R$ for a $t \le T_{th}$, then $F(\tilde w) - F(w_t) \ge "
        r"L_F R^2/(4T_{th}) - \Delta^2 T_{th}/L_F - 4\Delta r - L_F r^2/2$."
    )
    reported: ClassVar[str] = "reproduced"
    falsified: ClassVar[dict[str, float]] = {"budget": 1.5}

    budget: float = 1.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A hundred saddles each, and ||w||^2 / 2."""
        saddles = [{"world": "saddles", "block": k, "runs": 100} for k in range(1 if quick else 10)]
        return [*saddles, {"world": "bowl", "block": 0, "runs": 50}]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The decrease of F and the promise of (11), a line an escape."""
        measure = self._bowl if cell["world"] == "bowl" else self._saddle
        found = (measure(rng) for _ in range(cell["runs"]))
        return [{"world": cell["world"], **row} for row in found if row is not None]

    def _bowl(self, rng: np.random.Generator) -> Row:
        Delta = 10 ** rng.uniform(-3, 0)
        start, error = Delta, self.budget * Delta
        end = start - (start + error)
        return self._row(Delta, 0.0, abs(end - start), 1, (start**2 - end**2) / 2, 1.0)

    def _saddle(self, rng: np.random.Generator) -> Row | None:
        d, Delta = 4, 10 ** rng.uniform(-4, -2)
        F = QuadraticWithWaves(rng, d, shift=1.0)
        origin = np.zeros(d)
        tilt = 4 * Delta * sphere(rng, 1, d)[0]  # grad F(w~), as long as (11) allows
        start = w = RADIUS * ball(rng, 1, d)[0]
        for t in range(1, STEPS):
            g = F.gradient(w) + tilt
            error = (g / norms(g), -g / norms(g), sphere(rng, 1, d)[0])[rng.integers(3)]
            w = w - (g + self.budget * Delta * error) / F.smoothness
            if norms(w - start) >= REACH:
                fallen = float(F.value(origin) - F.value(w) - tilt @ w)
                return self._row(Delta, RADIUS, REACH, t, fallen, F.smoothness)
        return None

    def _row(self, Delta: float, r: float, R: float, t: int, fallen: float, L: float) -> Row:
        return {
            "Delta": Delta, "t": t, "fallen": fallen,
            "promised": escape_decrease(r, R, t, Delta, L),
            "scale": L * R**2 / (4 * t),
        }  # fmt: skip

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """F may never fall by less than promised."""
        scale = column(rows, "scale")
        gap = (column(rows, "fallen") - column(rows, "promised")) / scale
        saddles = pick(rows, world="saddles")
        positive = int((column(saddles, "promised") > 0).sum())
        ratio = column(saddles, "fallen") / column(saddles, "promised")
        usual = float(np.median(ratio[column(saddles, "promised") > 0]))
        return Assessment.of(
            holds=bool(gap.min() >= -1e-9),
            tight=bool(gap.min() <= 1e-9),
            why=f"in {len(rows)} escapes $F$ falls by the promise and at least {gap.min():.2f} of "
            f"its first term more (0: the equality, one step of $\\|w\\|^2/2$); from random "
            f"saddles it falls {usual:.1f} times as far as promised (median of the {positive} of "
            f"{len(saddles)} with a positive promise)",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Measured against promised decrease."""
        from saddleproof.paper.experiments.draw import lines

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
