"""Fuzzed frames through the decoder and the server's desk, and through real connections.

    python benchmarks/engines_fuzz.py [--frames 1000000] [--sent 2000]

The desk's part plays two liars among five workers: every frame is a true answer, or one with
changed, missing or surplus bytes, another round's, another question's, another shape's, a replay,
NaN, a lone header that claims petabytes, or plain noise. A round ends after 50 of them, and the
three honest answers must be in it, bit for bit. The other part sends the same frames through gRPC
with a valid certificate. Counted: frames that raised (0 wanted), honest votes that were lost (0
wanted), verdicts; and the process's memory at the start and at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np

from saddleproof.fleets.grpc import frames as f
from saddleproof.fleets.grpc import keys, transport
from saddleproof.fleets.grpc.desk import Desk, Line
from saddleproof.fleets.grpc.fleet import GrpcFleet

NAMES = ("liar-0", "liar-1", "ann", "ben", "cat")
LIARS = NAMES[:2]
POINTS = np.arange(40.0).reshape(2, 20)


def memory() -> float:
    """Resident memory of this process in MB; 0 where there is no /proc."""
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096 / 2**20
    return 0.0


def lie(asked: f.Header, old: bytes, rng: random.Random) -> bytes:
    """A frame that a liar may send."""
    true = next(f.frames(f.answer_to(asked), POINTS))
    answer = f.answer_to(asked)
    number = rng.choice([0, 1, 2, rng.getrandbits(16), rng.getrandbits(64)])
    at = rng.randrange(len(true))
    return rng.choice(
        (
            lambda: true,
            lambda: old,
            lambda: rng.randbytes(rng.randrange(400)),
            lambda: true[:at],
            lambda: true + rng.randbytes(rng.randrange(1, 100)),
            lambda: true[:at] + rng.randbytes(1) + true[at + 1 :],
            lambda: true[: f.HEADER.size] + rng.randbytes(len(true) - f.HEADER.size),
            lambda: next(f.frames(answer, np.full_like(POINTS, np.nan))),
            lambda: replace(answer, ask=number).packed() + true[f.HEADER.size :],
            lambda: replace(answer, round=number).packed() + true[f.HEADER.size :],
            lambda: replace(answer, session=number).packed() + true[f.HEADER.size :],
            lambda: replace(answer, d=number).packed() + true[f.HEADER.size :],
            lambda: replace(answer, offset=number).packed() + true[f.HEADER.size :],
            lambda: replace(answer, q=number % 2**32, d=2**60).packed(),
            lambda: replace(answer, kind=rng.randrange(256), dtype=rng.randrange(256)).packed(),
        )
    )()


def through_the_desk(frames: int, rng: random.Random) -> Counter:
    """The rounds of a desk without a network."""
    found: Counter = Counter()
    desk, old = Desk(NAMES), b""
    lines = {name: Line(name) for name in NAMES}
    for line in lines.values():
        desk.connect(line)
    for sent in range(0, frames, 50):
        desk.open(POINTS, losses=False, round_id=sent)
        asked = f.decode(desk.question_for(lines["ann"], 0)[1][0])[0]
        true = next(f.frames(f.answer_to(asked), POINTS))
        for _ in range(min(50, frames - sent)):
            name = rng.choice(LIARS)
            try:
                why = desk.receive(lines[name], lie(asked, old, rng))
            except Exception as error:  # noqa: BLE001 - that is what is counted
                found[f"RAISED {error!r}"] += 1
                continue
            found["taken" if why is None else "refused"] += 1
            if why is not None:  # the server hangs up, and the liar dials in again
                desk.disconnect(lines[name])
                lines[name] = Line(name)
                desk.connect(lines[name])
        for name in NAMES[2:]:
            desk.receive(lines[name], true)
        messages = desk.close()
        found["rounds"] += 1
        for answer in messages.answers[2:]:
            found["honest votes lost"] += not np.array_equal(answer, POINTS)
        old = true
    return found


def through_grpc(frames: int, rng: random.Random) -> Counter:
    """The same frames from a peer with a certificate, over TLS; one connection, many streams."""
    found: Counter = Counter()
    asked = f.question(POINTS, losses=False, session=1, ask=1, round_id=0)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "keys"
        keys.init(home)
        keys.issue(home, NAMES)
        with (
            contextlib.closing(GrpcFleet(NAMES, home)) as fleet,
            transport.channel(fleet.address, keys.load(home, "liar-0")) as channel,
        ):
            stream = channel.stream_stream(transport.PATH)
            for _ in range(frames):
                try:
                    for _ in stream(iter([lie(asked, b"", rng)])):
                        pass
                    found["taken"] += 1
                except grpc.RpcError as error:
                    found[error.code().name.lower()] += 1
            counted = fleet.counters()["liar-0"]
            found |= Counter({f"counted as {what}": n for what, n in counted.items() if n})
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--sent", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311 - what is sent is no secret
    for name, count, fuzz in (
        ("desk", options.frames, through_the_desk),
        ("gRPC", options.sent, through_grpc),
    ):
        fuzz(max(count // 100, 20), rng)  # what Python and gRPC take once
        before, began = memory(), time.perf_counter()
        found = fuzz(count, rng)
        seconds, after = time.perf_counter() - began, memory()
        print(
            f"{name}: {count} frames in {seconds:.0f} s, {dict(sorted(found.items()))}; memory "
            f"{before:.1f} to {after:.1f} MB ({after / max(before, 1) - 1:+.1%})",
            flush=True,
        )


if __name__ == "__main__":
    main()
