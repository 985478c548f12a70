"""Flask-WTF's forms, templates and scripts over Holdfast's token: they go on as they were."""

import re
from functools import partial

import flask
import pytest
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError, generate_csrf
from flask_wtf.csrf import CSRFProtect as TheirOwn
from wtforms import StringField

from holdfast.errors import ConfigurationError, UsageError
from holdfast.testing import client, csrf, sign_in
from holdfast.web import flask as holdfast
from holdfast.web.flask.wtf import CSRFProtect

PAGE = "{{ form.hidden_tag() }} {{ form.name() }}"
BARE = '<input name="csrf_token" value="{{ csrf_token() }}">'


class Name(FlaskForm):
    name = StringField()


@pytest.fixture
def protection():
    return CSRFProtect()


@pytest.fixture
def app(app, protection):
    protection.init_app(app)
    hooks = flask.Blueprint("hooks", __name__)
    hooks.post("/hook")(lambda: "taken")
    protection.exempt(hooks)
    app.register_blueprint(hooks)

    @app.errorhandler(CSRFError)
    def refused(error):
        return f"again, please: {error.description}", error.code

    @app.route("/name", methods=["GET", "POST"])
    def name():
        form = Name()
        if form.validate_on_submit():
            flask.session["name"] = form.name.data
            return f"hello {form.name.data}"
        return flask.render_template_string(PAGE, form=form), 200 if not form.errors else 422

    @app.get("/bare")
    def bare():
        return flask.render_template_string(BARE)

    @app.get("/meta")
    def meta():
        return flask.render_template_string("{{ csrf_meta_tag() }}")

    @app.get("/script")
    def script():
        return {"token": generate_csrf()}

    @app.post("/signed")
    @holdfast.require
    def signed():
        return "done"

    @app.post("/exempt")
    @protection.exempt
    def exempt():
        return "done" if Name().validate() else flask.abort(422)

    @app.get("/still")
    def still():
        return "nothing asked"

    return app


def shown(text):
    return re.search(r'value="([^"]+)"', text)[1]


@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize("path", ["/name", "/bare"])
def test_what_a_template_shows_is_taken(browser, signed_in, path):
    """`form.hidden_tag()` and `csrf_token()`, for everybody."""
    if signed_in:
        sign_in(browser, subject="ada")
    data = {"name": "ada", "csrf_token": shown(browser.get(path).text)}
    assert browser.post("/name", data=data).text == "hello ada"


@pytest.mark.parametrize("token", ["", "c1nonsense"])
def test_a_form_of_a_visitor_needs_a_token_as_before(browser, token):
    """Nobody is signed in, so Holdfast alone would ask for none; the application's own handler answers."""
    answer = browser.post("/name", data={"name": "eve", "csrf_token": token})
    assert answer.status_code == 400
    assert answer.text.startswith("again, please: ")


def test_what_a_script_sends(browser):
    """In the header; from JSON or from a page."""
    sign_in(browser, subject="ada")
    found = browser.get("/script").json["token"]
    assert browser.post("/signed", headers={"X-CSRF-Token": found}).text == "done"
    tag = browser.get("/meta").text
    found = re.search(r'<meta name="csrf-token" content="([^"]+)">', tag)[1]
    assert browser.post("/signed", headers={"X-CSRF-Token": found}).text == "done"


def test_what_is_exempt(browser):
    """A hook of another server has no session. A form that is looked at there still needs its token."""
    assert browser.post("/hook").text == "taken"
    assert browser.post("/exempt").status_code == 422
    assert browser.post("/exempt", headers=csrf(browser)).text == "done"


def test_what_is_exempt_without_a_name(parts):
    """One of several made of the same parts; the others keep their check."""
    app = flask.Flask("parts")
    holdfast.Holdfast(app, assembly=parts)
    hook, form = (partial(str, kind) for kind in ("hook", "form"))
    app.add_url_rule("/hook", "hook", CSRFProtect(app).exempt(hook), methods=["POST"])
    app.add_url_rule("/form", "form", form, methods=["POST"])
    browser = client(app)
    assert browser.post("/hook").text == "hook"
    assert browser.post("/form").status_code == 400


def test_no_exemption_opens_a_signed_in_browser(browser):
    """Its cookie comes with any page's form (R67)."""
    sign_in(browser, subject="ada")
    assert browser.post("/hook").status_code == 403
    assert browser.post("/hook", headers=csrf(browser)).text == "taken"


def test_a_bearer_token_needs_no_other(app, parts, browser):
    """No page can make a browser send one (R67)."""
    session = sign_in(browser, subject="ada")
    tokens = parts.blocking.issue_tokens(session)
    bearer = {"Authorization": f"Bearer {tokens.access_token}"}
    assert client(app).post("/name", data={"name": "ada"}, headers=bearer).text == "hello ada"


def test_a_page_without_a_form_costs_nothing(browser):
    """No token is made, no session looked at."""
    answer = browser.get("/still")
    assert "Set-Cookie" not in answer.headers
    assert "Vary" not in answer.headers


def test_the_switches_of_tests(app, browser):
    """As test configurations have it. Who is signed in needs the token all the same."""
    app.config["WTF_CSRF_ENABLED"] = False
    assert browser.post("/name", data={"name": "ada"}).text == "hello ada"
    sign_in(browser, subject="ada")
    assert browser.post("/name", data={"name": "ada"}).status_code == 403


def test_outside_of_a_request(app):
    """In a command there is no token, and nothing is pretended."""
    with app.app_context():
        assert "csrf_token" not in flask.g
        assert flask.g.get("csrf_token") is None


def test_it_needs_holdfast_first():
    with pytest.raises(UsageError, match=r"Holdfast\(app\) first"):
        CSRFProtect(flask.Flask("bare"))


def test_another_name_of_the_field(parts):
    """Otherwise no form would pass."""
    app = flask.Flask("other")
    holdfast.Holdfast(app, assembly=parts)
    app.config["WTF_CSRF_FIELD_NAME"] = "proof"
    with pytest.raises(ConfigurationError, match=r"for example Settings\(csrf_field='proof'\)"):
        CSRFProtect(app)


@pytest.mark.parametrize(("kind", "told"), [(TheirOwn, True), (CSRFProtect, False)])
def test_their_own_beside_ours_is_told(parts, caplog, kind, told):
    """Every form would be refused, whichever token it has."""
    app = flask.Flask("both")
    app.secret_key = "theirs"
    holdfast.Holdfast(app, assembly=parts)
    kind(app)
    client(app).get("/")
    assert ("take that of holdfast.web.flask.wtf" in caplog.text) is told


def test_a_form_without_our_class_says_what_to_do(parts, caplog):
    """Its own token is refused of who is signed in. Said once, where the form is first made."""
    app = flask.Flask("newcomer")
    app.secret_key = "as Flask-WTF asks for"
    holdfast.Holdfast(app, assembly=parts)

    @app.route("/name", methods=["GET", "POST"])
    def name():
        return flask.render_template_string(PAGE, form=Name())

    for _ in range(2):
        browser = client(app)
        sign_in(browser, subject="ada")
        data = {"name": "ada", "csrf_token": shown(browser.get("/name").text)}
        assert browser.post("/name", data=data).status_code == 403
    told = [line for line in caplog.messages if "Flask-WTF" in line]
    assert len(told) == 1
    assert "from holdfast.web.flask.wtf import CSRFProtect" in told[0]


def test_a_form_with_our_class_says_nothing(app, browser, caplog):
    """Its token is ours."""
    assert browser.get("/name").status_code == 200
    assert not [line for line in caplog.messages if "Flask-WTF" in line]
