"""What a person does on the pages, in a real browser."""


def sign_in(page, service, password=None):
    """Fill the form that the page shows, and send it."""
    page.get_by_label("E-mail").fill(service.email)
    page.get_by_label("Password").fill(password or service.password)
    page.get_by_role("button", name="Sign in").click()


def devices(page):
    """The names in the list of sessions, in order."""
    return page.locator(".sessions h2").all_inner_texts()


def row(page, text):
    """The session that says `text`."""
    return page.get_by_role("listitem").filter(has_text=text)
