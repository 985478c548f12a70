"""The back button shows nothing of a session that has ended, in a Chromium that keeps pages."""

import pytest

from browser.kept_pages import back, elsewhere, keeping, page, person, until
from browser.steps import sign_in

__all__ = ["keeping", "page"]

pytestmark = pytest.mark.browser

SEEN = """addEventListener('pageshow', ({ persisted }) => persisted && setTimeout(() => {
    sessionStorage.seen = getComputedStyle(document.body).visibility
}))"""


@pytest.fixture
def signed_in(page, service):
    page.goto(service.url)
    sign_in(page, service)
    page.wait_for_url("**/sessions")
    return page


def test_the_browser_keeps_the_pages(signed_in):
    """Or the other tests show nothing. What it has kept is asked for again."""
    elsewhere(signed_in)
    back(signed_in)
    until(signed_in, "sessionStorage.kept === 'yes'")
    until(signed_in, "performance.getEntriesByType('navigation')[0].type === 'reload'")
    assert signed_in.get_by_role("heading", name="Your sessions").is_visible()


@pytest.mark.parametrize("time", range(2))
def test_after_a_sign_out(signed_in, time):
    """More than once: whether Chromium misses the change of the cookies differs from time to time."""
    signed_in.locator("header").get_by_role("button", name="Sign out").click()
    signed_in.wait_for_url("**/sign-in*")
    back(signed_in)
    signed_in.wait_for_url("**/sign-in?next=%2Fsessions*")
    assert signed_in.get_by_role("heading").all_inner_texts() == ["Sign in"]


def test_after_the_session_was_ended_from_elsewhere(signed_in, service, keeping):
    """No cookie of this browser has changed, so that Chromium shows the page from its memory."""
    elsewhere(signed_in)
    with person(keeping) as other:
        other.goto(service.url)
        sign_in(other, service)
        other.get_by_role("button", name="Sign out all others").click()
        other.get_by_role("status").wait_for()
    back(signed_in)
    signed_in.wait_for_url("**/sign-in?*notice=ended")
    assert signed_in.get_by_role("heading").all_inner_texts() == ["Sign in"]


def test_a_kept_page_is_hidden_first(page, service):
    """So that nobody reads it while the network is slow or away."""
    page.add_init_script(SEEN)
    page.goto(service.url)
    sign_in(page, service)
    page.wait_for_url("**/sessions")
    elsewhere(page)
    back(page)
    until(page, "sessionStorage.seen === 'hidden'")
