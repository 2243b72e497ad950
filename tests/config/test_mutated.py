"""Whatever a configuration holds, it is a run that is ready, or one line that says why not."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saddleproof.arguments import FAMILIES
from saddleproof.config.members import SCHEDULES
from saddleproof.config.parse import load, parse
from saddleproof.config.setup import Setup, build
from saddleproof.errors import SaddleproofError

#: Every table and every kind of value; small, so that it is built in no time.
BASE: dict[str, Any] = {
    "problem": {"name": "example2", "n": 5, "workers": 9},
    "attack": {"name": "burst", "start": 1, "attack": {"name": "sign_flip"}, "members": [0, 2]},
    "aggregator": {"name": "bucketing", "rule": {"name": "krum"}},
    "optimizer": {"name": "byzantine_pgd", "schedule": {"name": "heuristic", "curvature": 0.5}},
    "run": {"b": 2, "seed": 3, "max_rounds": 9, "timeout": 1.5, "certify": False},
    "compare": [{"label": "one"}, {"label": "two", "aggregator": "mean"}],
    "grid": {"problem": ["example1", {"name": "example2", "label": "x", "n": 5}]},
}
TEXT = tomli_w.dumps(BASE)
KEYS = sorted({"name", "label", "members", "rule", "b", "step", "size", "radius", *BASE})
#: No member takes time or memory by these: a million workers would.
NAMES = [
    *(
        name
        for family in ("aggregator", "optimizer", "attack")
        for name in FAMILIES[family].names()
    ),
    *("example1", "example2", "none", *SCHEDULES),
    *("os:system", "builtins:exec", "subprocess:Popen", ":x", "x:", ".:.", "saddleproof:x"),
    *("saddleproof.aggregators.mean:Mean", "saddleproof.loop:minimize", "\x1b[2J", "", "$x$", "=1"),
]
PLAIN = st.one_of(
    st.sampled_from(NAMES),
    st.booleans(),
    st.sampled_from([-1, 0, 1, 2, 3, 7, 30, -(2**63), 2**63, 2**64, 2**70]),
    st.sampled_from([0.0, -0.0, 0.5, -1.5, 1e-320, 1e308, float("inf"), float("nan")]),
    st.text(max_size=5),
    st.dates(),
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def outcome(text: str) -> Setup | str:
    """The setup of every entry, or what the one error says."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what overflows on the way is no claim of ours
            config = parse(text, source="a.toml")
            for entry in config.compare:
                build(config, entry, seed=1)
            return build(config)
    except SaddleproofError as error:
        return str(error)


def check(text: str) -> None:
    found = outcome(text)
    if isinstance(found, str):
        assert found.startswith("a.toml"), found
        assert found.isprintable(), found
        assert len(found) < 1500, found


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values inside a tree."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for key, value in inner:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The base with a few values replaced, removed or added."""
    tree = copy.deepcopy(BASE)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places(tree)))
        home = tree
        for key in way:
            home = home[key]
        how = draw(st.sampled_from(["replace", "remove", "add"]))
        if how == "remove":
            del home[last]
        elif how == "replace" or isinstance(home, list):
            home[last] = draw(VALUES)
        else:
            home[draw(st.sampled_from(KEYS) | st.text(max_size=4))] = draw(VALUES)
        if not places(tree):
            break
    return tomli_w.dumps(tree)


def test_the_base_is_a_run() -> None:
    assert isinstance(outcome(TEXT), Setup)


@given(mutated())
@settings(max_examples=60)
def test_a_configuration_with_other_values_is_a_run_or_one_line(text: str) -> None:
    check(text)


@given(st.data())
@settings(max_examples=40)
def test_a_text_with_other_characters_is_a_run_or_one_line(data: st.DataObject) -> None:
    text = TEXT
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.sampled_from([0, 0, 1, 2, 20]))
        pieces = [
            "\n",
            "[",
            "]",
            "{",
            "}",
            "[[",
            '"',
            '"""',
            "'",
            "=",
            ".",
            ",",
            "\\",
            "0",
            "-",
            "e9",
        ]
        piece = data.draw(st.sampled_from(pieces) | st.text(max_size=3))
        text = text[:at] + piece + text[at + cut :]
    check(text)


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
@example(b"\xff")
@example(b"a=\r1")
@settings(max_examples=60)
def test_any_bytes_are_a_configuration_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / "any.toml"
    path.write_bytes(data)
    with pytest.raises(SaddleproofError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()
