"""What the handlers of the site do in every framework."""

from datetime import timedelta

from holdfast.chain import Refusal, error_reply
from holdfast.errors import SessionClosed

FRESH = timedelta(minutes=5)


UNFIT = {
    "huge": "x" * 1_000_000,
    "object": object(),
    "nested": {"a": [object()]},
    "nan": float("nan"),
}


REACHED = []
"""The orders of this test that a handler was given."""

AT_ONCE = []
"""What the next handler does with its session once it has filled it: the engine's `commit`."""


def work(session, order):
    """Do what a test asks for; the status to answer with."""
    REACHED.append(order)
    session.update(order.get("write", {}))
    if "unfit" in order:
        session["it"] = UNFIT[order["unfit"]]
    if "in" in order:
        session.sign_in(order["in"])
    if order.get("rotate"):
        session.rotate()
    if order.get("out"):
        session.sign_out()
    while AT_ONCE:
        AT_ONCE.pop()(session)
    match order.get("raise"):
        case "bug":
            raise ZeroDivisionError
        case "refusal":
            raise Refusal(error_reply(402, "pay_first", "Pay first"))
        case "usage":
            session.sign_in("")
    return order.get("status", 200)


def late_write(session):
    try:
        session["late"] = True
    except SessionClosed as error:
        return str(error)
    return "written"


def visits(session):
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}


OWN_HEADERS = {
    "Set-Cookie": "theirs=1",
    "Cache-Control": "public, max-age=600",
    "Vary": "Accept-Encoding",
    "X-Secret": "of the handler",
}
