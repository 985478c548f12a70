"""Whether the server is about to stop, for streams that would never end by themselves.

A server tells its applications so only when all they answer is done: a stream of events is waited for
until the server's patience is over, and then torn. uvicorn, which notes in the handler of its signals
that it is to stop, can be asked before; of any other server nothing is known, and nothing ends early.
"""

from __future__ import annotations

import signal


def server_leaves() -> bool:
    """Whether the uvicorn that runs in this process was told to stop."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", False) is True
