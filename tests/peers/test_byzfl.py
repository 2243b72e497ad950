"""ByzFL 0.0.11: the examples of its docstrings, answered by our rules and attacks.

Its package ships no tests. Its docstrings, which it does ship, state for each rule and attack what
three rows give, (1, 2, 3), (4, 5, 6), (7, 8, 9); for attacks these are the honest rows. They are
read from the fetched source, as text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saddleproof import aggregators as rules
from saddleproof import attacks
from saddleproof.aggregators.engine.gram import gram
from saddleproof.attacks import AttackView

pytestmark = pytest.mark.slow  # one download

X = np.arange(1.0, 10.0).reshape(3, 3)


def lie(attack: Any, k: int = 1) -> np.ndarray:
    """What one of k liars sends beside three honest workers."""
    messages = np.concatenate([X, np.zeros((k, 3))])[None]
    members = tuple(range(3, 3 + k))
    view = AttackView(np.zeros((1, 3)), messages, members, 0, k, lambda s: s.mean(1), None, None)
    return np.asarray(attack(view))[0, 0]


def mixed(rule: Any) -> np.ndarray:
    return rule.matrix(X, gram(X), 1) @ X


#: Each example with f = 1 (f = 0 for the average): ours, and whether it agrees.
AGREE: dict[str, Callable[[], Any]] = {
    "Average": lambda: rules.Mean()(X, 0),
    "Median": lambda: rules.Median()(X, 1),
    "TrMean": lambda: rules.TrimmedMean()(X, 1),
    "Krum": lambda: rules.Krum(omit=1)(X, 1),
    "MultiKrum": lambda: rules.MultiKrum(omit=1)(X, 1),
    "Meamed": lambda: rules.MeanAroundMedian()(X, 1),
    "NNM": lambda: mixed(rules.NearestNeighborMixing(rules.Mean())),
    "InnerProductManipulation": lambda: lie(attacks.InnerProduct(2.0)),
    "Mimic": lambda: lie(attacks.Mimic(0)),
    "Inf": lambda: np.full(3, np.inf),
}
#: Examples in which we differ by convention; docs/peers.md says whose each is.
DIFFER: dict[str, Callable[[], Any]] = {
    "GeometricMedian": lambda: rules.GeometricMedian()(X, 1),
    "ALittleIsEnough": lambda: lie(attacks.ALittleIsEnough(1.5, "plus")),
}
#: No counterpart, random, or an option of theirs that ours does not have.
LEFT_OUT = {
    "CenteredClipping",
    "MDA",
    "MoNNA",
    "CAF",
    "SMEA",
    "Bucketing",
    "Clipping",
    "ARC",
    "SignFlipping",
    "Gaussian",
    "LabelFlipping",
    "Optimal_ALittleIsEnough",
    "Optimal_InnerProductManipulation",
}


@pytest.fixture(scope="module")
def examples(source_of: Callable[[str, str], Path]) -> dict[str, np.ndarray]:
    """Class name to the first array of its docstring's examples."""
    root = source_of("byzfl", "0.0.11") / "byzfl"
    found = {}
    for name in ("aggregators/aggregators", "aggregators/preaggregators", "attacks/attacks"):
        for node in ast.parse((root / f"{name}.py").read_text()).body:
            if isinstance(node, ast.ClassDef):
                said = (ast.get_docstring(node) or "").split("Using numpy arrays")[-1]
                shown = re.search(r"^\s*array\((\[.*?\])\)", said, re.MULTILINE | re.DOTALL)
                numbers = re.findall(r"-?\d+\.?\d*(?:e-?\d+)?|inf", shown[1]) if shown else []
                found[node.name] = np.array(numbers, dtype=float)
    return found


def test_every_example_is_accounted_for(examples: dict[str, np.ndarray]) -> None:
    assert set(examples) == set(AGREE) | set(DIFFER) | LEFT_OUT


@pytest.mark.parametrize("name", AGREE)
def test_we_answer_as_its_documentation_says(name: str, examples: dict[str, np.ndarray]) -> None:
    assert examples[name].size >= 3
    np.testing.assert_allclose(np.ravel(AGREE[name]()), examples[name], rtol=1e-6)


@pytest.mark.parametrize("name", DIFFER)
def test_we_differ_where_the_table_says_so(name: str, examples: dict[str, np.ndarray]) -> None:
    assert not np.allclose(np.ravel(DIFFER[name]()), examples[name], rtol=1e-6)


def test_its_geometric_median_is_not_the_minimum(examples: dict[str, np.ndarray]) -> None:
    def total(y: np.ndarray) -> float:
        return float(np.linalg.norm(X - y, axis=1).sum())

    ours = rules.GeometricMedian()(X, 1)
    np.testing.assert_allclose(ours, [4.0, 5.0, 6.0], atol=1e-6)
    assert total(ours) < total(examples["GeometricMedian"])


def test_its_shift_divides_by_one_worker_less(examples: dict[str, np.ndarray]) -> None:
    theirs = lie(attacks.ALittleIsEnough(1.5 * np.sqrt(3 / 2), "plus"))
    np.testing.assert_allclose(theirs, examples["ALittleIsEnough"], rtol=1e-12)
