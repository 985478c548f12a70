"""Engines of our own to measure stores on: each on free ports, in a folder, ended by its process ids."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import redis

from bench._drive import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 60
_CLUSTER = 3
_SLOTS = 16384


class Engine(NamedTuple):
    """Where a store is, how many bytes it holds now, and the CPU that its processes took (ns).

    `cpu` is None where the engine runs in our own process.
    """

    name: str
    url: str
    size: Callable[[], int]
    cpu: Callable[[], int] | None
    nodes: tuple[int, ...] = ()


def until(holds: Callable[[], object]) -> None:
    """Wait for a real process."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with suppress(OSError, redis.RedisError, psycopg.Error):
            if holds():
                return
        if time.monotonic() > deadline:
            raise SystemExit("an engine did not start")
        time.sleep(0.02)


def on_cpu(pid: int) -> int:
    """Nanoseconds that a process has run."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    return 0


@contextmanager
def child(command: list[str], folder: Path, user: str | None = None) -> Iterator[int]:
    """A process; its id. It is told to end at once at the end, and waited for."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            user=user,
            extra_groups=[] if user else None,
        )
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def redis_node(folder: Path, *options: str) -> Iterator[tuple[int, int]]:
    """One Redis; its port and its process."""
    port = free_port()
    home = folder / f"redis-{port}"
    home.mkdir()
    command = ["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1", *options]
    with child(command, home) as pid, closing(redis.Redis(port=port)) as client:
        until(client.ping)
        yield port, pid


def used(*ports: int) -> int:
    """Bytes that these Redis servers have allocated."""
    total = 0
    for port in ports:
        with closing(redis.Redis(port=port)) as client:
            total += int(client.info("memory")["used_memory"])
    return total


@contextmanager
def single(folder: Path) -> Iterator[Engine]:
    """One Redis server."""
    with redis_node(folder) as (port, pid):
        url = f"redis://127.0.0.1:{port}"
        yield Engine("Redis", url, lambda: used(port), lambda: on_cpu(pid), (port,))


@contextmanager
def cluster(folder: Path) -> Iterator[Engine]:
    """Three primaries of a Redis Cluster."""
    with ExitStack() as stack:
        bus = ("--cluster-enabled", "yes", "--cluster-port")
        nodes = [
            stack.enter_context(redis_node(folder, *bus, str(free_port()))) for _ in range(_CLUSTER)
        ]
        clients = [stack.enter_context(closing(redis.Redis(port=port))) for port, _ in nodes]
        for number, client in enumerate(clients):
            first, last = (_SLOTS * each // _CLUSTER for each in (number, number + 1))
            client.execute_command("CLUSTER ADDSLOTSRANGE", first, last - 1)
            client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for client in clients[1:]:
            own = client.config_get("cluster-port")["cluster-port"]
            clients[0].execute_command("CLUSTER MEET", "127.0.0.1", _port(client), own)
        until(lambda: all(_serves(client) for client in clients))
        ports = tuple(port for port, _ in nodes)
        url = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)
        yield Engine(
            "Redis Cluster",
            url,
            lambda: used(*ports),
            lambda: sum(on_cpu(p) for _, p in nodes),
            ports,
        )


def _port(client: redis.Redis) -> int:
    return int(client.connection_pool.connection_kwargs["port"])


def _serves(client: redis.Redis) -> bool:
    reply: Any = client.execute_command("CLUSTER INFO")
    state = reply if isinstance(reply, dict) else dict(r.split(":") for r in reply.decode().split())
    return state["cluster_state"] == "ok" and int(state["cluster_known_nodes"]) == _CLUSTER


@contextmanager
def postgres(folder: Path) -> Iterator[Engine]:
    """One PostgreSQL, as the system installed it; it syncs as its defaults say."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, homes)])
    programs = [shutil.which(each, path=path) for each in ("initdb", "postgres")]
    if None in programs:
        raise SystemExit("postgresql is missing; on Debian: apt-get install postgresql")
    initdb, server = map(str, programs)
    home = folder / "postgres"
    home.mkdir()
    user = None
    if os.geteuid() == 0:  # it refuses to run as root
        user = "postgres" if _exists("postgres") else "nobody"
        folder.chmod(0o755)
        shutil.chown(home, user)
    options = ["--auth=trust", "--no-instructions", "--encoding=UTF8", "-U", "app"]
    subprocess.run(
        [initdb, "-D", str(home / "data"), "--locale=C", *options],
        check=True, capture_output=True, cwd=home, user=user, extra_groups=[] if user else None,
    )  # fmt: skip
    port = free_port()
    url = f"postgresql://app@127.0.0.1:{port}/postgres"
    where = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    command = [server, "-D", str(home / "data"), "-p", str(port), *where]
    with child(command, home, user) as pid:
        until(lambda: psycopg.connect(url).close() is None)
        yield Engine("PostgreSQL", url, lambda: _tables(url), lambda: _family(pid))


def _exists(user: str) -> bool:
    with suppress(KeyError):
        return pwd.getpwnam(user).pw_uid >= 0
    return False


def _family(pid: int) -> int:
    """The CPU of a process and of its children that are still there."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return on_cpu(pid) + sum(on_cpu(int(each)) for each in children)


def _tables(url: str) -> int:
    """Bytes of all tables, with indexes and what updates have left behind."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def sqlite(folder: Path) -> Iterator[Engine]:
    """A SQLite file."""
    path = folder / "sessions.db"

    def size() -> int:
        if not path.exists():
            return 0
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.stat().st_size

    yield Engine("SQLite", f"sqlite:///{path}", size, None)


ALL = (single, cluster, postgres, sqlite)
