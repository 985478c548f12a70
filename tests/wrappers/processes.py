"""Processes of their own, over one store or while sessions move between two."""

import json
import os
import subprocess
import sys
from pathlib import Path

NEIGHBOUR = Path(__file__).with_name("neighbour.py")


class Process:
    """A neighbour: `ask` sends an order, `answer` waits for what comes back.

    `within` is a command that starts it somewhere else.
    """

    def __init__(self, url, face, cache, within=()):
        self.program = subprocess.Popen(
            [*within, sys.executable, NEIGHBOUR, url, face, cache],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOLDFAST_CACHE": ""},
        )

    def ask(self, do, id=""):
        self.program.stdin.write(json.dumps({"do": do, "id": id}) + "\n")
        self.program.stdin.flush()
        return self.answer()

    def answer(self):
        line = self.program.stdout.readline()
        assert line, "the neighbour has died"
        return json.loads(line)

    def close(self):
        self.program.stdin.close()
        try:
            self.program.wait(10)
        except subprocess.TimeoutExpired:
            self.program.kill()
            self.program.wait()
        self.program.stdout.close()
