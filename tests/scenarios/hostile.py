"""The table of hostile requests, as bytes, each with the answers that are right.

`sites` is what an application with an adapter of ours may answer (under uvicorn or gunicorn, which
see the bytes first), `proxies` what comes of it in front of an application that knows nothing. Where
200 is among them, it is an answer to the visitor that the cookie belongs to, and to nobody else. 0 is
the end of the connection: who is refused while still sending may lose the answer.
"""

from typing import NamedTuple

from scenarios.visitors import ANN

HOST = "Host: {host}"
SAFE = f"GET /me HTTP/1.1\n{HOST}\nCookie: session={{cookie}}"
WRITE = f"POST /write HTTP/1.1\n{HOST}\nCookie: session={{cookie}}\nContent-Type: application/json"
BODY = "\nContent-Length: 2\n\n{{}}"
UNKNOWN = "1.aa1" + "A" * 22 + "." + "A" * 43


class Row(NamedTuple):
    """A request with `{host}`, `{cookie}`, `{token}` (of CSRF) and `{access}` filled in."""

    request: str
    sites: set[int]
    proxies: set[int]


def everywhere(request, *answers):
    return Row(request, set(answers), set(answers))


def as_safe(*lines):
    return "\n".join((SAFE, *lines))


def as_write(*lines):
    return "\n".join((WRITE, *lines)) + BODY


def by_cookie(*lines):
    return "\n".join((f"GET /me HTTP/1.1\n{HOST}", *lines))


MALFORMED = {400, 401, 403, 404}
TOO_LARGE = {400, 401, 413, 431, 494, 0}
# The server behind refuses a head before it has all come, and hangs up; a proxy that was still
# passing it on answers for it.
BEHIND_TOO_LARGE = TOO_LARGE | {502}
NO_METHOD = {400, 403, 404, 405, 501}

