"""`saddleproof doctor`: is this installation in order? Each check says what it found."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from saddleproof import __version__
from saddleproof.errors import SaddleproofError

#: Package to the extra that brings it, for those that a plain installation lacks.
_EXTRAS = {
    "numba": "fast",
    "matplotlib": "plot",
    "scikit-learn": "data",
    "mlxtend": "images",
    "torch": "torch",
    "jax": "jax",
    "ray": "ray",
    "grpcio": "grpc",
    "flwr": "flower",
    "prometheus-client": "metrics",
}
_CORE = ("numpy", "scipy", "array-api-compat", "click", "rich")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@click.command("doctor")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="saddleproof-runs",
    show_default=True,
    help="Folder of the run store that is looked at.",
)
def command(out: Path) -> None:
    """Check this installation: versions, extras, threads, the run store, and a short run."""
    healthy = True
    for check in checks(out):
        click.echo(str(check))
        healthy &= check.good
    sys.exit(0 if healthy else 1)


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and whether that will do.

    Attributes:
        name: of what was looked at.
        found: in words.
        good: whether it works.
        doubtful: whether it works, and perhaps not for long.
    """

    name: str
    found: str
    good: bool = True
    doubtful: bool = False

    def __str__(self) -> str:
        mark = "BAD" if not self.good else "warn" if self.doubtful else "ok"
        return f"{mark:<4} {self.name:<14} {self.found}"


def checks(out: Path) -> Iterator[Check]:
    """All checks, one after the other; `out` is the folder of the run store."""
    yield Check("saddleproof", f"{__version__}, Python {platform.python_version()}")
    missing = [name for name in _CORE if _version(name) is None]
    yield Check("core", ", ".join(f"{name} {_version(name) or 'MISSING'}" for name in _CORE),
                not missing)  # fmt: skip
    yield Check("extras", ", ".join(_extra(name) for name in _EXTRAS))
    limits = [f"{name}={os.environ[name]}" for name in _THREADS if name in os.environ]
    yield Check("BLAS threads", f"{', '.join(limits) or 'not limited'}; {os.cpu_count()} cores")
    yield store(out)
    yield _short_run()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _extra(package: str) -> str:
    version = _version(package)
    return (
        f"{package} {version}" if version else f"{package} absent (saddleproof[{_EXTRAS[package]}])"
    )


def store(out: Path) -> Check:
    """Whether the run store in `out` can be written; one that is not there is not left behind."""
    import sqlite3

    from saddleproof.runs.store import Store

    path = out / "runs.sqlite"
    existed, folder_existed = path.exists(), out.exists()
    try:
        with Store(path) as store:
            count = len(store.runs())
    except SaddleproofError as error:
        return Check("run store", str(error), good=False)
    if not existed:  # a check leaves nothing behind
        path.unlink()
        if not folder_existed:
            out.rmdir()
    return Check("run store", f"{path} is writable, {count} runs, SQLite {sqlite3.sqlite_version}")


def _short_run() -> Check:
    """A saddle in two dimensions, six of twenty workers lying, through the default optimizer."""
    from saddleproof.config.parse import parse
    from saddleproof.config.setup import build

    began = time.perf_counter()
    setup = build(parse(_SELF_CHECK))
    result = setup.minimize()
    left = setup.problem.left_saddle(result.w)
    found = (
        f"{'left' if left else 'did NOT leave'} the saddle in {result.rounds} rounds, "
        f"{time.perf_counter() - began:.1f} s: {result.status}"
    )
    return Check("short run", found, left)


_SELF_CHECK = """
problem = { name = "example2", seed = 0 }
attack = { name = "saddle", members = 6 }
run = { b = 6, seed = 0, max_rounds = 60 }
"""
