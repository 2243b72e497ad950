"""What the experiments of `saddleproof.paper` share.

| module | holds |
|---|---|
| `base` | what an experiment is, and its assessment |
| `landscapes` | functions with known L, rho and lowest value |
| `inexact` | the answers of an oracle of given inexactness |
| `algorithm1` | Algorithm 1 on landscapes, against such an oracle |
| `worst_case` | coalitions against one aggregation of messages |
| `rates` | sweeps over alpha, m, n and d, for the theorems on aggregators |
| `exponents` | slopes in log-log coordinates, with confidence intervals |
| `draw` | figures |
| `run` | measures cells, files them, and writes tables and figures |
| `page` | writes docs/paper.md |
"""
