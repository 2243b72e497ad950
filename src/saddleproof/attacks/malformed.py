"""Answers that are no gradients at all: the rest of the oracle's admission table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from saddleproof.arguments import check_options
from saddleproof.attacks.base import AttackView


@dataclass(frozen=True)
class Malformed:
    """Payloads that the server must refuse without reading; it proves their senders bad.

    Args:
        kind: "shape" appends a coordinate to the true row, "dtype" keeps its signs as integers,
            "none" sends None, "text" a string.

    Raises:
        OptionError: another kind.
    """

    kind: Literal["shape", "dtype", "none", "text"] = "shape"

    def __post_init__(self) -> None:
        check_options(self)

    def __call__(self, view: AttackView) -> list[Any]:
        """One payload a member."""
        return [self._payload(view.messages[:, i, :]) for i in view.members]

    def _payload(self, row: Any) -> Any:
        match self.kind:
            case "shape":
                return np.pad(row, ((0, 0), (0, 1)))
            case "dtype":
                return np.sign(row).astype(np.int64)
            case "none":
                return None
            case "text":
                return "gradient"
