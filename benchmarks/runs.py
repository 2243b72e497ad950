"""Several benchmarks one after the other, which can be stopped and taken up again.

What ended well is not run again, unless its source or the package's version has changed since, or
--again is given. A
benchmark with a ledger goes on in the middle. What each one printed lies in NAME.txt, in a folder
that git ignores.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from contents import BENCHMARKS, CONTENTS, LENGTHS, SKIPPED, Benchmark, about

ROOT = BENCHMARKS.parent
PACKAGE = ROOT / "src" / "saddleproof"
#: Git ignores it, as it does all folders of this kind of name.
KEPT = ROOT / "saddleproof-benchmarks"
#: Seconds that a benchmark has to end in once it was told to.
GRACE = 10.0


@dataclass(frozen=True)
class Done:
    """A benchmark that ended well.

    Attributes:
        source: digest of its files.
        version: of the package.
        package: digest of the package's files.
        seconds: how long it took, without what a ledger spared it.
    """

    source: str
    version: str
    package: str
    seconds: float


def main() -> int:
    """List what is to be done, and do it; 0 if all of it ended well."""
    groups = sorted({benchmark.group for benchmark in CONTENTS.values()})
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("names", nargs="*", help="benchmarks or groups; all, unless given")
    parser.add_argument("--again", action="store_true", help="also what is done already")
    parser.add_argument("--list", action="store_true", help="do no more than list")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in {*CONTENTS, *groups}]
    if unknown:
        parser.error(
            f"{', '.join(unknown)}: no such benchmark or group; there are {', '.join(CONTENTS)} "
            f"and the groups {', '.join(groups)}"
        )
    chosen = [
        benchmark
        for name, benchmark in CONTENTS.items()
        if not options.names or {name, benchmark.group} & {*options.names}
    ]
    chosen.sort(key=lambda one: LENGTHS.index(one.takes))  # the short ones first
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same as Ctrl-C
    kept = Kept(KEPT)
    todo = [one for one in chosen if options.again or not kept.is_done(one)]
    print(about(chosen, kept.standing))
    print(f"\n{len(todo)} of {len(chosen)} to run; Ctrl-C stops, the same command goes on\n")
    return 0 if options.list else run(todo, kept)


def run(todo: Iterable[Benchmark], kept: Kept) -> int:
    """Run one after the other; 1 if any of them failed, 130 if the user stopped them."""
    failed = []
    for benchmark in todo:
        print(f"== {benchmark.name}", flush=True)
        began = time.monotonic()
        try:
            code = printed(benchmark, kept)
        except KeyboardInterrupt:
            print(f"\nstopped in {benchmark.name}; the same command goes on there")
            return 130
        if code == 0:
            kept.add(benchmark, time.monotonic() - began)
        elif code != SKIPPED:
            failed.append(benchmark.name)
    if failed:
        print(f"failed, and will be run again: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def printed(benchmark: Benchmark, kept: Kept) -> int:
    """The exit status of one benchmark, whose output is shown and kept as it comes."""
    command = [sys.executable, str(BENCHMARKS), benchmark.name]
    if benchmark.ledger:
        command += ["--ledger", str(kept.ledger(benchmark))]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with kept.output(benchmark).open("w") as file:
        process = subprocess.Popen(  # noqa: S603 - our own
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                file.write(line)
            return process.wait()
        except KeyboardInterrupt:
            end(process)
            raise


def end(process: subprocess.Popen[str]) -> None:
    """Wait until it is over. Ctrl-C reaches it too, a signal to this process alone does not."""
    for stop in (None, signal.SIGINT, signal.SIGKILL):
        if stop is not None:
            process.send_signal(stop)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
            return


class Kept:
    """The folder of what was done.

    Args:
        folder: is made when something is put into it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / "done.json"
        self._package = digest(PACKAGE.rglob("*.py"))
        self._version = version()
        self._done: dict[str, Done] = {}
        if self._file.exists():
            told = json.loads(self._file.read_text())
            self._done = {name: Done(**one) for name, one in told.items()}

    def is_done(self, benchmark: Benchmark) -> bool:
        """Whether it ended well with this source of its own, and in this version of the package."""
        done = self._done.get(benchmark.name)
        now = (digest(sources(benchmark.path)), self._version)
        return done is not None and (done.source, done.version) == now

    def standing(self, benchmark: Benchmark) -> str:
        """What there is to say of it, in some words."""
        if not self.is_done(benchmark):
            return "to run"
        done = self._done[benchmark.name]
        changed = done.package != self._package
        return f"done in {done.seconds:.0f} s" + changed * ", but the package's source has changed"

    def add(self, benchmark: Benchmark, seconds: float) -> None:
        """It ended well."""
        own = digest(sources(benchmark.path))
        self._done[benchmark.name] = Done(own, self._version, self._package, seconds)
        text = json.dumps({name: asdict(done) for name, done in self._done.items()}, indent=1)
        draft = self._file.with_suffix(".draft")
        draft.write_text(text + "\n")
        draft.replace(self._file)

    def output(self, benchmark: Benchmark) -> Path:
        """The file of what it printed."""
        self._folder.mkdir(exist_ok=True)
        return self._folder / f"{benchmark.name}.txt"

    def ledger(self, benchmark: Benchmark) -> Path:
        """The file of its runs, which is of one state of the benchmark and of the package."""
        state = digest(sources(benchmark.path)) + self._package
        return self._folder / f"{benchmark.name}-{state[:8]}{state[-8:]}.csv"


def sources(path: Path) -> set[Path]:
    """A benchmark's file, and all files of the benchmarks that it imports, directly or not."""
    found, todo = set[Path](), [path]
    while todo:
        file = todo.pop()
        found.add(file)
        for node in ast.walk(ast.parse(file.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                other = BENCHMARKS / (name.replace(".", "/") + ".py")
                if other.exists() and other not in found:
                    todo.append(other)
    return found


def digest(files: Iterable[Path]) -> str:
    """Of the names and the bytes of files."""
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(str(file.relative_to(ROOT)).encode() + b"\0")
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def version() -> str:
    """The package's, without importing it: a benchmark sets the threads before NumPy is loaded."""
    for node in ast.parse((PACKAGE / "__init__.py").read_bytes()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    raise SystemExit(f"{PACKAGE / '__init__.py'} says no __version__ = ...")
