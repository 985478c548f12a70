"""The examples, as somebody meets them who has a neighbour site, a copied cookie, or a raw socket."""

import pytest

from holdfast.testing import FakeClock, client, csrf, csrf_form, isolated, sign_in

PASSWORD = "correct horse battery staple"
ADA = {"email": "ada@example.org", "password": PASSWORD}

SPECIFIED = ["flask_complete", "fastapi_complete"]
PAGES = {
    "flask_login_app": ("/login", "/notes", "note"),
    "fastapi_pages": ("/sign-in", "/items", "item"),
}


@pytest.fixture
def site(example):
    """An example on a store of its own: `site("flask_complete")`."""
    opened = []

    def load(name):
        app = example(name).app
        within = isolated(app, clock=FakeClock())
        within.__enter__()
        opened.append(within)
        return app

    yield load
    for within in opened:
        within.__exit__(None, None, None)


def sent(browser, path, form=None, *, raw=None, **headers):
    """A POST that follows nothing."""
    options = {"follow_redirects": False, "headers": headers}
    if raw is None:
        options["data"] = form
    else:
        options["data" if hasattr(browser, "application") else "content"] = raw
    return browser.post(path, **options)


def planted(browser, name, value):
    """The browser with a cookie that somebody else has put there."""
    if hasattr(browser, "application"):
        browser.set_cookie(name, value, secure=True)
    else:
        browser.cookies.set(name, value)


@pytest.mark.parametrize("name", PAGES)
def test_fixation(site, name):
    """A cookie that was planted before the sign-in is worth nothing after it (P4)."""
    app = site(name)
    form, _, _ = PAGES[name]
    thief, victim = client(app), client(app)
    made = sign_in(thief, subject="eve")
    planted(victim, "__Host-session", made.cookie)
    answer = sent(victim, form, ADA | csrf_form(victim))
    assert answer.status_code in {302, 303}
    assert victim.get("/").status_code == 200
    assert thief.get("/", follow_redirects=False).status_code in {302, 303}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(
    "foreign", [{}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_sign_in_by_a_foreign_form(site, name, foreign):
    """Also one that has a good token, of the attacker's own, in a field (R82)."""
    app = site(name)
    form, _, _ = PAGES[name]
    own = csrf_form(client(app))
    for fields in (ADA, ADA | own):
        victim = client(app)
        answer = sent(victim, form, fields, **foreign)
        assert answer.status_code == 403
        assert "__Host-session" not in answer.headers.get("Set-Cookie", "")


@pytest.mark.parametrize("name", SPECIFIED)
@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "text/plain, application/json",
        "application/json, text/plain",
        "application/json\t;",
        "",
    ],
)
def test_json_in_the_clothes_of_a_form(site, name, kind):
    """What a page can send without asking first changes nothing and signs nobody in."""
    app = site(name)
    raw = '{"email": "ada@example.org", "password": "correct horse battery staple"}'
    answer = sent(client(app), "/api/login", raw=raw, **{"Content-Type": kind})
    assert answer.status_code == 403
    victim = client(app)
    sign_in(victim, subject="user-1", role="admin")
    for path in ("/api/logout", "/api/auth/logout", "/api/logout-everywhere"):
        assert sent(victim, path, raw=raw, **{"Content-Type": kind}).status_code == 403
    assert victim.get("/me").status_code == 200


@pytest.mark.parametrize("name", SPECIFIED)
def test_a_twin_of_the_cookie(site, name):
    """Of two cookies of our name none counts, in whichever order, and none is erased (R60)."""
    app = site(name)
    mine, thief = (
        sign_in(client(app), subject="user-1", role="x"),
        sign_in(client(app), subject="eve", role="x"),
    )
    for first, second in ((mine, thief), (thief, mine)):
        both = f"__Host-session={first.cookie}; __Host-session={second.cookie}"
        answer = client(app).get("/me", headers={"Cookie": both})
        assert answer.status_code == 401
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("name", [*SPECIFIED, *PAGES])
def test_what_is_about_somebody_is_kept_by_no_cache(site, name):
    """Each page that shows or sets something of a session, and each refusal (P50)."""
    app = site(name)
    for known in (False, True):
        browser = client(app)
        if known:
            sign_in(browser, subject="user-1", role="admin")
        for path in ("/", "/me", "/login", "/sign-in", "/csrf-token", "/api/sessions"):
            answer = browser.get(path, follow_redirects=False)
            if answer.status_code not in {404, 405}:
                assert answer.headers["Cache-Control"] == "no-store", path


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_nobody_is_led_elsewhere(site, name, where):
    """Whatever the address says about where to go next."""
    app = site(name)
    form, _, _ = PAGES[name]
    browser = client(app)
    address = f"{form}?next={where}"
    answer = sent(browser, address, ADA | csrf_form(browser) | {"next": where})
    assert answer.headers["Location"] == "/"


@pytest.mark.parametrize("name", [*SPECIFIED, *PAGES])
@pytest.mark.parametrize(
    "header", ["X-Forwarded-Proto", "X-Forwarded-Host", "X_Forwarded_Proto", "Forwarded"]
)
def test_nobody_says_of_himself_that_he_came_by_https(site, name, header):
    """No proxy is trusted here, so plain HTTP from elsewhere stays refused."""
    app = site(name)
    told = {"Forwarded": "proto=https;host=localhost", "X-Forwarded-Host": "localhost"}.get(
        header, "https"
    )
    browser = client(app)
    answer = browser.get("http://shop.example/", headers={header: told})
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        403,
        "application/json; charset=utf-8",
    )


@pytest.mark.parametrize("name", SPECIFIED)
def test_a_stolen_cookie_gets_no_credential_that_outlives_it(site, name):
    """The thief may act until the owner signs out everywhere; nothing of his lasts longer."""
    app = site(name)
    owner, thief = client(app), client(app)
    made = sign_in(owner, subject="user-1", role="admin")
    planted(thief, "__Host-session", made.cookie)
    token = csrf(thief)
    assert thief.get("/me").status_code == 200
    assert owner.post("/api/logout-everywhere", headers=csrf(owner)).status_code == 200
    assert thief.get("/me").status_code == 401
    assert thief.post("/api/logout", headers=token).status_code in {401, 403}
