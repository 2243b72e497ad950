"""Which changes of the source does no test mind?

Draws places of `src/saddleproof` by seed (comparisons, arithmetic, numbers, min and max, and, or,
not), changes one at a time in a private copy of the tree, and runs the tests of the room that the
file is in: its own doctests, then the tests that are about the file, then the others of its folder
under `tests/`, as many as fit into the limit. A survivor is a change after which all of them pass:
a test that is missing, or a change that means the same.

    python benchmarks/mutants.py --seed 0 --count 40 --limit 60

The working tree is never written. A file of tests that fails as it is, or takes longer than the
limit, is left out and named. A mutant takes some seconds to some minutes: at most SLOWER times as
long as its tests take as they are; one that takes longer counts as caught.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("src/saddleproof")
#: Seconds, and a factor, that a mutant's tests may take more than as they are.
GRACE, SLOWER = 20.0, 2.0
#: Times as long as its limit of a processor may a process take that sleeps or waits.
ASLEEP = 10
UNUSABLE = ("failed", "took too long")
#: Rooms whose tests stand, or stand as well, in another one's.
ALSO = {
    "resume": ("checkpoint",),
    "runs": ("checkpoint", "runs"),
    "storage": ("checkpoint", "storage"),
    "fingerprint": ("checkpoint",),
    "server": ("loop", "oracle", "optimizers"),
    "result": ("loop", "border"),
    "proposals": ("optimizers", "paper"),
    "errors": ("loop", "oracle", "border"),
    "testing": ("fleets", "problems", "aggregators", "optimizers"),
}
LEFT_OUT = (".*", "__pycache__", "_build", "build", "dist", "saddleproof-*")

OTHER: dict[type, type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult,
}  # fmt: skip
OTHER_NAME = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum",
              "any": "all", "all": "any", "fmin": "fmax", "fmax": "fmin"}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """One place of a file, and what stands there in the mutant; columns are bytes, as ast's are."""

    file: Path
    line: int
    column: int
    last_line: int
    last_column: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.before}  ->  {self.after}"

    def mutated(self, source: bytes) -> bytes:
        """The file with the mutant in it."""
        lines = source.splitlines(keepends=True)
        start = sum(map(len, lines[: self.line - 1])) + self.column
        stop = sum(map(len, lines[: self.last_line - 1])) + self.last_column
        return source[:start] + f"({self.after})".encode() + source[stop:]


def sites(root: Path) -> list[Site]:
    """Every place of the package that can be changed, in the order of files and lines."""
    found = []
    for path in sorted((root / PACKAGE).rglob("*.py")):
        tree = ast.parse(path.read_bytes())
        ignored = {id(node) for part in _not_code(tree) for node in ast.walk(part)}
        for node in ast.walk(tree):
            after = None if id(node) in ignored else mutant(node)
            if after is not None:
                place = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
                file = path.relative_to(root)
                found.append(Site(file, *place, ast.unparse(node), after))
    return found


