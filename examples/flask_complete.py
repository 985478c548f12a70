"""The specification's complete example, in Flask.

API clients sign in with /login and hold tokens; browsers sign in with /api/login and hold a cookie.
Both are views of one session, so every log-out ends both.

    pip install '..[flask]'
    export HOLDFAST_SECRET="$(python -c 'import secrets; print(secrets.token_urlsafe(32))')"
    flask --app flask_complete run
"""

from flask import Flask, abort, request
from werkzeug.security import check_password_hash, generate_password_hash

from holdfast import Reason
from holdfast.web import flask as holdfast
from holdfast.web.flask import Session, require, require_csrf, session

app = Flask(__name__)
sessions = holdfast.Holdfast(app).sessions

USERS = {
    "ada@example.org": {
        "id": "user-1",
        "role": "admin",
        "password": generate_password_hash("correct horse battery staple"),
    }
}
NOBODY = {"password": generate_password_hash("")}
REFUSED = {Reason.TOKEN_EXPIRED: "Token expired", Reason.WRONG_TYPE: "Invalid token type"}


def fields():
    """The JSON object that was sent."""
    try:
        body = request.get_json()
    except RecursionError:  # nested ten thousand deep
        abort(400)
    return body if isinstance(body, dict) else {}


@app.errorhandler(UnicodeEncodeError)
def no_text(_error):
    r"""JSON can name half a character, `"\ud800"`, which no text has."""
    return {"error": "Malformed text"}, 400


def user_of(body):
    """Whose e-mail and password these are, or None. An unknown e-mail takes as long as a known one."""
    user = USERS.get(str(body.get("email")), NOBODY)
    right = check_password_hash(user["password"], str(body.get("password")))
    return user if right and user is not NOBODY else None


# Clients with tokens


@app.post("/login")
def login():
    body = fields()
    user = user_of(body)
    if user is None:
        return {"error": "Invalid credentials"}, 401
    made = Session(client=session.client)  # not the visitor's own session, so no cookie is set
    made.sign_in(user["id"], email=body["email"], role=user["role"])
    return sessions.issue_tokens(made).as_dict()


@app.post("/refresh")
@app.post("/api/auth/refresh")
def refresh():
    token = fields().get("refresh_token")
    if not token:
        return {"error": "Refresh token required"}, 400
    answer = sessions.refresh(str(token), session.client)
    if answer.tokens is None:
        return {"error": REFUSED.get(answer.reason, "Invalid token")}, 401
    return answer.tokens.as_dict()


@app.post("/api/auth/logout")
@require
def end():
    session.sign_out()
    return {"message": "Logged out successfully"}


# Browsers with a cookie


@app.get("/csrf-token")
def csrf_token():
    return {"csrfToken": holdfast.csrf_token()}


@app.post("/api/login")
@require_csrf
def browser_login():
    user = user_of(fields())
    if user is None:
        return {"error": "Invalid credentials"}, 401
    session.sign_in(user["id"], role=user["role"])
    return {"success": True}


@app.post("/api/logout")
@require
def browser_logout():
    session.sign_out()
    return {"success": True}


# Either


@app.get("/me")
@require
def me():
    return {"user": session.subject, "role": session.claims["role"]}


@app.get("/api/sessions")
@require
def devices():
    records = sessions.sessions_of(session.subject).records
    return [{"id": record.id, "last_activity": record.seen_at} for record in records]


@app.post("/api/logout-everywhere")
@require
def log_out_everywhere():
    ended = sessions.revoke_all(session.subject, client=session.client)
    session.sign_out()
    return {"ended": ended}
