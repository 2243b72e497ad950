"""The paper's statements as experiments: `saddleproof reproduce`.

The paper (Yin et al. 2019) has no experiment. Here each of its statements is one file: a
measurement that could refute it, a picture, and a verdict. `base` says what an item is, `table`
lists them, `run` measures them and remembers what it measured, `page` writes docs/paper.md, and
`symbols` says where each symbol of the paper lives in this library.
"""
