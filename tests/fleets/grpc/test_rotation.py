"""Certificates that get old and keys that are stolen: renewal, revocation, pins."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from saddleproof.cli import main
from saddleproof.errors import ConfigError, FleetError, OptionError
from saddleproof.fleets.grpc import certificates, keys, rotation
from saddleproof.fleets.grpc.client import Client
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.grpc.roster import Roster, read

POINTS = np.zeros((1, 4))


@pytest.fixture
def home(tmp_path):
    keys.init(tmp_path / "keys")
    keys.issue(tmp_path / "keys", ["ann", "ben"])
    return tmp_path / "keys"


def shown(home, name):
    return certificates.parsed((home / f"{name}.pem").read_bytes())


def zeros(question, round_id, *, losses):
    return np.zeros(question.shape), None


@pytest.fixture
def worker():
    """worker(fleet, credentials): a client in a thread; `refusal` is how it ended."""
    import threading

    running = []

    def begin(fleet, credentials):
        client = Client(zeros, fleet.address, credentials, pause=0.2)
        client.refusal = None

        def run():
            try:
                client.run()
            except FleetError as error:
                client.refusal = str(error)

        client.thread = threading.Thread(target=run)
        client.thread.start()
        running.append(client)
        return client

    yield begin
    for client in running:
        client.stop()
        client.thread.join(30)


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
    client = Client(zeros, "127.0.0.1:1", keys.load(home, "ann"))
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
                socket.create_connection((host, int(port))), server_hostname=keys.SERVER_NAME
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


# --- pins, and the roster's file ---


def test_a_pinned_name_needs_the_pinned_key(home, worker):
    pin = certificates.fingerprint(shown(home, "ann"))
    other = certificates.fingerprint(shown(home, "ben"))
    with contextlib.closing(GrpcFleet(Roster(("ann",), {"ann": other}), home)) as fleet:
        refused = worker(fleet, keys.load(home, "ann"))
        refused.thread.join(30)
        assert f"pins the key {other}; this one is {pin}" in refused.refusal
        assert fleet.reload(Roster(("ann", "zoe"), {"ann": pin})) == ("zoe",)
        worker(fleet, keys.load(home, "ann"))
        assert fleet.gather(60) == ()
        assert fleet.workers == ("ann",)


def test_who_is_taken_off_the_roster_is_hung_up_on_and_may_come_back(home, worker, until):
    with contextlib.closing(GrpcFleet(["ann", "ben"], home)) as fleet:
        worker(fleet, keys.load(home, "ann"))
        gone = worker(fleet, keys.load(home, "ben"))
        assert fleet.gather(60) == ()
        fleet.reload(Roster(("ann",)))
        gone.thread.join(30)
        assert "no longer on the roster" in gone.refusal
        fleet.reload()  # the keys alone: he stays off
        assert worker(fleet, keys.load(home, "ben")).thread.join(30) is None
        fleet.reload(Roster(("ann", "ben")))
        worker(fleet, keys.load(home, "ben"))
        assert fleet.gather(60) == ()


def test_a_roster_has_names_and_pins_and_comments(tmp_path):
    path, pin = tmp_path / "roster.txt", "sha256:" + "a1" * 32
    path.write_text(f"\ufeff# ours\nann\n\n  # hers\n ben  {pin.upper()[:6].lower()}{pin[6:]}\r\n")
    assert read(path) == Roster(("ann", "ben"), {"ben": pin})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ann\nann", "line 2: ann is there twice"),
        ("ann sha256:12", "line 1: after the name comes nothing, or sha256: and 64"),
        ("ann smith", "got 'smith'"),
    ],
)
def test_a_wrong_line_of_a_roster_is_named(tmp_path, text, why):
    (tmp_path / "roster.txt").write_text(text)
    with pytest.raises(ConfigError, match=why):
        read(tmp_path / "roster.txt")


# --- certificates that an authority signed and should not have ---


def odd(home, names=("ann",), key=None):
    """Credentials with these common names, signed by the folder's authority."""
    authority, signer = keys.authority_of(home)
    key = ec.generate_private_key(ec.SECP256R1()) if key is None else key
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n) for n in names]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), True)
        .sign(signer, hashes.SHA256())
    )
    to = serialization
    return keys.Credentials(
        (home / "authority.pem").read_bytes(),
        certificate.public_bytes(to.Encoding.PEM),
        key.private_bytes(to.Encoding.PEM, to.PrivateFormat.PKCS8, to.NoEncryption()),
    )


def test_a_certificate_with_two_names_is_nobodys(home, worker):
    with contextlib.closing(GrpcFleet(["ann", "ben"], home)) as fleet:
        both = worker(fleet, odd(home, ("ann", "ben")))
        both.thread.join(30)
        assert "exactly one common name" in both.refusal
        assert {fleet.counters()[n]["connected"] for n in ("ann", "ben")} == {0}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (rsa.generate_private_key(65537, 1024), "1024 bits; needs 2048"),
        (ec.generate_private_key(ec.SECP192R1()), "192 bits; needs 256"),
        (ec.generate_private_key(ec.SECP256R1()), None),
        (ed25519.Ed25519PrivateKey.generate(), None),
        (rsa.generate_private_key(65537, 2048), None),
    ],
    ids=["RSA 1024", "P-192", "P-256", "Ed25519", "RSA 2048"],
)
def test_a_weak_key_is_refused(home, key, why):
    weakness = certificates.weakness(certificates.parsed(odd(home, key=key).certificate))
    assert weakness is why or why in weakness


def test_a_weak_key_that_tls_would_take_is_not_let_in(home, worker):
    weak = odd(home, key=rsa.generate_private_key(65537, 1024))
    with contextlib.closing(GrpcFleet(["ann"], home)) as fleet:
        client = worker(fleet, weak)
        client.thread.join(5)
        client.stop()
        assert fleet.counters()["ann"]["connected"] == 0
        assert client.refusal is None or "1024 bits" in client.refusal


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


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_a_server_reads_its_roster_and_keys_again_on_sighup(home, tmp_path, until):
    roster, config = tmp_path / "roster.txt", tmp_path / "run.toml"
    roster.write_text("ann\nben\n")
    config.write_text('problem = { name = "example2", workers = 2 }\nrun = { b = 0 }\n')
    log = tmp_path / "log.txt"
    told = ["--keys", str(home), "--roster", str(roster), "--out", str(tmp_path), "--verbose"]
    command = [sys.executable, "-m", "saddleproof", "serve", str(config), *told]
    command += ["--listen", "127.0.0.1:0"]
    with log.open("w") as text, subprocess.Popen(command, stderr=text, stdout=text) as server:
        try:
            until(lambda: "listening at" in log.read_text(), 60)
            roster.write_text("ann\neve\n")
            server.send_signal(signal.SIGHUP)
            until(lambda: "roster and keys are read again" in log.read_text(), 30)
            assert "eve cannot join" in log.read_text()
            roster.write_text("ann ann ann\n")
            server.send_signal(signal.SIGHUP)
            until(lambda: "nothing has changed" in log.read_text(), 30)
            assert server.poll() is None
        finally:
            os.kill(server.pid, signal.SIGTERM)
