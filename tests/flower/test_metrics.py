"""Metrics that b of m clients cannot set."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from saddleproof.flower.metrics import medians, middle_loss

CLAIMS = st.one_of(
    st.floats(), st.integers(), st.text(max_size=3), st.none(), st.booleans(),
    st.lists(st.floats(), max_size=3), st.just(10**400),
)  # fmt: skip


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=7),
    st.lists(st.dictionaries(st.sampled_from(["loss", "n", "x"]), CLAIMS), max_size=3),
)
def test_no_claim_moves_a_metric_out_of_the_honest_range(honest: list, lies: list) -> None:
    found = medians([{"loss": x} for x in honest] + lies, without="n")
    assert set(found) == {"loss"}
    assert min(honest) <= found["loss"] <= max(honest)
    loss = middle_loss([*honest, *(lie.get("loss") for lie in lies)])
    assert loss is not None
    assert min(honest) <= loss <= max(honest)


def test_a_list_of_metrics_is_taken_entry_by_entry() -> None:
    said = [{"f1": [0.0, 1.0]}, {"f1": [0.5, 0.5]}, {"f1": [1.0, 0.25]}, {"f1": [9.0]}, {"f1": 9.0}]
    assert medians(said) == {"f1": [0.5, 0.5]}


def test_what_few_report_is_no_metric() -> None:
    assert medians([{"a": 1.0}, {"b": 2.0}]) == {}
    assert middle_loss([np.nan, "x"]) is None
