"""Using a store on both sides of a fork."""

import os
import signal

PATIENCE_S = 60


def require_both_to_read(store, records, clock):
    """Parent and child read at the same time, and nobody gets the other's answers."""
    wanted = records * 5

    def found():
        return [store.get(each.id, now=clock()).record for each in wanted]

    pid = os.fork()
    if pid == 0:
        code = 1
        signal.alarm(PATIENCE_S)
        try:
            store.after_fork()
            code = 0 if found() == wanted else 2
        finally:
            os._exit(code)
    assert found() == wanted
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
