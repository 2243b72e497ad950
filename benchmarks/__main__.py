"""The benchmarks, from one door.

    python benchmarks                           # what there is, and about how long each takes
    python benchmarks suite --seeds 10          # one of them, with its options; --help says which
    python benchmarks run [NAME or GROUP ...]   # several at their defaults; `make bench` is all

`run` can be stopped at any time and called again: see `python benchmarks run --help`.
"""

from __future__ import annotations

import sys
from importlib import import_module

import runs
from contents import BENCHMARKS, CONTENTS, about


def main() -> int | None:
    """Do what the command line says."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name == "run":
        sys.argv[:2] = ["benchmarks run"]
        return runs.main()
    if name in CONTENTS:
        # Ray hands the folder of argv[0] to its workers, and argparse shows its last part.
        sys.argv[:2] = [str(BENCHMARKS / name)]
        try:
            import_module(CONTENTS[name].module).main()
        except KeyboardInterrupt:
            return 130
        return None
    if name not in {"-h", "--help"}:
        print(
            f"no benchmark is called {name!r}; `python benchmarks` lists those that there are",
            file=sys.stderr,
        )
        return 2
    print(__doc__)
    print(about(CONTENTS.values()))
    return None


if __name__ == "__main__":
    sys.exit(main())
