"""Half a pair of key and certificate is mended, or refused with the cure."""

from __future__ import annotations

import errno
import os
import stat
from itertools import count

import pytest

from saddleproof.errors import FleetError
from saddleproof.fleets.grpc import keys
from saddleproof.storage import files


@pytest.fixture
def home(tmp_path):
    keys.init(tmp_path / "keys")
    keys.issue(tmp_path / "keys", ["ann"])
    return tmp_path / "keys"


@pytest.mark.parametrize("name", ["ann", "server"])
def test_a_key_that_was_left_alone_gets_its_certificate(home, name):
    key = (home / f"{name}.key").read_bytes()
    (home / f"{name}.pem").unlink()
    written = keys.init(home) if name == "server" else keys.issue(home, ["ann"])
    assert [path.name for path in written] == [f"{name}.pem"]
    assert (home / f"{name}.key").read_bytes() == key
    assert belongs(home, name)


def belongs(home, name: str) -> bool:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    found = keys.load(home, name)
    certificate = x509.load_pem_x509_certificate(found.certificate)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(found.authority))
    key = load_pem_private_key(found.key, password=None)
    return bool(key.public_key() == certificate.public_key())


def test_an_authority_that_was_left_half_made_is_finished(tmp_path):
    home = tmp_path / "keys"
    keys.init(home)
    for name in ("authority.pem", "server.pem", "server.key"):
        (home / name).unlink()
    written = keys.init(home)
    assert [path.name for path in written] == ["authority.pem", "server.key", "server.pem"]
    assert belongs(home, "server")


@pytest.mark.parametrize("name", ["ann", "server", "authority"])
def test_a_certificate_without_its_key_is_refused_with_the_cure(home, name):
    (home / f"{name}.key").unlink()
    with pytest.raises(FleetError, match=rf"{name}\.pem is there without {name}\.key.*Put the key"):
        keys.issue(home, ["ann"]) if name == "ann" else keys.init(home)
    assert not (home / f"{name}.key").exists()


def test_the_key_of_another_authority_signs_nothing(home, tmp_path):
    keys.init(tmp_path / "other")
    (home / "authority.key").write_bytes((tmp_path / "other" / "authority.key").read_bytes())
    with pytest.raises(FleetError, match=r"is not the key of authority\.pem"):
        keys.issue(home, ["ben"])
    assert not (home / "ben.key").exists()


def test_a_file_that_is_no_key_is_refused(home):
    (home / "ben.key").write_bytes(b"no key")
    with pytest.raises(FleetError, match=r"ben\.key is no private key"):
        keys.issue(home, ["ben"])


def test_a_fault_at_any_write_leaves_what_the_next_call_mends(tmp_path, monkeypatch):
    said: list[str] = []
    for at in count(1):
        home, calls = tmp_path / f"keys-{at}", count(1)

        def fail(*args, at=at, calls=calls):
            if next(calls) == at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return os.write(*args)

        with monkeypatch.context() as faulty:
            shim = type("os", (), dict(vars(os)) | {"write": staticmethod(fail)})
            faulty.setattr(files, "os", shim)
            try:
                keys.init(home)
                break
            except FleetError as error:
                said.append(str(error))
        keys.init(home)
        assert belongs(home, "server")
        assert {path.suffix for path in home.iterdir()} == {".key", ".pem"}
    assert len(said) == 4
    assert all(os.strerror(errno.ENOSPC) in text for text in said)


def test_keys_are_private_whatever_the_umask(tmp_path):
    before = os.umask(0o777)
    try:
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys").chmod(0o700)
        keys.init(tmp_path / "keys")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()}
    assert modes == {0o600}


def test_a_folder_from_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    keys.init("~/keys")
    assert keys.load("~/keys").certificate == (tmp_path / "keys" / "server.pem").read_bytes()
