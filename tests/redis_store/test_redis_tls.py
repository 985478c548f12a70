"""TLS with a certificate that is checked, and a user with no more rights than the page names."""

import datetime as dt
import ipaddress
import re
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.protocols import Cap, Replacing, Take
from holdfast.record import changed
from holdfast.stores import open_both
from holdfast.testing.contracts.samples import Samples, listed
from redis_waiting import resumed

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "stores" / "redis.md"
PASSWORD = "a password: with/odd@characters"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate for 127.0.0.1 that only itself vouches for; the folder of its files."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )
    return folder


def secured(certificates, *, known_clients=False):
    """Lines of a configuration, and options, of a server that speaks TLS only.

    `known_clients`: with nobody who shows no certificate.
    """
    options = (
        f"tls-cert-file {certificates}/cert.pem",
        f"tls-key-file {certificates}/key.pem",
        f"tls-ca-cert-file {certificates}/cert.pem",
        f"tls-auth-clients {'yes' if known_clients else 'no'}",
        "tls-cluster yes",
        "tls-replication yes",
    )
    client = {
        "ssl": True,
        "ssl_ca_certs": f"{certificates}/cert.pem",
        "ssl_check_hostname": False,
    }
    if known_clients:
        client |= {
            "ssl_certfile": f"{certificates}/cert.pem",
            "ssl_keyfile": f"{certificates}/key.pem",
        }
    return options, {"tls": True, **client}


def admit(server):
    """Have it know the user that the page describes."""
    rights = re.search(r"^user holdfast (.*)$", PAGE.read_text(), re.MULTILINE)[1]
    rights = rights.replace(">PASSWORD", "").split()
    server.client.execute_command("ACL SETUSER", "holdfast", *rights, f">{PASSWORD}")


@pytest.fixture(scope="module")
def server(session_servers, certificates):
    """It speaks TLS only, and knows the user that the page describes."""
    options, more = secured(certificates)
    server = session_servers.start(*options, **more)
    admit(server)
    return server


def url(server, certificates, password=PASSWORD):
    ca = quote(f"{certificates}/cert.pem")
    return f"rediss://holdfast:{quote(password, safe='')}@127.0.0.1:{server.port}?tls_ca={ca}"


def test_every_verb_with_those_rights(server, certificates, opening, face):
    """The rights that the page names are enough for all there is."""
    store = opening(url(server, certificates), face)
    samples = Samples(store, lambda: int(time.time() * 1000))
    now = int(time.time() * 1000)
    record, old = samples.several(2)
    take = Take(f"s/{record.id}/", 5, 1000, record.secret_hash)
    assert store.get(record.id, now=now, take=take).record == record
    new = samples.record()
    replacing = Replacing(old.id, old.version)
    assert store.insert(new, now=now, cap=Cap(3, "evict_oldest"), replacing=replacing)
    assert store.touch(record.id, seen_at=record.seen_at + 1, expires_at=record.expires_at)
    assert store.update(changed(record, version=1), expected=record.version, durable=True)
    assert listed(store) == listed(store, "alice") == sorted([record.id, new.id])
    assert store.delete(new.id)
    samples.stored(expires_at=now - 1)
    assert store.purge(now=now) == 1
    assert store.take(face, limit=1, period=1000, now=now).allowed
    assert store.delete_all("alice") == (record.id,)
    assert store.bump_epoch() > 0


def test_a_server_that_stands_still(server, certificates, opening, face):
    """The time limit holds over TLS as well."""
    store = opening(url(server, certificates), face, timeout=0.5)
    record = Samples(store, lambda: int(time.time() * 1000)).stored()
    server.pause()
    started = time.monotonic()
    try:
        with pytest.raises(StoreUnavailable):
            store.get(record.id, now=0)
    finally:
        server.resume()
    assert time.monotonic() - started < 1.5
    assert resumed(lambda: store.get(record.id, now=0)).record == record


def test_the_feed_of_changes_with_those_rights(server, certificates):
    """So are they for a line that carries changes."""
    opened = open_both(url(server, certificates) + "&fence=yes&replicas=0")
    (name,) = opened.remote.lines()
    line = opened.remote.dial(name)
    line.probe(7)
    assert line.receive(2)[-1].serial == 7
    line.close()
    opened.blocking.close()


def test_a_cluster_that_knows_its_clients_by_their_certificates(
    servers, certificates, opening, face
):
    """Every node is spoken to over TLS, by the user, and shown the certificate of the URL."""
    options, more = secured(certificates, known_clients=True)
    nodes = servers.cluster(2, 0, *options, **more)
    for each in nodes:
        admit(each)
    given = url(nodes[0], certificates).replace("rediss://", "rediss+cluster://")
    with pytest.raises(StoreUnavailable):
        opening(given, face).salt()
    own = (
        f"&tls_cert={quote(f'{certificates}/cert.pem')}&tls_key={quote(f'{certificates}/key.pem')}"
    )
    store = opening(given + own, face)
    records = Samples(store, lambda: int(time.time() * 1000)).several(4)
    others = [Samples(store, lambda: 0).stored(str(number)) for number in range(20)]
    assert len(listed(store)) == len(records) + len(others)
    assert all(each.client.dbsize() for each in nodes)
    assert store.bump_epoch() > 0
    assert listed(store) == []


def test_sentinels_with_a_password_of_their_own(servers, certificates, opening, face):
    """Sentinels and servers speak TLS, each with its login; a failover changes neither."""
    options, more = secured(certificates)
    primary = servers.start(*options, **more)
    replica = servers.replica_of(primary, *options, **more)
    for each in (primary, replica):
        admit(each)
    sentinels = servers.sentinels(
        primary, 1, options=("requirepass guard", *options), **more, password="guard"
    )
    given = url(sentinels[0], certificates).replace("rediss://", "rediss+sentinel://")
    given = given.replace("?", "/main?")
    with pytest.raises(StoreUnavailable):
        opening(given, face).salt()
    store = opening(given + "&sentinel_password=guard", face, timeout=2.0)
    record = Samples(store, lambda: int(time.time() * 1000)).stored()
    assert store.delete(Samples(store, lambda: 0).stored("bob").id)
    primary.kill()
    assert resumed(lambda: store.get(record.id, now=0)).record == record


def test_valkeys_is_valkey_over_tls(server, certificates, opening, face):
    """The scheme with an s speaks TLS, also under Valkey's name."""
    address = url(server, certificates).replace("rediss://", "valkeys://")
    store = opening(address, face)
    record = Samples(store, lambda: int(time.time() * 1000)).stored()
    assert store.get(record.id, now=0).record == record


def test_a_certificate_that_nobody_vouches_for(server):
    """It is an error at the start, and no session goes there (P25)."""
    with pytest.raises(ConfigurationError, match="certificate"):
        open_both(f"rediss://holdfast:x@127.0.0.1:{server.port}")


def test_a_wrong_password(server, certificates):
    """So is a password that the server refuses; the message does not repeat it."""
    with pytest.raises(ConfigurationError, match="password") as error:
        open_both(url(server, certificates, "hunter2"))
    assert "hunter2" not in str(error.value)


def test_missing_rights(server, certificates, opening):
    """A user that may not do what is needed is told so, as an outage."""
    server.client.execute_command("ACL SETUSER", "weak", "on", ">weak", "+info", "+client")
    target = (
        url(server, certificates)
        .replace("holdfast:", "weak:")
        .replace(quote(PASSWORD, safe=""), "weak")
    )
    with pytest.raises(StoreUnavailable, match="let our user"):
        opening(target).salt()
