"""A POST whose body is held back, in threads: the rest is worth nothing once its session has ended."""

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.test import override_settings

from slow_bodies import Slow
from web_django import urls

LATER = 10.0
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def token(browser, session):
    browser.cookies["__Host-session"] = session.cookie
    return browser.get("/token").json()["token"]


@pytest.fixture
def done():
    """What views have done, which read all that was sent or nothing."""
    done = []

    def reads(request):
        done.append(request.body)
        return JsonResponse({})

    def reads_not(request):
        done.append(b"")
        return JsonResponse({})

    yield {"reads": reads, "reads_not": reads_not}, done
    urls.STEPS.clear()


def posted(session, body, happens, **headers):
    return sent(environ_of(session, body, happens, **headers))[0]


def environ_of(session, body, happens, **headers):
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/visit",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "testserver",
        "HTTP_ORIGIN": "https://testserver",
        "HTTP_COOKIE": f"__Host-session={session.cookie}",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "https",
        "wsgi.input": Slow(body, happens),
    } | headers


def sent(environ):
    status = []
    answer = WSGIHandler()(environ, lambda text, _headers: status.append(int(text[:3])))
    body = b"".join(answer)
    answer.close()
    return status[0], body


def json(session, token, happens):
    headers = {"HTTP_X_CSRF_TOKEN": token, "CONTENT_TYPE": "application/json"}
    return posted(session, b'{"to": "eve"}', happens, **headers)


def form(session, token, happens):
    return posted(session, b"csrf_token=" + token.encode(), happens, CONTENT_TYPE=FORM)


@pytest.mark.parametrize(("send", "view"), [(json, "reads"), (form, "reads"), (form, "reads_not")])
def test_the_rest_comes_after_the_end(parts, session, token, done, passing, send, view):
    """Whether the view reads it or the check of its token; in time it is carried out."""
    views, what = done

    def ends():
        parts.sessions.revoke(session.id)
        passing[0] += LATER

    def slowly():
        passing[0] += LATER

    urls.STEPS.append(views[view])
    assert send(session, token, slowly) == 200
    assert len(what) == 1
    urls.STEPS.append(views[view])
    assert send(session, token, ends) == 401
    assert len(what) == 1


class Looks:
    """A middleware that reads the body where `when` says, as a logger of requests does."""

    when = "view"

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if self.when == "answer":
            len(request.body)
        return response

    def process_view(self, request, *_):
        if self.when == "view":
            len(request.body)


class LooksAtTheEnd(Looks):
    when = "answer"


class Shrugs(Looks):
    """It answers for itself, whatever it has met."""

    def process_view(self, request, *_):
        try:
            len(request.body)
        except Exception:
            return JsonResponse({})


@pytest.mark.parametrize("kind", [Looks, LooksAtTheEnd, Shrugs])
def test_a_later_middleware_reads_the_rest(parts, session, token, done, passing, kind):
    """Django keeps what is raised there from any `process_exception`; it is no fault of the server."""
    views, _ = done

    def ends():
        parts.sessions.revoke(session.id)
        passing[0] += LATER

    with override_settings(
        MIDDLEWARE=[*settings.MIDDLEWARE, f"web_django.test_late.{kind.__name__}"]
    ):
        urls.STEPS.append(views["reads_not"])
        assert json(session, token, lambda: None) == 200
        urls.STEPS.append(views["reads_not"])
        assert json(session, token, ends) == 401
