"""Step 1: HTTPS, loopback, or a trusted proxy's word."""

import logging

import pytest

from chain.facts import Steps, request
from holdfast.blocking import run
from holdfast.settings import Settings

PROXY = "10.0.0.9"
CLIENT = "198.51.100.7"


@pytest.fixture
def behind(request):
    """A chain behind one trusted proxy, or as many as the test says."""
    hops = getattr(request, "param", 1)
    steps = Steps(Settings(trusted_proxies=("10.0.0.0/8",), proxy_hops=hops))
    yield steps
    steps.assembly.close()


def code(visit):
    return None if visit.reply is None else (visit.reply.status, visit.reply.body.decode())


def refused(visit, status, word):
    found = code(visit)
    return found is not None and found[0] == status and f'"code": "{word}"' in found[1]


def test_https_is_let_in(steps):
    """The peer is the client, and the origin is what the browser sees."""
    visit = steps.begin(host="App.Example.org:8443")
    assert visit.reply is None
    assert (visit.client.address, visit.origin) == ("203.0.113.7", "https://app.example.org:8443")


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_plain_http_from_elsewhere_is_refused(steps, scheme):
    """R152: 403 before any look-up, audited, and the answer says nothing more."""
    visit = steps.begin(scheme=scheme, cookie=f"__Host-session={steps.cookie_of()}")
    assert refused(visit, 403, "https_required")
    assert steps.store.calls.count("get") == 0
    assert steps.reasons()[-1] == "https_required"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]", "app.localhost:8080"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_speak_plain_http(steps, host, peer):
    """Both the peer and the name that it asks for are loopback."""
    assert steps.begin(scheme="http", host=host, peer=peer).reply is None


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("localhost", "203.0.113.7"),  # a name is anybody's to send
        ("app.example.org", "127.0.0.1"),  # an unnamed reverse proxy, or DNS rebinding
        ("evil.example", "::1"),
        ("localhost.evil.example", "127.0.0.1"),
        ("localhost", None),  # a Unix socket has a proxy in front
    ],
)
def test_half_of_loopback_is_not_loopback(steps, host, peer):
    """P62: plain HTTP needs the peer and the name."""
    assert refused(steps.begin(scheme="http", host=host, peer=peer), 403, "https_required")


def test_named_hosts_may_be_plain(caplog):
    """`for_development(hosts=…)`, for a test network; other names stay refused, with advice once."""
    steps = Steps(Settings(plain_http_hosts=("Dev.Internal",)))
    assert steps.begin(scheme="http", host="dev.internal:8080").reply is None
    with caplog.at_level(logging.WARNING, logger="holdfast"):
        for _ in range(3):
            assert steps.begin(scheme="http", host="other.internal").reply is not None
    steps.assembly.close()
    (said,) = [record.getMessage() for record in caplog.records]
    assert "trusted_proxies" in said


@pytest.mark.parametrize("host", ["", "a b", "app.example.org, evil.test", "x" * 400, "[::1", "ü"])
def test_a_malformed_host_is_refused(steps, host):
    """P52: 400, never a guess."""
    assert refused(steps.begin(host=host), 400, "bad_request")
    assert steps.reasons() == ["bad_request"]


def forwarded(steps, peer=PROXY, **headers):
    named = {f"x_forwarded_{name.rstrip('_')}": value for name, value in headers.items()}
    return steps.begin(scheme="http", host="inner:8000", peer=peer, **named)


def test_a_trusted_proxy_is_believed(behind):
    """Its word gives address, scheme and host."""
    visit = forwarded(behind, for_=CLIENT, proto="https", host="app.example.org")
    assert visit.reply is None
    assert (visit.client.address, visit.origin) == (CLIENT, "https://app.example.org")


def test_nobody_else_is_believed(behind, steps):
    """Neither a client that sends the headers itself, nor anybody without `trusted_proxies`."""
    lie = {"for_": "127.0.0.1", "proto": "https", "host": "localhost"}
    assert refused(forwarded(behind, peer="203.0.113.7", **lie), 403, "https_required")
    assert refused(forwarded(steps, **lie), 403, "https_required")


