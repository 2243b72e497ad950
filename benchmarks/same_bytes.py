"""Does a change of the source change any run? The same runs from two source trees, byte by byte.

    python benchmarks/same_bytes.py [REVISION [OTHER]]   # HEAD and this tree, unless given

Every optimizer, every rule and every attack of the tables runs from the same seeds in both trees.
A run's digest covers its point, its ending, its trace and its certificate. A move of files and a
rename inside the code must leave every digest as it was; a member that one tree lacks is named.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: What an optimizer is given that does not do without.
FACTS = {"hessian_lipschitz": 1.0, "cubic": 1.0, "step": 0.1, "curvature": 0.1, "diameter": 10.0}

#: Rules that draw from the operating system unless they are given a key.
KEYS = {"bucketing": {"key": "one for all runs"}}


def runs() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Name, fleet and the arguments of `minimize`, for every member of the three tables."""
    import saddleproof as sp
    from saddleproof.aggregators.table import AGGREGATORS
    from saddleproof.attacks.table import ATTACKS
    from saddleproof.optimizers.table import OPTIMIZERS

    def fleet(problem: Any, attack: Any) -> Any:
        return sp.Coalition(sp.LocalFleet(problem), attack, members=range(2))

    well = sp.problems.Example2(workers=11, seed=0)
    quartic = sp.problems.RotatedQuartic(workers=11, seed=0)
    push = sp.attacks.SaddleAttack(style="push")
    for name, make in OPTIMIZERS.items():
        needed = {p.name for p in signature(make).parameters.values() if p.default is p.empty}
        if needed <= FACTS.keys():
            optimizer = make(**{key: FACTS[key] for key in needed})
            for problem in (well, quartic):
                where = {"optimizer": optimizer, "w0": problem.start, "max_rounds": 40}
                yield f"optimizer {name} on {problem.name}", fleet(problem, push), where
    for name, rule in AGGREGATORS.items():
        try:
            aggregator = rule(**KEYS.get(name, {}))
        except TypeError:  # a rule that does not do without options
            continue
        where = {"aggregator": aggregator, "w0": well.start + 0.3, "max_rounds": 15}
        yield f"rule {name}", fleet(well, push), where | {"optimizer": sp.GradientDescent()}
    for name, attack in ATTACKS.items():
        try:
            lies = attack()
        except (TypeError, sp.errors.OptionError):  # an attack that does not do without options
            continue
        where = {"w0": quartic.start, "max_rounds": 30}
        yield f"attack {name}", fleet(quartic, lies), where


def digests() -> dict[str, str]:
    """Name of a run to the digest of what came out, or to the error that it ended with."""
    import numpy as np

    import saddleproof as sp

    found = {}
    for name, fleet, arguments in runs():
        options = dict(arguments)
        optimizer = options.pop("optimizer", None)
        try:
            result = sp.minimize(fleet, optimizer, b=2, seed=7, **options)
        except sp.errors.SaddleproofError as error:
            found[name] = f"{type(error).__name__}: {error}"
            continue
        with np.printoptions(precision=17, threshold=10**6):
            text = repr((str(result.status), result.message, result.trace, result.certificate))
        found[name] = hashlib.sha256(result.w.tobytes() + text.encode()).hexdigest()
    return found


def of_tree(source: Path) -> dict[str, str]:
    """The digests of the package below `source`, in a process of its own."""
    code = (
        f"import sys; sys.path[:0] = [{str(source)!r}, {str(Path(__file__).parent)!r}]\n"
        "import json, same_bytes; print(json.dumps(same_bytes.digests()))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found: dict[str, str] = json.loads(out.stdout.splitlines()[-1])
    return found


def unpacked(revision: str, folder: Path) -> Path:
    """The package's sources at a commit, below `folder`."""
    command = f"git archive {revision} src | tar -x -C {folder}"
    subprocess.run(command, cwd=ROOT, check=True, shell=True)  # noqa: S602 - a commit of ours
    return folder / "src"


def main(revision: str = "HEAD", other: str | None = None) -> int:
    """Print every run that differs; the number of them is the exit status."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        before = of_tree(unpacked(revision, Path(one)))
        after = of_tree(unpacked(other, Path(two)) if other else ROOT / "src")
    differ = [name for name in before if before[name] != after.get(name)]
    for name in differ:
        print(f"differs: {name}: {before[name][:70]} -> {after.get(name, 'missing')[:70]}")
    print(f"{len(before) - len(differ)} of {len(before)} runs have the same bytes as {revision}")
    return min(len(differ), 100)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
