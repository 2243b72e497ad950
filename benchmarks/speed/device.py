"""For `gpu`: a clock for devices, rows of its table, and the same results in float64 NumPy."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from common import table


@dataclass(frozen=True)
class Row:
    """A line of the table; what does not apply is empty.

    Attributes:
        error: the largest difference from float64 NumPy, over the largest number there.
        tolerance: the most that it may be.
        verdict: "holds", "FAILED", or why there is none.
    """

    part: str
    what: str
    size: str = ""
    device_ms: str = ""
    cpu_ms: str = ""
    cpu_over_device: str = ""
    network_ms: str = ""
    sort_ms: str = ""
    share_of_copy_limit: str = ""
    error: str = ""
    tolerance: str = ""
    verdict: str = ""


def judged(error: float, tolerance: float) -> dict[str, str]:
    """The last three fields; NaN fails."""
    verdict = "holds" if error <= tolerance else "FAILED"
    return {"error": f"{error:.1e}", "tolerance": f"{tolerance:.1e}", "verdict": verdict}


def write(rows: list[Row], head: str, out: Path) -> None:
    """gpu.csv and gpu.md in a folder."""
    out.mkdir(parents=True, exist_ok=True)
    cells = cells_of(rows)
    with (out / "gpu.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(cells)
    (out / "gpu.md").write_text(f"{head}\n\n{table(cells)}\n")


def cells_of(rows: list[Row]) -> list[list[str]]:
    """The heading, and a line a row."""
    names = [field.name for field in fields(Row)]
    return [
        [name.replace("_", " ") for name in names],
        *([str(getattr(row, name)) for name in names] for row in rows),
    ]


def wait(device: torch.device) -> None:
    """Until all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def clocked(run: Callable[[], object], device: torch.device) -> float:
    """Milliseconds of one call, from an idle device until the device is done."""
    wait(device)
    start = time.perf_counter()
    run()
    wait(device)
    return 1e3 * (time.perf_counter() - start)


def in_turn(
    things: Mapping[str, Callable[[], object]], device: torch.device, repeat: int
) -> dict[str, np.ndarray]:
    """(repeat,) milliseconds of each; all once in every turn, and two first turns do not count."""
    taken = [
        {name: clocked(run, device) for name, run in things.items()} for _ in range(2 + repeat)
    ]
    return {name: np.array([turn[name] for turn in taken[2:]]) for name in things}


def ratio(over: np.ndarray, under: np.ndarray) -> str:
    """The median of the ratios of each turn."""
    return f"{float(np.median(over / under)):.2f}"


def ms(times: np.ndarray) -> str:
    """The median."""
    return f"{float(np.median(times)):.3g}"


def off(found: object, exact: np.ndarray) -> float:
    """The largest difference, over the largest number of `exact`."""
    values = found.detach().cpu().numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
    return float(np.abs(values.astype(float) - exact).max() / np.abs(exact).max())


def median(x: np.ndarray, b: int) -> np.ndarray:  # noqa: ARG001 - as the others
    """Of every column of (m, d)."""
    return np.median(x, axis=0)


def trimmed_mean(x: np.ndarray, b: int) -> np.ndarray:
    """Without the b smallest and the b largest."""
    return np.sort(x, axis=0)[b : len(x) - b].mean(axis=0)


def around_median(x: np.ndarray, b: int) -> np.ndarray:
    """The mean of the m - b numbers nearest to the median."""
    order = np.argsort(np.abs(x - np.median(x, axis=0)), axis=0, kind="stable")
    return np.take_along_axis(x, order[: len(x) - b], axis=0).mean(axis=0)


def network(w: np.ndarray, x: np.ndarray, y: np.ndarray, hidden: int) -> tuple[float, np.ndarray]:
    """Mean cross-entropy of a tanh network with one hidden layer, and its gradient.

    Args:
        w: (d,) weights (hidden, inputs), biases, weights (classes, hidden), biases, in this order.
        x: (n, inputs).
        y: (n,) class numbers.
        hidden: neurons.
    """
    n, inputs = x.shape
    cut = np.cumsum([hidden * inputs, hidden])
    first, bias, rest = w[: cut[0]].reshape(hidden, inputs), w[cut[0] : cut[1]], w[cut[1] :]
    classes = len(rest) // (hidden + 1)
    second = rest[: classes * hidden].reshape(classes, hidden)
    h = np.tanh(x @ first.T + bias)
    z = h @ second.T + rest[classes * hidden :]
    z -= z.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(z).sum(axis=1))
    loss = float((log_sum - z[np.arange(n), y]).mean())
    dz = np.exp(z - log_sum[:, None])
    dz[np.arange(n), y] -= 1
    dz /= n
    dh = (dz @ second) * (1 - h * h)
    parts = (dh.T @ x, dh.sum(axis=0), dz.T @ h, dz.sum(axis=0))
    return loss, np.concatenate([part.ravel() for part in parts])


def product(w: np.ndarray, v: np.ndarray, x: np.ndarray, y: np.ndarray, hidden: int) -> np.ndarray:
    """The Hessian of `network` times v, by central differences of step 1e-5 / |v|."""
    t = 1e-5 / float(np.linalg.norm(v))
    up, down = (network(w + s * v, x, y, hidden)[1] for s in (t, -t))
    return (up - down) / (2 * t)
