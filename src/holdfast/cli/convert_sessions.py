"""`holdfast convert-sessions`: make JSON of sessions that an old library has pickled, offline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from holdfast.cli import output
from holdfast.cli.options import Json
from holdfast.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from holdfast.stores.redis.foreign import ForeignKeys

K = TypeVar("K")

commands = typer.Typer(
    help="Make JSON of pickled sessions, so that they can move in. Offline, and at a risk.",
    no_args_is_help=True,
)

LoadPickles = Annotated[
    bool,
    typer.Option("--load-pickles", help="You know who could write there, and take the risk."),
]
WARNING = """\
WARNING: this reads pickles. A pickle is a program, and whoever could write into that store could
have written one. Its instructions are checked, and no class or function of it is loaded; still, stop
the application first, run this as a user and on a machine that has nothing to lose, and never as
part of a server.
"""
_TIMEOUT = 10.0
"""Seconds for one answer of the Redis."""


@dataclass
class Tally:
    """What became of the sessions; `refused` counts by reason, and shows no value."""

    converted: int = 0
    unchanged: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])

    def say(self, *, json: bool) -> None:
        """Tell it."""
        refused = self.refused.total()
        output.said(
            f"{self.converted} sessions converted, {self.unchanged} were no pickles or are gone,"
            f" {refused} were refused and stay as they are.",
            json=json,
            converted=self.converted,
            unchanged=self.unchanged,
            refused=refused,
            reasons=dict(self.refused.most_common()),
        )
        if not json:
            for reason, count in self.refused.most_common():
                print(f"  {count} of them: {reason}")


@commands.command("flask-session")
def flask_session(
    redis_url: Annotated[str, typer.Argument(metavar="URL", help="The Redis of Flask-Session.")],
    *,
    prefix: Annotated[str, typer.Option(help="SESSION_KEY_PREFIX.")] = "session:",
    load_pickles: LoadPickles = False,
    json: Json = False,
) -> None:
    """Sessions in Redis that Flask-Session before 0.6 has written. Their keys and ends stay."""
    _require_consent(given=load_pickles)
    from holdfast.faces import run
    from holdfast.stores.redis.foreign import open_foreign

    place = open_foreign(redis_url, _TIMEOUT)
    try:
        _convert(
            run(place.blocking.beginning_with(prefix)),
            lambda key, tally: _in_redis(place.blocking, key, tally),
            json=json,
        )
    finally:
        place.close()


@commands.command("django")
def django(
    *,
    settings: Annotated[
        str | None,
        typer.Option(help="The project's settings module; DJANGO_SETTINGS_MODULE."),
    ] = None,
    load_pickles: LoadPickles = False,
    json: Json = False,
) -> None:
    """Sessions in Django's database, of a project that had PickleSerializer.

    Run it in the project's folder. Afterwards the project must have JSONSerializer.
    """
    _require_consent(given=load_pickles)
    from holdfast.cli.unpickling import restore
    from holdfast.web.django import converting

    converting.set_up(settings)
    _convert(
        converting.keys(),
        lambda key, tally: _noted(tally, lambda: converting.convert(key, restore)),
        json=json,
    )


def _require_consent(*, given: bool) -> None:
    if not given:
        raise UsageError(
            "convert-sessions reads pickles, and whoever could write into that store could run"
            " programs by them; if you know who could, add --load-pickles"
        )
    typer.echo(WARNING, err=True)


def _convert(keys: Iterable[K], convert: Callable[[K, Tally], None], *, json: bool) -> None:
    tally, every = Tally(), list(keys)
    with _progress(quiet=json) as bar:
        task = bar.add_task("Converting", total=len(every))
        for key in every:
            convert(key, tally)
            bar.advance(task)
    tally.say(json=json)


def _in_redis(keys: ForeignKeys, key: bytes, tally: Tally) -> None:
    import msgspec

    from holdfast.cli.unpickling import restore
    from holdfast.faces import run
    from holdfast.rules.flask_session import decode

    raw = run(keys.get(key))
    if raw is None or decode(raw) is not None:
        tally.unchanged += 1
        return

    def converted() -> bool:
        made = msgspec.msgpack.encode(restore(raw))
        return run(keys.swap(key, raw, made))

    _noted(tally, converted)


def _noted(tally: Tally, convert: Callable[[], bool]) -> None:
    """Carry it out; False: there was nothing to convert any more."""
    from holdfast.cli.unpickling import Refused

    try:
        if convert():
            tally.converted += 1
        else:
            tally.unchanged += 1
    except Refused as error:
        tally.refused[str(error)] += 1


@contextmanager
def _progress(*, quiet: bool) -> Generator[Progress]:
    """A bar on stderr."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=quiet) as bar:
        yield bar
