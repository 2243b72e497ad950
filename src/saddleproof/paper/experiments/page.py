"""docs/paper.md: every statement with its status, numbers and figure, and the symbol map."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddleproof.errors import OptionError
from saddleproof.paper.symbols import MAP, place
from saddleproof.paper.table import EXPERIMENTS

HEAD = """# The paper, statement by statement

Yin, Chen, Ramchandran and Bartlett, *Defending against saddle point attack in Byzantine-robust
distributed learning* (2019), has theorems and no experiments. This page holds experiments for its
statements. It is written by

```sh
saddleproof reproduce --out saddleproof-paper --write docs
```

which also leaves a table (CSV) for each figure. `saddleproof reproduce --quick` is the short form,
and `saddleproof reproduce theorem4` measures one statement. Each statement is one file of
`src/saddleproof/paper/`, which holds its formula and its experiment.

`--falsified` measures a falsified form of each statement: a larger budget for the adversary,
another exponent, or the proof's bound in place of the printed one. The falsified form must get
another status, and a test requires this of every statement.

*Reproduced*: measured as stated. *Loose*: it holds, and what was measured is far from the bound.
*Not reproduced*: there is a counterexample. What all this means for a reader of the paper is in
[](findings.md); the same statements as functions are in [](theory.md).
"""

MAP_HEAD = """## Where everything is

Each symbol, equation and algorithm of the paper, and its place in this library. Names without a
module are names of `saddleproof` itself; a name in parentheses is an argument.

| paper | name | file |
|---|---|---|
"""

#: Formulas of an assessment, as a terminal shows them.
_PLAIN = {
    r"\Delta": "Delta", r"\alpha": "alpha", r"\gamma": "gamma", r"\mu": "mu", r"\rho": "rho",
    r"\sqrt": " sqrt ", r"\ge": ">=", r"\le": "<=", r"\min": "min", r"\|": "|", r"\,": " ",
    r"\log": " log ", "{": "", "}": "", "$": "",
}  # fmt: skip


def publish(out: Path, docs: Path) -> Path:
    """Write docs/paper.md from a folder of results, and copy the figures.

    Args:
        out: where `saddleproof.paper.experiments.run` left figures and assessments.json, of every
            statement.
        docs: the folder of the manual; the figures go to its `paper`.

    Raises:
        OptionError: a statement has not been measured.
    """
    path = out / "assessments.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    missing = [name for name in EXPERIMENTS if name not in found]
    if missing:
        raise OptionError(f"the page needs every statement; not measured: {', '.join(missing)}")
    (docs / "paper").mkdir(exist_ok=True)
    for name in EXPERIMENTS:
        shutil.copyfile(out / f"{name}.svg", docs / "paper" / f"{name}.svg")
    page = docs / "paper.md"
    page.write_text(HEAD + summary(found) + sections(found) + symbols(), encoding="utf-8")
    return page


def summary(found: Mapping[str, Any]) -> str:
    """A line a statement."""
    lines = [
        f"| [{one.title}](#{name}) | {found[name]['status']} |" for name, one in EXPERIMENTS.items()
    ]
    return "\n| statement | status |\n|---|---|\n" + "\n".join(lines) + "\n"


def sections(found: Mapping[str, Any]) -> str:
    """Statement, assessment and figure of each."""
    return "".join(
        f"\n({name})=\n## {one.title}\n\n{one.statement}\n\n"
        f"**{found[name]['status'].capitalize()}**: {found[name]['why']}.\n\n"
        f"{'(Numbers of the quick form.)' if found[name]['quick'] else ''}\n\n"
        f"![{one.title}: what was measured](paper/{name}.svg)\n"
        for name, one in EXPERIMENTS.items()
    ).replace("\n\n\n\n", "\n\n")


def symbols() -> str:
    """The map, a row an entry."""
    rows = "".join(f"| {paper} | `{short(name)}` | `{place(name)}` |\n" for paper, name in MAP)
    return "\n" + MAP_HEAD + rows


def short(name: str) -> str:
    """`saddleproof.` is left out, and an argument is put into parentheses."""
    path, _, argument = name.removeprefix("saddleproof.").partition(":")
    return f"{path}({argument})" if argument else path


def plain(text: str) -> str:
    """The reason of an assessment, for a terminal."""
    for formula, word in _PLAIN.items():
        text = text.replace(formula, word)
    return re.sub(r" +", " ", text)