ROWS = {
    "as it should be": everywhere(as_safe(), 200),
    "a write as it should be": everywhere(
        as_write("Origin: http://{host}", "X-CSRF-Token: {token}"), 200
    ),
    # Cookies
    "two cookies": everywhere(by_cookie("Cookie: session={cookie}; session=x"), 401),
    "two cookies, the other first": everywhere(
        by_cookie(f"Cookie: session={UNKNOWN}; session={{cookie}}"), 401
    ),
    "two lines of cookies": everywhere(
        by_cookie("Cookie: session={cookie}", "Cookie: session=x"), 401
    ),
    "the same cookie twice": everywhere(
        by_cookie("Cookie: session={cookie}; session={cookie}"), 200
    ),
    "a cookie of 6 KB": Row(by_cookie("Cookie: session=" + "A" * 6_000), {401}, {401}),
    "a cookie of 60 KB": Row(
        by_cookie("Cookie: session=" + "A" * 60_000), TOO_LARGE, BEHIND_TOO_LARGE
    ),
    "a cookie of 1 MB": Row(
        by_cookie("Cookie: session=" + "A" * 1_000_000), TOO_LARGE, BEHIND_TOO_LARGE
    ),
    "an unknown cookie": everywhere(by_cookie(f"Cookie: session={UNKNOWN}"), 401),
    "a quoted cookie": everywhere(by_cookie('Cookie: session="{cookie}"'), 401),
    "a cookie in another case": everywhere(by_cookie("Cookie: SESSION={cookie}"), 401),
    "a cookie with a tail": everywhere(by_cookie("Cookie: session={cookie}x"), 401),
    "a cookie of no ASCII": everywhere(by_cookie("Cookie: session=\xe9\xff"), 400, 401),
    "a cookie with NUL": everywhere(by_cookie("Cookie: session={cookie}\0"), 400, 401),
    "a cookie without a value": everywhere(by_cookie("Cookie: session"), 401),
    # Tokens
    "a token": everywhere(by_cookie("Authorization: Bearer {access}"), 200),
    "a touched token": everywhere(by_cookie("Authorization: Bearer {access}x"), 401),
    "a token and a touched one": everywhere(
        by_cookie("Authorization: Bearer {access}", "Authorization: Bearer x"), 400, 401
    ),
    "a good cookie beside a bad token": everywhere(as_safe("Authorization: Bearer x"), 401),
    "a token without a name": everywhere(as_safe("Authorization: Bearer"), 401),
    "a token of 60 KB": Row(
        by_cookie("Authorization: Bearer " + "A" * 60_000), TOO_LARGE, BEHIND_TOO_LARGE
    ),
    "a token of control characters": everywhere(
        by_cookie("Authorization: Bearer \x1b[31m"), 400, 401
    ),
    # Who somebody says that they are
    "X-Auth-Subject": everywhere(as_safe("X-Auth-Subject: mallory"), 200),
    "X_Auth_Subject": everywhere(as_safe("X_Auth_Subject: mallory"), 200),
    "x_auth-subject, twice": everywhere(
        as_safe("x_auth-subject: mallory", "X-AUTH_SUBJECT: mallory"), 200
    ),
    "X.Auth.Subject, as PHP reads it": everywhere(
        as_safe("X.Auth.Subject: mallory", "X-Auth.Session: x", "x.auth_roles: admin"), 200
    ),
    "who it is, to be dropped on the way": everywhere(
        as_safe("Connection: X-Auth-Subject, x-auth-session"), 200
    ),
    "X-Auth-Subject of nobody": everywhere(
        by_cookie("X-Auth-Subject: mallory", "X_Auth_Subject: mallory"), 401
    ),
    # Targets
    "dot segments": Row(as_safe().replace("/me", "/a/../me"), MALFORMED | {200}, MALFORMED),
    "encoded slashes": Row(as_safe().replace("/me", "/a%2f..%2fme"), {404}, MALFORMED),
    "encoded dots": Row(as_safe().replace("/me", "/a/%2e%2e/me"), {404}, MALFORMED),
    "an encoded backslash": Row(as_safe().replace("/me", "/a%5c..%5cme"), {404}, MALFORMED),
    "a backslash": Row(as_safe().replace("/me", "/a\\..\\me"), MALFORMED, MALFORMED),
    "an encoded NUL": Row(as_safe().replace("/me", "/me%00"), {404}, MALFORMED),
    "half an escape": Row(as_safe().replace("/me", "/me%2"), MALFORMED, MALFORMED),
    "two slashes": Row(as_safe().replace("/me", "//me"), MALFORMED | {200, 308}, MALFORMED),
    "another host's path": Row(
        as_safe().replace("/me", "//evil.example/me"), MALFORMED | {308}, MALFORMED
    ),
    "a fragment": Row(as_safe().replace("/me", "/me#x"), MALFORMED | {200}, MALFORMED | {200}),
    "a line end in the target": everywhere(
        as_safe().replace("/me", "/me%0d%0aX-Injected:%20y"), *MALFORMED, 200
    ),
    "a long target": Row(
        as_safe().replace("/me", "/" + "a" * 9_000), {400, 404, 414}, {400, 403, 414}
    ),
    "absolute form": everywhere(as_safe().replace("/me", "http://{host}/me"), 200, *MALFORMED),
    "absolute form of another host": everywhere(
        as_safe().replace("/me", "http://evil.example/me"), 200, *MALFORMED, 421
    ),
    "authority form": everywhere(as_safe().replace("GET /me", "GET evil.example:80"), *MALFORMED),
    "a star": everywhere(as_safe().replace("GET /me", "GET *"), *MALFORMED),
    # Hosts
    # gunicorn lets it pass, and WSGI has the server's own name then: the client's guess it is not.
    "no host": Row(as_safe().replace(f"\n{HOST}", ""), {400, 200}, {400}),
    "two hosts": everywhere(as_safe("Host: evil.example"), 400),
    "a malformed host": everywhere(as_safe().replace(HOST, "Host: a b/c"), 400),
    # Facts that only a proxy may state
    "forwarded facts": everywhere(
        as_safe("X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https"), 200
    ),
    "forwarded facts that conflict": everywhere(
        as_safe(
            *("X-Forwarded-Host: evil.example", "X-Forwarded-Host: other.example"),
            *("X-Forwarded-Proto: https", "X-Forwarded-Proto: http", "X_Forwarded_Proto: wss"),
            *(
                "X-Forwarded-For: 127.0.0.1",
                "Forwarded: for=127.0.0.1;proto=https;host=evil.example",
            ),
        ),
        *(200, 400),
    ),
    "another site that says it is this host": everywhere(
        as_write(
            *("Origin: https://evil.example", "X-CSRF-Token: {token}"),
            *("X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https"),
        ),
        403,
    ),
    "another site by absolute form": everywhere(
        as_write("Origin: http://evil.example", "X-CSRF-Token: {token}").replace(
            "/write", "http://evil.example/write"
        ),
        400,
        403,
    ),
    "a write that says it is a read": everywhere(
        as_write("X-Forwarded-Method: GET", "X-HTTP-Method-Override: GET"), 403
    ),
    "a write to a path that says it is another": everywhere(
        as_write("X-Forwarded-Uri: /login", "X-Original-URL: /login"), 403
    ),
    # Proofs
    "a write without a proof": everywhere(as_write(), 403),
    "a write with the proof of nobody": everywhere(as_write("X-CSRF-Token: x"), 403),
    "a write with two proofs": everywhere(
        as_write("X-CSRF-Token: {token}", "X-CSRF-Token: x"), 400, 403
    ),
    "an origin of null": everywhere(as_write("Origin: null", "X-CSRF-Token: {token}"), 403),
    "two origins": everywhere(
        as_write("Origin: http://{host}", "Origin: http://evil.example", "X-CSRF-Token: {token}"),
        *(400, 403),
    ),
    "an origin with a tail": everywhere(
        as_write("Origin: http://{host}.evil.example", "X-CSRF-Token: {token}"), 403
    ),
    # Methods
    "a method that nobody knows": everywhere(as_safe().replace("GET", "FROB"), *NO_METHOD),
    "a method in small letters": everywhere(as_safe().replace("GET", "get"), *NO_METHOD),
    "TRACE": everywhere(as_safe().replace("GET", "TRACE"), *NO_METHOD),
    # Node ends the connection before any application hears of it.
    "CONNECT": Row(as_safe().replace("GET /me", "CONNECT {host}"), NO_METHOD | {0}, NO_METHOD),
    "DELETE without a proof": everywhere(as_safe().replace("GET", "DELETE"), *NO_METHOD),
    "no method": everywhere(as_safe().removeprefix("GET "), 400, 403),
    # Upgrades
    "an upgrade to h2c": everywhere(
        as_safe("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
        *(200, 400, 403),
    ),
    # No site has a socket at this path: to its server this is a GET.
    "a socket of another site": Row(
        as_safe(
            *("Connection: Upgrade", "Upgrade: websocket", "Origin: http://evil.example"),
            *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        ),
        {200, 400, 403, 426},
        {403},
    ),
    # Heads
    "headers of 60 KB": Row(
        as_safe("X-Big: " + "A" * 60_000), TOO_LARGE | {200}, BEHIND_TOO_LARGE | {200}
    ),
    "headers of 1 MB": Row(
        as_safe("X-Big: " + "A" * 1_000_000), TOO_LARGE | {200}, BEHIND_TOO_LARGE | {200}
    ),
    "five thousand headers": Row(
        as_safe(*(f"X-{number}: x" for number in range(5_000))),
        TOO_LARGE | {200},
        BEHIND_TOO_LARGE | {200},
    ),
    "a space before the colon": everywhere(as_safe("X-Odd : y"), 200, 400),
    "a folded line": everywhere(as_safe("X-Odd: y", " Cookie: session=x"), 200, 400, 401),
    "a header without a name": everywhere(as_safe(": y"), 200, 400),
    "HTTP/1.0": everywhere(as_safe().replace("HTTP/1.1", "HTTP/1.0"), 200),
    "HTTP/1.0 and no host": Row(
        as_safe().replace("HTTP/1.1", "HTTP/1.0").replace(f"\n{HOST}", ""), {400, 200}, {400}
    ),
    "HTTP/9.9": Row(as_safe().replace("HTTP/1.1", "HTTP/9.9"), {400, 505}, {200, 400, 505}),
    # Bodies
    # Whoever does not refuse both goes by the chunks, and ends the connection (RFC 9112 §6.3); the
    # writes before this one have spent the budget.
    "a length and chunks": Row(
        as_write("Transfer-Encoding: chunked", "Origin: http://{host}"),
        {400, 403, 501},
        {200, 400, 403, 429, 501},
    ),
    "another transfer coding": everywhere(
        as_write("Transfer-Encoding: xchunked", "Origin: http://{host}"), 400, 403, 501
    ),
    "chunks behind a space": everywhere(
        as_write("Transfer-Encoding : chunked", "Origin: http://{host}"), 400, 403, 501
    ),
    "two lengths": everywhere(as_write("Content-Length: 3"), 400, 403),
    "a negative length": everywhere(WRITE + "\nContent-Length: -1\n\n{{}}", 400, 403),
}


def as_bytes(row, **values):
    """What goes over the wire."""
    head, _, body = row.request.partition("\n\n")
    text = head.format(**values).replace("\n", "\r\n") + "\r\nConnection: close\r\n\r\n"
    return (text + body.format()).encode("latin-1")


def is_for(body):
    """Whether an answer says that it is for the visitor, and for nobody else."""
    text = body.decode("latin-1")
    return ANN in text and "mallory" not in text
