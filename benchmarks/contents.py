"""The table of contents: which benchmarks there are, and about how long each one takes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent
#: Below a minute, below an hour, and more.
LENGTHS = ("seconds", "minutes", "hours")
#: Exit status of a benchmark that lacks what it measures, such as a device.
SKIPPED = 77


@dataclass(frozen=True)
class Benchmark:
    """One command of `python benchmarks`.

    Attributes:
        name: of the command.
        group: the folder of its file.
        takes: one of `LENGTHS`, at its defaults on 2 cores; estimated from runs of smaller sizes.
        ledger: whether it has an option --ledger, a file of runs that need not be done again.
    """

    name: str
    group: str
    takes: str
    ledger: bool = False

    @property
    def module(self) -> str:
        """What is imported; its `main` reads the command line."""
        return f"{self.group}.{self.name}"

    @property
    def path(self) -> Path:
        """Its file."""
        return BENCHMARKS / self.group / f"{self.name}.py"


#: Name to benchmark, the groups together.
CONTENTS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark("suite", "behaviour", "hours", ledger=True),
        Benchmark("ablation", "behaviour", "hours", ledger=True),
        Benchmark("plateaus", "behaviour", "hours"),
        Benchmark("reach", "behaviour", "minutes", ledger=True),
        Benchmark("mnist", "behaviour", "minutes", ledger=True),
        Benchmark("networks", "behaviour", "hours", ledger=True),
        Benchmark("table1", "paper", "minutes", ledger=True),
        Benchmark("theorem3", "paper", "minutes"),
        Benchmark("certificates", "certified", "minutes"),
        Benchmark("honest_mean", "certified", "minutes"),
        Benchmark("networks_certified", "certified", "minutes"),
        Benchmark("hessian_exponent", "certified", "minutes"),
        Benchmark("hessian_suite", "certified", "minutes"),
        Benchmark("attacks", "liars", "minutes", ledger=True),
        Benchmark("strongest_scale", "liars", "hours"),
        Benchmark("suspicion", "liars", "minutes"),
        Benchmark("filtering", "liars", "minutes"),
        Benchmark("heterogeneity", "heterogeneity", "hours", ledger=True),
        Benchmark("rules", "speed", "minutes"),
        Benchmark("gram_rules", "speed", "seconds"),
        Benchmark("on_disk", "speed", "minutes"),
        Benchmark("roofline", "speed", "minutes"),
        Benchmark("torch_speed", "speed", "seconds"),
        Benchmark("certificate_speed", "speed", "minutes"),
        Benchmark("ddp", "speed", "minutes"),
        Benchmark("loop", "speed", "seconds"),
        Benchmark("gpu", "speed", "minutes"),
        Benchmark("chaos", "engines", "minutes"),
        Benchmark("fuzz", "fuzz", "minutes"),
        Benchmark("grpc", "engines", "seconds"),
        Benchmark("ray", "engines", "seconds"),
        Benchmark("scale", "engines", "minutes"),
        Benchmark("scale_model", "engines", "minutes"),
        Benchmark("durability", "durability", "minutes"),
    )
}


def about(benchmarks: Iterable[Benchmark], more: Callable[[Benchmark], str] | None = None) -> str:
    """A line a benchmark: name, group, how long it takes, and what it asks or what `more` says."""
    rows = [(one.name, one.group, one.takes, (more or summary)(one)) for one in benchmarks]
    rows.insert(0, ("benchmark", "group", "takes", ""))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join("  ".join([*map(str.ljust, row[:3], widths), row[3]]).rstrip() for row in rows)


def summary(benchmark: Benchmark) -> str:
    """The first line of its docstring."""
    told = ast.get_docstring(ast.parse(benchmark.path.read_bytes()))
    return "" if told is None else told.splitlines()[0]
