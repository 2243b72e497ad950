"""The built packages, tried as a user has them: `make dist` runs this outside of the tree.

The interpreter is one of an environment that holds the wheel and nothing of ours besides. The one
argument is the folder of wheel and sdist. A package that lacks something ends this with an error.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import saddleproof as sp

#: What the wheel must hold besides the modules.
SHIPPED = ("py.typed", "__init__.pyi", "aggregators/__init__.pyi", "lab/report/page.html.jinja")
#: What the sdist must hold for the tests, the manual and a new wheel to come out of it.
TREE = (
    *("LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", "constraints.txt"),
    *("requirements/dev.txt", "tests/data/corpus/stores/valid-two-runs.db"),
    *("Makefile", ".ci/run", "tests/conftest.py", "docs/conf.py", "benchmarks/__main__.py"),
    *(f"src/saddleproof/{name}" for name in SHIPPED),
)


def the_packages_hold_what_they_must(folder: Path) -> None:
    """One wheel and one sdist of this version lie in the folder, and neither lacks a file."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        missing = {f"saddleproof/{name}" for name in SHIPPED}.difference(names)
        strangers = {name.partition("/")[0] for name in names}
    stem = f"saddleproof-{sp.__version__}"
    with tarfile.open(sdist) as archive:
        missing |= {f"{stem}/{name}" for name in TREE}.difference(archive.getnames())
    if missing or strangers != {"saddleproof", f"{stem}.dist-info"}:
        raise SystemExit(
            f"missing: {sorted(missing)}; at the top of the wheel: {sorted(strangers)}"
        )


def the_default_leaves_a_saddle() -> None:
    """Six of twenty workers lie at the saddle of Example 2; the certificate is printed."""
    problem = sp.problems.Example2(seed=0)
    fleet = sp.Coalition(sp.LocalFleet(problem), sp.SaddleAttack(problem.saddle), members=range(6))
    result = sp.minimize(fleet, b=6, w0=problem.start, seed=0)
    print(result.certificate)
    if not problem.left_saddle(result.w):
        raise SystemExit(f"the installed package did not leave the saddle: {result}")


def the_command_answers() -> None:
    """`saddleproof --version` and `saddleproof list` of this environment."""
    command = Path(sys.executable).parent / "saddleproof"
    for arguments, wanted in ((["--version"], sp.__version__), (["list"], "example2")):
        ran = subprocess.run([command, *arguments], check=True, capture_output=True, text=True)
        if wanted not in ran.stdout:
            raise SystemExit(f"saddleproof {arguments[0]} does not say {wanted}: {ran.stdout}")


if __name__ == "__main__":
    if not Path(sp.__file__).is_relative_to(sys.prefix):
        raise SystemExit(f"{sp.__file__} is not of this environment, {sys.prefix}")
    the_packages_hold_what_they_must(Path(sys.argv[1]))
    the_default_leaves_a_saddle()
    the_command_answers()
    print(f"saddleproof {sp.__version__} works as installed, without extras")
