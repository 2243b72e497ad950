"""What the tests of ranks share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

number = st.floats(-1e6, 1e6)


lie = st.one_of(number, st.sampled_from([1e300, -1e300, np.inf, -np.inf]))


@st.composite
def votes(draw: st.DrawFn, *, third: bool = False) -> tuple[np.ndarray, np.ndarray, int]:
    """Honest numbers, all numbers in any order, and b."""
    m = draw(st.integers(3, 15))
    b = draw(st.integers(0, (m - 1) // 3 if third else (m - 1) // 2))
    liars = draw(st.integers(0, b))
    honest = np.array(draw(st.lists(number, min_size=m - liars, max_size=m - liars)))
    lies = draw(st.lists(lie, min_size=liars, max_size=liars))
    everybody = np.array(draw(st.permutations([*honest, *lies])))
    return honest, everybody, b
