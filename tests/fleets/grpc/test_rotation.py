"""Certificates that get old and keys that are stolen: renewal, revocation, pins."""

from __future__ import annotations

import contextlib
import datetime as dt

import numpy as np
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from saddleproof.cli import main
from saddleproof.errors import FleetError, OptionError
from saddleproof.fleets.grpc import certificates, keys, rotation, signing
from saddleproof.fleets.grpc.client import Client
from saddleproof.fleets.grpc.fleet import GrpcFleet

POINTS = np.zeros((1, 4))


@pytest.fixture
def home(tmp_path):
    keys.init(tmp_path / "keys")
    keys.issue(tmp_path / "keys", ["ann", "ben"])
    return tmp_path / "keys"


def shown(home, name):
    return certificates.parsed((home / f"{name}.pem").read_bytes())


# --- how long ---


def test_no_certificate_outlives_the_authority(tmp_path):
    keys.init(tmp_path, days=10)
    keys.issue(tmp_path, ["ann"], days=5000)
    assert (
        shown(tmp_path, "ann").not_valid_after_utc
        == shown(tmp_path, "authority").not_valid_after_utc
    )
    assert (
        shown(tmp_path, "server").not_valid_after_utc
        == shown(tmp_path, "authority").not_valid_after_utc
    )


def test_a_day_beyond_the_calendar_is_refused(home):
    with pytest.raises(OptionError, match="before the year 10000; got 99999999 days"):
        keys.issue(home, ["eve"], days=99_999_999)


def test_an_authority_that_has_expired_issues_nothing_and_says_how_to_renew_it(home, expired):
    expired(home, "authority")
    with pytest.raises(FleetError, match=r"the authority expired on .*keys renew .* authority"):
        keys.issue(home, ["eve"])
    rotation.renew(home, ["authority"])
    assert keys.issue(home, ["eve"])


@pytest.fixture
def expired():
    """expired(home, name): its certificate ended a minute ago."""

    def make(home, name):
        _, signer = keys.authority_of(home)
        old, now = shown(home, name), dt.datetime.now(dt.UTC)
        draft = (
            x509.CertificateBuilder()
            .subject_name(old.subject)
            .issuer_name(old.issuer)
            .public_key(old.public_key())
            .serial_number(old.serial_number)
            .not_valid_before(now - dt.timedelta(days=2))
            .not_valid_after(now - dt.timedelta(minutes=1))
        )
        for extension in old.extensions:
            draft = draft.add_extension(extension.value, extension.critical)
        path = home / f"{name}.pem"
        path.write_bytes(
            draft.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )

    return make


def test_a_worker_says_that_its_certificate_has_expired(home, expired):
    expired(home, "ann")
    client = Client(lambda *_, losses: None, "127.0.0.1:1", keys.load(home, "ann"))
    with pytest.raises(FleetError, match=r"of this worker expired on .*saddleproof keys renew"):
        client.run()


def test_a_server_says_that_its_certificate_has_expired(home, expired):
    expired(home, "server")
    with pytest.raises(FleetError, match="of the server expired on"):
        GrpcFleet(["ann"], home)


# --- renewal ---


def test_a_renewed_certificate_is_for_the_same_key(home):
    old = shown(home, "ann")
    (path,) = rotation.renew(home, ["ann"], days=20)
    new = shown(home, "ann")
    assert path == home / "ann.pem"
    assert new.public_key() == old.public_key()
    assert new.serial_number != old.serial_number
    assert certificates.fingerprint(new) == certificates.fingerprint(old)


def test_what_an_authority_signed_holds_under_the_renewed_one(home, worker):
    old = keys.load(home, "ann")
    rotation.renew(home, ["server", "authority"])
    assert (home / "authority.pem").read_bytes() != old.authority
    with contextlib.closing(GrpcFleet(["ann", "ben"], home)) as fleet:
        worker(fleet, old)  # neither this worker's files nor
        worker(fleet, keys.load(home, "ben"))  # the other's are new, but for the authority's
        assert fleet.gather(60) == ()


def test_a_running_server_shows_its_renewed_certificate_after_a_reload(home, worker):
    with contextlib.closing(GrpcFleet(["ann"], home)) as fleet:
        host, _, port = fleet.address.rpartition(":")

        def serial():
            import ssl

            context = ssl.create_default_context(cafile=home / "authority.pem")
            context.load_cert_chain(home / "ann.pem", home / "ann.key")
            context.set_alpn_protocols(["h2"])
            import socket

            with context.wrap_socket(
                socket.create_connection((host, int(port))), server_hostname=signing.SERVER_NAME
            ) as line:
                return x509.load_der_x509_certificate(
                    line.getpeercert(binary_form=True)
                ).serial_number

        before = serial()
        rotation.renew(home, ["server"])
        assert serial() == before
        fleet.reload()
        assert serial() == shown(home, "server").serial_number != before


