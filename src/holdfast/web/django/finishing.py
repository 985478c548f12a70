"""The end of a request whose session somebody has looked at: settle, carry out, answer for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.sessions.exceptions import SessionInterrupted

from holdfast.errors import HoldfastError, SessionEnded
from holdfast.faces import run
from holdfast.session import SignIn

if TYPE_CHECKING:
    from holdfast.chain import Reply
    from holdfast.web.django.exchange import Exchange

_SERVER_ERROR = 500


def carry_out_now(exchange: Exchange) -> None:
    """Do what is pending before something of its outcome is shown, and not at the end.

    Raises:
        HoldfastError: it could not be done.
    """
    engine = exchange.assembly.blocking.engine
    if exchange.view is not None:
        run(exchange.view.settle(engine))
    run(engine.commit(exchange.session))


def key_of(exchange: Exchange) -> str | None:
    """The session's public id, under which it is stored once this request is over."""
    session = exchange.session
    if isinstance(session.intent, SignIn):
        carry_out_now(exchange)  # it will change the id
    return None if session.intent == "sign_out" else session.id


async def finish(exchange: Exchange, status: int) -> Reply:
    """Carry out what was asked of the session.

    Raises:
        SessionInterrupted: Django's session was written, and was ended meanwhile.
    """
    chain, visit, view = exchange.chain, exchange.visit, exchange.view
    exchange.view = None  # nothing is left to settle, and a circle would wait for the collector
    late = None if exchange.proved is None else exchange.proved.error
    if late is not None and late.http_status != status:  # whatever a middleware has made of it
        return await chain.fail(visit, late)
    try:
        if view is not None and status < _SERVER_ERROR and not visit.raised:
            await view.settle(chain.sessions)
    except HoldfastError as error:
        return await chain.fail(visit, error)
    try:
        await chain.carry_out(visit, status)
    except HoldfastError as error:
        if isinstance(error, SessionEnded) and view is not None and view.modified:
            raise SessionInterrupted("the session ended while this request ran") from error
        return chain.refused(visit, error)
    return chain.committed(visit)
