"""Where code of the user's and the library touch: losses, problems, rules, callbacks.

What it is handed is for reading, and what it returns is checked and copied.

    lending.py    what the user's code is handed: read-only, and found out if it is written into
    answers.py    what it returns: real numbers of the shape that was asked for, or one sentence
    shards.py     the workers' data, and the workers' names
"""

from saddleproof.border.answers import answer, number, vector
from saddleproof.border.lending import Lent, kept, only_reads, read_only, shown
from saddleproof.border.shards import label, named_shards, shielded

__all__ = [
    "Lent",
    "answer",
    "kept",
    "label",
    "named_shards",
    "number",
    "only_reads",
    "read_only",
    "shielded",
    "shown",
    "vector",
]
