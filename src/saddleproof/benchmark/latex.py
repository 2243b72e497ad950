"""A benchmark's tables in LaTeX, without any package."""

from __future__ import annotations

from saddleproof.benchmark.plans import where
from saddleproof.benchmark.results import CellResult, Results
from saddleproof.benchmark.text import BEST, LEVELED, attacks_of, legend, mark, missing, rules_of
from saddleproof.printed import one_line

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "[": "{[}", "*": "{*}",
}  # fmt: skip


def escaped(text: str) -> str:
    r"""A text that LaTeX prints as it stands, in its oldest font encoding too.

    A quotation mark is two apostrophes. An asterisk or a bracket is in braces: behind the end of a
    row LaTeX would take it for an option of that.

    >>> print(escaped("b_1 & 50 %"))
    b\_1 \& 50 \%
    """
    return "".join(_ESCAPES.get(character, character) for character in one_line(text))


def latex(results: Results) -> str:
    """One table a block, rows are attacks and columns are rules."""
    return "\n".join(_table(results, cells) for cells in results.blocks.values())


def _table(results: Results, cells: tuple[CellResult, ...]) -> str:
    rules = rules_of(cells)
    by = {(one.cell.labels["attack"], one.cell.labels["rule"]): one for one in cells}
    lines = [
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{escaped(where(cells[0].cell.block))}. {_legend(results)}}}",
        rf"\begin{{tabular}}{{l{'r' * len(rules)}}}",
        r"\hline",
        " & ".join(["attack", *map(escaped, rules)]) + r" \\",
        r"\hline",
    ]
    for attack in attacks_of(cells):
        row = [escaped(attack), *(_cell(results, by[attack, rule]) for rule in rules)]
        lines.append(" & ".join(row) + r" \\")
    return "\n".join([*lines, r"\hline", r"\end{tabular}", r"\end{table}", ""])


def _legend(results: Results) -> str:
    """The legend, with the marks as they are set in a table."""
    text = escaped(legend(results)).replace("+-", r"$\pm$")
    return text.replace(f"{escaped(BEST)} has", "Bold has").replace(
        f"{escaped(LEVELED)} is", "Underlined is"
    )


def _cell(results: Results, one: CellResult) -> str:
    told = ", ".join(missing(results, one))
    if one.accuracy is None:
        return told
    number = str(one.accuracy).replace("+-", r"$\pm$")
    wrapped = {BEST: rf"\textbf{{{number}}}", LEVELED: rf"\underline{{{number}}}"}
    number = wrapped.get(mark(results, one), number)
    return f"{number} ({told})" if told else number
