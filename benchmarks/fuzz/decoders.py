"""The five decoders, by name."""

from __future__ import annotations

from pathlib import Path

from fuzz.driver import Decoder

#: Name to its share of the inputs; a store takes milliseconds, a frame microseconds.
SHARES = {
    "frames": 0.60,
    "flower": 0.20,
    "checkpoints": 0.08,
    "configurations": 0.08,
    "stores": 0.04,
}


def decoder(name: str, folder: Path) -> Decoder:
    """A decoder; `folder` is empty, and for what it has to write.

    Raises:
        ImportError: it is of an extra that is not installed.
    """
    if name == "frames":
        from fuzz.frames import Frames

        return Frames()
    if name == "flower":
        from fuzz.flower import Flower

        return Flower(folder)
    if name == "checkpoints":
        from fuzz.checkpoints import Checkpoints

        return Checkpoints()
    if name == "configurations":
        from fuzz.configurations import Configurations

        return Configurations(folder)
    from fuzz.stores import Stores

    return Stores(folder)
