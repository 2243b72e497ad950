"""Fuzzing: is a changed input refused, by all that reads bytes from elsewhere?

    python benchmarks fuzz [--inputs 1000000] [--frames 1000000] [--sent 2000] [--seed 0]
    python benchmarks fuzz --seconds 60         # as `make fuzz`: the decoders, a fresh seed

Five decoders: frames of gRPC, checkpoints, run stores, configurations, records of Flower. Each
reads changed inputs, made from runs of this version and from those that are saved in
`tests/data/corpus`. `fuzz/driver.py` says what a crash and a silent difference are; 0 of both are
wanted. An input that is one of the two is written to `build/fuzz`, to be mended and then saved in
the corpus. After the decoders come the server's desk and real connections (`fuzz/wire.py`).

One input of a decoder follows from the seed alone; a run with the same seed gives it again.
"""

from __future__ import annotations

import argparse
import secrets
import tempfile
import time
from pathlib import Path

from fuzz import wire
from fuzz.decoders import SHARES, decoder
from fuzz.driver import Found, fuzz, write_bad

BAD = Path("build/fuzz")


def told(name: str, found: Found, seconds: float) -> str:
    """One line."""
    counts = dict(sorted(found.counts.items()))
    zero = {what: counts.pop(what, 0) for what in ("crashes", "silent differences")}
    slowest = f"the slowest input {found.slowest:.2f} s"
    return f"{name}: {zero} | {counts} in {seconds:.0f} s, {slowest}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all decoders together")
    parser.add_argument("--seconds", type=float, help="of all decoders, instead of their inputs")
    parser.add_argument("--only", choices=SHARES, help="one decoder, and nothing else")
    parser.add_argument("--frames", type=int, default=1_000_000, help="through the desk")
    parser.add_argument("--sent", type=int, default=2000, help="frames through gRPC")
    parser.add_argument("--seed", type=int, help="0; a fresh one with --seconds")
    asked = parser.parse_args()
    fresh = 0 if asked.seconds is None else secrets.randbits(32)
    seed = fresh if asked.seed is None else asked.seed
    print(f"seed {seed}", flush=True)
    names = [asked.only] if asked.only else list(SHARES)
    sound, total = True, 0
    for name in names:
        count = asked.inputs if asked.only else round(asked.inputs * SHARES[name])
        until = float("inf")
        if asked.seconds is not None:
            count, until = 10**9, time.monotonic() + asked.seconds / len(names)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="saddleproof-fuzz-") as folder:
            found = fuzz(decoder(name, Path(folder)), count, seed, until)
        print(told(name, found, time.perf_counter() - began), flush=True)
        write_bad(BAD / name, found)
        sound, total = sound and found.sound, total + found.counts["inputs"]
    print(f"{total} inputs in all", flush=True)
    if asked.seconds is None and not asked.only:
        sound = wire.report(asked.frames, asked.sent, seed) and sound
    if not sound:
        raise SystemExit("a crash, a silent difference or a lost vote: see above")
