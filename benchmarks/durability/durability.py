"""Faults and damage: is a committed round lost, a result lost, a changed byte believed?

    python benchmarks durability [--faults 1000] [--system 1000] [--bytes 1500]

Faults. A run is led with a checkpoint, and one system call of a save fails: for a file each call
that `storage/files.py` makes, with ENOSPC, EDQUOT, EMFILE, EROFS, EIO or EACCES; for a store
SQLite's own page budget (SQLITE_FULL), and the process's limit on the size of a file, which fails
a write at any byte. And below both: `durability/system.py` puts a shim between SQLite and the
kernel. Opening, writing, flushing, truncating, reading or removing fails there, once or from then
on, with EMFILE, EROFS, ENOSPC, EIO or EDQUOT, while a run is saved, taken up again, or ended. The
shim needs Linux and a C compiler. Counted: saves that raised anything but a StoreError; committed
rounds that a fresh reader does not find; results that the error does not carry; runs that do not
end, when they are led on, in the bytes of an undisturbed one. All should be 0.

Damage. One byte of a finished store, of the store of a killed run with its log, or of a checkpoint
is changed. Counted: changes after which another trace, state or configuration was read without a
word; errors that are no StoreError; runs that would silently begin anew. All three should be 0.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from durability.damage import file_damage, log_damage, store_damage
from durability.faults import file_faults, store_faults
from durability.system import system_faults, unavailable


def main() -> None:
    """Print one line a kind."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--system", type=int, default=1000, help="faults below SQLite")
    parser.add_argument("--bytes", type=int, default=1500)
    asked = parser.parse_args()
    half = asked.faults // 2
    for title, count, kind in (
        ("faults in a file's save", half, file_faults),
        ("faults in a store's commit", asked.faults - half, store_faults),
        ("faults of the system below both", asked.system, system_faults),
        ("bytes of a checkpoint", asked.bytes, file_damage),
        ("bytes of a store", asked.bytes, store_damage),
        ("bytes of a killed run's log", asked.bytes // 3, log_damage),
    ):
        if kind is system_faults and (why := unavailable()):
            print(f"{title}: left out, {why}")
            continue
        folder = Path(tempfile.mkdtemp(prefix="saddleproof-durability-"))
        try:
            counts = kind(folder, count)
        finally:
            shutil.rmtree(folder)
        wanted = ("rounds lost", "results lost", "other ends") if "faults" in title else (
            "silent changes", "silent fresh starts"
        )  # fmt: skip
        zero = {name: counts[name] for name in (*wanted, "raw exceptions")}
        rest = {name: n for name, n in sorted(counts.items()) if name not in zero and n}
        print(f"{title}: {zero} | {rest}")
