"""The back button after a sign-out of the examples, in a Chromium that keeps pages.

They have a line of script against it, as the service's own pages do.
"""

import pytest

from browser.kept_pages import back, elsewhere, keeping, page, until
from examples.test_django_site import address
from examples.test_pages import FASTAPI, FLASK, sign_in

__all__ = ["address", "keeping", "page"]

pytestmark = pytest.mark.browser


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


def test_the_browser_keeps_pages(served, page):
    """Or the other tests show nothing: one that says `no-store`, too, as long as no cookie changes."""
    url = served(*FASTAPI)
    for again in range(3):
        answer = page.goto(f"{url}/sign-in?{again}")
    assert answer.headers["cache-control"] == "no-store"
    back(page)
    until(page, "sessionStorage.kept === 'yes'")


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
    elsewhere(page)
    site.sign_out(other)
    back(page)
    page.wait_for_url(site.out)
    assert site.secret not in page.get_by_role("heading").all_inner_texts()


@pytest.mark.slow
def test_after_a_sign_out_of_the_admin(address, page):
    """The adapter's script is in every page of it."""
    page.goto(f"{address}/admin/")
    page.get_by_label("Username").fill("ada@example.org")
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Site administration").wait_for()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/logout/")
    back(page)
    page.wait_for_url("**/admin/login/**")
    assert page.get_by_label("Password").is_visible()
