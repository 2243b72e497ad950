"""`saddleproof theory`: what the paper promises at given numbers, and what one would run."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from saddleproof.schedule import Schedule
    from saddleproof.theory import Guarantee


@click.command("theory")
@click.option("--L", "smoothness", type=float, required=True, help="Smoothness of F, > 0.")
@click.option("--rho", type=float, required=True, help="Lipschitz constant of its Hessian, > 0.")
@click.option(
    "--delta-inexact",
    "inexactness",
    type=float,
    required=True,
    help="Delta, > 0: how wrong the aggregate may be.",
)
@click.option("--d", "d", type=click.IntRange(1), required=True, help="Dimension.")
@click.option(
    "--excess",
    type=float,
    default=1.0,
    show_default=True,
    help="F_0 - F*, > 0: how far the loss can fall.",
)
@click.option(
    "--delta",
    type=float,
    default=0.05,
    show_default=True,
    help="Admitted probability of failure, in (0, 1).",
)
@click.option(
    "--curvature",
    type=float,
    help="Curvature that the heuristic schedule notices; 2 sqrt(rho Delta sqrt(d)) unless given.",
)
def command(
    smoothness: float,
    rho: float,
    inexactness: float,
    d: int,
    excess: float,
    delta: float,
    curvature: float | None,
) -> None:
    """Print Theorem 3's schedule and guarantee, what is vacuous in it, and a heuristic schedule."""
    from saddleproof.schedule import HeuristicSchedule, VacuousScheduleWarning
    from saddleproof.theory import iterate_radius, theorem3_guarantee

    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", VacuousScheduleWarning)
        promise = theorem3_guarantee(d, inexactness, smoothness, rho, excess, delta)
    radius = iterate_radius(d, inexactness, smoothness, rho, excess)
    click.echo(
        f"d = {d}, L = {smoothness:g}, rho = {rho:g}, Delta = {inexactness:g}, "
        f"F_0 - F* = {excess:g}, delta = {delta:g}\n\n"
        f"Theorem 3\n  schedule   {_line(promise.schedule)}"
    )
    for line in _promised(promise, radius, smoothness):
        click.echo(f"  {line}")
    for note in notes:
        click.echo(f"  {str(note.message).rpartition('. ')[2]}")

    # At this gamma the Hessian changes by gamma over the radius r = 4 sqrt(d) Delta / gamma.
    least = 2 * math.sqrt(rho * inexactness * math.sqrt(d))
    gamma = least if curvature is None else curvature
    schedule = HeuristicSchedule(d, inexactness, gamma, 1 / smoothness, delta=delta)
    click.echo(f"\nHeuristicSchedule, no theorem\n  schedule   {_line(schedule)}")
    click.echo(f"  notices    curvature {gamma:.3g}")
    if gamma > smoothness:
        click.echo(f"  useless: no F with L = {smoothness:g} has that curvature; lower Delta")
    elif gamma < least * (1 - 1e-9):
        click.echo(f"  doubtful: over r the Hessian may change by more; that takes {least:.3g}")


def _line(schedule: Schedule) -> str:
    return (
        f"eta = {schedule.step:.3g}, epsilon = {schedule.epsilon:.3g}, r = {schedule.r:.3g}, "
        f"R = {schedule.R:.3g}, Q = {schedule.Q}, T_th = {schedule.T_th}"
    )


def _promised(promise: Guarantee, radius: float, smoothness: float) -> list[str]:
    """The promise, and the inequalities that make it empty."""
    empty = [*promise.schedule.vacuous]
    if promise.curvature > smoothness:
        empty.append(f"bound (3) > L (bound = {promise.curvature:.3g}, L = {smoothness:.3g})")
    norm, by3, by16 = promise.gradient_norm, promise.curvature, promise.proved_curvature
    chance = 1 - promise.schedule.delta
    return [
        f"guarantee  ||grad F|| <= {norm:.3g}, lambda_min >= -{by3:.3g} (3), >= -{by16:.3g} (16)",
        f"rounds     {promise.iterations:.3g} at most, within {radius:.3g} of the start",
        f"both       with probability {chance:g}, given that the oracle is as said",
        *(f"vacuous    {phrase}" for phrase in empty or ["no"]),
    ]
