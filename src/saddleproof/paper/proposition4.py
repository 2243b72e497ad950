"""Proposition 4 (Appendix A, Example 2): the share of random starts that never leaves the saddle.

Example 2 has d = 2 and F(w) = w_1^2 / 2 - lambda w_2^2 / 2 in a ball around its saddle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from saddleproof.errors import OptionError
from saddleproof.optimizers.randomness import ball, sphere
from saddleproof.paper.arguments import not_negative, positive
from saddleproof.paper.experiments.base import Assessment, Cell, Row, column, pick
from saddleproof.paper.experiments.inexact import inexact_answer, norms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Shape = Literal["ball", "sphere"]

GAMMA, RADIUS, STEP, ROUNDS = 0.5, 2.0, 0.5, 100


def stuck_probability(
    inexactness: float,
    curvature: float,
    radius: float,
    shape: Shape = "ball",
) -> float:
    """Proposition 4 (ii): probability that a random start of Example 2 never leaves the ball.

    With t = Delta / (lambda r), and 1 where t >= 1,

        ball     (2 / pi) (arcsin t + t sqrt(1 - t^2)),
        sphere   (2 / pi) arcsin t                                  (Remark after Prop. 4)

    This is the share of the shape in the slab |w_2| <= Delta / lambda. In the slab the adversary
    cancels the second coordinate of the gradient. Outside, every iterate leaves the ball.

    Args:
        inexactness: Delta, >= 0.
        curvature: lambda > 0.
        radius: r > 0 of the ball.
        shape: starts are uniform in the disc ("ball") or on the circle around it ("sphere").

    Raises:
        OptionError: a value outside its range, or an unknown shape.

    >>> round(stuck_probability(0.5, curvature=1.0, radius=1.0), 4)
    0.609
    >>> round(stuck_probability(0.5, curvature=1.0, radius=1.0, shape="sphere"), 4)
    0.3333
    """
    not_negative(inexactness=inexactness)
    positive(curvature=curvature, radius=radius)
    t = min(1.0, inexactness / (curvature * radius))
    if shape == "ball":
        return 2 / math.pi * (math.asin(t) + t * math.sqrt(1 - t**2))
    if shape == "sphere":
        return 2 / math.pi * math.asin(t)
    raise OptionError(f'shape must be "ball" or "sphere"; got {shape!r}')


@dataclass(frozen=True)
class Proposition4Experiment:
    """Gradient descent on Example 2 with lambda = GAMMA, against the adversary of the slab.

    Args:
        budget: the adversary's budget over Delta.
        errors: standard errors by which a share may differ from its formula.
    """

    name: ClassVar[str] = "proposition4"
    title: ClassVar[str] = "Proposition 4"
    statement: ClassVar[str] = (
        r"(i) Exact gradient descent leaves the disc with probability 1. (ii) Some adversary keeps "
        r"it in with probability $\frac2\pi(\arcsin t + t\sqrt{1-t^2})$ from a uniform start, "
        r"$t = \Delta/(\lambda r) < 1$, and with $\frac2\pi\arcsin t$ from one on the circle."
    )
    reported: ClassVar[str] = "reproduced"
    falsified: ClassVar[dict[str, float]] = {"budget": 1.05}

    budget: float = 1.0
    errors: float = 3.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A shape and a t each; t = 0 is exact descent."""
        draws = 20_000 if quick else 100_000
        ts = (0.0, 0.2, 0.5) if quick else (0.0, 0.05, 0.2, 0.4, 0.6, 0.9)
        return [{"shape": s, "t": t, "draws": draws} for s in ("ball", "sphere") for t in ts]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The share that never leaves the disc, and its formula."""
        Delta = cell["t"] * GAMMA * RADIUS
        uniform = ball if cell["shape"] == "ball" else sphere
        w = RADIUS * uniform(rng, cell["draws"], 2)
        hessian, inside = np.array([1.0, -GAMMA]), np.ones(cell["draws"], dtype=bool)
        for _ in range(ROUNDS):
            gradient = hessian * w
            target = gradient * np.array([1.0, 0.0])
            w = w - STEP * inexact_answer(gradient, target, self.budget * Delta)
            inside &= norms(w) <= RADIUS * (1 + 1e-12)
        share = float(inside.mean())
        formula = stuck_probability(Delta, GAMMA, RADIUS, cell["shape"])
        error = math.sqrt(max(formula * (1 - formula), 0) / cell["draws"])
        return [{**cell, "measured": share, "formula": formula, "error": error}]

    def assess(self, rows: Sequence[Row]) -> Assessment:
        """Every share must agree with its formula, and be 0 under an exact oracle."""
        exact, lied = pick(rows, t=0.0), [row for row in rows if row["t"] > 0]
        off = np.abs(column(lied, "measured") - column(lied, "formula")) / column(lied, "error")
        free = float(column(exact, "measured").max())
        return Assessment.of(
            holds=bool((off <= self.errors).all() and free == 0),
            tight=True,
            why=f"ball and circle, {len(lied)} shares of {rows[0]['draws']} draws: at most "
            f"{off.max():.1f} standard errors off; without lies a share of {free:g} stays",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Shares and formulas, against t."""
        from saddleproof.paper.experiments.draw import errorbars, lines

        grid = np.linspace(0, 1, 101)
        shapes: dict[Shape, str] = {"ball": "start in the disc", "sphere": "start on the circle"}

        def bars(ax: object) -> None:
            for shape in shapes:
                x, y, e = (column(pick(rows, shape=shape), k) for k in ("t", "measured", "error"))
                errorbars(ax, x.tolist(), y.tolist(), e.tolist())

        return lines(
            {
                label: (
                    column(pick(rows, shape=shape), "t").tolist(),
                    column(pick(rows, shape=shape), "measured").tolist(),
                )
                for shape, label in shapes.items()
            },
            theory={
                f"formula, {shape}": (
                    grid.tolist(),
                    [stuck_probability(t, 1.0, 1.0, shape) for t in grid],
                )
                for shape in shapes
            },
            log="",
            x=r"$t = \Delta/(\lambda r)$",
            y="share that never leaves",
            title="Proposition 4: held at the saddle",
            more=bars,
        )
