"""docs/paper.md: every statement with its verdict, its numbers and its picture, and the map."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddleproof.errors import OptionError
from saddleproof.reproduce.symbols import MAP, place
from saddleproof.reproduce.table import ITEMS

HEAD = """# The paper, statement by statement

Yin, Chen, Ramchandran and Bartlett, *Defending against saddle point attack in Byzantine-robust
distributed learning* (2019), has theorems and no experiment. This page is its experiments. It is
written by

```sh
saddleproof reproduce --out saddleproof-paper --write docs
```

which also leaves a table (CSV) for each picture. `saddleproof reproduce --quick` is the short form,
`saddleproof reproduce theorem4` one statement, and `--turned` runs the same measurements for other
statements (a larger budget for the adversary, another exponent, the proof's bound for the printed
one) that must get another verdict: a test holds every item to that.

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

#: Formulas that a verdict uses, as a terminal shows them.
_PLAIN = {
    r"\Delta": "Delta", r"\alpha": "alpha", r"\gamma": "gamma", r"\mu": "mu", r"\rho": "rho",
    r"\sqrt": " sqrt ", r"\ge": ">=", r"\le": "<=", r"\min": "min", r"\|": "|", r"\,": " ",
    r"\log": " log ", "{": "", "}": "", "$": "",
}  # fmt: skip


def publish(out: Path, docs: Path) -> Path:
    """Write docs/paper.md from what is in a folder of results, and copy the pictures.

    Args:
        out: where `saddleproof.reproduce.run` left pictures and verdicts.json, of every item.
        docs: the folder of the manual; the pictures go to its `paper`.

    Raises:
        OptionError: an item has not been measured.
    """
    path = out / "verdicts.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    missing = [name for name in ITEMS if name not in found]
    if missing:
        raise OptionError(f"the page needs every item; not measured: {', '.join(missing)}")
    (docs / "paper").mkdir(exist_ok=True)
    for name in ITEMS:
        shutil.copyfile(out / f"{name}.svg", docs / "paper" / f"{name}.svg")
    page = docs / "paper.md"
    page.write_text(HEAD + summary(found) + sections(found) + symbols(), encoding="utf-8")
    return page


def summary(found: Mapping[str, Any]) -> str:
    """A line a statement."""
    lines = [f"| [{item.title}](#{name}) | {found[name]['name']} |" for name, item in ITEMS.items()]
    return "\n| statement | verdict |\n|---|---|\n" + "\n".join(lines) + "\n"


def sections(found: Mapping[str, Any]) -> str:
    """Statement, verdict, picture."""
    return "".join(
        f"\n({name})=\n## {item.title}\n\n{item.statement}\n\n"
        f"**{found[name]['name'].capitalize()}**: {found[name]['why']}.\n\n"
        f"{'(Numbers of the quick form.)' if found[name]['quick'] else ''}\n\n"
        f"![{item.title}: what was measured](paper/{name}.svg)\n"
        for name, item in ITEMS.items()
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
    """A verdict for a terminal."""
    for formula, word in _PLAIN.items():
        text = text.replace(formula, word)
    return re.sub(r" +", " ", text)
