"""Proposition 4 (Appendix A, Example 2): how likely a random start never leaves the saddle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from saddleproof import theory
from saddleproof.optimizers.randomness import ball, sphere
from saddleproof.reproduce.base import Cell, Row, Verdict, column, judge, pick
from saddleproof.reproduce.worlds import nearest, norms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAMMA, RADIUS, STEP, ROUNDS = 0.5, 2.0, 0.5, 100


@dataclass(frozen=True)
class Proposition4:
    """w_1^2 / 2 - gamma w_2^2 / 2 in the disc of radius r; the adversary cancels along w_2.

    Args:
        budget: the adversary's budget over Delta.
        errors: standard errors that a share may be off.
    """

    name: ClassVar[str] = "proposition4"
    title: ClassVar[str] = "Proposition 4"
    statement: ClassVar[str] = (
        r"(i) Exact gradient descent leaves the disc with probability 1. (ii) Some adversary keeps "
        r"it in with probability $\frac2\pi(\arcsin t + t\sqrt{1-t^2})$ from a uniform start, "
        r"$t = \Delta/(\lambda r) < 1$, and with $\frac2\pi\arcsin t$ from one on the circle."
    )
    known: ClassVar[str] = "reproduced"
    turned: ClassVar[dict[str, float]] = {"budget": 1.05}

    budget: float = 1.0
    errors: float = 3.0

    def cells(self, *, quick: bool) -> Sequence[Cell]:
        """A shape and a t each; t = 0 is exact descent."""
        draws = 20_000 if quick else 100_000
        ts = (0.0, 0.2, 0.5) if quick else (0.0, 0.05, 0.2, 0.4, 0.6, 0.9)
        return [{"shape": s, "t": t, "draws": draws} for s in ("ball", "sphere") for t in ts]

    def measure(self, cell: Cell, rng: np.random.Generator) -> list[Row]:
        """The share that never leaves."""
        Delta = cell["t"] * GAMMA * RADIUS
        uniform = ball if cell["shape"] == "ball" else sphere
        w = RADIUS * uniform(rng, cell["draws"], 2)
        bend, held = np.array([1.0, -GAMMA]), np.ones(cell["draws"], dtype=bool)
        for _ in range(ROUNDS):
            truth = bend * w
            wish = truth * np.array([1.0, 0.0])
            w = w - STEP * nearest(truth, wish, self.budget * Delta)
            held &= norms(w) <= RADIUS * (1 + 1e-12)
        share = float(held.mean())
        formula = theory.stuck_probability(Delta, GAMMA, RADIUS, cell["shape"])
        error = math.sqrt(max(formula * (1 - formula), 0) / cell["draws"])
        return [{**cell, "measured": share, "formula": formula, "error": error}]

    def verdict(self, rows: Sequence[Row]) -> Verdict:
        """Every share within its standard errors, and nobody held by an exact oracle."""
        exact, lied = pick(rows, t=0.0), [row for row in rows if row["t"] > 0]
        off = np.abs(column(lied, "measured") - column(lied, "formula")) / column(lied, "error")
        free = float(column(exact, "measured").max())
        return judge(
            holds=bool((off <= self.errors).all() and free == 0),
            tight=True,
            why=f"ball and circle, {len(lied)} shares of {rows[0]['draws']} draws: at most "
            f"{off.max():.1f} standard errors off; without lies a share of {free:g} stays",
        )

    def draw(self, rows: Sequence[Row]) -> Figure:
        """Shares and formulas against t."""
        from saddleproof.reproduce.draw import errorbars, lines

        grid = np.linspace(0, 1, 101)
        shapes = {"ball": "start in the disc", "sphere": "start on the circle"}

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
                    [theory.stuck_probability(t, 1.0, 1.0, shape) for t in grid],  # type: ignore[arg-type]
                )
                for shape in shapes
            },
            log="",
            x=r"$t = \Delta/(\lambda r)$",
            y="share that never leaves",
            title="Proposition 4: held at the saddle",
            more=bars,
        )
