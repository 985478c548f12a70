# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What type checkers make of a Flask application; never executed, checked by scripts/lint."""

from datetime import timedelta
from typing import assert_type

from flask import Flask
from markupsafe import Markup
from msgspec import Struct

from holdfast import Session, Sessions, SignedIn, Tokens
from holdfast.web import flask as holdfast
from holdfast.web.typed import Typed


class Cart(Struct):
    items: list[str] = []


app = Flask(__name__)
extension = holdfast.Holdfast(app, secret="new", subject_key="user_id")
assert_type(extension.sessions, Sessions)
assert_type(holdfast.session, Session)
assert_type(holdfast.signed_in, SignedIn)
assert_type(holdfast.signed_in.subject, str)

holdfast.Holdfast(app, subject_key=5)  # type: ignore[arg-type]


@app.get("/me/<int:page>")
@holdfast.require
def me(page: int) -> dict[str, int]:
    return {"page": page}


@app.get("/admin")
@holdfast.require_role("admin")
@holdfast.require_fresh(timedelta(minutes=5))
async def admin() -> str:
    return "admin"


# A guard leaves the view's own types alone.
assert_type(me(1), dict[str, int])
me("one")  # type: ignore[arg-type]
holdfast.require_fresh(300)  # type: ignore[arg-type]

assert_type(holdfast.csrf_token(), str)
assert_type(holdfast.csrf_field(), Markup)
assert_type(extension.sessions.issue_tokens(holdfast.session), Tokens)

with Typed(holdfast.session, Cart).edit() as cart:
    assert_type(cart, Cart)
