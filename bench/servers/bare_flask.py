"""Flask with nothing around it: what all Flask chains are compared with."""

from __future__ import annotations

from flask import Flask, request

app = Flask(__name__)


@app.get("/me")
def me() -> dict[str, object]:
    return {"user": "user-1"}


@app.post("/note")
def note() -> dict[str, object]:
    return {"ok": bool(request.get_json()["text"])}
