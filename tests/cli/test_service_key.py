"""`holdfast service-key`: the key once, and an entry that holds its hash only."""

import json

from holdfast.service.backend.keys import find, parse
from service.running import command


def test_the_entry_is_of_the_key(tmp_path):
    """What is configured lets in what the application holds, for its scopes."""
    done = command(tmp_path, "service-key", "shop", "--scope", "tokens", "--json")
    made = json.loads(done.stdout)
    assert find(parse([made["entry"]]), made["key"]).scopes == {"tokens"}
    assert made["key"] not in made["entry"]


def test_a_scope_that_there_is_not(tmp_path):
    """One line that names those that there are."""
    done = command(tmp_path, "service-key", "shop", "--scope", "everything")
    assert done.returncode == 1
    assert "sessions+tokens+requests" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
