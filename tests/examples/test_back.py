"""The back button after a sign-out, in a Chromium that keeps whole pages in its memory as people's do.

Playwright turns that memory off; and `no-store` alone keeps no page out of it any more. What ends a kept
page is that cookies of its site have changed, which Chromium 156 misses after some redirects; so the
examples have a line of script.
"""

from contextlib import suppress

import pytest
from playwright.sync_api import Error, sync_playwright

from browser.conftest import ARGUMENTS, CHROMIUM
from examples.test_pages import FASTAPI, FLASK, sign_in

pytestmark = pytest.mark.browser

MOMENT_MS = 500
SHOWN = """addEventListener('pageshow', ({ persisted }) => {
    window.shown = true
    if (persisted) sessionStorage.kept = 'yes'
})"""


@pytest.fixture(scope="module")
def chromium():
    """The browser of the system, with its memory of pages."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium on PATH")
    kept = ["--disable-back-forward-cache"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, ignore_default_args=kept
        )
        yield browser
        browser.close()


class Notes:
    """The Flask example."""

    secret, out = "Notes of ada@example.org", "**/login*"

    def __init__(self, url):
        self.url = url

    def sign_in(self, page):
        page.goto(self.url)
        sign_in(page)

    def sign_out(self, page):
        page.get_by_role("button", name="Sign out", exact=True).click()
        page.wait_for_url(self.out)


class Basket(Notes):
    """The FastAPI example."""

    secret, out = "Basket", "**/sign-in*"


@pytest.fixture(scope="module", params=[(Notes, FLASK), (Basket, FASTAPI)], ids=["notes", "basket"])
def site(request, served):
    kind, command = request.param
    return kind(served(*command))


@pytest.fixture
def page(chromium):
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.add_init_script(SHOWN)
    yield page
    context.close()


def back(page):
    """Press the button. Playwright waits in vain for a load where the page was kept."""
    with suppress(Error):
        page.go_back(wait_until="commit", timeout=MOMENT_MS)
    page.wait_for_function("window.shown")


def test_the_browser_keeps_pages(served, page):
    """Or the other tests show nothing: one that says `no-store`, too, as long as no cookie changes."""
    url = served(*FASTAPI)
    for again in range(3):
        answer = page.goto(f"{url}/sign-in?{again}")
    assert answer.headers["cache-control"] == "no-store"
    back(page)
    page.wait_for_function("sessionStorage.kept === 'yes'")


def test_after_a_sign_out_back_shows_no_page_of_it(site, page):
    site.sign_in(page)
    site.sign_out(page)
    back(page)
    page.wait_for_url(site.out)
    assert site.secret not in page.get_by_role("heading").all_inner_texts()


def test_after_a_sign_out_in_another_tab(site, page):
    """The first was left for another site meanwhile."""
    site.sign_in(page)
    other = page.context.new_page()
    other.goto(site.url)
    page.route("http://elsewhere.example/*", lambda route: route.fulfill(body="elsewhere"))
    page.goto("http://elsewhere.example/")
    site.sign_out(other)
    back(page)
    page.wait_for_url(site.out)
    assert site.secret not in page.get_by_role("heading").all_inner_texts()
