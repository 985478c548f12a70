"""A Flask-Login application, as its manual has it, with Holdfast under flask.session.

What Holdfast adds is one line, `holdfast.Holdfast(app)`, and `{{ csrf_field() }}` in each form. Then
signing in gives a new session id, signing out ends the session on the server, and "sign out
everywhere" ends the others too.

    pip install '..[flask]' flask-login
    export HOLDFAST_SECRET="$(python -c 'import secrets; print(secrets.token_urlsafe(32))')"
    flask --app flask_login_app run

Leave Flask-Login's `remember=True` out: its cookie signs in by itself and no log-out ends it. A
session here lives for 24 hours without a click; docs/how-to/stay-signed-in.md makes that longer.
"""

from flask import Flask, flash, redirect, render_template_string, request, session, url_for
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    login_required,
    login_user,
    logout_user,
)
from werkzeug.security import check_password_hash, generate_password_hash

from holdfast.web import flask as holdfast

app = Flask(__name__)
sessions = holdfast.Holdfast(app).sessions
login_manager = LoginManager(app)
login_manager.login_view = "login"


class User(UserMixin):
    def __init__(self, id, email, password):
        self.id = id
        self.email = email
        self.password = generate_password_hash(password)


USERS = [User(1, "ada@example.org", "correct horse battery staple")]
NOBODY = generate_password_hash("")


@login_manager.user_loader
def load_user(user_id):
    return next((user for user in USERS if str(user.id) == user_id), None)


def user_of(form):
    """Whose e-mail and password these are, or None. An unknown e-mail takes as long as a known one."""
    user = next((user for user in USERS if user.email == form["email"]), None)
    right = check_password_hash(user.password if user else NOBODY, form["password"])
    return user if right else None


@app.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "POST":
        user = user_of(request.form)
        if user is not None:
            login_user(user)
            flash(f"Welcome, {user.email}.")
            return redirect(url_for("notes"))
        flash("The e-mail or the password is not right.")
        return page(LOGIN), 401
    return page(LOGIN)


@app.get("/")
@login_required
def notes():
    return page(NOTES, notes=session.get("notes", []))


@app.post("/notes")
@login_required
def add_note():
    session.setdefault("notes", []).append(request.form["note"])
    return redirect(url_for("notes"))


@app.post("/logout")
@login_required
def logout():
    logout_user()
    flash("You are signed out.")
    return redirect(url_for("login"))


@app.post("/logout-everywhere")
@login_required
def logout_everywhere():
    ended = sessions.revoke_all(current_user.id, keep=holdfast.session.id)
    flash(f"Other sessions that ended: {ended}.")
    return redirect(url_for("notes"))


def page(body, **values):
    return render_template_string(FRAME.replace("<!-- body -->", body), **values)


FRAME = """<!doctype html>
<html lang="en">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Notes</title>
<script>addEventListener("pageshow", ({ persisted }) => persisted && location.reload())</script>
{% for message in get_flashed_messages() %}<p role="status">{{ message }}</p>{% endfor %}
<!-- body -->
"""
LOGIN = """
<form method="post">
  {{ csrf_field() }}
  <label>E-mail <input name="email" type="email" required></label>
  <label>Password <input name="password" type="password" required></label>
  <button>Sign in</button>
</form>
"""
NOTES = """
<h1>Notes of {{ current_user.email }}</h1>
<ul>{% for note in notes %}<li>{{ note }}</li>{% endfor %}</ul>
<form method="post" action="{{ url_for('add_note') }}">
  {{ csrf_field() }}
  <label>Note <input name="note" required></label>
  <button>Add</button>
</form>
<form method="post" action="{{ url_for('logout') }}">
  {{ csrf_field() }}
  <button>Sign out</button>
</form>
<form method="post" action="{{ url_for('logout_everywhere') }}">
  {{ csrf_field() }}
  <button>Sign out everywhere else</button>
</form>
"""
