"""Optimizers of Table 1 of Yin et al. (2019) and their successors, to be compared with."""
