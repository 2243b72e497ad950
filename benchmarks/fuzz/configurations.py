"""Configuration files in TOML; benchmark files too, where PyTorch is installed."""

from __future__ import annotations

import random
import re
import tomllib
from pathlib import Path
from typing import Any

from fuzz import mutations
from saddleproof.config.members import Member
from saddleproof.config.parse import load
from saddleproof.config.records import Config, Entry, Liars
from saddleproof.errors import ConfigError

try:
    from fuzz import grids
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    grids = None  # type: ignore[assignment]

FAMILIES = ("problem", "attack", "aggregator", "optimizer")
RUN = """
[problem]
name = "tensor"
workers = 9

[attack]
name = "saddle"
members = 2
style = "push"

[aggregator]
name = "nearest_neighbor_mixing"
rule = { name = "krum" }

[optimizer]
name = "certified_pgd"

[run]
b = 2
seed = 0
max_rounds = 60
timeout = 1.5
"""
GRID = """
run = { b = 2, certify = false, checkpoint_every = 3 }
[grid]
problem = ["tensor", { name = "rotated_quartic", d = 20, label = "quartic" }]
attack = ["none", { name = "saddle", style = "hold", label = "held", members = [0, 2] }]
optimizer = ["gradient_descent", { name = "pgd", radius = 0.1 }]
aggregator = ["median", "trimmed_mean"]
"""
COMPARE = """
problem = "pca_digits"
[run]
b = 1
[[compare]]
label = "one"
optimizer = { name = "gradient_descent", step = 0.5 }
[[compare]]
optimizer = "certified_pgd"
aggregator = "median"
"""
#: Pieces of TOML that stand for another thing than it seems, or for much of it.
PIECES = (
    *("= nan", "= -inf", "= 1e400", "= -1", "= 0", "= true", "= []", "= {}", "= ''", "= 0x7f"),
    *(
        "= 1979-05-27",
        "= 07:32:00",
        "= '\\u0000'",
        "= " + "9" * 5000,
        "= [[",
        "[[run]]",
        "[[problem]]",
    ),
    *(
        "= " + "[" * 900 + "]" * 900,
        "= " + "{a=" * 500 + "1" + "}" * 500,
        "\ufeff",
        "\x00",
        "\u202e",
    ),
    *("name = 'os:system'", "name = ':x'", "name = 'x:'", "name = ''", "label = '\x1b[2J'"),
    *("[run.b]", "a.b.c = 1", "members = 10000000000", "members = [-1]", "members = [0, 0]"),
    *("d = 10", "seed = -1", "max_rounds = 0", "checkpoint_every = 0", "timeout = 1e308"),
)


class Configurations:
    """A configuration has no seal: its author may write anything.

    A silent difference is a configuration that is read, and of which a key or a value was left
    out or read as another one. It is parsed, not built: nothing of it is run.

    Args:
        folder: where the files are written.
    """

    name = "configurations"
    refusals = (ConfigError,)

    def __init__(self, folder: Path) -> None:
        self._path = folder / "run.toml"

    def seeds(self) -> list[bytes]:
        """A run, a comparison by hand, a grid, and a benchmark."""
        texts = [RUN, GRID, COMPARE, *([grids.BENCHMARK] if grids else [])]
        return [text.encode() for text in texts]

    def variant(self, seed: bytes, rng: random.Random) -> tuple[bytes, bool]:
        """Other bytes; or other values, keys and lines."""
        kind, text = rng.random(), seed.decode("utf-8", "replace")
        if kind < 0.3:
            pieces = tuple(piece.encode() for piece in PIECES)
            return mutations.changed(seed, rng, pieces), False
        if kind < 0.6:  # other numbers and notes: often a configuration still
            number = rng.choice(("0", "1", "3", "7", "0.25", "12"))
            at = rng.choice([found.start() for found in re.finditer(r"\b|$", text)])
            note = rng.choice(("# a note\n", "\n", " "))
            text = text[:at] + re.sub(r"\b\d+(\.\d+)?\b", number, text[at:], count=1)
            return (note * rng.randrange(3) + text).encode(), False
        lines = text.split("\n")
        for _ in range(rng.choice((1, 1, 2, 3))):
            at, piece = rng.randrange(len(lines)), rng.choice(PIECES)
            key, equals, _ = lines[at].partition("=")
            if equals and piece.startswith("="):
                lines[at] = f"{key}{piece}"
            elif rng.random() < 0.3:
                lines[at] = rng.choice(lines)
            else:
                lines.insert(at, f"x {piece}" if piece.startswith("=") else piece)
        return "\n".join(lines).encode("utf-8", "replace"), False

    def read(self, data: bytes) -> Any:
        """What `load` makes of the file."""
        self._path.write_bytes(data)
        return grids.read(self._path) if grids and grids.is_benchmark(data) else load(self._path)

    def differs(self, right: Any, data: bytes, found: Any) -> bool:
        """Is a key or a value of the file not in what was read?"""
        return (
            _of_run(data, found) if isinstance(found, Config) else grids.differs(data, found, _is)
        )


def _of_run(data: bytes, found: Config) -> bool:
    """Is a key or a value of a run or a comparison not in what was read?"""
    tree = tomllib.loads(data.decode("utf-8-sig"))
    run = {key: getattr(found.run, key) for key in tree.get("run", {})}
    rows = [found.main, *found.compare]
    own = all(_is(tree[family], _of(family, found.main)) for family in FAMILIES if family in tree)
    listed = [(family, spec) for family, specs in tree.get("grid", {}).items() for spec in specs]
    for row in tree.get("compare", []):
        listed += [(family, spec) for family, spec in row.items() if family in FAMILIES]
        own = own and ("label" not in row or row["label"] in [entry.label for entry in rows])
    sections = {*FAMILIES, "run", "compare", "grid"}
    return not (
        own
        and tree.keys() <= sections
        and repr(run) == repr(tree.get("run", {}))
        and all(any(_is(spec, _of(family, row)) for row in rows) for family, spec in listed)
    )


def _of(family: str, entry: Entry) -> Any:
    return entry.liars if family == "attack" else getattr(entry, family)


def _is(spec: Any, read: Any) -> bool:
    """Whether a name or a table is what was read of it."""
    spec = {"name": spec} if isinstance(spec, str) else spec
    if read is None:  # no liars
        return bool(spec == {"name": "none"} or spec["name"] == "none")
    if isinstance(read, Liars):
        given = spec.get("members", list(read.members))
        wanted = list(range(given)) if isinstance(given, int) else given
        return list(read.members) == wanted and _is(spec, read.attack)
    if not isinstance(read, Member):
        return bool(repr(spec) == repr(read))
    beside = ("name", "label", "members") if "members" not in read.options else ("name", "label")
    options = {key: value for key, value in spec.items() if key not in beside}
    named = "name" not in spec or spec["name"] == read.name
    return named and options.keys() == read.options.keys() and all(
        _is(value, read.options[key]) if isinstance(read.options[key], Member)
        else repr(value) == repr(read.options[key])
        for key, value in options.items()
    )  # fmt: skip
