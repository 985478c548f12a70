"""Flask-JWT-Extended with its Redis blocklist: bearer tokens, no session, no CSRF, no limiter."""

from __future__ import annotations

import os

import redis
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = os.urandom(32).hex()
jwt = JWTManager(app)
blocklist = redis.Redis.from_url(os.environ["BENCH_REDIS"])


@jwt.token_in_blocklist_loader
def revoked(_header: dict[str, object], payload: dict[str, object]) -> bool:
    return blocklist.get(f"blocklist:{payload['jti']}") is not None


@app.post("/login/<int:number>")
def login(number: int) -> dict[str, object]:
    return {"access_token": create_access_token(identity=f"user-{number}")}


@app.get("/me")
@jwt_required()
def me() -> dict[str, object]:
    return {"user": get_jwt_identity()}