@pytest.mark.parametrize(
    ("behind", "header", "address"),
    [
        (1, f"1.2.3.4, {CLIENT}", CLIENT),
        (1, f"127.0.0.1, 10.0.0.1, {CLIENT}", CLIENT),
        (2, f"1.2.3.4, {CLIENT}, 10.0.0.8", CLIENT),
        (3, f"1.2.3.4, {CLIENT}, 10.0.0.7, 10.0.0.8", CLIENT),
    ],
    indirect=["behind"],
)
def test_hops_are_counted_from_the_right(behind, header, address):
    """P53: what the client wrote itself stands on the left and is never reached."""
    proto = ", ".join(["https"] * header.count(","))
    visit = forwarded(behind, for_=header, proto=proto or "https", host="app.example.org")
    assert visit.client.address == address


@pytest.mark.parametrize("behind", [2], indirect=True)
def test_too_few_hops_are_refused(behind):
    """A request that came past one of our proxies proves nothing."""
    visit = forwarded(behind, for_=CLIENT, proto="https", host="app.example.org")
    assert refused(visit, 400, "bad_request")


def test_the_scheme_that_our_proxy_saw_counts(behind):
    """A client that claims https over a plain connection is still plain."""
    visit = forwarded(behind, for_=f"x, {CLIENT}", proto="https, http", host="app.example.org")
    assert refused(visit, 403, "https_required")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_probes_need_neither_https_nor_a_host(steps, path):
    """They come from inside; they have no session, and cannot be given one."""
    visit = steps.begin(path=path, scheme="http", host="", cookie="__Host-session=x")
    assert (visit.reply, visit.excluded, steps.store.calls) == (None, True, [])
    assert steps.commit(visit).headers == ()


@pytest.mark.parametrize("path", ["/healthz/", "/Healthz", "/healthz/../admin", "//healthz"])
def test_only_the_exact_path_is_a_probe(steps, path):
    """Nothing else gets around the check by looking like one."""
    assert refused(steps.begin(path=path, scheme="http"), 403, "https_required")


def test_a_verdict_is_kept_and_never_for_another(behind):
    """Parsing costs the most, so it is remembered: by everything that it depends on."""
    for_one = {"for_": CLIENT, "proto": "https", "host": "app.example.org"}
    for _ in range(2):
        assert forwarded(behind, **for_one).client.address == CLIENT
        assert (
            forwarded(behind, **for_one | {"for_": "203.0.113.9"}).client.address == "203.0.113.9"
        )
        assert forwarded(behind, **for_one | {"proto": "http"}).reply is not None
        assert forwarded(behind, peer="203.0.113.7", **for_one).reply is not None


def test_what_is_kept_is_bounded(behind):
    """An attacker who sends ever new headers does not fill the memory."""
    for number in range(3000):
        forwarded(
            behind, for_=f"198.51.100.{number % 250}", host=f"h{number}.example.org", proto="https"
        )
    long = "1.2.3.4, " * 100 + CLIENT
    assert (
        forwarded(behind, for_=long, proto="https", host="app.example.org").client.address == CLIENT
    )
    known = behind.chain._transport._known
    assert len(known) <= 1024
    assert all(sum(len(part) for part in key if part) <= 512 for key in known)


@pytest.mark.parametrize(
    ("given", "kept"), [("r-1", "r-1"), ("x" * 500, "x" * 128), ("a\nb", None), ("é", None)]
)
def test_a_request_id_cannot_forge_a_line(steps, given, kept):
    """R159: it goes into every event of the request."""
    assert steps.begin(x_request_id=given).client.request_id == kept


def test_the_chain_wants_to_know_no_more_headers_than_it_reads(steps):
    """An adapter hands over these and no others."""
    assert {"cookie", "authorization", "x-forwarded-for", "x-csrf-token"} <= steps.chain.headers
    assert "forwarded" not in steps.chain.headers


def test_an_excluded_path_has_passed_the_transport(steps):
    """`exclude_paths` take the session away, not HTTPS."""
    excluded = Steps(Settings(exclude_paths=("/login",)))
    plain = run(excluded.chain.begin(request(path="/login", scheme="http")))
    assert refused(plain, 403, "https_required")
    assert run(excluded.chain.begin(request(path="/login"))).excluded
    excluded.assembly.close()
