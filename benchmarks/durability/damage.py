"""One changed byte of a checkpoint, of a store, or of a killed run's log."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from durability.states import CONFIG, KIND, state
from saddleproof.checkpoint import FileCheckpoint
from saddleproof.errors import StoreError
from saddleproof.runs.store import RunCheckpoint, Store


def read(path: Path) -> Any:
    """All that a store says: its runs, and the trace and the state of each."""
    with Store(path) as store:
        told = [
            (run, store.trace(run.id), repr(RunCheckpoint(store.db, run.id).load(KIND)))
            for run in store.runs()
        ]
        return told, store.unfinished(CONFIG) is None


def changed(data: bytes, generator: random.Random) -> bytes:
    """The bytes with one of them changed."""
    at = generator.randrange(len(data))
    return data[:at] + bytes([data[at] ^ generator.randrange(1, 256)]) + data[at + 1 :]


def judged(reader: Callable[[], Any], right: Any, counts: Counter[str]) -> None:
    """What one change came to."""
    counts["changed"] += 1
    try:
        told = reader()
    except StoreError:
        counts["refused"] += 1
    except BaseException as error:  # noqa: BLE001 - that is what is counted
        counts[f"raw {type(error).__name__}"] += 1
        counts["raw exceptions"] += 1
    else:
        if told == right:
            counts["harmless"] += 1
        else:
            anew = told is None or (isinstance(told, tuple) and not told[0])
            counts["silent fresh starts" if anew else "silent changes"] += 1


def store_damage(folder: Path, changes: int, seed: int = 0) -> Counter[str]:
    """One byte of a finished store at a time."""
    counts: Counter[str] = Counter()
    path, generator = folder / "runs.sqlite", random.Random(seed)  # noqa: S311
    with Store(path) as store:
        for text in ("another", CONFIG):
            run = store.begin(text, "0")
            for rounds in (1, 2, 5, 9):
                run.save(state(rounds))
    data, right = path.read_bytes(), read(path)
    for _ in range(changes):
        for left in folder.glob("runs.sqlite*"):
            left.unlink()
        path.write_bytes(changed(data, generator))
        judged(lambda: read(path), right, counts)
    return counts


def log_damage(folder: Path, changes: int, seed: int = 0) -> Counter[str]:
    """One byte of the write-ahead log of a killed run at a time."""
    counts: Counter[str] = Counter()
    path, generator = folder / "runs.sqlite", random.Random(seed)  # noqa: S311
    with Store(path) as store:
        run = store.begin(CONFIG, "0")
        for rounds in (1, 2, 5, 9):
            run.save(state(rounds))
        killed = {p.name: p.read_bytes() for p in folder.glob("runs.sqlite*")}
        right = read(path)
    log = killed.get("runs.sqlite-wal", b"")
    counts["log bytes"] = len(log)
    for _ in range(changes if log else 0):
        for left in folder.glob("runs.sqlite*"):
            left.unlink()
        path.write_bytes(killed["runs.sqlite"])
        (folder / "runs.sqlite-wal").write_bytes(changed(log, generator))
        judged(lambda: read(path), right, counts)
    return counts


def file_damage(folder: Path, changes: int, seed: int = 0) -> Counter[str]:
    """One byte of a checkpoint at a time."""
    counts: Counter[str] = Counter()
    place, generator = FileCheckpoint(folder / "run.npz"), random.Random(seed)  # noqa: S311
    place.save(state(9))
    data, right = Path(place.path).read_bytes(), repr(place.load(KIND))

    def reader() -> str | None:
        kept = place.load(KIND)
        return None if kept is None else repr(kept)

    for _ in range(changes):
        Path(place.path).write_bytes(changed(data, generator))
        judged(reader, right, counts)
    return counts
