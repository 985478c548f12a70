"""Under Django's test runner an existing suite runs as it is, and touches no session of anybody."""

import pytest
from django.conf import settings
from django.core.management.utils import get_random_secret_key
from django.core.wsgi import get_wsgi_application
from django.test import Client, override_settings
from django.test.utils import setup_test_environment, teardown_test_environment

from holdfast import ConfigurationError, Session, Settings
from holdfast.testing import isolated
from holdfast.web.django import assembly, provisions
from holdfast.web.django.configuration import settings_of
from web_django import urls
from web_django.new_project import suite_of

SUITE = """
from django.contrib.auth.models import User
from django.test import TestCase


class Existing(TestCase):
    def test_the_admin(self):
        User.objects.create_superuser("root", password="correct horse battery")
        form = {"username": "root", "password": "correct horse battery"}
        answer = self.client.post("/admin/login/?next=/admin/", form)
        self.assertRedirects(answer, "/admin/")
        self.assertEqual(self.client.session["_auth_user_id"], str(User.objects.get().pk))
"""


@pytest.fixture
def under_test():
    setup_test_environment()
    yield
    teardown_test_environment()


def test_a_suite_that_was_there_before(tmp_path):
    """With the settings of the tutorial and nothing else, from the secret on."""
    ran = suite_of(tmp_path, SUITE)
    assert ran.returncode == 0, ran.stderr
    assert "Ran 1 test" in ran.stderr
    assert "plain HTTP" not in ran.stderr
    assert not (tmp_path / "holdfast.db").exists()


def test_the_store_of_tests(monkeypatch, under_test):
    """Of their own, unless one was named for them."""
    monkeypatch.delenv("HOLDFAST_STORE", raising=False)
    with override_settings():
        del settings.HOLDFAST_STORE
        assert provisions.store_of(settings) == "memory://"
        monkeypatch.setenv("HOLDFAST_STORE", "sqlite:///tests.db")
        assert provisions.store_of(settings) is None
    with override_settings(HOLDFAST_STORE="sqlite:///named.db"):
        assert provisions.store_of(settings) == "sqlite:///named.db"


def test_nothing_of_it_outside_of_tests(monkeypatch):
    """Though a mail backend in memory makes `mail.outbox`, by which tests are often told."""
    monkeypatch.delenv("HOLDFAST_STORE", raising=False)
    monkeypatch.delenv("HOLDFAST_SECRET", raising=False)
    monkeypatch.setattr("django.core.mail.outbox", [], raising=False)
    made = "django-insecure-" + get_random_secret_key()
    with override_settings(DEBUG=False, SECRET_KEY=made):
        del settings.HOLDFAST_STORE
        assert provisions.store_of(settings) is None
        assert settings_of(settings).plain_http_hosts == ()
        with pytest.raises(ConfigurationError):
            provisions.secrets_of(settings)


def test_a_project_without_debug_needs_its_secret_in_tests_too(monkeypatch):
    """The runner turns `DEBUG` off; what the project says of it counts."""
    monkeypatch.delenv("HOLDFAST_SECRET", raising=False)
    made = "django-insecure-" + get_random_secret_key()
    for debug in (True, False):
        with override_settings(SECRET_KEY=made, DEBUG=debug):
            setup_test_environment(debug=False)
            try:
                assert settings.DEBUG is False
                if debug:
                    assert provisions.secrets_of(settings)
                else:
                    with pytest.raises(ConfigurationError, match="SECRET_KEY"):
                        provisions.secrets_of(settings)
            finally:
                teardown_test_environment()


def test_the_test_clients_host_is_one_more(under_test):
    """Beside those that the project names."""
    with override_settings(HOLDFAST=Settings(plain_http_hosts=("box.lan",))):
        assert settings_of(settings).plain_http_hosts == ("box.lan", "testserver")


@pytest.mark.parametrize("by", ["isolated", "client"])
def test_parts_that_an_import_has_made_before_the_tests_began(monkeypatch, by):
    """As pytest does with `from mysite.wsgi import application` at the head of a file."""
    monkeypatch.delenv("HOLDFAST_STORE", raising=False)
    with override_settings(ALLOWED_HOSTS=[]):
        application = get_wsgi_application()
        assert assembly().settings.plain_http_hosts == ()
        setup_test_environment()
        try:
            if by == "isolated":
                with isolated(application) as parts:
                    assert parts.settings.plain_http_hosts == ("testserver",)
            assert Client().get("/open").status_code == 200
        finally:
            teardown_test_environment()
        get_wsgi_application()
        assert assembly().settings.plain_http_hosts == ()


@pytest.mark.parametrize(
    "changes", [{"SESSION_COOKIE_AGE": 600}, {"CSRF_TRUSTED_ORIGINS": ["https://a.example"]}]
)
def test_who_is_signed_in_stays_so_under_other_settings(monkeypatch, under_test, ada, changes):
    """`with self.settings(…)` in the middle of a test, as with sessions in Django's database."""
    monkeypatch.delenv("HOLDFAST_STORE", raising=False)
    with override_settings():
        del settings.HOLDFAST_STORE
        get_wsgi_application()
        client = Client()
        client.force_login(ada)
        with override_settings(**changes):
            assert client.get("/me").json()["user"] == "ada"
        assert client.get("/me").json()["user"] == "ada"


def test_the_sessions_of_tests_end_with_them(monkeypatch):
    """The next run, in the same process, begins with none."""
    monkeypatch.delenv("HOLDFAST_STORE", raising=False)
    seen = []
    with override_settings():
        del settings.HOLDFAST_STORE
        for _ in range(2):
            setup_test_environment()
            try:
                get_wsgi_application()
                seen.append(len(assembly().blocking.sessions_of("ada").records))
                assembly().blocking.sign_in(Session(), "ada")
            finally:
                teardown_test_environment()
            monkeypatch.setenv("HOLDFAST_STORE", "memory://")
            get_wsgi_application()  # outside of tests, in between
            monkeypatch.delenv("HOLDFAST_STORE")
    assert seen == [0, 0]


@pytest.mark.parametrize("under", [True, False])
def test_tests_are_not_warned_of_plain_http(under, request, caplog, ada):
    """Django's own clients send `Secure` cookies all the same; others are to know that some do not."""
    if under:
        request.getfixturevalue("under_test")
    with isolated(get_wsgi_application()), caplog.at_level("WARNING", "holdfast"):
        browser = Client(SERVER_NAME="localhost")
        browser.force_login(ada)
        urls.STEPS.append(lambda asked: asked.session.cycle_key())
        assert "Secure" in str(browser.get("/visit").cookies)
    assert ("over plain HTTP" in caplog.text) is not under
