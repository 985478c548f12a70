"""The specification's complete example, in FastAPI: the twin of flask_complete.py.

API clients sign in with /login and hold tokens; browsers sign in with /api/login and hold a cookie.
Both are views of one session, so every log-out ends both.

    pip install '..[fastapi]' uvicorn
    export HOLDFAST_SECRET="$(python -c 'import secrets; print(secrets.token_urlsafe(32))')"
    uvicorn fastapi_complete:app
"""

import hashlib
import hmac
import secrets

from fastapi import Depends, FastAPI, HTTPException
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from holdfast import Reason
from holdfast.web.fastapi import Holdfast, Session, csrf_token, current, require, require_csrf

app = FastAPI()
sessions = Holdfast(app).sessions


class Login(BaseModel):
    email: str
    password: str


class Refresh(BaseModel):
    refresh_token: str = ""


SALT = secrets.token_bytes(16)


def hashed(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=SALT, n=2**14, r=8, p=1)


USERS = {
    "ada@example.org": {
        "id": "user-1",
        "role": "admin",
        "password": hashed("correct horse battery staple"),
    }
}
NOBODY = {"password": b""}
REFUSED = {Reason.TOKEN_EXPIRED: "Token expired", Reason.WRONG_TYPE: "Invalid token type"}


class Refused(HTTPException):
    """An error with the body of the specification."""


@app.exception_handler(Refused)
async def answer(_request, error: Refused):
    return JSONResponse({"error": error.detail}, error.status_code)


@app.exception_handler(RequestValidationError)
async def malformed(_request, _error):
    """Without what was sent, which may be a password."""
    return JSONResponse({"error": "Malformed request"}, 422)


@app.exception_handler(UnicodeEncodeError)
async def no_text(_request, _error):
    r"""JSON can name half a character, `"\ud800"`, which no text has."""
    return JSONResponse({"error": "Malformed text"}, 400)


def user_of(login: Login):
    """Whose e-mail and password these are. An unknown e-mail takes as long as a known one."""
    user = USERS.get(login.email, NOBODY)
    if not hmac.compare_digest(user["password"], hashed(login.password)):
        raise Refused(401, "Invalid credentials")
    return user


# Clients with tokens


@app.post("/login")
async def login(body: Login, visitor: Session = Depends(current)):
    user = await run_in_threadpool(user_of, body)
    made = Session(client=visitor.client)  # not the visitor's own session, so no cookie is set
    made.sign_in(user["id"], email=body.email, role=user["role"])
    return (await sessions.issue_tokens(made)).as_dict()


@app.post("/refresh")
@app.post("/api/auth/refresh")
async def refresh(body: Refresh, visitor: Session = Depends(current)):
    if not body.refresh_token:
        raise Refused(400, "Refresh token required")
    answer = await sessions.refresh(body.refresh_token, visitor.client)
    if answer.tokens is None:
        raise Refused(401, REFUSED.get(answer.reason, "Invalid token"))
    return answer.tokens.as_dict()


@app.post("/api/auth/logout")
async def end(session: Session = Depends(require)):
    session.sign_out()
    return {"message": "Logged out successfully"}


# Browsers with a cookie


@app.get("/csrf-token")
async def token(text: str = Depends(csrf_token)):
    return {"csrfToken": text}


@app.post("/api/login", dependencies=[Depends(require_csrf)])
def browser_login(body: Login, session: Session = Depends(current)):
    user = user_of(body)
    session.sign_in(user["id"], role=user["role"])
    return {"success": True}


@app.post("/api/logout")
async def browser_logout(session: Session = Depends(require)):
    session.sign_out()
    return {"success": True}


# Either


@app.get("/me")
async def me(session: Session = Depends(require)):
    return {"user": session.subject, "role": session.claims["role"]}


@app.get("/api/sessions")
async def devices(session: Session = Depends(require)):
    records = (await sessions.sessions_of(session.subject)).records
    return [{"id": record.id, "last_activity": record.seen_at} for record in records]


@app.post("/api/logout-everywhere")
async def log_out_everywhere(session: Session = Depends(require)):
    ended = await sessions.revoke_all(session.subject, client=session.client)
    session.sign_out()
    return {"ended": ended}
