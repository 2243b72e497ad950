"""Workers that callers name: by their positions on a roster, or by their names."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from saddleproof.arguments.numbers import is_whole
from saddleproof.errors import OptionError


def roster_positions(name: str, members: object, workers: tuple[str, ...]) -> tuple[int, ...]:
    """Positions on the roster, ascending.

    There may be more of them than b: an experiment may break its own assumption.

    Args:
        name: what the caller calls them.
        members: positions in [0, m), or names on the roster, each once.
        workers: (m,) the roster.

    Raises:
        OptionError: no collection, or a member that is no position and no name on the roster, or
            one that is there twice.

    >>> roster_positions("members", ["c", 0], ("a", "b", "c"))
    (0, 2)
    """
    m = len(workers)
    if isinstance(members, str) or not isinstance(members, Iterable):
        cure = f"[{members!r}]" if isinstance(members, str) else "[0, 1]"
        cure = f"range({members})" if is_whole(members) else cure
        raise OptionError(
            f"{name} must be a collection of workers; got {members!r}: pass, for example, {cure}"
        )
    found: list[int] = []
    for one in members:
        if isinstance(one, str):
            if one not in workers:
                raise OptionError(
                    f"{name} must be on the roster; got {one!r}, and the workers are "
                    f"{_listed(workers)}"
                )
            at = workers.index(one)
        elif is_whole(one) and 0 <= one < m:
            at = int(one)
        else:
            mask = ". A mask becomes positions by numpy.flatnonzero"
            bools = isinstance(one, bool | np.bool_)
            raise OptionError(
                f"{name} must be positions in 0..{m - 1}, or names on the roster; got {one!r}"
                f"{mask if bools else ''}"
            )
        if at in found:
            raise OptionError(f"{name} must hold each worker once; got {one!r} twice")
        found.append(at)
    return tuple(sorted(found))


def _listed(workers: tuple[str, ...], most: int = 5) -> str:
    """The first names of a roster."""
    return ", ".join(workers[:most]) + (", ..." if len(workers) > most else "")
