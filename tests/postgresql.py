"""A real PostgreSQL and a real PgBouncer, in a folder of their own, started once in each process.

Tests connect as a user without special rights. Every store gets a schema of its own.
"""

import atexit
import functools
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from holdfast.stores.postgres import PostgresStore

DEADLINE = 30
USER = "app"


def require(program, package, folders=()):
    """The path of a program; without it the test is skipped, or fails where it must be there."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)])
    found = shutil.which(program, path=path)
    if found is None:
        verdict = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        verdict(f"needs {program}: apt-get install {package}")
    return found


@functools.cache
def server():
    """The server of this process."""
    started = Server()
    atexit.register(started.remove)
    return started


class Program:
    """A process in the foreground, as an unprivileged user, that is stopped by its number."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="holdfast-postgres-"))
        self.port = free_port()
        self.process = None
        self.as_user = {}
        if os.geteuid() == 0:
            # PostgreSQL and PgBouncer refuse to run as root.
            name = "postgres" if _is_user("postgres") else "nobody"
            shutil.chown(self.folder, name)
            self.as_user = {"user": name, "extra_groups": []}

    def run(self, *command, **options):
        """Start it; what it says goes to a file."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, **self.as_user, **options
            )

    def stop(self, number=signal.SIGINT):
        """End it with a signal, and wait."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(DEADLINE)
            self.process = None

    def remove(self):
        """End it and forget its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait_until(self, holds):
        """Wait until it answers."""
        deadline = time.monotonic() + DEADLINE
        while not holds():
            if time.monotonic() > deadline or self.process.poll() is not None:
                pytest.fail((self.folder / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.02)


class Server(Program):
    """PostgreSQL, with a database `app` of the user `app`."""

    def __init__(self):
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        self.postgres = require("postgres", "postgresql", folders)
        initdb = require("initdb", "postgresql", folders)
        super().__init__()
        self.data = self.folder / "data"
        options = ["--auth=trust", "--no-sync", "--no-instructions", "--encoding=UTF8"]
        subprocess.run(
            [initdb, "-D", self.data, "-U", "postgres", "--locale=C", *options],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self.as_user,
        )
        self.options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": self.port,
            "fsync": "off",  # no test cuts the power
            "max_connections": 200,
            "shared_buffers": "32MB",
        }
        self.start()
        self.admin(f"CREATE ROLE {USER} LOGIN", f"CREATE DATABASE {USER} OWNER {USER}")

    @property
    def url(self):
        """As the unprivileged user."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{USER}"

    def start(self, **options):
        """Start it, and wait until it takes connections."""
        settings = {**self.options, **options}
        arguments = [word for item in settings.items() for word in ("-c", "{}={}".format(*item))]
        self.run(self.postgres, "-D", self.data, *arguments)
        self.wait_until(lambda: answers(f"postgresql://postgres@127.0.0.1:{self.port}/postgres"))

    def stop(self, number=signal.SIGINT):
        """SIGINT ends it in order, SIGQUIT at once, SIGKILL without a word."""
        super().stop(number)

    def restart(self, number=signal.SIGINT, **options):
        """Stop and start."""
        self.stop(number)
        self.start(**options)

    def admin(self, *statements, database="postgres"):
        """Statements of the superuser; the rows of the last."""
        url = f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
        return query(url, *statements)

    def sql(self, *statements):
        """Statements of the unprivileged user; the rows of the last."""
        return query(self.url, *statements)

    def backends(self):
        """The process numbers of the store's connections."""
        rows = self.admin(f"SELECT pid FROM pg_stat_activity WHERE usename = '{USER}'")
        return [pid for (pid,) in rows]


