"""The licences of all that a software bill of materials names: `make sbom` prints this list.

The one argument is a CycloneDX file in JSON. Each package states its licence itself; one that does
not is listed so, for somebody to look at.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def stated(component: dict[str, Any]) -> str:
    """What a component says of its licence."""
    found = []
    for choice in component.get("licenses", ()):
        licence = choice.get("license", {})
        found.append(choice.get("expression") or licence.get("id") or licence.get("name") or "")
    texts = dict.fromkeys(text.splitlines()[0].strip() for text in found if text.strip())
    return "; ".join(text.removeprefix("License :: ") for text in texts) or "none stated"


def main(path: Path) -> None:
    """Print a line a package: name, version, licence."""
    components = json.loads(path.read_text(encoding="utf-8"))["components"]
    rows = sorted((c["name"].lower(), c.get("version", ""), stated(c)) for c in components)
    for name, version, licence in rows:
        print(f"{name:<28} {version:<14} {licence:.90}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
