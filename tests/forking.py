"""Using a store on both sides of a fork."""

import os
import signal
import warnings

PATIENCE_S = 60


def require_both_to_read(store, records, clock):
    """Parent and child read at the same time, and nobody gets the other's answers."""
    wanted = records * 5

    def found():
        return [store.get(each.id, now=clock()).record for each in wanted]

    def child():
        store.after_fork()
        assert found() == wanted

    pid = forked(child)
    assert found() == wanted
    assert ended(pid) == 0


def in_a_child(call):
    """How a child ends that does this, and dies where it hangs."""
    return ended(forked(call))


def forked(call):
    """The process id of a child that does this: it ends with 0, or 1 where it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pytest's own threads
        pid = os.fork()
    if pid == 0:
        code = 1
        signal.alarm(PATIENCE_S)
        try:
            call()
            code = 0
        finally:
            os._exit(code)
    return pid


def ended(pid):
    """How that child has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
