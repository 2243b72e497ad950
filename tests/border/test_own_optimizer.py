"""An optimizer of one's own: the example passes the suite, and a mistake is told by its method."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saddleproof as sp
from saddleproof.config.parse import load
from saddleproof.config.setup import build
from saddleproof.errors import OptionError
from saddleproof.optimizers.base import RUNNING, Machine
from saddleproof.testing import QuarticSaddle

EXAMPLES = Path(__file__).parents[2] / "examples"


class Own(Machine):
    """The shortest optimizer there is."""

    def init(self, w0: Any, *, seed: Any = None, max_rounds: Any = None) -> Any:
        return w0

    def ask(self, state: Any) -> Any:
        return state[None]

    def tell(self, state: Any, reading: Any) -> Any:
        return state - 0.1 * reading.gradient[0]

    def status(self, state: Any) -> Any:
        return RUNNING

    def point(self, state: Any) -> Any:
        return state


def run(optimizer: Any, **more: Any) -> Any:
    return sp.minimize(
        QuarticSaddle(), optimizer, b=2, **{"max_rounds": 3, "certify": False} | more
    )


def changed(method: str, returns: Any) -> Any:
    return type("Odd", (Own,), {method: lambda *_, **__: returns})()


def test_five_methods_are_an_optimizer() -> None:
    assert run(Own()).status == "budget"


@pytest.mark.parametrize("method", ["init", "ask", "tell", "status", "point"])
def test_a_method_that_is_missing_is_named(method: str) -> None:
    methods = {name: one for name, one in vars(Own).items() if name not in (method, "__dict__")}
    with pytest.raises(OptionError, match=f"which lacks {method}: an optimizer has ask, tell"):
        run(type("Lacking", (Machine,), methods)())


@pytest.mark.parametrize(
    ("method", "returns", "says"),
    [
        ("init", None, "Odd.init must return the first state; got None"),
        ("tell", None, "Odd.tell must return the next state; got None"),
        ("point", None, "Odd.point must return one vector of shape (4,), as w0; got None"),
        ("point", np.zeros(1), "Odd.point must return one vector of shape (4,), as w0; got shape"),
        ("ask", None, "Odd.ask: "),
        ("ask", np.zeros(4), "Odd.ask: an optimizer asks (q, d) floating-point points"),
        ("status", "running", "Odd.status must return a Status(name, message)"),
        ("breakdown", None, "Odd.breakdown(11) must be a number of workers; got None"),
    ],
)
def test_what_a_method_may_not_return_is_told_with_its_name(
    method: str, returns: Any, says: str
) -> None:
    with pytest.raises(OptionError, match=re.escape(says)):
        run(changed(method, returns))


def test_evidence_that_is_none_costs_the_certificate_and_not_the_run() -> None:
    result = run(changed("evidence", 3), certify=True)
    assert result.status == "budget"
    assert result.certificate.level == "open"
    assert result.certificate.reason == "Odd.evidence must return an Evidence or None; got 3"


def test_the_example_passes_the_suite_and_ends_with_a_certificate() -> None:
    command = [sys.executable, "-W", "error::RuntimeWarning", str(EXAMPLES / "own_optimizer.py")]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "status: stationary" in output
    assert "certificate: certified" in output


def test_a_configuration_beside_the_example_names_it(tmp_path: Path) -> None:
    (tmp_path / "own_optimizer.py").write_text((EXAMPLES / "own_optimizer.py").read_text())
    (tmp_path / "c.toml").write_text(
        'problem = "logistic"\noptimizer = { name = "own_optimizer:HeavyBall", beta = 0.5 }\n'
        "run = { b = 3, max_rounds = 2, certify = false }\n"
    )
    setup = build(load(tmp_path / "c.toml"))
    assert setup.optimizer.beta == 0.5
    assert setup.minimize().rounds == 2
