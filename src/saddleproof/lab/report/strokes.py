"""How a label, a line and a mark of a comparison are drawn, so that none hides another."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from saddleproof.errors import MissingExtraError
from saddleproof.lab.report.palette import Look, looks
from saddleproof.lab.report.verdict import verdicts
from saddleproof.lab.rows import Row
from saddleproof.printed import drawn, one_line

try:
    from matplotlib.patheffects import withStroke
except ImportError as error:
    raise MissingExtraError("matplotlib", "plot") from error

INK = "#1b2b3a"
#: Characters of a line of a label; a longer label is drawn whole, on several lines.
WRAP = 34


def whole(label: str, width: int = WRAP) -> str:
    """The label for a drawing, none of it cut, on as many lines as it needs."""
    lines = textwrap.wrap(one_line(label), width, break_on_hyphens=False) or [""]
    return "\n".join(drawn(line) if k == 0 else drawn(line).strip() for k, line in enumerate(lines))


def high(rows: Sequence[Row], each: float) -> float:
    """Inches that the bars of a world need; a label of several lines needs more than `each`."""
    return 0.9 + sum(max(each, 0.17 * (whole(row.label).count("\n") + 1)) for row in rows)


def styled(rows: Sequence[Row]) -> dict[str, Look]:
    """The look of each trainer; the best of the world stands out where the runs tell one."""
    return looks((row.label for row in rows), next(iter(verdicts(rows))).best)


def wider_by(k: int, n: int) -> float:
    """How much wider than the last of n lines the k-th is drawn, so that no line covers another."""
    return 0.7 * min(n - 1 - k, 6)


def edge(wider: float) -> list[Any]:
    """A thin rim of ink: light colours stay visible on white, and dark ones on black."""
    return [withStroke(linewidth=3.2 + wider, foreground=INK, alpha=0.55)]


def size_of(look: Look) -> float:
    """Points across a mark."""
    return 11.0 if look.marker == "*" else 6.5


def mark_of(look: Look, size: float | None = None) -> dict[str, Any]:
    """A mark in its colour with a rim of ink."""
    ms = size_of(look) if size is None else size
    return {"color": look.color, "ms": ms, "mec": INK, "mew": 0.8}
