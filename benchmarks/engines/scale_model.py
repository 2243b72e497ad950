"""What rounds cost at 1e2 to 1e5 workers and d to 1e9, by a model of unit costs measured here.

    python benchmarks scale_model [--repeats 5] [--quick] [--out docs]

Unit costs, curves over m, d and q, and the sizes at which the model is tried are measured in one
process, all in turn: seconds of the processor on one thread, medians. The questions of a run are
those that a run of CertifiedPGD asked here. With --out, the figure and the tables go there. What is
printed for an m or a d beyond the measured sizes is the model's and was not measured.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

import saddleproof as sp
from common import attacked, table
from engines import scale_picture
from engines.costs import PLANS, STEP, Asked, Units, asked, exponent, run
from engines.unit_costs import (
    BY_D,
    BY_M,
    BY_Q,
    TRIED,
    TRIED_PROPOSALS,
    Size,
    measured,
    units_of,
)
from saddleproof.fleets.base import Messages
from saddleproof.questions import Changes, Curvatures, Gradients, LeastCurvature, Question


def questions_of_a_run() -> list[Asked]:
    """What CertifiedPGD asked until its end: spiked PCA, 20 workers of which 6 lie."""
    problem = sp.problems.SpikedPCA(seed=0)
    fleet = attacked(problem)
    heard: list[Question] = []
    answering = fleet.ask

    def listening(question: Question, **how: Any) -> Messages:
        heard.append(question)
        return answering(question, **how)

    fleet.ask = listening  # type: ignore[method-assign]
    gathering = fleet.round
    fleet.round = lambda points, **how: heard.append(Gradients(points)) or gathering(points, **how)  # type: ignore[method-assign,func-returns-value]
    sp.minimize(fleet, sp.CertifiedPGD(), aggregator=sp.Median(), b=6, w0=problem.saddle, seed=0)
    return [asked(question) for question in heard]


def rounds_table(units: Units) -> list[tuple[object, ...]]:
    """The model: bytes and the server's time of each kind of round."""
    rows: list[tuple[object, ...]] = [
        ("m", "d", "round", "down a worker", "up a worker", "server down", "server up", "server s",
         "down / FedAvg's", "up / FedAvg's")
    ]  # fmt: skip
    for m in (10**2, 10**3, 10**4, 10**5):
        for d in (10**6, 10**9):
            b = 3 * m // 10
            kinds = [("gradient, FedAvg", STEP, 0)]
            kinds += [
                ("LeastCurvature", Asked(LeastCurvature), PLANS["27 at most (certify)"](m, b))
            ]
            kinds += [(f"rate {plan}", Asked(Curvatures, p(m, b)), 0) for plan, p in PLANS.items()]
            kinds += [("Changes, 7 x 14", Asked(Changes, 7, 14), 0)]
            for name, one, p in kinds:
                down, up = one.down(d), one.up(d)
                shown = [f"{x:.3g}" for x in (down, up, m * down, m * up)]
                took = f"{units.seconds(one, m, d, p):.2g}"
                ratios = (f"{down / STEP.down(d):.3g}", f"{up / STEP.up(d):.2g}")
                rows.append((f"{m:.0e}", f"{d:.0e}", name, *shown, took, *ratios))
    return rows


def runs_table(questions: Sequence[Asked]) -> list[tuple[object, ...]]:
    """The model: a run's bytes a worker over those of FedAvg in as many rounds."""
    rows: list[tuple[object, ...]] = [("m", "rated", "down / FedAvg's", "up / FedAvg's")]
    d = 10**9
    for m in (10**2, 10**3, 10**4, 10**5):
        for plan, p in PLANS.items():
            whole = run(questions, p(m, 3 * m // 10))
            down = sum(one.down(d) for one in whole) / (len(whole) * STEP.down(d))
            up = sum(one.up(d) for one in whole) / (len(whole) * STEP.up(d))
            rows.append((f"{m:.0e}", plan, f"{down:.3g}", f"{up:.2g}"))
    return rows


def tried_table(
    units: Units, times: dict[tuple[str, Size], float], shrink: int
) -> list[tuple[object, ...]]:
    """Measured over predicted, at sizes that no unit cost was taken from."""
    rows: list[tuple[object, ...]] = [("round", "m", "d", "q or p", "s", "model", "ratio")]
    for name, sizes in (("gradients", TRIED), ("proposals", TRIED_PROPOSALS)):
        for m, d, n in sizes:
            one = Asked(Gradients, n) if name == "gradients" else Asked(LeastCurvature)
            model, took = units.seconds(one, m, d // shrink, n), times[name, (m, d, n)]
            rows.append(
                (name, m, d // shrink, n, f"{took:.2g}", f"{model:.2g}", f"{took / model:.2f}")
            )
    return rows


def main() -> None:
    """Print the tables, and write them."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument(
        "--quick", action="store_true", help="a hundredth of d: a trial of the code"
    )
    options.add_argument("--out", type=Path, help="folder of the manual")
    told = options.parse_args()
    shrink = 100 if told.quick else 1
    os.environ["OMP_NUM_THREADS"] = "1"
    with threadpool_limits(1):
        times = measured(1 if told.quick else told.repeats, shrink)
    units, questions = units_of(times, shrink), questions_of_a_run()
    curves = {
        axis: [(size[k], times["gradients", size]) for size in sizes]
        for k, (axis, sizes) in enumerate((("m", BY_M), ("d", BY_D), ("q", BY_Q)))
    }
    slopes = {axis: exponent(*zip(*points, strict=True)) for axis, points in curves.items()}
    load = os.getloadavg()[0]
    print(f"Measured here, on one of {os.cpu_count()} cores, load {load:.1f}: {units}\n")
    print("Exponents of a round of gradients:", {a: round(e, 2) for a, e in slopes.items()}, "\n")
    kinds = Counter(one.kind.__name__ for one in questions)
    print(f"The run asked {len(questions)} questions: {dict(kinds)}\n")
    found = {
        "scale_tried": tried_table(units, times, shrink),
        "scale_rounds": rounds_table(units),
        "scale_runs": runs_table(questions),
    }
    for name, rows in found.items():
        print(f"{name}{'' if name == 'scale_tried' else ', by the model'}\n\n{table(rows)}\n")
        if told.out:
            with (told.out / "data" / f"{name}.csv").open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
    if told.out:
        scale_picture.draw(curves, slopes, told.out)
