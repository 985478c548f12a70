"""Which worker process answered: the owner of the server's end of the connection."""

from pathlib import Path

import httpx

TRIES = 300


def of_every_worker(server, method, path, *, cookies=None, **options):
    """The same request on new connections until each worker has answered; all answers.

    Connections go to whichever worker is free, so none can be chosen; what came back from how many
    is proved by `/proc`.
    """
    missing, answers = set(server.workers), []
    assert len(missing) > 1, "there are no several workers"
    for _ in range(TRIES):
        with httpx.Client(base_url=server.url, cookies=cookies, timeout=20) as client:
            answer = client.request(method, path, **options)
            missing.discard(worker_behind(server, answer))
        answers.append(answer)
        if not missing:
            return answers
    raise AssertionError(f"in {TRIES} connections never: {missing} of {server.workers}")


def worker_behind(server, answer):
    """The process that holds the other end of this answer's open connection; None if unknown."""
    _, port = answer.extensions["network_stream"].get_extra_info("client_addr")
    end = f"socket:[{_inode(server.port, port)}]"
    return next((pid for pid in server.workers if end in _open_files(pid)), None)


def _inode(here, there):
    """Of the socket between two ports of this machine, as seen from the first."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        field = line.split()
        ends = [int(field[at].partition(":")[2], 16) for at in (1, 2)]
        if ends == [here, there]:
            return field[9]
    return None


def _open_files(pid):
    folder = Path(f"/proc/{pid}/fd")
    try:
        return {str(entry.readlink()) for entry in folder.iterdir()}
    except OSError:  # one was closed while we looked
        return set()
