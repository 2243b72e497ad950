"""ByzPy 0.1.4: the tests that it ships, run on our rules and attacks.

Its test functions are imported from the fetched source with a package `byzpy` in the place of its
own: the classes of this file, which call ours. Tests of its scheduler (subtasks, chunks, pools)
concern no rule and are left out.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from saddleproof import aggregators as rules
from saddleproof import attacks
from saddleproof.aggregators.engine.gram import gram
from saddleproof.attacks import AttackView

pytestmark = pytest.mark.slow  # one download

torch = pytest.importorskip("torch")


def stacked(rows: Sequence[Any]) -> Any:
    return torch.stack([torch.as_tensor(row) for row in rows])


def rule(make: Callable[..., Any]) -> type:
    """A class of theirs: options, f among them, then `aggregate`."""

    class Shim:
        def __init__(self, f: int | None = None, **options: Any) -> None:
            self.f, self.options = f, options

        def aggregate(self, gradients: Sequence[Any]) -> Any:
            if not gradients:
                return make(**self.options)(gradients, self.f or 0)
            m = len(gradients)
            b = (m - 1) // 2 if self.f is None else self.f
            return make(**self.options)(stacked(gradients), b)

    return Shim


def mixing(make: Callable[..., Any]) -> type:
    """A class of theirs: options, then `pre_aggregate`."""

    class Shim:
        def __init__(self, f: int = 0, **options: Any) -> None:
            self.f, self.options = f, options

        def pre_aggregate(self, rows: Sequence[Any]) -> Any:
            x = stacked(rows).double().numpy()
            out = make(**self.options).matrix(x, gram(x), self.f) @ x
            return list(torch.from_numpy(out).float())

    return Shim


def attack(make: Callable[..., Any]) -> type:
    """A class of theirs: options, then `apply` to the honest gradients."""

    class Shim:
        def __init__(self, **options: Any) -> None:
            self.options = options

        def apply(self, honest_grads: Sequence[Any]) -> Any:
            honest = stacked(honest_grads).double().numpy()
            h, d = honest.shape
            messages = np.concatenate([honest, np.zeros((1, d))])[None]
            view = AttackView(
                np.zeros((1, d)), messages, (h,), 0, 1, lambda s: s.mean(1), None, None
            )
            return torch.from_numpy(make(**self.options)(view)[0, 0]).float()

    return Shim


SHIM: dict[str, dict[str, Any]] = {
    "aggregators.coordinate_wise.median": {"CoordinateWiseMedian": rule(rules.Median)},
    "aggregators.coordinate_wise.trimmed_mean": {
        "CoordinateWiseTrimmedMean": rule(rules.TrimmedMean)
    },
    "aggregators.coordinate_wise.mean_of_medians": {"MeanOfMedians": rule(rules.MeanAroundMedian)},
    "aggregators.geometric_wise.krum": {
        "Krum": rule(lambda: rules.Krum(omit=1)),
        "MultiKrum": rule(lambda q: rules.MultiKrum(k=q, omit=1)),
    },
    "aggregators.geometric_wise.geometric_median": {
        "GeometricMedian": rule(
            lambda tol, max_iter, init: rules.GeometricMedian(tol, max_iterations=max_iter)
        )
    },
    "aggregators.norm_wise": {
        "CenteredClipping": rule(lambda c_tau, M, init: rules.CenteredClipping(c_tau, iterations=M))
    },
    "pre_aggregators": {
        "NearestNeighborMixing": mixing(lambda: rules.NearestNeighborMixing(rules.Mean()))
    },
    "attacks.empire": {"EmpireAttack": attack(lambda scale: attacks.InnerProduct(-scale))},
    "attacks.mimic": {"MimicAttack": attack(lambda epsilon: attacks.Mimic(worker=epsilon))},
    "engine.graph.operator": {"OpContext": None},
    "engine.storage.shared_store": {"cleanup_tensor": None},
}
FILES = (
    "aggregators/coordinate_wise/tests/test_median.py",
    "aggregators/coordinate_wise/tests/test_trmean.py",
    "aggregators/coordinate_wise/tests/test_mean_of_medians.py",
    "aggregators/geometric_wise/tests/test_krum.py",
    "aggregators/geometric_wise/tests/test_geometric_median.py",
    "aggregators/norm_wise/tests/test_center_clipping.py",
    "pre_aggregators/tests/test_nnm.py",
    "attacks/tests/test_empire_attack.py",
    "attacks/tests/test_mimic.py",
)
SCHEDULER = ("subtasks", "chunk", "barriered")
#: Tests that ours do not pass; docs/peers.md says whose convention each is.
DIFFER = {"test_gm_torch_1d_matches_numpy_median"}
AGREE = {
    "test_median_torch_backend",
    "test_trimmed_mean_torch_f1_equals_median_when_n3",
    "test_trimmed_mean_torch_general",
    "test_meamed_torch_n3_f1",
    "test_meamed_torch_n5_f2",
    "test_meamed_empty_or_bad_f_raises",
    "test_krum_torch_basic",
    "test_multi_krum_torch_q3",
    "test_gm_torch_outlier_robust",
    "test_cc_torch_basic_outlier_limited",
    "test_nnm_simple_line",
    "test_empire_torch_single_gradient_and_scale",
    "test_mimic_direct_expected",
}


@pytest.fixture(scope="module")
def tests(
    source_of: Callable[[str, str], Path], request: pytest.FixtureRequest
) -> dict[str, Callable[[], None]]:
    """Their test functions of rules and attacks, which see our classes."""
    request.config.addinivalue_line("markers", "asyncio: a mark of theirs, on tests left out here")
    root = source_of("byzpy", "0.1.4") / "byzpy"
    shims = {}
    for path, classes in SHIM.items():
        parts = ["byzpy", *path.split(".")]
        for k in range(1, len(parts) + 1):
            shims.setdefault(".".join(parts[:k]), ModuleType(".".join(parts[:k])))
        vars(shims[".".join(parts)]).update(classes)
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, module in shims.items():
            patch.setitem(sys.modules, name, module)
        for file in FILES:
            inside: dict[str, Any] = {}
            code = (root / file).read_text()
            exec(compile(code, file, "exec"), inside)
            for name, test in inside.items():
                if not name.startswith("test_") or inspect.iscoroutinefunction(test):
                    continue
                if not any(word in name for word in SCHEDULER):
                    found[name] = test
    return found


def test_every_test_is_accounted_for(tests: dict[str, Callable[[], None]]) -> None:
    assert set(tests) == AGREE | DIFFER


@pytest.mark.parametrize("name", sorted(AGREE))
def test_ours_passes(name: str, tests: dict[str, Callable[[], None]]) -> None:
    tests[name]()


@pytest.mark.parametrize("name", sorted(DIFFER))
def test_ours_differs_where_the_table_says_so(
    name: str, tests: dict[str, Callable[[], None]]
) -> None:
    with pytest.raises(AssertionError):
        tests[name]()
