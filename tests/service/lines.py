"""A connection of the server without a network, on a loop whose time passes when a test says so."""

import asyncio

from uvicorn import Config
from uvicorn.server import ServerState

from holdfast.service.app import create_app
from holdfast.service.connection import HEAD_WITHIN, Connection


class Loop:
    """An event loop on which time passes when the test says so."""

    def __init__(self, real):
        self.real = real
        self.timers = []

    def call_later(self, seconds, act):
        handle = asyncio.TimerHandle(seconds, act, (), self.real)
        self.timers.append(handle)
        return handle

    def create_task(self, work, **options):
        return self.real.create_task(work, **options)

    def pass_time(self, seconds):
        """All timers that are due by then, once."""
        due = [each for each in self.timers if each.when() <= seconds and not each.cancelled()]
        self.timers = [each for each in self.timers if each not in due]
        for each in due:
            each._run()

    def pending(self):
        """Seconds of the timers that run."""
        return [each.when() for each in self.timers if not each.cancelled()]


class Wire(asyncio.Transport):
    """What the server does with the connection."""

    def __init__(self):
        super().__init__({"peername": ("127.0.0.1", 4711), "sockname": ("127.0.0.1", 8080)})
        self.sent = b""
        self.closed = False

    def write(self, data):
        self.sent += data

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def can_write_eof(self):
        return False

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def get_protocol(self):
        return None


class Line:
    """One connection to the application."""

    def __init__(self, context):
        self.loop = Loop(asyncio.get_running_loop())
        config = Config(
            create_app(context),
            lifespan="off",
            http=Connection,
            ws="none",
            log_config=None,
            proxy_headers=False,
        )
        config.load()
        self.connection = Connection(config, ServerState(), {}, _loop=self.loop)
        self.wire = Wire()
        self.connection.connection_made(self.wire)

    def send(self, data):
        self.connection.data_received(data)

    async def answered(self):
        """Let the application come to its end."""
        while self.connection.tasks:
            await asyncio.gather(*self.connection.tasks)
            await asyncio.sleep(0)

    def head_timers(self):
        return [seconds for seconds in self.loop.pending() if seconds == HEAD_WITHIN]
