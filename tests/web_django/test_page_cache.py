"""Django's own page cache in front of the chain keeps nothing that depends on a session."""

from django.conf import settings
from django.core.cache import cache
from django.middleware.cache import UpdateCacheMiddleware
from django.test import override_settings

from web_django.conftest import Browser
from web_django.project import MIDDLEWARE


class OlderUpdateCache(UpdateCacheMiddleware):
    """That of Django before it minded `no-store`."""

    def process_response(self, request, response):
        del response["Cache-Control"]
        return super().process_response(request, response)


CACHED = [
    "web_django.test_page_cache.OlderUpdateCache",
    *MIDDLEWARE,
    "django.middleware.cache.FetchFromCacheMiddleware",
]


@override_settings(MIDDLEWARE=CACHED)
def test_a_page_of_a_session_is_not_kept(parts, ada):
    """Whoever was logged out would see it again, with the cookie of before (P50)."""
    cache.clear()
    browser = Browser()
    browser.force_login(ada)
    assert browser.get("/me").json()["user"] == "ada"
    (record,) = parts.records()
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME].value
    parts.sessions.revoke(record.id)
    browser.cookies[settings.SESSION_COOKIE_NAME] = cookie
    assert browser.get("/me").json()["user"] == ""
