"""A rule that knows no inexactness: the default asks about losses, and needs none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.aggregators.base import Estimate, Rule
from saddleproof.config.parse import load
from saddleproof.config.setup import build
from saddleproof.errors import OptionError
from saddleproof.testing import QuarticSaddle

SOURCE = '''
import numpy as np
from saddleproof.aggregators.base import Estimate, Rule

class Own(Rule):
    """The median, without a word about its error."""

    def breakdown(self, m):
        return (m - 1) // 2

    def _batch(self, stack, b):
        return Estimate(np.median(stack, axis=1), None, np.ones(stack.shape[:2], bool))
'''


class Own(Rule):
    """The median, without a word about its error."""

    def breakdown(self, m: int) -> int:
        return (m - 1) // 2

    def _batch(self, stack: Any, b: int) -> Estimate:
        vector = np.median(np.asarray(stack), axis=1).astype(np.asarray(stack).dtype)
        return Estimate(vector, None, np.ones(stack.shape[:2], bool))


def test_the_default_leaves_the_saddle_under_attack_and_proves_its_end() -> None:
    problem = QuarticSaddle()
    liars = sp.Coalition(sp.LocalFleet(problem), sp.attacks.SignFlip(), [0, 1])
    result = sp.minimize(liars, aggregator=Own(), b=2, seed=0)
    assert result.success
    assert result.certificate is not None
    assert result.certificate.certified


def test_a_configuration_with_such_a_rule_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "c.toml").write_text(
        'problem = "example2"\naggregator = "mine:Own"\n'
        'attack = { name = "saddle", members = 3 }\n'
        "run = { b = 3, seed = 0, max_rounds = 80 }\n"
    )
    setup = build(load(tmp_path / "c.toml"))
    result = setup.minimize()
    assert setup.problem.left_saddle(result.w)
    assert result.status in ("second_order", "conditional")


@pytest.mark.slow  # PyTorch is imported
def test_a_module_is_fitted_with_such_a_rule() -> None:
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 3, generator=generator)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]])
    shards = [torch.utils.data.TensorDataset(x[i::5], y[i::5]) for i in range(5)]
    loss, start = torch.nn.functional.mse_loss, torch.nn.Linear(3, 1)
    fitted, _ = sp.torch.fit(
        start, loss, shards, b=1, aggregator=Own(), seed=0, rounds=60, certify=False
    )
    with torch.no_grad():
        assert float(((fitted(x) - y) ** 2).mean()) < 0.05


def test_an_optimizer_of_gradients_alone_names_one_that_works() -> None:
    with pytest.raises(OptionError, match="take Median\\(\\), or CertifiedPGD"):
        sp.minimize(QuarticSaddle(), sp.GradientOnlyPGD(), aggregator=Own(), b=2)
