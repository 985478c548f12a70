"""What stands between an application and its service, and sees each question before the service does."""

import socket
import socketserver
from contextlib import contextmanager, suppress
from threading import Lock, Thread

PIECE = 65536


class Relay:
    """Passes bytes on, both ways; `before` runs something once while certain bytes are on their way."""

    def __init__(self, port, behind):
        self.url = f"http://127.0.0.1:{port}"
        self.behind = ("127.0.0.1", behind)
        self._marker = self._hook = None
        self._lock = Lock()

    def before(self, marker, hook):
        """Run `hook` before the next question that contains `marker` arrives."""
        self._marker, self._hook = marker, hook

    def passes(self, piece):
        """A piece of a question is on its way."""
        with self._lock:
            hook = self._hook
            if hook is None or self._marker not in piece:
                return
            self._hook = None
        hook()


@contextmanager
def relayed(behind):
    """A relay to the service that listens on the port `behind`."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self):
            with socket.create_connection(relay.behind) as service:
                back = Thread(target=pump, args=(service, self.request, lambda _: None))
                back.start()
                pump(self.request, service, relay.passes)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        server.daemon_threads = True
        relay = Relay(server.server_address[1], behind)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield relay
        finally:
            server.shutdown()
            thread.join()


def pump(source, target, seen):
    """Everything that one side says, to its end, which is told to the other."""
    with suppress(OSError):
        while piece := source.recv(PIECE):
            seen(piece)
            target.sendall(piece)
    for side, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with suppress(OSError):
            side.shutdown(how)
