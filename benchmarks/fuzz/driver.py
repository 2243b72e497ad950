"""Changed inputs through one decoder, and what became of them.

A *crash* is an exception that is none of the decoder's refusals: a user or a server would see it
raw. A *silent difference* is an input that was read without an error although it does not say what
was read. What that means depends on the decoder, and each says it in its class:

* where the format has a seal (checkpoints, stores, signed answers of Flower), a changed input
  that is read must give the value of the input before the change. Inputs that somebody sealed anew
  are *forged*: they may say something else, and may not crash;
* where it has none (frames, questions of Flower, configurations), what is read must say all that
  the input says: written again it is the same input, or the same keys and values.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

#: Inputs that were found or chosen once: `valid-*` is read, `refused-*` is refused.
CORPUS = Path(__file__).resolve().parents[2] / "tests" / "data" / "corpus"
VALID, REFUSED = "valid-", "refused-"


class Decoder(Protocol):
    """Something that reads bytes from elsewhere."""

    name: str
    refusals: tuple[type[BaseException], ...]

    def seeds(self) -> list[bytes]:
        """Inputs that are read."""

    def variant(self, seed: bytes, rng: random.Random) -> tuple[bytes, bool]:
        """A changed input, and whether it was forged: sealed anew after the change."""

    def read(self, data: bytes) -> Any:
        """What the input says; two equal values are equal by `==`."""

    def differs(self, right: Any, data: bytes, found: Any) -> bool:
        """Whether `found` is another thing than the input says.

        Args:
            right: what the input before the change says.
            data: the input.
            found: what was read.
        """


@dataclass
class Found:
    """What became of the inputs.

    Attributes:
        counts: "inputs", "refused", "read", "forged", "crashes" and "silent differences".
        bad: inputs that crashed or differed, each with why; the first few.
        slowest: seconds that the slowest input took.
    """

    counts: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[bytes, str]] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def sound(self) -> bool:
        """Neither a crash nor a silent difference."""
        return not (self.counts["crashes"] or self.counts["silent differences"])

    def add(self, kind: str, data: bytes, why: str) -> None:
        """One that should not have been."""
        self.counts[kind] += 1
        if why not in [known for _, known in self.bad] and len(self.bad) < 20:
            self.bad.append((data, why))


def corpus(name: str) -> list[Path]:
    """The saved inputs of a decoder."""
    return sorted((CORPUS / name).iterdir())


def seeds_of(decoder: Decoder) -> list[bytes]:
    """Inputs to change: the decoder's own, and all that were saved."""
    return [*decoder.seeds(), *(path.read_bytes() for path in corpus(decoder.name))]


def fuzz(decoder: Decoder, count: int, seed: int, until: float = float("inf")) -> Found:
    """Read `count` changed inputs, or as many as there is time for.

    Args:
        decoder: what reads them.
        count: how many.
        seed: decides every input.
        until: stops at this reading of `time.monotonic`.
    """
    found, rng = Found(), random.Random(seed)  # noqa: S311 - what is changed is no secret
    seeds = seeds_of(decoder)
    right: dict[bytes, Any] = {}
    for data in seeds:
        try:
            right[data] = decoder.read(data)
        except decoder.refusals:
            continue  # a saved input that is refused: what comes of it may not crash
    while found.counts["inputs"] < count and time.monotonic() < until:
        one = rng.choice(seeds)
        data, forged = decoder.variant(one, rng)
        if data in right:
            continue
        found.counts["inputs"] += 1
        found.counts["forged"] += forged
        began = time.perf_counter()
        try:
            value = decoder.read(data)
            if not forged and one in right and decoder.differs(right[one], data, value):
                found.add("silent differences", data, f"reads {value!r:.120}")
            found.counts["read"] += 1
        except decoder.refusals:
            found.counts["refused"] += 1
        except Exception as error:  # noqa: BLE001 - that is what is counted
            found.add("crashes", data, f"{_place(error)}: {error!r:.120}")
        found.slowest = max(found.slowest, time.perf_counter() - began)
    return found


def _place(error: BaseException) -> str:
    """Where it was raised, so that one cause is told once."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def write_bad(folder: Path, found: Found) -> None:
    """Write the bad inputs, to be mended and saved in the corpus, and print why each is bad."""
    for at, (data, why) in enumerate(found.bad):
        path = folder / f"bad-{at}"
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"  {path}: {why}")
