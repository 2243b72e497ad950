"""Changed inputs of the five decoders are refused by our own errors, or say what is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

CORPUS = Path(__file__).parents[1] / "data" / "corpus"
#: Less than half a second each.
FEW = {"frames": 3000, "flower": 300, "checkpoints": 100, "configurations": 200, "stores": 60}
SAVED = sorted(CORPUS.glob("*/*"))


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("times", [1, pytest.param(30, marks=pytest.mark.slow)])
def test_a_changed_input_neither_crashes_nor_is_read_as_something_else(
    fuzzing, decoder, name, times
):
    count = times * FEW[name]
    found = fuzzing.driver.fuzz(decoder(name), count, seed=times)
    assert found.bad == []
    assert found.sound
    assert found.counts["inputs"] == count
    assert found.counts["refused"] > count / 3  # the changes are changes
    assert found.counts["read"] > 0  # and some of them go deep


@pytest.mark.parametrize("path", SAVED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_saved_input_is_read_or_refused_as_its_name_says(decoder, path):
    one = decoder(path.parent.name)
    if path.name.startswith("valid-"):
        assert one.read(path.read_bytes()) is not None
        return
    assert path.name.startswith("refused-")
    with pytest.raises(one.refusals):
        one.read(path.read_bytes())


def test_every_decoder_has_saved_inputs():
    assert {path.parent.name for path in SAVED} == set(FEW)


def test_the_same_seed_gives_the_same_inputs(fuzzing, decoder):
    one, again, other = (
        fuzzing.driver.fuzz(decoder("frames"), 500, seed).counts for seed in (1, 1, 2)
    )
    assert one == again != other


def any_signature(monkeypatch: Any) -> None:
    monkeypatch.setattr("saddleproof.fleets.flower.keys.verifies", lambda *_: True)


def any_question(monkeypatch: Any) -> None:
    monkeypatch.setattr("saddleproof.fleets.flower.envelope._typed", lambda told: None)


def any_header(monkeypatch: Any) -> None:
    monkeypatch.setattr("saddleproof.fleets.grpc.frames.check", lambda header: None)


def one_seal_for_all(monkeypatch: Any) -> None:
    monkeypatch.setattr("saddleproof.runs.schema.chained", lambda before, row: "sealed")


def any_key(monkeypatch: Any) -> None:
    monkeypatch.setattr("saddleproof.config.reading.Reader.known", lambda *_: None)


def raw_errors(monkeypatch: Any) -> None:
    monkeypatch.setattr("saddleproof.storage.snapshot.UNFIT", ())


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("flower", any_signature),
        ("flower", any_question),
        ("frames", any_header),
        ("stores", one_seal_for_all),
        ("configurations", any_key),
        ("checkpoints", raw_errors),
    ],
)
def test_the_fuzzer_finds_out_a_decoder_without_a_guard(
    fuzzing, decoder, monkeypatch, name, without
):
    without(monkeypatch)
    one = decoder(name)
    assert not all(fuzzing.driver.fuzz(one, 50, seed).sound for seed in range(40))
