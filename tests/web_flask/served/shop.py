"""The application that test_servers.py starts under real servers."""

import os

import flask

from holdfast.settings import Rate, Settings
from holdfast.web import flask as holdfast

app = flask.Flask(__name__)
settings = Settings.for_development(rate=Rate(limit=100_000))
sessions = holdfast.Holdfast(app, settings).sessions
sessions.sessions_of("nobody")  # the store is open, and its threads run, before a server forks


@app.get("/token")
def token():
    return {"token": holdfast.csrf_token(), "pid": os.getpid()}


@app.post("/login")
@holdfast.require_csrf
def login():
    flask.session["_user_id"] = flask.request.form["name"]
    return {"pid": os.getpid()}


@app.post("/count")
@holdfast.require
def count():
    flask.request.get_data()

    def add(data):
        data["n"] = data.get("n", 0) + 1

    holdfast.session.change(add)
    return {"pid": os.getpid()}


@app.get("/me")
@holdfast.require
def me():
    return {"user": holdfast.session.subject, "n": flask.session.get("n", 0), "pid": os.getpid()}


@app.post("/logout")
def logout():
    del flask.session["_user_id"]
    return {"pid": os.getpid()}


@app.get("/stream")
def stream():
    flask.session["streamed"] = True
    return flask.Response(str(number) for number in range(1000))
