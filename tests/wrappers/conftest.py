import pytest

import redis_servers


@pytest.fixture
def own_servers(tmp_path):
    """Redis servers of one test alone."""
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path / "redis")
    yield servers
    servers.close()
