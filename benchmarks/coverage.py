"""How often the certificate proves a point, and whether it is ever wrong.

    python benchmarks/coverage.py [--seeds 40] [--problems example1 phase]

For every problem of the suite, at its saddle and at its minimum, with 6 of 20 workers lying
(saddle attack: push, hold, cancel), one certificate a seed. Wrong means that the true
lambda_min lies outside the certified bracket: that of the honest workers' pooled loss, which is
what the certificate speaks of, and that of all 20 shards together. Shares come with 95 % Wilson
intervals.
"""

from __future__ import annotations

import argparse

import numpy as np

import saddleproof as sp
from common import share, table
from saddleproof.certificate import Certificate, certify
from saddleproof.certificate.hessian import difference_points
from saddleproof.problems.table import PROBLEMS

LIARS = range(6)
STYLES = ("push", "hold", "cancel")
#: Beyond the rounding of the truth itself, a central difference too.
SLACK = 1e-7


def main() -> None:
    """Measure, print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS))
    options = parser.parse_args()
    rows = []
    for name in options.problems:
        problems = [PROBLEMS[name](seed=seed) for seed in range(options.seeds)]
        rows += [cell(name, place, problems) for place in ("saddle", "minimum")]
    print(table([list(rows[0]), *(list(row.values()) for row in rows)]))


def cell(name: str, place: str, problems: list[sp.problems.SaddleProblem]) -> dict[str, str]:
    """One row: every seed under every style, at the saddle or at the minimum."""
    certificates, honest, pooled = [], [], []
    for problem in problems:
        w = getattr(problem, place)
        for style in STYLES:
            attack = sp.SaddleAttack(problem.saddle, style=style)
            fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=LIARS)
            certificates.append(certify(fleet, w, sp.Median(), b=len(LIARS)))
            honest.append(honest_lambda_min(problem, w))
            pooled.append(float(np.linalg.eigvalsh(problem.hessian(w))[0]))
    lows = [one.curvature.low for one in certificates]
    by = [{bracket.method: bracket.low for bracket in one.brackets} for one in certificates]
    return {
        "problem": name,
        "at": place,
        "lambda_min": f"{np.median(honest):+.3f}",
        "proved": share([one.level == "proved" for one in certificates]),
        "witness": share([one.level == "witness" for one in certificates]),
        "low": f"{np.median(lows):+.3f}",
        "low, entries": f"{np.median([one['entries'] for one in by]):+.3f}",
        "low, eigenvalues": f"{np.median([one['worker eigenvalues'] for one in by]):+.3f}",
        "wrong, honest": share(
            [misses(c.curvature, t) for c, t in zip(certificates, honest, strict=True)]
        ),
        "wrong, all": share(
            [misses(c.curvature, t) for c, t in zip(certificates, pooled, strict=True)]
        ),
    }


def honest_lambda_min(problem: sp.problems.SaddleProblem, w: np.ndarray) -> float:
    """The lowest eigenvalue of the honest workers' pooled Hessian, by central differences."""
    points = difference_points(w, float(np.cbrt(np.finfo(float).eps)) * (1 + np.abs(w).max()))
    d = len(w)
    gradients = problem.gradients(points)[:, len(LIARS) :].mean(axis=1)
    spans = np.diagonal(points[1 : d + 1] - points[d + 1 :])
    hessian = (gradients[1 : d + 1] - gradients[d + 1 :]) / spans[:, None]
    return float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[0])


def misses(certificate: Certificate, truth: float) -> bool:
    """Whether the true lambda_min lies outside the certified bracket."""
    found = certificate.curvature
    return not found.low - SLACK <= truth <= found.high + SLACK


if __name__ == "__main__":
    main()
