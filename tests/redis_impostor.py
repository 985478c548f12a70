"""What listens like a Redis server, and answers what a test says."""

import socket
import threading
from contextlib import suppress

SLOTS = b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n"
"""A map of a Cluster, up to the port of the one node that serves everything."""


class Impostor:
    """Listens like a Redis server; `answer` gives the reply to a command. `heard` is all that came."""

    def __init__(self, answer=lambda command: b"+OK\r\n"):
        self.heard = []
        self._answer = answer
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listening.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection = self._listening.accept()[0]
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as coming, suppress(OSError, ValueError):
            while line := coming.readline():
                command = [self._text(coming) for _ in range(int(line[1:]))]
                self.heard.append(command)
                connection.sendall(self._answer(command))

    def _text(self, coming):
        length = int(coming.readline()[1:])
        return coming.read(length + 2)[:-2]


def info(clustered):
    text = (
        "redis_version:7.2.0\r\nrole:master\r\nconnected_slaves:0\r\nrun_id:x\r\n"
        f"maxmemory_policy:noeviction\r\ncluster_enabled:{clustered}\r\n"
    )
    return f"${len(text)}\r\n{text}\r\n".encode()
