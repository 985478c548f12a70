"""The site of `sites.py` in Django: the same views in threads under WSGI, and on the loop under ASGI."""

import json
from urllib.parse import parse_qs

from django.apps import apps
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from holdfast.web import django as holdfast
from web.site_work import FRESH, OWN_HEADERS, late_write, visits, work
from web.wsgi import OverAsgi
from web_django import project

project.set_up()


def done(_request):
    return JsonResponse({"success": True})


def login(request):
    holdfast.session_of(request).sign_in(json.loads(request.body)["user"], role="admin")
    return done(request)


def form(request):
    fields = parse_qs(request.body.decode("latin-1"))
    holdfast.session_of(request).sign_in(fields["user"][0])
    return done(request)


def callback(request):
    holdfast.session_of(request).sign_in(request.GET["user"])
    return done(request)


def logout(request):
    holdfast.session_of(request).sign_out()
    return done(request)


def write(request):
    holdfast.session_of(request).update(json.loads(request.body))
    return done(request)


def do_work(request):
    status = work(holdfast.session_of(request), json.loads(request.body))
    response = JsonResponse({"done": True}, status=status)
    for name, value in OWN_HEADERS.items():
        if name == "Set-Cookie":
            response.set_cookie(*value.split("="))
        else:
            response[name] = value
    return response


def lines(session):
    yield f"{session.subject}\n"
    yield late_write(session)


def stream(request):
    return StreamingHttpResponse(lines(holdfast.session_of(request)))


async def astream(request):
    session = holdfast.session_of(request)

    async def alines():
        for line in lines(session):
            yield line

    return StreamingHttpResponse(alines())


@holdfast.require
def tokens(request):
    issued = holdfast.assembly().blocking.issue_tokens(holdfast.session_of(request))
    return JsonResponse(issued.as_dict())


@holdfast.require
async def atokens(request):
    issued = await holdfast.assembly().sessions.issue_tokens(holdfast.session_of(request))
    return JsonResponse(issued.as_dict())


def echo(request):
    return HttpResponse(request.body)


def count(request):
    return JsonResponse(visits(holdfast.session_of(request)))


def whoami(request):
    return JsonResponse({"user": holdfast.session_of(request).subject})


def token(request):
    return JsonResponse({"token": holdfast.csrf_token(request)})


def open_to_all(_request):
    return HttpResponse("open")


def on_the_loop(view):
    async def aview(request):
        return view(request)

    return aview


def urls(turned, **others):
    """The routes, each view turned into what it is to be; `others` are given as they are."""
    guarded = {
        "checked": holdfast.require_csrf(turned(done)),
        "me": holdfast.require(turned(whoami)),
        "fresh": holdfast.require_fresh(FRESH)(turned(whoami)),
        "admin": holdfast.require_role("admin")(turned(whoami)),
    }
    views = {
        "login": login, "form": form, "callback": callback, "logout": logout, "write": write,
        "work": do_work, "echo": echo, "visits": count, "csrf": token, "excluded": whoami,
        "open": open_to_all, "healthz": open_to_all,
    }  # fmt: skip
    every = guarded | {name: turned(view) for name, view in views.items()} | others
    return [path(name, view) for name, view in every.items()]


class Threaded:
    """Routes of views that run in threads."""

    urlpatterns = urls(lambda view: view, stream=stream, tokens=tokens)


class Awaiting:
    """Routes of views that run on the event loop."""

    urlpatterns = urls(on_the_loop, stream=astream, tokens=atokens)


def run_on(assembly):
    """A process has one project, and other sites of it run on other parts: so before each request."""
    apps.get_app_config("holdfast").run_on(assembly)


class OfThreads(WSGIHandler):
    def __init__(self, assembly):
        run_on(assembly)
        super().__init__()
        self._assembly = assembly

    def __call__(self, environ, start_response):
        """Django begins each cookie with a space; on the wire it means nothing."""
        run_on(self._assembly)

        def trimmed(status, headers, *rest):
            return start_response(status, [(name, value.strip()) for name, value in headers], *rest)

        return super().__call__(environ, trimmed)

    def get_response(self, request):
        request.urlconf = Threaded
        return super().get_response(request)


class OnTheLoop(ASGIHandler):
    def __init__(self, assembly):
        run_on(assembly)
        super().__init__()
        self._assembly = assembly

    async def __call__(self, scope, receive, send):
        """Django writes the names of headers as it likes; servers make them lower case."""
        run_on(self._assembly)

        async def lowered(message):
            if "headers" in message:
                message["headers"] = [(name.lower(), value) for name, value in message["headers"]]
            await send(message)

        await super().__call__(scope, receive, lowered)

    async def get_response_async(self, request):
        request.urlconf = Awaiting
        return await super().get_response_async(request)


def site_in_django_wsgi(assembly):
    return OverAsgi(OfThreads(assembly))


def site_in_django_asgi(assembly):
    return OnTheLoop(assembly)
