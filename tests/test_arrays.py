"""Arrays in, the same kind out."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import ODD, SAME

from saddleproof.aggregators.table import AGGREGATORS
from saddleproof.arrays import as_stack, namespace, plain
from saddleproof.errors import OptionError


def test_a_stack_passes_as_it_is() -> None:
    x = np.zeros((3, 2), dtype=np.float32)
    assert as_stack(x) is x


def test_rows_are_stacked() -> None:
    np.testing.assert_array_equal(as_stack([np.zeros(2), np.ones(2)]), [[0, 0], [1, 1]])
    np.testing.assert_array_equal(as_stack(([1.0], [2.0])), [[1], [2]])


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "at least one message"),
        (np.zeros(3), r"\(m, d\) stack of vectors; got shape \(3,\)"),
        (np.zeros((2, 2, 2)), r"got shape \(2, 2, 2\)"),
        (np.zeros((2, 2), dtype=int), "got int64"),
        (np.zeros((2, 2), dtype=complex), "got complex128"),
        (np.zeros((2, 2), dtype=bool), "got bool"),
        ([np.zeros(2), np.zeros(3)], "do not stack"),
        ([[1.0], [1.0, 2.0]], "do not stack"),
    ],
)
def test_what_is_no_stack_of_floats_is_refused(messages: object, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        as_stack(messages)


def test_the_namespace_of_numpy_is_the_array_api() -> None:
    assert namespace(np.zeros(1)).isdtype(np.dtype(float), "real floating")


@pytest.mark.parametrize("name", AGGREGATORS)
def test_torch_in_is_torch_out_with_the_same_numbers(name: str) -> None:
    torch = pytest.importorskip("torch")
    rule = AGGREGATORS[name]()
    x = np.random.default_rng(0).standard_normal((10, 3))
    b = min(3, rule.breakdown(10))
    found, expected = rule.estimate(torch.from_numpy(x), b), rule.estimate(x, b)
    assert isinstance(found.vector, torch.Tensor)
    assert found.vector.dtype == torch.float64
    np.testing.assert_allclose(found.vector.numpy(), expected.vector, rtol=1e-12)
    np.testing.assert_allclose(found.kept.numpy(), expected.kept, rtol=1e-12)
    assert found.inexactness == pytest.approx(expected.inexactness)


def test_torch_rows_are_stacked_and_ragged_ones_refused() -> None:
    torch = pytest.importorskip("torch")
    assert as_stack([torch.zeros(2), torch.ones(2)]).shape == (2, 2)
    with pytest.raises(OptionError, match="do not stack"):
        as_stack([torch.zeros(2), torch.zeros(3)])


SHAPES_ALONE = ("a column too many", "one number less")  # numbers all the same


@pytest.mark.parametrize("form", SAME)
def test_plain_gives_the_same_numbers_in_the_machines_byte_order(form: str) -> None:
    for library in ("torch", "pandas"):
        pytest.importorskip(library)
    x = np.random.default_rng(0).standard_normal((4, 3))
    found = plain(SAME[form](x), "x")
    assert type(found) is np.ndarray
    assert found.dtype == np.float64
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("form", [form for form in ODD if form not in SHAPES_ALONE])
def test_plain_refuses_what_is_no_array_of_real_numbers_by_its_name(form: str) -> None:
    for library in ("torch", "scipy"):
        pytest.importorskip(library)
    with pytest.raises(OptionError, match=r"^worker 3's gradient (must|has masked entries)"):
        plain(ODD[form](np.random.default_rng(0).standard_normal((4, 3))), "worker 3's gradient")


def test_plain_shares_the_memory_of_an_array() -> None:
    x = np.zeros((3, 2))
    assert plain(x, "x") is x
    assert np.shares_memory(plain(np.ma.array(x), "x"), x)
