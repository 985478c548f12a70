"""The command line in this process, over the data of a service in a folder of its own."""

import io
import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from holdfast import cli
from holdfast.service import administration, building
from holdfast.service import environment as configuring
from holdfast.service.passwords import Hasher
from service.running import environment

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        assert self.status == 0, self.err
        return json.loads(self.out)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def quick(monkeypatch):
    """Hashes with the smallest parameters."""
    for module in (administration, building):
        monkeypatch.setattr(module, "Hasher", lambda: Hasher(memory_kib=8, passes=1))


@pytest.fixture
def holdfast(home, quick, monkeypatch, capsys):
    """Run a command as a program would: `holdfast("user", "add", …, input=…)`."""

    def run(*arguments, input="", **variables):
        given = environment(home, **{"PROFILE": "development", **variables})
        for name in list(given):
            monkeypatch.setenv(name, given[name])
        monkeypatch.setattr(sys, "argv", ["holdfast", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(input))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Done(ended.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def ada(holdfast):
    """A user, as `user add --json` tells of her."""
    done = holdfast(
        "user", "add", "ada@example.org", "--role", "admin", "--json", input=PASSWORD + "\n"
    )
    return done.json


@pytest.fixture
def data(home, quick):
    """Opens the same data as a running service sees them."""

    @contextmanager
    def opened(clock=None, **variables):
        given = {"HOME": str(home), "PROFILE": "development"} | variables
        configuration = configuring.load({f"HOLDFAST_{n}": str(v) for n, v in given.items()})
        options = {} if clock is None else {"clock": clock}
        context = building.build(configuration, **options)
        try:
            yield context
        finally:
            context.close()

    return opened


@pytest.fixture
def sign_in(data):
    """New sessions of a subject; their cookies."""

    def signed_in(subject, count=1, clock=None):
        with data(clock) as context:
            sessions = context.assembly.blocking
            cookies = []
            for _ in range(count):
                session = sessions.begin(None)
                sessions.sign_in(session, subject)
                cookies.append(session.cookie)
        return cookies

    return signed_in


@pytest.fixture
def alive(data):
    """How many of these cookies still count."""

    def counted(cookies):
        with data() as context:
            found = [context.assembly.blocking.begin(cookie).subject for cookie in cookies]
        return sum(subject is not None for subject in found)

    return counted
