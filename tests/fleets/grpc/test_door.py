"""Who is let in: pins, the roster's file, odd certificates, and SIGHUP."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from saddleproof.errors import ConfigError
from saddleproof.fleets.grpc import certificates, keys
from saddleproof.fleets.grpc.fleet import GrpcFleet
from saddleproof.fleets.grpc.roster import Roster, read


@pytest.fixture
def home(tmp_path):
    keys.init(tmp_path / "keys")
    keys.issue(tmp_path / "keys", ["ann", "ben"])
    return tmp_path / "keys"


def shown(home, name):
    return certificates.parsed((home / f"{name}.pem").read_bytes())


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


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_a_server_reads_its_roster_and_keys_again_on_sighup(home, tmp_path, until):
    roster, config = tmp_path / "roster.txt", tmp_path / "run.toml"
    roster.write_text("ann\nben\n")
    config.write_text('problem = { name = "example2", workers = 2 }\nrun = { b = 0 }\n')
    log = tmp_path / "log.txt"
    told = ["--keys", str(home), "--roster", str(roster), "--out", str(tmp_path)]
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
