"""The site of `sites.py` as a Flask application."""

from urllib.parse import parse_qs

import flask
from flask import request, stream_with_context

from holdfast.web import flask as holdfast
from web.site_work import FRESH, OWN_HEADERS, late_write, visits, work
from web.wsgi import OverAsgi


def site_in_flask(assembly):
    app = flask.Flask("site")
    engine = holdfast.Holdfast(app, assembly=assembly).sessions
    session = holdfast.session

    @app.post("/login")
    def login():
        session.sign_in(request.get_json()["user"], role="admin")
        return {"success": True}

    @app.post("/form")
    def form():
        session.sign_in(parse_qs(request.get_data(as_text=True))["user"][0])
        return {"success": True}

    @app.get("/callback")
    def callback():
        session.sign_in(request.args["user"])
        return {"success": True}

    @app.post("/logout")
    def logout():
        session.sign_out()
        return {"success": True}

    @app.post("/write")
    def write():
        session.update(request.get_json())
        return {"success": True}

    @app.post("/work")
    def do_work():
        return {"done": True}, work(session, request.get_json()), OWN_HEADERS

    @app.get("/stream")
    def stream():
        user = session.subject

        def lines():
            yield f"{user}\n"
            yield late_write(session)

        return stream_with_context(lines())

    @app.post("/tokens")
    @holdfast.require
    def tokens():
        return engine.issue_tokens(session).as_dict()

    @app.route("/checked", methods=["POST", "GET"])
    @holdfast.require_csrf
    def checked():
        return {"success": True}

    @app.post("/echo")
    def echo():
        return request.get_data()

    @app.get("/visits")
    def count():
        return visits(session)

    @app.get("/me")
    @holdfast.require
    def me():
        return {"user": session.subject}

    @app.get("/fresh")
    @holdfast.require_fresh(FRESH)
    def fresh():
        return {"user": session.subject}

    @app.get("/admin")
    @holdfast.require_role("admin")
    def admin():
        return {"user": session.subject}

    @app.get("/csrf")
    def csrf():
        return {"token": holdfast.csrf_token()}

    @app.get("/excluded")
    def excluded():
        return {"user": session.subject}

    @app.get("/open")
    @app.get("/healthz")
    def open_to_all():
        return "open"

    return OverAsgi(app)
