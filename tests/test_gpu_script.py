"""The script that judges a device: its references, its dry run, and its word without a device."""

from __future__ import annotations

import csv
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch")
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TINY = [
    *("--numbers", "2e3", "--workers", "5", "8", "--hidden", "4", "--rows", "6"),
    *("--rounds", "2", "--repeat", "1", "--products", "12"),
]


@pytest.fixture(scope="module")
def device() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return importlib.import_module("speed.device")


def gpu(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS), "gpu", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_network_in_numpy_is_the_network_of_pytorch(device):
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3))
    module = module.double()
    x, y = torch.randn(5, 6, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0])
    loss = torch.nn.functional.cross_entropy(module(x), y)
    parts = torch.autograd.grad(loss, list(module.parameters()))
    w = torch.nn.utils.parameters_to_vector(module.parameters()).detach().numpy()
    value, gradient = device.network(w, x.numpy(), y.numpy(), 4)
    assert value == pytest.approx(loss.item(), abs=1e-12)
    np.testing.assert_allclose(gradient, torch.cat([p.ravel() for p in parts]), atol=1e-12)


def test_a_product_in_numpy_is_that_of_the_hessian(device):
    rng = np.random.default_rng(0)
    w, x, y = (
        rng.standard_normal(4 * 2 + 4 + 3 * 4 + 3),
        rng.standard_normal((5, 2)),
        np.arange(5) % 3,
    )
    u, v = rng.standard_normal((2, len(w)))
    image = [device.product(w, s, x, y, 4) for s in (u, v)]
    assert v @ image[0] == pytest.approx(u @ image[1], abs=1e-8)
    t = 1e-4
    ends = [device.network(w + s * v, x, y, 4)[0] for s in (t, 0, -t)]
    assert v @ image[1] == pytest.approx((ends[0] - 2 * ends[1] + ends[2]) / t**2, rel=1e-4)


def test_rules_in_numpy_by_hand(device):
    x = np.array([[0.0], [1.0], [2.0], [4.0], [100.0]])
    assert device.median(x, 1) == 2
    assert device.trimmed_mean(x, 1) == pytest.approx(7 / 3)
    assert device.around_median(x, 2) == pytest.approx(1)


@pytest.mark.parametrize(("error", "code"), [(0.5, 0), (2.0, 1), (np.nan, 1)])
def test_an_error_beyond_its_tolerance_or_unknown_fails_the_script(
    device, monkeypatch, error, code
):
    monkeypatch.syspath_prepend(BENCHMARKS)
    script = importlib.import_module("speed.gpu")
    row = device.Row("fit", "loss", **device.judged(error, 1.0))
    monkeypatch.setattr(script, "PARTS", {"fit": lambda *_: iter([row])})
    monkeypatch.setattr(sys, "argv", ["gpu", "--device", "cpu"])
    found = 0
    try:
        script.main()
    except SystemExit as end:
        found = end.code
    assert found == code


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_without_a_device_the_script_is_skipped_and_says_why():
    ran = gpu()
    assert ran.returncode == 77
    assert "no CUDA device" in ran.stdout


@pytest.mark.slow
def test_a_dry_run_measures_and_compares_every_part(tmp_path):
    ran = gpu("--device", "cpu", "--out", str(tmp_path), *TINY)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "dry run" in (tmp_path / "gpu.md").read_text()
    with (tmp_path / "gpu.csv").open() as file:
        rows = list(csv.DictReader(file))
    verdicts = {part: {row["verdict"] for row in rows if row["part"] == part} for part in
                ("tests", "build", "kernels", "questions", "fit")}  # fmt: skip
    assert verdicts["build"] == {""}
    assert verdicts["kernels"] == verdicts["questions"] == verdicts["fit"] == {"holds"}
    assert verdicts["tests"] in ({"holds"}, {"skipped: no device"})
    assert len([row for row in rows if row["part"] == "kernels"]) == 6


@pytest.mark.slow
def test_a_part_for_which_no_time_is_left_says_so():
    ran = gpu("--device", "cpu", "--seconds", "0", *TINY)
    assert ran.returncode == 0
    assert ran.stdout.count("no time left") >= 4
