# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What type checkers make of a FastAPI application; never executed, checked by scripts/lint."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI
from msgspec import Struct

from holdfast import AsyncSessions, Refreshed, Sessions, Settings, Tokens, Verified
from holdfast.web import asgi
from holdfast.web.fastapi import (
    Holdfast,
    Session,
    SignedIn,
    Typed,
    csrf_token,
    current,
    require,
    require_fresh,
    require_role,
    typed,
)


class Cart(Struct):
    items: list[str] = []
    coupon: str | None = None


app = FastAPI()
holdfast = Holdfast(app, Settings.for_development(), secret=["new", "old"], store="memory://")
assert_type(holdfast.sessions, AsyncSessions)
assert_type(holdfast.assembly.blocking, Sessions)

assert_type(Settings.for_development(hosts=("box.local",), idle=timedelta(hours=2)), Settings)
Settings.for_development(idel=timedelta(hours=2))  # type: ignore[call-arg]
Settings.for_development(idle=2)  # type: ignore[arg-type]
Settings.nist_aal2(idel=2)  # type: ignore[call-arg]
Settings.asvs(max_sessions="3")  # type: ignore[arg-type]

Holdfast("app")  # type: ignore[arg-type]
Holdfast(app, Settings(idle=30))  # type: ignore[arg-type]

Visitor = Annotated[Session, Depends(current)]
Signed = Annotated[SignedIn, Depends(require)]
Admin = Annotated[SignedIn, Depends(require_role("admin"))]
assert_type(require_fresh(timedelta(minutes=5)), Callable[..., Awaitable[SignedIn]])
require_fresh(300)  # type: ignore[arg-type]
require_role(1)  # type: ignore[arg-type]


@app.get("/me")
def me(session: Visitor, token: Annotated[str, Depends(csrf_token)]) -> dict[str, Any]:
    assert_type(session.subject, str | None)
    assert_type(session.id, str | None)
    assert_type(session.claims, dict[str, Any])
    assert_type(session.authenticated_at, int | None)
    session["visits"] = session.get("visits", 0) + 1
    session[1] = "one"  # type: ignore[index]
    session.sign_in(7, role="admin", amr=("pwd",))
    session.sign_in()  # type: ignore[call-arg]
    session.sign_in("ada", amr="pwd")  # type: ignore[arg-type]
    session.subject = "eve"  # type: ignore[misc]
    session.change(lambda data: data.update(token=token))
    return dict(session)


@app.post("/log-out-everywhere")
async def log_out_everywhere(session: Signed) -> int:
    assert_type(session.subject, str)
    assert_type(session.id, str)
    return await holdfast.sessions.revoke_all(session.subject, keep=session.id)


@app.post("/log-out-anybody")
async def unguarded(session: Visitor) -> int:
    return await holdfast.sessions.revoke_all(session.subject)  # type: ignore[arg-type]


@app.post("/token")
async def token(session: Signed) -> dict[str, object]:
    return (await holdfast.sessions.issue_tokens(session)).as_dict()


@app.post("/cart/{item}")
def put(
    item: str, cart: Annotated[Typed[Cart, SignedIn], Depends(typed(Cart, require))]
) -> list[str]:
    assert_type(cart.read(), Cart)
    assert_type(cart.session, SignedIn)
    assert_type(cart.session.subject, str)
    with cart.edit() as data:
        assert_type(data, Cart)
        data.items.append(item)
        data.coupon = 5  # type: ignore[assignment]
    return cart.read().items


@app.get("/cart")
def look(cart: Annotated[Typed[Cart], Depends(typed(Cart))]) -> Cart:
    assert_type(cart.session, Session)
    assert_type(cart.session.subject, str | None)
    return cart.read()


assert_type(typed(Cart), Callable[..., Awaitable[Typed[Cart]]])
assert_type(typed(Cart, require_role("admin")), Callable[..., Awaitable[Typed[Cart, SignedIn]]])
typed(Cart, csrf_token)  # type: ignore[arg-type]
typed(dict)  # type: ignore[type-var]


async def engine(sessions: AsyncSessions, session: Session) -> None:
    assert_type(await sessions.issue_tokens(session), Tokens)
    assert_type(await sessions.refresh("token"), Refreshed)
    assert_type(await sessions.verify_token("token"), Verified)
    assert_type(await sessions.revoke_all("ada", keep=session.id), int)
    assert_type(
        [record.seen_at for record in (await sessions.sessions_of("ada")).records], list[int]
    )
    await sessions.revoke_all()  # type: ignore[call-arg]


def without_a_loop(sessions: Sessions, session: Session) -> None:
    """The blocking twin has the same signatures, and results in place of coroutines."""
    assert_type(sessions.begin(None), Session)
    assert_type(sessions.issue_tokens(session), Tokens)
    assert_type(sessions.refresh("token"), Refreshed)
    assert_type(sessions.revoke_all("ada", keep=session.id), int)
    sessions.revoke_all()  # type: ignore[call-arg]


async def by_hand(connection: asgi.Connection) -> None:
    assert_type(asgi.session_of(connection), Session)
    assert_type(asgi.require(connection), SignedIn)
    assert_type(asgi.csrf_token(connection), str)
