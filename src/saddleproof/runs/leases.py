"""One leader for each run of a store: a row that says who, and a beat that says since when.

The lease is taken, renewed and checked in the store's own transactions, and its token fences every
commit: a leader that slept while another one took over cannot write any more. Whoever is found to
be dead on this machine is followed at once; a process that lives here is never followed. Of a
process elsewhere only the beat is known, so it is followed when that is older than `EXPIRY`. A
clock that jumps can make that too early; the fence then still keeps one history.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from saddleproof.errors import StoreError
from saddleproof.storage.leases import Owner, read_owner

#: Seconds between two beats of a leader, and after which one elsewhere counts as gone.
BEAT, EXPIRY = 10.0, 60.0


def now() -> float:
    """Seconds, by the clock that all leaders share as well as they can."""
    return time.time()


def take(db: sqlite3.Connection, run: int, mine: Owner, place: str) -> None:
    """Take the lease of a run, inside a transaction.

    Raises:
        StoreError: another process leads the run; names it.
    """
    refuse_led(db, run, place)
    row = (run, mine.text(), mine.token, now())
    db.execute("REPLACE INTO leases (run, owner, token, beat) VALUES (?, ?, ?, ?)", row)


def refuse_led(db: sqlite3.Connection, run: int, place: str) -> None:
    """Refuse a run that somebody leads.

    Raises:
        StoreError: names the process.
    """
    found = db.execute("SELECT owner, beat FROM leases WHERE run = ?", (run,)).fetchone()
    if found is None:
        return
    owner, beat = read_owner(found[0]), found[1]
    alive = None if owner is None else owner.alive
    fresh = isinstance(beat, float) and abs(now() - beat) <= EXPIRY
    if alive or (alive is None and fresh):
        raise StoreError(
            f"{place} is led by {owner or 'another process'}. Wait for its end or stop it, or "
            "begin another run"
        )


def renew(db: sqlite3.Connection, run: int, mine: Owner, place: str) -> None:
    """Check that the lease is still this one, and beat; inside the transaction that commits.

    Raises:
        StoreError: another process took it over; nothing may be committed.
    """
    held = "UPDATE leases SET beat = ? WHERE run = ? AND token = ?"
    if db.execute(held, (now(), run, mine.token)).rowcount != 1:
        found = db.execute("SELECT owner FROM leases WHERE run = ?", (run,)).fetchone()
        other = None if found is None else read_owner(found[0])
        raise StoreError(
            f"{place} was taken over by {other or 'another process'} while this process gave no "
            "sign of life; nothing more is committed here"
        )


def release(db: sqlite3.Connection, run: int, mine: Owner) -> None:
    """Give the lease back, if it is still this one."""
    db.execute("DELETE FROM leases WHERE run = ? AND token = ?", (run, mine.token))


@contextmanager
def beating(path: Path, run: int, mine: Owner) -> Iterator[None]:
    """Beat from a thread, for rounds that take longer than a lease holds.

    A beat that fails is left out: the commit after the round says what is wrong.
    """
    over = threading.Event()
    there = f"{path.absolute().as_uri()}?mode=rw"  # a store that was removed is not made anew

    def beat() -> None:
        while not over.wait(BEAT):
            try:
                with closing(sqlite3.connect(there, timeout=BEAT, uri=True)) as db, db:
                    held = "UPDATE leases SET beat = ? WHERE run = ? AND token = ?"
                    db.execute(held, (now(), run, mine.token))
            except sqlite3.Error:
                continue

    thread = threading.Thread(target=beat, name=f"lease of run {run}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
