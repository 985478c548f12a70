"""The shell lines of the documentation work when they are pasted.

Blocks marked ``bash`` are run, page by page, as one script in the folder of a service that was started
as ``scripts/run`` starts it. A ``text`` block right below is what the block prints, ``…`` in it stands
for anything. Blocks marked ``sh`` are only shown, but for the curl lines of an application's page: they
are run against the application that the page begins with.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"^```bash\n(?P<script>.*?)^```\n(?:\n```text\n(?P<expected>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
APPLICATION = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CURL = re.compile(r"^```sh\n(curl .*?)^```$", re.MULTILINE | re.DOTALL)
SERVICE = ("README.md", "docs/tutorial/service-curl.md", "docs/how-to/run-the-service.md")
APPLICATIONS = {"README.md": '"user":"user-1"', "docs/tutorial/fastapi.md": '"visits":2'}
END = "--- end of block ---"


@contextmanager
def running(arguments, folder, ready, **environment):
    """A Python program on a free port, once it has said that it is ready; the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    with subprocess.Popen(
        [sys.executable, "-m", *arguments, "--port", str(port)],
        cwd=folder,
        env=kept | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        printed = []
        for line in process.stdout:
            printed.append(line)
            if ready in line:
                break
        else:
            pytest.fail("".join(printed))
        yield port
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def pasted(script, folder):
    """What the lines print, in a shell that stops at the first error."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        check=False,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("page", SERVICE)
def test_the_lines_for_the_service_work(page, tmp_path):
    """Each block runs without an error and prints what the page says it prints."""
    found = list(BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")))
    script = f"\necho '{END}'\n".join(block["script"] for block in found)
    with running(["holdfast.cli", "serve", "--demo"], tmp_path, "Listening on") as port:
        output = pasted(script.replace(":8080", f":{port}"), tmp_path)
    for block, printed in zip(found, output.split(END), strict=True):
        if block["expected"] is not None:
            wanted = re.escape(block["expected"].strip()).replace("…", ".*")
            assert re.fullmatch(wanted, printed.strip(), re.DOTALL), printed


@pytest.mark.parametrize("page", APPLICATIONS)
def test_the_application_that_a_page_begins_with_runs(page, tmp_path):
    """The first example is a whole application, and the curl lines below it work."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (tmp_path / "app.py").write_text(APPLICATION.search(text)[1], encoding="utf-8")
    secret = pasted("python -c 'import secrets; print(secrets.token_urlsafe(32))'", tmp_path)
    uvicorn = ["uvicorn", "app:app"]
    with running(uvicorn, tmp_path, "running on", HOLDFAST_SECRET=secret.strip()) as port:
        output = pasted(CURL.search(text)[1].replace(":8000", f":{port}"), tmp_path)
    assert APPLICATIONS[page] in output
