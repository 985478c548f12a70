"""Flask-Session, Flask-WTF, Flask-Limiter and Flask-Login on Redis, as their documentation sets them up."""

from __future__ import annotations

import os

import redis
from flask import Flask, request, session
from flask_limiter import Limiter
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_session import Session
from flask_wtf.csrf import CSRFProtect, generate_csrf

URL = os.environ["BENCH_REDIS"]
app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.urandom(32).hex(),
    SESSION_TYPE="redis",
    SESSION_REDIS=redis.Redis.from_url(URL),
    WTF_CSRF_SSL_STRICT=False,
)
Session(app)
csrf_protect = CSRFProtect(app)
limiter = Limiter(
    key_func=lambda: session.sid,
    app=app,
    storage_uri=URL,
    default_limits=["1000000 per 15 minutes"],
)
users = LoginManager(app)


class User(UserMixin):
    def __init__(self, id: str) -> None:
        self.id = id


@users.user_loader
def load(id: str) -> User:
    return User(id)


@app.post("/login/<int:number>")
@csrf_protect.exempt
def login(number: int) -> dict[str, object]:
    login_user(User(f"user-{number}"))
    session["role"] = "user"
    return {"ok": True}


@app.get("/csrf")
def csrf() -> dict[str, object]:
    return {"token": generate_csrf()}


@app.get("/me")
@login_required
def me() -> dict[str, object]:
    return {"user": current_user.id}


@app.post("/note")
@login_required
def note() -> dict[str, object]:
    session["note"] = request.get_json()["text"]
    session["count"] = session.get("count", 0) + 1
    return {"ok": True}
