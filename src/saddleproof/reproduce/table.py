"""The statements of the paper in the paper's order, by name."""

from __future__ import annotations

from typing import Any

from saddleproof.errors import OptionError
from saddleproof.reproduce.lemma1 import Lemma1
from saddleproof.reproduce.lemma3 import Lemma3
from saddleproof.reproduce.lemma4 import Lemma4
from saddleproof.reproduce.observation1 import Observation1
from saddleproof.reproduce.observation2 import Observation2
from saddleproof.reproduce.proposition1 import Proposition1
from saddleproof.reproduce.proposition2 import Proposition2
from saddleproof.reproduce.proposition3 import Proposition3
from saddleproof.reproduce.proposition4 import Proposition4
from saddleproof.reproduce.table3 import Table3
from saddleproof.reproduce.theorem3 import Theorem3Item
from saddleproof.reproduce.theorem4 import Theorem4Item
from saddleproof.reproduce.theorem5 import Theorem5Item
from saddleproof.reproduce.theorem7 import Theorem7Item
from saddleproof.reproduce.theorem8 import Theorem8Item
from saddleproof.reproduce.vacuity import Vacuity

#: Section 4, then Section 5, then Appendices A and B.
ITEMS: dict[str, Any] = {
    item.name: item()
    for item in (
        Theorem3Item, Vacuity, Observation1, Proposition1, Theorem4Item, Proposition2,
        Theorem5Item, Theorem7Item, Theorem8Item, Table3, Observation2,
        Proposition3, Proposition4, Lemma1, Lemma3, Lemma4,
    )
}  # fmt: skip


def chosen(names: tuple[str, ...]) -> list[Any]:
    """The items of these names, all of them for none.

    Raises:
        OptionError: a name that no item has.
    """
    for name in names:
        if name not in ITEMS:
            raise OptionError(f"no item is called {name!r}; there are {', '.join(ITEMS)}")
    return [ITEMS[name] for name in names] if names else list(ITEMS.values())
