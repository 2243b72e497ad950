"""The certificates: who may say who he is, and what is on disk."""

from __future__ import annotations

import stat

import pytest
from click.testing import CliRunner

from saddleproof.cli import main
from saddleproof.errors import FleetError, OptionError
from saddleproof.fleets.grpc import keys


@pytest.fixture
def home(tmp_path):
    keys.init(tmp_path / "keys")
    return tmp_path / "keys"


def test_every_file_is_for_its_owner_only(home):
    keys.issue(home, ["ann"])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_nothing_is_ever_overwritten(home):
    before = {path: path.read_bytes() for path in home.iterdir()}
    with pytest.raises(FleetError, match="never overwritten"):
        keys.init(home)
    keys.issue(home, ["ann"])
    with pytest.raises(FleetError, match=r"ann\.key is there already"):
        keys.issue(home, ["ben", "ann"])
    assert not (home / "ben.key").exists()
    assert {path: path.read_bytes() for path in before} == before


def test_a_link_in_the_place_of_a_key_is_not_followed(home, tmp_path):
    (home / "ann.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FleetError, match="never overwritten"):
        keys.issue(home, ["ann"])
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["", "../eve", "server", "authority", "a b", "x" * 65, "-x"])
def test_a_name_that_is_no_name_is_refused(home, name):
    with pytest.raises(OptionError, match="a worker's name has"):
        keys.issue(home, [name])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FleetError, match=r"authority\.pem: No such file.*saddleproof keys"):
        keys.load(tmp_path)


def test_the_key_is_not_printed(home):
    shown = repr(keys.load(home))
    assert "PRIVATE" not in shown
    assert "CERTIFICATE" in shown


def test_the_commands_make_what_the_functions_make_and_print_no_key(tmp_path):
    home = str(tmp_path / "keys")
    run = CliRunner()
    made = run.invoke(main, ["keys", "init", home])
    issued = run.invoke(main, ["keys", "issue", home, "ann", "--count", "2"])
    assert (made.exit_code, issued.exit_code) == (0, 0)
    for name in ("server", "ann", "worker-0", "worker-1"):
        assert keys.load(home, name).certificate.startswith(b"-----BEGIN CERTIFICATE")
    assert "PRIVATE" not in made.output + issued.output
    again = run.invoke(main, ["keys", "issue", home, "ann"])
    assert again.exit_code == 1
    assert "never overwritten" in again.output


def test_a_name_given_twice_is_issued_once(home):
    written = keys.issue(home, ["zoe", "zoe"])
    assert [path.name for path in written] == ["zoe.key", "zoe.pem"]
