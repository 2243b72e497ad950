"""Benchmark files, which are configurations of another command."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddleproof.benchmark.parse import LISTS, load
from saddleproof.benchmark.plans import Plan

BENCHMARK = """
[benchmark]
data = ["digits", { name = "topics", rows = 300, label = "text" }]
models = ["linear", { name = "mlp", hidden = 8 }]
splits = { name = "dirichlet", alpha = 0.25 }
rules = ["mean", { name = "nearest_neighbor_mixing", rule = "krum" }]
attacks = ["none", { name = "sign_flip", scale = 3.0 }]
liars = [0, 2]
workers = 7
seeds = [3, 1]
test = 0.25

[training]
rounds = 12
batch_size = "all"
certify = true
"""
#: Key of [benchmark] to the attribute of a cell.
PARTS = dict(zip(LISTS, ("data", "model", "split", "attack", "rule"), strict=True))


def is_benchmark(data: bytes) -> bool:
    """Whether a text is TOML with a table `benchmark`."""
    try:
        return "benchmark" in tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return False


def read(path: Path) -> Plan:
    """What `load` makes of the file."""
    return load(path)


def differs(data: bytes, found: Plan, is_member: Any) -> bool:
    """Is a key or a value of the file not in what was read?

    Args:
        data: the file.
        found: what was read.
        is_member: whether a name or a table is what was read of it.
    """
    tree = tomllib.loads(data.decode())
    table: Mapping[str, Any] = tree["benchmark"]
    for key, part in PARTS.items():
        listed = table.get(key, [])
        for spec in listed if isinstance(listed, list) else [listed]:
            unused = part == "attack" and not any(_numbers(table["liars"]))
            if not unused and not any(is_member(spec, getattr(x, part)) for x in found.cells):
                return True
    seeds = table.get("seeds", 5)
    wanted = tuple(seeds) if isinstance(seeds, list) else tuple(range(seeds))
    training = {key: getattr(found.training, key) for key in tree.get("training", {})}
    liars = {cell.b for cell in found.cells}
    return not (
        tree.keys() <= {"benchmark", "training"}
        and table.keys() <= {*PARTS, "liars", "workers", "seeds", "test"}
        and found.seeds == wanted
        and found.workers == table.get("workers", 20)
        and repr(found.test) == repr(table.get("test", 0.2))
        and liars <= {*_numbers(table["liars"])}
        and {b for b in _numbers(table["liars"]) if b} <= liars
        and repr(training) == repr(tree.get("training", {}))
    )


def _numbers(given: Any) -> list[int]:
    return given if isinstance(given, list) else [given]
