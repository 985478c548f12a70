"""Checks credentials by asking the application over HTTP, whatever language it is written in.

Only an answer that says so makes credentials wrong. Whatever else comes (nothing, too late, a
redirection, an error, other JSON) means that nobody knows, which is 503 and never "wrong password".
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Timer
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import msgspec

from holdfast.chain import Refusal, error_reply
from holdfast.errors import ConfigurationError, HoldfastError
from holdfast.rules.forwarded import is_loopback
from holdfast.rules.intents import checked_claims, subject_text
from holdfast.service.authenticator import Account
from holdfast.service.bodies import JSON
from holdfast.service.resolving import Resolver

if TYPE_CHECKING:
    from collections.abc import Generator

MAX_ANSWER = 16 * 1024
"""Bytes of an answer's body."""

_EXAMPLE = "https://app.example.org/check-password"
_FAILURES = (OSError, http.client.HTTPException, msgspec.DecodeError, UnicodeDecodeError)
_log = logging.getLogger("holdfast")


class _Answer(msgspec.Struct):
    """Whose credentials they are; `subject` is null if they are wrong. What is unknown is ignored."""

    subject: str | None
    email: str | None = None
    roles: tuple[str, ...] = ()


class _Useless(Exception):
    """There was an answer, and it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAuthenticator:
    """Asks `url` about each e-mail and password, and shows `key` so that it knows who asks.

    An answer must be complete in `within` seconds, from the look-up of the host on.
    """

    url: SplitResult
    key: str = field(repr=False)
    within: float
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)
    resolver: Resolver = field(default_factory=Resolver, repr=False)

    def check(self, email: str, password: str) -> Account | None:
        """What the application says; None: the credentials are wrong.

        Raises:
            Refusal: 503 `authenticator_unavailable`, it said nothing that can be understood.
        """
        body = msgspec.json.encode({"email": email, "password": password})
        try:
            answer = _decode(self._asked(body))
            return None if answer.subject is None else _account(email, answer)
        except (*_FAILURES, _Useless, HoldfastError) as error:
            _log.warning("the authenticator did not answer: %s", _reason(error))
            raise _unavailable() from None

    def still_valid(self, account: Account) -> bool:  # noqa: ARG002 - it was asked just now
        """The application ends sessions itself when it disables somebody."""
        return True

    def _asked(self, body: bytes) -> bytes:
        """The body of its answer."""
        path = self.url._replace(scheme="", netloc="").geturl() or "/"
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": JSON,
            "Accept": JSON,
            "Connection": "close",
        }
        with self._connected() as connection:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise _Useless(f"status {answer.status}")
            if answer.headers.get_content_type() != JSON:
                raise _Useless("its content type is not JSON")
            found = answer.read(MAX_ANSWER + 1)
        if len(found) > MAX_ANSWER:
            raise _Useless(f"more than {MAX_ANSWER} bytes")
        return found

    @contextmanager
    def _connected(self) -> Generator[http.client.HTTPConnection]:
        """A connection that ends when the time is up, also while something comes now and then."""
        ends_at = time.monotonic() + self.within
        connection, secure = self._unconnected()
        sock = self.resolver.connect(connection.host, connection.port, ends_at)
        connection.sock = sock
        if secure:
            connection.sock = sock = self.tls.wrap_socket(
                sock, server_hostname=connection.host, do_handshake_on_connect=False
            )
        end = Timer(max(ends_at - time.monotonic(), 0), _cut, [sock])
        end.daemon = True
        end.start()
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            yield connection
        finally:
            end.cancel()
            connection.close()

    def _unconnected(self) -> tuple[http.client.HTTPConnection, bool]:
        host, port = self.url.hostname or "", self.url.port
        if self.url.scheme == "https":
            return http.client.HTTPSConnection(host, port), True
        return http.client.HTTPConnection(host, port), False


def is_url(text: str) -> bool:
    """Whether an authenticator is named by a URL."""
    return text.lower().startswith(("http://", "https://"))


def load(url: str, *, key: str, within: float) -> HttpAuthenticator:
    """The authenticator at a URL.

    Raises:
        ConfigurationError: passwords must not be sent there, or there is no key to show.
    """
    parts = _parts(url)
    if parts is None:
        raise ConfigurationError(
            "authenticator: a URL has a host, no user and no fragment, and is https but for"
            f" this machine; for example {_EXAMPLE}"
        )
    if not key:
        raise ConfigurationError(
            "authenticator_key: the application must know who asks; for example what"
            " `holdfast keys new` prints"
        )
    return HttpAuthenticator(url=parts, key=key, within=within)


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return None
    if not url.isascii() or not url.isprintable() or " " in url:
        return None
    if not host or parts.username is not None or parts.fragment:
        return None
    private = parts.scheme == "https" or host == "localhost" or is_loopback(host)
    return parts if private else None


def _cut(sock: socket.socket) -> None:
    """Wake who waits for it. What TLS would say first is left out: nobody listens."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _decode(body: bytes) -> _Answer:
    try:
        return msgspec.json.decode(body, type=_Answer)
    except RecursionError:
        raise _Useless("nested too deeply") from None


def _account(asked: str, answer: _Answer) -> Account:
    """The account that is meant.

    Raises:
        HoldfastError: no session can hold it.
    """
    roles = answer.roles
    account = Account(
        subject=subject_text(answer.subject),
        email=answer.email or asked,
        role=roles[0] if len(roles) == 1 else list(roles) or None,
    )
    checked_claims({"email": account.email, "role": account.role})
    return account


def _reason(error: Exception) -> str:
    """Nothing of what was asked or answered stands in a log."""
    return str(error) if isinstance(error, _Useless) else type(error).__name__


def _unavailable() -> Refusal:
    message, retry = "Service unavailable", ("Retry-After", "2")
    return Refusal(error_reply(503, "authenticator_unavailable", message, retry))
