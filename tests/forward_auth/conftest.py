"""An application behind real proxies that ask a real service about each request."""

import httpx
import pytest

from forward_auth.proxies import PROXIES, running_application, running_proxy
from service.running import Server


@pytest.fixture(scope="module")
def application():
    """The port of the application."""
    with running_application() as port:
        yield port


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The service, trusting the proxies; a cookie is renewed after a second."""
    server = Server(
        tmp_path_factory.mktemp("forward") / "home",
        "--demo",
        TRUSTED_PROXIES="127.0.0.1",
        FORWARD_AUTH_SIGN_IN="http://localhost/sign-in",
        RETURN_HOSTS="localhost",
        RATE="10000/15m",
        COOKIE_MAX_AGE="4s",
        TOUCH_EVERY="1s",
        FLUSH_EVERY="1s",
    )
    yield server
    server.stop()


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request, application, service, tmp_path_factory):
    """The address of the proxy."""
    folder = tmp_path_factory.mktemp(request.param)
    with running_proxy(
        request.param, folder, service=service.port, application=application
    ) as address:
        yield address


@pytest.fixture
def browser(proxy, service):
    """A signed-in browser, as far as a proxy can tell."""
    with httpx.Client(base_url=proxy) as client:
        email, password = service.credentials
        direct = service.url
        csrf = client.get(f"{direct}/csrf-token").json()["csrfToken"]
        answer = client.post(
            f"{direct}/api/login",
            json={"email": email, "password": password},
            headers={"X-CSRF-Token": csrf, "Host": f"localhost:{service.port}"},
        )
        assert answer.status_code == 200, answer.text
        cookie = client.cookies["session"]
        client.cookies.clear()
        client.headers["Cookie"] = f"session={cookie}"
        yield client
