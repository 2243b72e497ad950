"""A configuration's tree back to TOML: the few kinds of values that a configuration holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dumps(tree: Mapping[str, Any]) -> str:
    r"""Tables of the first level as [tables], deeper ones inline.

    Args:
        tree: what `tomllib.loads` gives, without dates.

    >>> print(dumps({"a": 1, "t": {"x": [1.0, True], "y": {"z": "w"}}}), end="")
    a = 1
    <BLANKLINE>
    [t]
    x = [1.0, true]
    y = { z = "w" }
    """
    lines = [f"{key} = {_value(v)}" for key, v in tree.items() if not isinstance(v, Mapping)]
    for key, table in tree.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{key}]", *(f"{k} = {_value(v)}" for k, v in table.items())]
    return "\n".join(lines).lstrip("\n") + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_value(v)}' for key, v in value.items())} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        return repr(value)  # the shortest text that reads back as the same number; inf and nan too
    return json.dumps(
        value, ensure_ascii=False
    )  # strings, true and false, whole numbers: as in JSON
