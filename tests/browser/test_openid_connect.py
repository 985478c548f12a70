"""The sign-in with an OpenID provider, as the how-to prints it, in a real browser.

Only a browser knows which cookies come along when another site sends somebody back.
"""

import os
import re
import secrets
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

import identity
from service.running import answers, free_port, until

pytestmark = pytest.mark.browser

PAGE = Path(__file__).parents[2] / "docs/how-to/sign-in-with-openid-connect.md"
APPLICATION = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@contextmanager
def application(folder, provider, same_site):
    """The page's first example under uvicorn, with this cookie; its address, another site's."""
    source = APPLICATION.search(PAGE.read_text(encoding="utf-8"))[1]
    assert source.count('same_site="Lax"') == 1
    text = source.replace('same_site="Lax"', f'same_site="{same_site}"')
    (folder / "app.py").write_text(text, encoding="utf-8")
    port = free_port()
    url = f"http://localhost:{port}"
    given = {
        "HOLDFAST_SECRET": secrets.token_urlsafe(32),
        "OIDC_ISSUER": provider.url,
        "OIDC_CLIENT_ID": provider.client["id"],
        "OIDC_CLIENT_SECRET": provider.client["secret"],
        "PUBLIC_URL": url,
    }
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    with subprocess.Popen(command, cwd=folder, env=clean | given) as process:
        try:
            until(lambda: answers(url), "the application answers")
            yield url
        finally:
            process.terminate()


@pytest.mark.parametrize("same_site", ["Lax", "Strict"])
def test_somebody_whom_the_provider_sends_back(visit, tmp_path, same_site):
    """Signed in and on the page that was asked for; with a Strict cookie nobody has begun anything."""
    with (
        identity.running() as provider,
        application(tmp_path, provider, same_site) as url,
    ):
        provider.asks = True
        page = visit(f"{url}/login?next=/me")
        assert page.url.startswith(f"{provider.url}/authorize?")
        page.get_by_text("Agree").click()
        page.wait_for_url(f"{url}/**")
        if same_site == "Lax":
            assert page.url == f"{url}/me"
            assert '"user":"user-1"' in page.content()
            page.reload()
            assert '"user":"user-1"' in page.content()
        else:
            assert page.url.startswith(f"{url}/callback?")
            assert "The sign-in did not work" in page.content()
