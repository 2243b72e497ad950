"""How the certified curvature shrinks with the inexactness: HessianPGD, Theorem 3, and the default.

    python benchmarks hessian_exponent [--seeds 5] [--d 10]

F(w) = gamma cos(e'w) + w'Bw/2 with random orthonormal e and f, B zero along both and within
[.3, 1] across: a saddle at 0, minima at e'w = +-pi, flat along f, so that the true lambda_min where
runs end is 0 and every bound below it is the method's own. L = 1, rho = gamma.

**Delta-oracle** (Definition 3): the adversary answers anything within Delta of grad F. It hides the
lowest direction at points of negative curvature and makes it look negative elsewhere:

    random     a direction at random at each query point
    sign       along sign(v), the corner of the cube that is nearest to the eigenvector
    eigen      along the eigenvector v itself

HessianPGD knows rho and Delta; certified eps_H = max(0, -proved lower bound), the worst of the
seeds. "promise" is the theorem's (docs/hessian_pgd.md), "Theorem 3" the bound (16) that the paper's
schedule is made for.

**Workers** (m = 20, 6 of them liars that push to the saddle): tilts and Hessians of the workers
differ by sigma N(0, 1) an entry, sigma chosen so that the inexactness which shows at the saddle
goes through the same decades. There worker-wise differences apply, and nobody knows rho:
HessianPGD() and CertifiedPGD(), what its certificate proves without a condition.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from statistics import median

import numpy as np

import saddleproof as sp
from common import table
from saddleproof.arrays import Vector
from saddleproof.optimizers.hessian.hessian_pgd import HessianPGD

GAMMA, WORKERS, LIARS = 0.5, 20, 6
#: From where the promise is below gamma: five decades.
DELTAS = 10.0 ** np.arange(-3.0, -9.0, -1.0)
STYLES = ("random", "sign", "eigen")


class Flat:
    """F as above, for one seed."""

    def __init__(self, d: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
        self.d, self.e = d, Q[:, 0]
        across = Q[:, 2:]
        self.B = across * np.linspace(0.3, 1.0, d - 2) @ across.T

    def gradients(self, points: Vector) -> Vector:
        """(q, d) to (q, d)."""
        return points @ self.B - GAMMA * np.sin(points @ self.e)[:, None] * self.e

    def values(self, points: Vector) -> Vector:
        """(q, d) to (q,)."""
        bowl = ((points @ self.B) * points).sum(axis=1) / 2
        return bowl + GAMMA * np.cos(points @ self.e)

    def hessian(self, w: Vector) -> Vector:
        """(d,) to (d, d)."""
        return self.B - GAMMA * np.cos(self.e @ w) * np.outer(self.e, self.e)


@dataclass
class Oracle:
    """Three workers of one voice: grad F plus an error of norm Delta, chosen query by query."""

    truth: Flat
    inexactness: float
    style: str
    seed: int
    m: int = 3

    def gradients(self, points: Vector) -> Vector:
        """(q, d) to (q, m, d)."""
        values, vectors = np.linalg.eigh(self.truth.hessian(points[0]))
        v, hide = vectors[:, 0], 1.0 if values[0] < -1e-9 else -1.0
        side = np.sign((points - points[0]) @ v)[:, None]
        ways = {
            "random": np.random.default_rng(self.seed).standard_normal(points.shape),
            "sign": hide * side * np.sign(v),
            "eigen": hide * side * v,
        }
        error = ways[self.style]
        length = np.maximum(np.linalg.norm(error, axis=1, keepdims=True), 1e-300)
        answer = self.truth.gradients(points) + self.inexactness * error / length
        return np.repeat(answer[:, None], self.m, axis=1)


class Workers:
    """20 workers around F whose tilts and Hessians differ by sigma; a problem like any other."""

    name, smoothness = "flat", 1.0

    def __init__(self, truth: Flat, sigma: float, seed: int) -> None:
        self.truth, self.d, self.m = truth, truth.d, WORKERS
        self.saddle, self.start = np.zeros(self.d), np.full(self.d, 1e-3)
        rng = np.random.default_rng([1, seed])
        tilts = rng.standard_normal((self.m, self.d))
        noise = rng.standard_normal((self.m, self.d, self.d))
        noise = (noise + noise.swapaxes(1, 2)) / 2
        self.tilts = sigma * (tilts - tilts.mean(axis=0))
        self.noise = sigma * (noise - noise.mean(axis=0))

    def gradients(self, points: Vector) -> Vector:
        """(q, d) to (q, m, d)."""
        own = np.einsum("mkl,ql->qmk", self.noise, points)
        return self.truth.gradients(points)[:, None] + own + self.tilts

    def values_at(self, points: Vector) -> Vector:
        """(q, d) to (q, m)."""
        own = np.einsum("qk,mkl,ql->qm", points, self.noise, points) / 2
        return self.truth.values(points)[:, None] + own + points @ self.tilts.T

    def products(self, w: Vector, vectors: Vector) -> Vector:
        """(d,) and (m, p, d) to (m, p, d)."""
        return vectors @ (self.truth.hessian(w) + self.noise)


def promise(d: int, inexactness: float) -> float:
    """eps_H of the theorem."""
    return (2 * (2 * d) ** 0.5 + 6**0.5) * (GAMMA * inexactness) ** 0.5


def oracle_run(truth: Flat, inexactness: float, style: str, seed: int) -> tuple[float, bool, int]:
    """Certified eps_H, whether all that the theorem says is true, and the rounds."""
    oracle = Oracle(truth, inexactness, style, seed)
    optimizer = HessianPGD(rho=GAMMA, inexactness=inexactness, step=1.0)
    start = np.full(truth.d, 1e-3)
    result = sp.minimize(
        sp.LocalFleet(oracle), optimizer, b=0, w0=start, max_rounds=100_000, certify=False
    )
    found = result.state.found
    certified, true = -found.low, -float(np.linalg.eigvalsh(truth.hessian(result.w))[0])
    holds = (
        result.status == "second_order"
        and true - 1e-9 <= certified <= promise(truth.d, inexactness) + 1e-9
        and np.linalg.norm(truth.gradients(result.w[None])) <= 4 * inexactness
    )
    return max(certified, 0.0), bool(holds), result.rounds


def worker_run(truth: Flat, inexactness: float, seed: int) -> tuple[float, float]:
    """What HessianPGD and CertifiedPGD prove of the curvature at their ends."""
    unit = Workers(truth, 1.0, seed)
    shown = sp.Median().estimates(unit.gradients(unit.saddle[None]), LIARS).inexactness[0]
    problem = Workers(truth, inexactness / shown, seed)
    attack = sp.SaddleAttack(problem.saddle, style="push")
    fleet = sp.Coalition(sp.LocalFleet(problem), attack, members=range(LIARS))
    ours = sp.minimize(fleet, HessianPGD(), b=LIARS, seed=seed, max_rounds=300, certify=False)
    other = sp.minimize(fleet, sp.CertifiedPGD(), b=LIARS, seed=seed, max_rounds=300)
    low = -np.inf if other.certificate is None else other.certificate.curvature.low
    return max(-ours.state.found.low, 0.0), max(-low, 0.0)


def slope(deltas: Vector, bounds: list[float]) -> float:
    """Of log bound against log Delta, by least squares over the decades where there is one."""
    y = np.array(bounds)
    kept = np.isfinite(y) & (y > 0)
    if kept.sum() < 2:
        return np.nan
    return float(np.polyfit(np.log(deltas[kept]), np.log(y[kept]), 1)[0])


def main() -> None:
    """Print one table: a row a Delta, and the slopes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--d", type=int, default=10)
    options = parser.parse_args()
    problems = [Flat(options.d, seed) for seed in range(options.seeds)]
    columns: dict[str, list[float]] = {f"oracle, {style}": [] for style in STYLES}
    columns |= {"promise": [], "Theorem 3": [], "workers": [], "CertifiedPGD": []}
    held, rounds = [], []
    for inexactness in DELTAS:
        for style in STYLES:
            runs = [oracle_run(F, inexactness, style, seed) for seed, F in enumerate(problems)]
            columns[f"oracle, {style}"].append(max(certified for certified, _, _ in runs))
            held += [holds for _, holds, _ in runs]
            rounds.append(median(n for _, _, n in runs))
        with warnings.catch_warnings(action="ignore"):
            printed = sp.schedule.Theorem3(options.d, inexactness, 1.0, GAMMA, 2 * GAMMA).curvature
        columns["Theorem 3"].append(printed or np.nan)
        columns["promise"].append(promise(options.d, inexactness))
        pairs = [worker_run(F, inexactness, seed) for seed, F in enumerate(problems)]
        columns["workers"].append(median(ours for ours, _ in pairs))
        columns["CertifiedPGD"].append(median(other for _, other in pairs))
    rows: list[list[object]] = [["Delta", *columns]]
    for i, inexactness in enumerate(DELTAS):
        rows.append([f"{inexactness:.0e}", *(f"{y[i]:.3g}" for y in columns.values())])
    rows.append(["slope", *(f"{slope(DELTAS, y):.3f}" for y in columns.values())])
    print(table(rows))
    print(
        f"the theorem held in {sum(held)} of {len(held)} runs of {min(rounds)}-{max(rounds)} rounds"
    )
