"""Holdfast around Flask; the store comes from `HOLDFAST_STORE`."""

from __future__ import annotations

import logging
import secrets

from flask import Flask, request

from holdfast import Rate, Settings
from holdfast.web import flask as holdfast

logging.getLogger("holdfast").setLevel(logging.ERROR)
app = Flask(__name__)
_settings = Settings.for_development(rate=Rate(limit=1_000_000))
holdfast.Holdfast(app, _settings, secret=secrets.token_urlsafe(32))


@app.post("/login/<int:number>")
def login(number: int) -> dict[str, object]:
    holdfast.session.sign_in(f"user-{number}", role="user")
    return {"ok": True}


@app.get("/csrf")
def csrf() -> dict[str, object]:
    return {"token": holdfast.csrf_token()}


@app.get("/me")
@holdfast.require
def me() -> dict[str, object]:
    return {"user": holdfast.session.subject}


@app.post("/note")
@holdfast.require
def note() -> dict[str, object]:
    holdfast.session["note"] = request.get_json()["text"]
    holdfast.session["count"] = holdfast.session.get("count", 0) + 1
    return {"ok": True}
