"""The trials of a comparison in a ledger: by what they are named, and as what they are kept.

A trial depends on the entry without its labels, on the [run] table, on the seed, on the versions of
this library and of NumPy and SciPy, and on the files and the state of what is not of this library
(`saddleproof.lab.handed`). What such a file imports is not looked at.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import scipy

from saddleproof import __version__
from saddleproof.config.members import Member
from saddleproof.config.records import Config, Entry
from saddleproof.fingerprint import described
from saddleproof.lab.handed import foreign
from saddleproof.lab.ledger import Ledger, digest
from saddleproof.lab.trials import Trial
from saddleproof.storage import snapshot


class Recorded:
    """The trials of one comparison that are in a ledger, and a place for more.

    Args:
        ledger: with trials of this comparison, or of others.
        config: the comparison.
    """

    def __init__(self, ledger: Ledger, config: Config) -> None:
        self._ledger, self._config = ledger, config
        about = (__version__, np.__version__, scipy.__version__)
        self._entries = [digest("compare", *about, _told(entry)) for entry in config.compare]

    def get(self, index: int, seed: int) -> Trial | None:
        """The trial of an entry with a seed, or None; under the entry's labels of today.

        Raises:
            StoreError: it is not what was written.
        """
        kept = self._ledger.get(self._name(index, seed))
        if kept is None:
            return None
        entry = self._config.compare[index]
        found = loads(base64.b64decode(kept), self._ledger.place)
        return replace(found, world=entry.world, label=entry.label)

    def add(self, index: int, seed: int, trial: bytes) -> None:
        """Keep a trial, as `dumps` gave it.

        Raises:
            StoreError: the ledger cannot be written.
        """
        entry = self._config.compare[index]
        task = {"world": entry.world, "label": entry.label, "seed": seed}
        self._ledger.add(self._name(index, seed), task, base64.b64encode(trial).decode())

    def _name(self, index: int, seed: int) -> str:
        options = asdict(replace(self._config.run, seed=seed))
        return digest(self._entries[index], options)


def dumps(trial: Trial) -> bytes:
    """A trial as bytes.

    Raises:
        StoreError: it holds what is not data.
    """
    return snapshot.dumps(trial)


def loads(data: bytes, source: str = "") -> Trial:
    """The trial that `dumps` wrote.

    Raises:
        StoreError: the bytes are damaged.
    """
    return snapshot.loads(data, Trial, source)


def _told(entry: Entry) -> list[Any]:
    """All of an entry but what it is called, as data."""
    liars = None if entry.liars is None else [told(entry.liars.attack), entry.liars.members]
    chosen = [told(entry.problem), liars, told(entry.optimizer), told(entry.aggregator)]
    return [*chosen, foreign(entry.members)]


def told(member: Member) -> list[Any]:
    """All of a member but where it stands, as data: what makes it, and its options."""
    options = member.options.items()
    inner = {key: told(one) if isinstance(one, Member) else one for key, one in options}
    return [described(member.make, "make"), inner]
