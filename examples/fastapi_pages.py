"""A server-rendered FastAPI application: pages, forms, and no script.

Each form carries the CSRF token in a hidden field; a visitor gets one before signing in as well. Who
is not signed in is sent to the sign-in page.

    pip install '..[fastapi]' jinja2 uvicorn
    export HOLDFAST_SECRET="$(python -c 'import secrets; print(secrets.token_urlsafe(32))')"
    uvicorn fastapi_pages:app
"""

import hashlib
import hmac
import secrets

from fastapi import Depends, FastAPI, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import DictLoader, Environment

from holdfast.web.fastapi import Holdfast, Refusal, Session, csrf_token, current, require

app = FastAPI(openapi_url=None)
sessions = Holdfast(app).sessions

SALT = secrets.token_bytes(16)


def hashed(password: str) -> bytes:
    return hashlib.scrypt(password.encode(), salt=SALT, n=2**14, r=8, p=1)


USERS = {"ada@example.org": ("user-1", hashed("correct horse battery staple"))}
NOBODY = ("", b"")


@app.exception_handler(Refusal)
async def refused(_request, refusal: Refusal):
    """What a guard refuses is a page here, and not JSON."""
    if refusal.reply.status == 401:
        return RedirectResponse("/sign-in", 303)
    return HTMLResponse("<p>That was not possible.</p>", refusal.reply.status)


def shown(name: str, token: str, status: int = 200, **values) -> HTMLResponse:
    return HTMLResponse(TEMPLATES.get_template(name).render(csrf_token=token, **values), status)


@app.get("/sign-in")
async def sign_in_page(token: str = Depends(csrf_token)):
    return shown("sign-in", token)


@app.post("/sign-in")
def sign_in(
    email: str = Form(),
    password: str = Form(),
    session: Session = Depends(current),
    token: str = Depends(csrf_token),
):  # not `async def`: hashing takes its time, so this runs in a thread
    subject, known = USERS.get(email, NOBODY)
    if not hmac.compare_digest(known, hashed(password)):
        return shown("sign-in", token, 401, error="The e-mail or the password is not right.")
    session.sign_in(subject)
    return RedirectResponse("/", 303)


@app.get("/")
async def basket(session: Session = Depends(require), token: str = Depends(csrf_token)):
    page = await sessions.sessions_of(session.subject)
    return shown("basket", token, items=session.get("items", []), devices=len(page.records))


@app.post("/items")
async def add(item: str = Form(), session: Session = Depends(require)):
    session.change(lambda data: data.setdefault("items", []).append(item))
    return RedirectResponse("/", 303)


@app.post("/sign-out")
async def sign_out(session: Session = Depends(require)):
    session.sign_out()
    return RedirectResponse("/sign-in", 303)


@app.post("/sign-out-others")
async def sign_out_others(session: Session = Depends(require)):
    await sessions.revoke_all(session.subject, keep=session.id, client=session.client)
    return RedirectResponse("/", 303)


PAGES = {
    "frame": """<!doctype html>
<html lang="en">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Basket</title>
<script>addEventListener("pageshow", ({ persisted }) => persisted && location.reload())</script>
{% block body %}{% endblock %}
""",
    "csrf": """<input type="hidden" name="csrf_token" value="{{ csrf_token }}">""",
    "sign-in": """{% extends "frame" %}{% block body %}
{% if error %}<p role="alert">{{ error }}</p>{% endif %}
<form method="post" action="/sign-in">
  {% include "csrf" %}
  <label>E-mail <input name="email" type="email" required></label>
  <label>Password <input name="password" type="password" required></label>
  <button>Sign in</button>
</form>
{% endblock %}""",
    "basket": """{% extends "frame" %}{% block body %}
<h1>Basket</h1>
<ul>{% for item in items %}<li>{{ item }}</li>{% endfor %}</ul>
<form method="post" action="/items">
  {% include "csrf" %}
  <label>Item <input name="item" required></label>
  <button>Add</button>
</form>
<p>Signed in on {{ devices }} device{{ "" if devices == 1 else "s" }}.</p>
<form method="post" action="/sign-out-others">
  {% include "csrf" %}
  <button>Sign out the others</button>
</form>
<form method="post" action="/sign-out">
  {% include "csrf" %}
  <button>Sign out</button>
</form>
{% endblock %}""",
}
TEMPLATES = Environment(loader=DictLoader(PAGES), autoescape=True)
