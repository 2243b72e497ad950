"""The roster's file: a worker's name a line, and the fingerprint of its key where it is pinned.

    # clinics
    clinic-a
    clinic-b  sha256:5f3b...

What follows a `#` at the beginning of a line is a comment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from saddleproof.errors import ConfigError

_PIN = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Roster:
    """Who belongs to a run.

    Attributes:
        names: the workers, in order.
        pins: worker to the fingerprint that its key must have.
    """

    names: tuple[str, ...]
    pins: Mapping[str, str] = field(default_factory=dict)


def read(path: str | os.PathLike[str]) -> Roster:
    """The roster in a file.

    Raises:
        ConfigError: it cannot be read; or a line is wrong, which the message names.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8: {error}") from error
    names: list[str] = []
    pins: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not (words := line.split()) or line.lstrip().startswith("#"):
            continue
        name, *rest = words
        if name in names:
            raise ConfigError(f"{path}, line {number}: {name} is there twice")
        if rest and (len(rest) > 1 or not _PIN.fullmatch(rest[0].lower())):
            raise ConfigError(
                f"{path}, line {number}: after the name comes nothing, or sha256: and 64 "
                f"hexadecimal digits; got {' '.join(rest)!r}"
            )
        names.append(name)
        if rest:
            pins[name] = rest[0].lower()
    return Roster(tuple(names), pins)
