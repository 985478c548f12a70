"""Pleasant for everybody: the keyboard alone, a narrow screen, light and dark, enough contrast."""

import pytest

from browser.steps import sign_in

pytestmark = pytest.mark.browser

OUTSIDE = ("/sign-in?notice=ended", "/sessions/nothing")
INSIDE = ("/sessions", "/confirm?do=end-others", "/sessions/nothing", "/sign-out")

# Each text with its contrast (WCAG 2.2, 1.4.3); all backgrounds here are opaque or transparent.
CONTRASTS = """() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    const colour = parts(getComputedStyle(node).backgroundColor);
    return colour[3] === 0 && node.parentElement ? behind(node.parentElement) : colour;
  };
  const texts = [...document.querySelectorAll('body *')].filter(node =>
    [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
  return texts.map(node => {
    const pair = [light(parts(getComputedStyle(node).color)), light(behind(node))];
    return [node.innerText, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
  });
}"""

NAMELESS = """() => [...document.querySelectorAll('input:not([type=hidden], [hidden]), button, a')]
  .filter(node => !node.labels?.length && !node.innerText.trim())
  .map(node => node.outerHTML)"""

# Elements, not texts: what a finger must hit. Links inside a sentence are exempt (2.5.8).
SMALL = """() => [...document.querySelectorAll('button, input:not([type=hidden], [hidden])')]
  .filter(node => node.getBoundingClientRect().height < 36)
  .map(node => node.outerHTML)"""


@pytest.fixture
def signed_in(service, visit):
    """A page of a browser that is signed in."""

    def open_page(**options):
        page = visit(service.url, **options)
        sign_in(page, service)
        page.wait_for_url("**/sessions")
        return page

    return open_page


@pytest.fixture
def tour(service, visit):
    """Every page in turn: before the sign-in, with a wrong password, and after it."""

    def pages(**options):
        page = visit(service.url, **options)
        yield page
        for path in OUTSIDE:
            page.goto(service.url + path)
            yield page
        page.goto(service.url)
        sign_in(page, service, password="wrong")
        page.get_by_role("alert").wait_for()
        yield page
        sign_in(page, service)
        page.wait_for_url("**/sessions")
        for path in INSIDE:
            page.goto(service.url + path)
            yield page

    return pages


def focused(page):
    """What the person would say has the focus."""
    return page.evaluate(
        "(document.activeElement.labels?.[0] ?? document.activeElement).innerText.trim()"
    )


def test_the_keyboard_alone_signs_in_and_ends_sessions(serve, visit):
    """In the order of reading, and with a visible focus at each step."""
    service = serve()
    other, page = visit(service.url), visit(service.url)
    sign_in(other, service)
    other.wait_for_url("**/sessions")
    assert focused(page) == "E-mail"
    page.keyboard.type(service.email)
    page.keyboard.press("Tab")
    page.keyboard.type(service.password)
    page.keyboard.press("Tab")
    assert focused(page) == "Sign in"
    page.keyboard.press("Enter")
    page.wait_for_url("**/sessions")

    order = []
    for _ in range(6):
        page.keyboard.press("Tab")
        order.append(focused(page))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert order == [
        "Skip to content",
        "Holdfast",
        "Sign out",
        "Sign out all others",
        "Sign out",
        "Sign out",
    ]
    page.keyboard.press("Enter")
    assert "Signed out Chrome on Linux." in page.get_by_role("status").inner_text()


def test_the_skip_link_skips(signed_in):
    """It is the first stop, appears, and moves the focus past the header."""
    page = signed_in()
    page.keyboard.press("Tab")
    assert page.get_by_role("link", name="Skip to content").bounding_box()["width"] > 50
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_width_scrolls_sideways(tour, width):
    """From the narrowest phone to the desktop, and controls stay large enough for a finger."""
    viewport = {"width": width, "height": 800}
    for page in tour(viewport=viewport, user_agent="Unbroken" * 12 + "/1"):
        assert page.evaluate("document.documentElement.scrollWidth") == width, page.url
        assert page.evaluate(SMALL) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_have_contrast(tour, scheme):
    """Both follow the system, and every text reaches AA: 4.5 to 1."""
    for page in tour(color_scheme=scheme):
        texts = page.evaluate(CONTRASTS)
        assert len(texts) > 3
        assert [(text, ratio) for text, ratio in texts if ratio < 4.5] == []
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        dark = sum(int(part) for part in paper[4:-1].split(",")) < 3 * 128
        assert dark == (scheme == "dark")


def test_everything_has_a_name_and_every_page_a_title(tour):
    """For screen readers: language, one heading, landmarks, names of controls."""
    titles = []
    for page in tour():
        assert page.evaluate(NAMELESS) == []
        assert page.locator("h1").count() == 1
        assert page.locator("main").count() == page.locator("header").count() == 1
        assert page.locator("html").get_attribute("lang") == "en"
        titles.append(page.title().removesuffix(" · Holdfast"))
    assert titles == [
        "Sign in",
        "Sign in",
        "There is no such page",
        "Not signed in · Sign in",
        "Your sessions",
        "Confirm that it is you",
        "There is no such page",
        "Sign out",
    ]


def test_nothing_is_refused_by_the_policy(chromium, service):
    """The pages work without a script, and the console stays empty."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(service.url)
    sign_in(page, service)
    page.wait_for_url("**/sessions")
    page.goto(f"{service.url}/sign-in")
    context.close()
    assert complaints == []


def test_motion_is_reduced_on_request(signed_in):
    """No transition for whoever asked for none."""
    page = signed_in(reduced_motion="reduce")
    durations = page.evaluate(
        "[...document.querySelectorAll('button')].map(b => getComputedStyle(b).transitionDuration)"
    )
    assert set(durations) == {"0s"}