def test_a_worker_shows_its_renewed_certificate_when_it_dials_in_again(home, worker, until):
    with contextlib.closing(GrpcFleet(["ann"], home)) as fleet:
        worker(fleet, lambda: keys.load(home, "ann"))
        assert fleet.gather(60) == ()
        rotation.renew(home, ["ann"])
        fleet._loop.call_soon_threadsafe(fleet._desk.lines["ann"].drop, "for the test")
        until(lambda: fleet.counters()["ann"]["connected"] == 2)
        found = fleet._desk.lines["ann"].certificate
        assert found.serial_number == shown(home, "ann").serial_number


def test_a_worker_shows_what_it_has_while_its_files_are_written_anew(home):
    client = Client(lambda *_, losses: None, "127.0.0.1:1", lambda: keys.load(home, "ann"))
    before = client._shown()
    for torn in (b"", before.certificate[:100]):
        (home / "ann.pem").write_bytes(torn)
        assert client._shown() == before
    (home / "ann.pem").unlink()
    assert client._shown() == before
    fresh = Client(lambda *_, losses: None, "127.0.0.1:1", lambda: keys.load(home, "ann"))
    with pytest.raises(FleetError, match=r"ann\.pem"):
        fresh._shown()


# --- revocation ---


def test_a_revoked_certificate_is_turned_away_and_a_new_one_of_the_name_let_in(home, worker):
    stolen = keys.load(home, "ann")
    rotation.revoke(home, ["ann"])
    assert not (home / "ann.key").exists()
    keys.issue(home, ["ann"])
    with contextlib.closing(GrpcFleet(["ann"], home)) as fleet:
        thief = worker(fleet, stolen)
        thief.thread.join(30)
        assert "is revoked" in thief.refusal
        worker(fleet, keys.load(home, "ann"))
        assert fleet.gather(60) == ()
        assert fleet.counters()["ann"]["refused"] == 1


def test_a_reload_hangs_up_on_who_was_revoked(home, worker, until):
    keys.issue(home, ["cat"])
    with contextlib.closing(GrpcFleet(["ann", "ben", "cat"], home)) as fleet:
        for name in fleet.workers:
            worker(fleet, keys.load(home, name))
        assert fleet.gather(60) == ()
        rotation.revoke(home, ["ann"])
        fleet.reload()
        until(lambda: "ann" not in fleet._desk.lines)
        assert fleet.round(POINTS, round_id=0).status == ("dead", "ok", "ok")
        assert "ann" not in fleet._desk.bad  # nothing is proved


def test_a_list_keeps_what_was_revoked_before(home):
    serials = [shown(home, name).serial_number for name in ("ann", "ben")]
    rotation.revoke(home, ["ann"])
    rotation.revoke(home, ["ben"])
    found = keys.load(home)
    assert certificates.revoked(found.revocations, found.authority) == set(serials)


def test_a_list_that_somebody_else_signed_starts_no_server(home, tmp_path):
    keys.init(tmp_path / "other")
    keys.issue(tmp_path / "other", ["ann"])
    rotation.revoke(tmp_path / "other", ["ann"])
    (home / "authority.crl").write_bytes((tmp_path / "other" / "authority.crl").read_bytes())
    with pytest.raises(FleetError, match="not signed by the project's authority"):
        GrpcFleet(["ann"], home)


def test_an_authority_is_not_revoked_and_a_revoked_certificate_not_renewed(home):
    with pytest.raises(FleetError, match="cannot revoke itself"):
        rotation.revoke(home, ["authority"])
    pem = (home / "ann.pem").read_bytes()
    rotation.revoke(home, ["ann"])
    (home / "ann.pem").write_bytes(pem)
    with pytest.raises(FleetError, match="is revoked; issue a new pair"):
        rotation.renew(home, ["ann"])


# --- the commands ---


def test_the_commands_renew_and_revoke_and_say_what_to_do(home):
    run = CliRunner()
    renewed = run.invoke(main, ["keys", "renew", str(home), "ann", "--days", "9"])
    revoked = run.invoke(main, ["keys", "revoke", str(home), "ben"])
    issued = run.invoke(main, ["keys", "issue", str(home), "ben"])
    assert [r.exit_code for r in (renewed, revoked, issued)] == [0, 0, 0]
    assert "ann: until " in renewed.output
    assert "authority.crl" in revoked.output
    assert f"ben {certificates.fingerprint(shown(home, 'ben'))}" in issued.output
