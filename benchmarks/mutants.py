"""Which changes of the source does no test mind?

Draws places of `src/saddleproof` by seed (comparisons, arithmetic, numbers, min and max, and, or,
not), changes one at a time in a private copy of the tree, and runs the tests of the room that the
file is in: its folder under `tests/`, `tests/test_ROOM.py` and the file's own doctests; for a room
that has neither, the tests that name it. A survivor is a change after which all of them pass: a
test that is missing, or a change that means the same.

    python benchmarks/mutants.py --seed 0 --count 40

The working tree is never written. A room whose tests fail as they are is reported, not judged. The
longest of all is a room's tests, once as they are and once a mutant: some seconds to some minutes.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path("src/saddleproof")
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
    """The tests of the room that a file is in, relative to the root, and its own doctests."""
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    own = [path for path in (f"tests/{room}", f"tests/test_{room}.py") if (root / path).exists()]
    if not own:
        files = sorted((root / "tests").rglob("test_*.py"))
        wanted = (f"saddleproof.{room}", f"from saddleproof import {room}", f"sp.{room}")
        texts = {path: path.read_text() for path in files}
        own = [
            str(path.relative_to(root))
            for path, text in texts.items()
            if any(name in text for name in wanted)
        ]
    return [str(file), *(own or ["tests"])]


def run_tests(tests: list[str], root: Path, options: argparse.Namespace) -> str:
    """'passed', 'failed', or 'took too long'."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    command += [f"--hypothesis-seed={options.seed}", *tests]
    # No bytecode: a mutant of the same second and length would be taken for the file before it.
    here = {"PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        code = subprocess.run(  # noqa: S603 - our own tests
            command, cwd=root, env=os.environ | here, timeout=options.timeout,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=False,
        ).returncode  # fmt: skip
    except subprocess.TimeoutExpired:
        return "took too long"
    return "passed" if code in {0, 5} else "failed"  # 5: there is no test at all


def main() -> None:
    """Draw, judge one after the other, and list the survivors."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0, help="of the draw and of hypothesis")
    parser.add_argument("--count", type=int, default=40, help="places to draw")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for a room's tests")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder) / "tree"
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
        everything = sites(root)
        drawn = random.Random(options.seed).sample(everything, options.count)  # noqa: S311
        print(f"{len(drawn)} of {len(everything)} places, seed {options.seed}", flush=True)
        verdicts = list(judged(sorted(drawn, key=str), root, options))
    survivors = [site for site, verdict in verdicts if verdict == "SURVIVED"]
    judged_at_all = [site for site, verdict in verdicts if verdict != "not judged"]
    print(f"\n{len(survivors)} of {len(judged_at_all)} survived:", *survivors, sep="\n  ")


def judged(
    drawn: list[Site], root: Path, options: argparse.Namespace
) -> Iterator[tuple[Site, str]]:
    """Each place and what became of its mutant."""
    as_they_are: dict[tuple[str, ...], str] = {}
    for site in drawn:
        began, tests = time.perf_counter(), tests_of(site.file, root)
        unchanged = as_they_are.setdefault(tuple(tests), "") or run_tests(tests, root, options)
        as_they_are[tuple(tests)] = unchanged
        verdict = "not judged"
        if unchanged == "passed":
            path, source = root / site.file, (root / site.file).read_bytes()
            path.write_bytes(site.mutated(source))
            verdict = "SURVIVED" if run_tests(tests, root, options) == "passed" else "caught"
            path.write_bytes(source)
        seconds = time.perf_counter() - began
        print(f"{verdict:<10} {seconds:5.0f} s  {site}", flush=True)
        yield site, verdict


if __name__ == "__main__":
    main()
