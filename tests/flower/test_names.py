"""The public names of `saddleproof.flower`: loaded when they are used, and no earlier."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from saddleproof import flower
from saddleproof.errors import MissingExtraError


@pytest.mark.parametrize("name", flower.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    for extra in ("flwr", "torch") if name in ("answer_questions", "questions_mod") else ("flwr",):
        pytest.importorskip(extra)
    assert inspect.getdoc(getattr(flower, name))
    assert name in dir(flower)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        flower.nothing  # noqa: B018 - reading it is the test


def test_naming_the_package_loads_neither_flower_nor_pytorch() -> None:
    code = "import sys, saddleproof.flower; assert not {'flwr', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(flower.__dict__, "RobustStrategy", raising=False)
    monkeypatch.delitem(sys.modules, "saddleproof.flower.strategy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])
    with pytest.raises(MissingExtraError, match=r"saddleproof\[flower\]"):
        flower.RobustStrategy  # noqa: B018 - reading it is the test


class Refusing:
    """As if Flower were not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "saddleproof.flower.strategy":
            raise ModuleNotFoundError("No module named 'flwr'", name="flwr")
