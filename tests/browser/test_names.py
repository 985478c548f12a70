"""Names of any script, length and malice: the page's own words stay where they are."""

import httpx
import pytest

from browser.conftest import CHROME
from holdfast.service.backend import keys

pytestmark = pytest.mark.browser

KEY = "hfk1_" + "k" * 43
OVERRIDE = "ada\u202egro.live@evil\u202c\u2069 \u2066tail"
PILED = "Z" + "\u0301\u0335\u0489\u0322" * 60 + "algo@example.org"
NAMES = {
    "override": OVERRIDE,
    "isolates": "\u2069\u2069\u202b1) \u05d0\u05d1\u05d2",
    "arabic": "\u0645\u062d\u0645\u062f \u0639\u0628\u062f \u0627\u0644\u0644\u0647@example.org",
    "long": "x" * 500,
    "piled": PILED,
    "family": "\U0001f469\u200d\U0001f469\u200d\U0001f467",
}

# From left to right: where the first and the last letter of the page's own words and of the name are.
PLACES = """() => {
  const place = (node, from) => {
    const range = document.createRange();
    range.setStart(node, from);
    range.setEnd(node, from + 1);
    return range.getBoundingClientRect().left;
  };
  const line = document.querySelector('.lead'), name = line.querySelector('bdi').firstChild;
  return [
    place(line.firstChild, 0), place(name, 0), place(name, name.length - 1), place(line.lastChild, 0),
  ];
}"""

TALLEST = """() => Math.max(
  ...[...document.querySelectorAll('.top, .sessions > li')].map(node => node.offsetHeight))"""


@pytest.fixture(scope="module")
def named(serve):
    """A service whose application calls people and devices as it likes."""
    return serve(HOLDFAST_SERVICE_KEYS=keys.entry("shop", keys.SCOPES, KEY))


@pytest.fixture
def enter(named, visit):
    """A page of somebody with this name, whose devices have names of all kinds."""

    def signed_in(name, path="/sessions", **options):
        page = visit(f"{named.url}/sign-in", **options)
        for label in (*NAMES.values(), "last"):
            body = {"subject": name.encode().hex()[:64], "claims": {"email": name}, "label": label}
            body["client"] = {"user_agent": CHROME}
            url, headers = f"{named.url}/backend/v1/sessions", {"Authorization": f"Bearer {KEY}"}
            answer = httpx.post(url, json=body, headers=headers)
            assert answer.status_code == 201, answer.text
        value = answer.json()["cookie"]
        page.context.add_cookies([{"name": "session", "value": value, "url": named.url}])
        page.goto(named.url + path)
        return page

    return signed_in


@pytest.mark.parametrize("name", ["override", "isolates", "arabic"])
def test_no_name_turns_the_page_around(enter, name):
    """The sentence begins on the left, the name stands in it as its letters say, the full stop ends it."""
    page = enter(NAMES[name], "/sign-out")
    begins, first, last, ends = page.evaluate(PLACES)
    assert begins < min(first, last)
    assert max(first, last) < ends
    assert (first < last) == (name == "override")


@pytest.mark.parametrize("name", ["override", "isolates"])
def test_no_mark_that_a_browser_obeys_is_on_a_page(enter, name):
    """What is replaced is seen, so nobody passes for somebody else."""
    page = enter(NAMES[name])
    for path in ("/sessions", "/sign-out", "/confirm?do=end-others"):
        page.goto(page.url.rpartition("/")[0] + path)
        assert not {*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"} & {*page.content()}
    if name == "override":
        assert page.locator(".who").inner_text() == OVERRIDE.translate(
            dict.fromkeys(map(ord, "\u202e\u202c\u2069\u2066"), "\ufffd")
        )


@pytest.mark.parametrize("name", ["long", "piled"])
@pytest.mark.parametrize(
    ("width", "scale"), [(320, 1), (640, 2), (1280, 1)], ids=["phone", "200 %", "desktop"]
)
def test_no_name_covers_or_widens_the_page(enter, name, width, scale):
    """However long it is and whatever is piled up over its letters; no row becomes a wall."""
    options = {"viewport": {"width": width, "height": 800}, "device_scale_factor": scale}
    page = enter(NAMES[name], **options)
    for path in ("/sessions", "/sign-out", "/confirm?do=end-others"):
        page.goto(page.url.rpartition("/")[0] + path)
        assert page.evaluate("document.documentElement.scrollWidth") == width, path
    page.goto(page.url.rpartition("/")[0] + "/sessions")
    assert page.evaluate(TALLEST) < 220
    for box in ("h2", ".who"):
        assert (
            page.locator(box).first.evaluate("node => getComputedStyle(node).overflow") == "hidden"
        )


def test_an_ended_device_is_named_in_the_notice(enter):
    """Its name stands apart there, too."""
    page = enter(NAMES["family"])
    row = page.get_by_role("listitem").filter(has_text=NAMES["arabic"])
    row.get_by_role("button", name="Sign out").click()
    page.get_by_role("status").wait_for()
    assert page.get_by_role("status").inner_text() == f"Signed out {NAMES['arabic']}."
    assert page.locator("[role=status] bdi").inner_text() == NAMES["arabic"]