class Bouncer(Program):
    """PgBouncer in transaction mode before a server: each statement may reach another session."""

    def __init__(self, server, *, size=2):
        program = require("pgbouncer", "pgbouncer", ["/usr/sbin"])
        super().__init__()
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": size,
            "max_client_conn": 200,
            "server_round_robin": 1,
        }
        lines = [f"* = host=127.0.0.1 port={server.port} user={USER}", "[pgbouncer]"]
        lines += ["{} = {}".format(*item) for item in settings.items()]
        config = self.folder / "pgbouncer.ini"
        config.write_text("\n".join(["[databases]", *lines, ""]))
        self._command = program, config
        self.start()

    def start(self):
        """Start it, and wait until it answers."""
        self.run(*self._command)
        self.wait_until(lambda: answers(self.url))

    @property
    def url(self):
        """The same database, through the pooler."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{USER}"


class Proxy:
    """Passes bytes to a server, and cuts or holds connections when it is told to."""

    def __init__(self, port):
        self._target = port
        self._pairs = []
        self._dead_after = None
        self._held = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        """The database behind it."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{USER}"

    def cut_after(self, text):
        """Let a request with these bytes reach the server, and reset before its answer does."""
        self._dead_after = text

    def cut(self):
        """Reset all connections."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for each in pair:
                _reset(each)

    def close(self):
        """Stop listening, and reset all."""
        self._listener.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._pairs.append((client, server))
            Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source, sink, outward):
        with suppress(OSError):
            while data := source.recv(65536):
                if outward and self._dead_after and self._dead_after in data:
                    self._dead_after, self._held = None, True
                elif not outward and self._held:
                    self._held = False
                    self.cut()
                    return
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _reset(connection):
    """Close with RST, as a router that has lost its memory does."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


class Schemas:
    """Empty schemas for one test; the clock of the server, as they see it, can be moved."""

    def __init__(self, server):
        self.server = server
        self._known = {}

    def url(self, name="default", base=None):
        """A store URL; the same name is the same storage."""
        return f"{base or self.server.url}?schema={self.name(name)}"

    def name(self, name="default"):
        """The schema of that storage."""
        if name not in self._known:
            free = _schemas(self.server)
            self._known[name] = free.pop() if free else make_schema(self.server)
        return self._known[name]

    def drop_service(self):
        """Take out what the service keeps beside sessions: both its tables and the note that they are made."""
        for schema in self._known.values():
            tables = ("users", "sign_in_failures", "sign_in_blocks")
            self.server.sql(
                *(f"DROP TABLE IF EXISTS {schema}.{table}" for table in tables),
                f"DELETE FROM {schema}.components WHERE name <> 'sessions'",
            )

    def release(self):
        """Empty the schemas, and leave them to other tests."""
        for schema in self._known.values():
            self.server.sql(
                *(f"DELETE FROM {schema}.{table}" for table in ("sessions", "quotas")),
                f"UPDATE {schema}.clock SET ms = 0",
                f"UPDATE {schema}.state SET epoch = 0, notifies = false,"
                " salt = sha256(random()::text::bytea)",
            )
            _schemas(self.server).append(schema)


class ServerClock:
    """The clock of the server as a schema sees it: the real time, moved by `advance`."""

    def __init__(self, schemas, name="default"):
        self._schemas = schemas
        self._name = name
        self._ahead = 0

    def __call__(self):
        return time.time_ns() // 1_000_000 + self._ahead

    def advance(self, ms):
        self._ahead += ms
        schema = self._schemas.name(self._name)
        self._schemas.server.sql(f"UPDATE {schema}.clock SET ms = {self._ahead}")
        return self()


@functools.cache
def _schemas(server):
    """The schemas that no test uses at the moment."""
    return []


def make_schema(server):
    """A schema with the tables of a store, and a clock that can be moved."""
    (number,) = server.sql("CREATE SEQUENCE IF NOT EXISTS schemas", "SELECT nextval('schemas')")[0]
    schema = f"test_{number}"
    store = PostgresStore(server.url, schema=schema)
    store.salt()
    store.close()
    server.sql(
        f"CREATE TABLE {schema}.clock AS SELECT 0::bigint AS ms",
        f"CREATE OR REPLACE FUNCTION {schema}.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS"
        " $$ SELECT floor(date_part('epoch', clock_timestamp()) * 1000)::bigint"
        f" + (SELECT ms FROM {schema}.clock) $$",
    )
    return schema


def query(url, *statements):
    """The rows of the last statement."""
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def answers(url):
    """Whether a server takes connections."""
    try:
        return query(url, "SELECT 1") == [(1,)]
    except psycopg.OperationalError:
        return False


def free_port():
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _is_user(name):
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