def _not_code(tree: ast.AST) -> Iterator[ast.AST]:
    """Types, which are not run, and f-strings, whose parts had no places before Python 3.12."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node
        for name in ("annotation", "returns"):
            if getattr(node, name, None) is not None:
                yield getattr(node, name)


def mutant(node: ast.AST) -> str | None:
    """The source of what takes the place of a node; None if nothing does."""
    match node:
        case ast.Compare(ops=[op]) if type(op) in OTHER:
            return ast.unparse(ast.Compare(node.left, [OTHER[type(op)]()], node.comparators))
        case ast.BinOp(op=op) if type(op) in OTHER:
            return ast.unparse(ast.BinOp(node.left, OTHER[type(op)](), node.right))
        case ast.BoolOp(op=op):
            return ast.unparse(ast.BoolOp(OTHER[type(op)](), node.values))
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return ast.unparse(operand)
        case ast.Constant(value=bool(value)):
            return str(not value)
        case ast.Constant(value=int(value) | float(value)):
            return repr(value + 1)
        case ast.Call(func=ast.Name(id=name)) if name in OTHER_NAME:
            function: ast.expr = ast.Name(OTHER_NAME[name])
            return ast.unparse(ast.Call(function, node.args, node.keywords))
        case ast.Call(func=ast.Attribute(attr=name)) if name in OTHER_NAME:
            function = ast.Attribute(node.func.value, OTHER_NAME[name])
            return ast.unparse(ast.Call(function, node.args, node.keywords))
    return None


def tests_of(file: Path, root: Path) -> list[str]:
    """The file's own doctests, and the tests of its room, those first that are about the file.

    A room's tests are the folder under `tests/`, the files called `test_ROOM.py`, and the tests of
    other rooms that name the file; where there are none, all tests that name the room.
    """
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    module = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    texts = {path: path.read_text() for path in sorted((root / "tests").rglob("test_*.py"))}
    rooms = ALSO.get(room, (room,))
    stems = {f"test_{name}" for name in rooms}
    own = [
        path
        for path, text in texts.items()
        if path.stem in stems
        or path.relative_to(root / "tests").parts[0] in rooms
        or path.stem == f"test_{file.stem}"
        or module in text
    ]
    if not own:
        wanted = (f"saddleproof.{room}", f"from saddleproof import {room}", f"sp.{room}")
        own = [path for path, text in texts.items() if any(name in text for name in wanted)]

    def distance(path: Path) -> int:
        about = file.stem in path.stem or path.stem == f"test_{file.parent.name}"
        return 0 if about else 1 if module in texts[path] else 2 if file.stem in texts[path] else 3

    own.sort(key=distance)
    return [str(file), *(str(path.relative_to(root)) for path in own)]


@dataclass(frozen=True)
class Tests:
    """The tests as they are, each file run once, when it is first wanted.

    Args:
        root: the private copy.
        seed: of hypothesis.
        limit: seconds of a processor that the tests of one mutant may take, as they are.
        known: file to whether it passes, and its seconds of a processor.
    """

    root: Path
    seed: int
    limit: float
    known: dict[str, tuple[str, float]] = field(default_factory=dict)

    def chosen(self, file: Path) -> tuple[list[str], float]:
        """The files of tests that judge a mutant, and how long they take: within the limit."""
        files: list[str] = []
        total = 0.0
        for path in tests_of(file, self.root):
            if total >= self.limit:
                break
            if path not in self.known:
                began = used()
                verdict = self.run([path], self.limit)
                self.known[path] = verdict, used() - began
            verdict, seconds = self.known[path]
            if verdict == "passed":
                files.append(path)
                total += seconds
        return files, total

    def run(self, tests: list[str], limit: float) -> str:
        """'passed', 'failed', 'no tests' or 'took too long'."""
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        command += [f"--hypothesis-seed={self.seed}", *tests]
        # No bytecode: a mutant of the same second and length would be taken for the file before it.
        here = {"PYTHONPATH": str(self.root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(  # noqa: S603 - our own tests
            command, cwd=self.root, env=os.environ | here, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        # Of a processor, since the machine may be busy; a process that sleeps has a limit too.
        if sys.platform == "linux":
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (round(limit), round(limit)))
        try:
            code = process.wait(ASLEEP * limit)
        except subprocess.TimeoutExpired:
            return "took too long"
        finally:
            with contextlib.suppress(ProcessLookupError):  # what a test started ends with it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        kinds = {0: "passed", 5: "no tests", -signal.SIGKILL: "took too long"}
        return kinds.get(code, "failed")


def used() -> float:
    """Seconds of a processor that all processes took that have ended here."""
    times = resource.getrusage(resource.RUSAGE_CHILDREN)
    return times.ru_utime + times.ru_stime


def main() -> None:
    """Draw, judge one after the other, and list the survivors."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="of the draw and of hypothesis")
    parser.add_argument("--count", type=int, default=40, help="places to draw")
    parser.add_argument("--limit", type=float, default=60, help="seconds of a processor")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder) / "tree"
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
        everything = sites(root)
        drawn = random.Random(options.seed).sample(everything, options.count)  # noqa: S311
        print(f"{len(drawn)} of {len(everything)} places, seed {options.seed}", flush=True)
        tests = Tests(root, options.seed, options.limit)
        verdicts = [(site, judged(site, tests)) for site in sorted(drawn, key=str)]
    survivors = [site for site, verdict in verdicts if verdict == "SURVIVED"]
    judged_at_all = [site for site, verdict in verdicts if verdict != "not judged"]
    print(f"\n{len(survivors)} of {len(judged_at_all)} survived:", *survivors, sep="\n  ")
    if left_out := {path: why for path, (why, _) in tests.known.items() if why in UNUSABLE}:
        print("\ntests that were left out, as they are:")
        print(*(f"  {path}: {why}" for path, why in left_out.items()), sep="\n")


def judged(site: Site, tests: Tests) -> str:
    """What became of a mutant; prints it."""
    began = time.perf_counter()
    files, seconds = tests.chosen(site.file)
    verdict = "not judged"
    if files:
        path = tests.root / site.file
        source = path.read_bytes()
        path.write_bytes(site.mutated(source))
        try:
            # An endless loop is found out.
            outcome = tests.run(files, GRACE + SLOWER * seconds)
        finally:
            path.write_bytes(source)
        verdict = "SURVIVED" if outcome == "passed" else "caught"
    took = time.perf_counter() - began
    print(f"{verdict:<10} {took:5.0f} s  {len(files)} files  {site}", flush=True)
    return verdict


if __name__ == "__main__":
    main()
