"""A Chromium that keeps whole pages in its memory for the back button, as people's do.

Playwright turns that memory off; and `no-store` alone keeps no page out of it any more. What ends a kept
page is that cookies of its site have changed, which Chromium 156 misses after some redirects.
"""

import os
import time
from contextlib import contextmanager, suppress

import pytest
from playwright.sync_api import Error, sync_playwright

from browser.conftest import ARGUMENTS, CHROMIUM

MOMENT_MS = 500
WITHIN = 15
SHOWN = """addEventListener('pageshow', ({ persisted }) => {
    window.shown = true
    if (persisted) sessionStorage.kept = 'yes'
})"""


@pytest.fixture(scope="module")
def keeping():
    """The browser of the system, with its memory of pages."""
    if CHROMIUM is None:
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain("needs Chromium on PATH")
    kept = ["--disable-back-forward-cache"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, ignore_default_args=kept
        )
        yield browser
        browser.close()


@contextmanager
def person(keeping):
    """A page of a browser of its own."""
    context = keeping.new_context()
    page = context.new_page()
    page.set_default_timeout(WITHIN * 1000)
    page.add_init_script(SHOWN)
    yield page
    context.close()


@pytest.fixture
def page(keeping):
    with person(keeping) as page:
        yield page


def elsewhere(page):
    """Leave for another site."""
    page.route("http://elsewhere.example/*", lambda route: route.fulfill(body="elsewhere"))
    page.goto("http://elsewhere.example/")


def back(page):
    """Press the button. Playwright waits in vain for a load where the page was kept."""
    with suppress(Error):
        page.go_back(wait_until="commit", timeout=MOMENT_MS)
    until(page, "window.shown")


def until(page, expression):
    """Wait for it; Playwright's own way evaluates a text in the page, which a policy may forbid."""
    latest = time.monotonic() + WITHIN
    while time.monotonic() < latest:
        with suppress(Error):  # between two pages
            if page.evaluate(expression):
                return
        page.wait_for_timeout(20)
    pytest.fail(f"{page.url}: {expression} did not come true")
