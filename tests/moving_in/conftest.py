"""A Redis in which old libraries have kept their sessions, and what Node needs to make some."""

import json

import pytest

import redis_servers
from nodejs import npm


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path_factory.mktemp("moving-in"))
    yield servers.start("maxmemory-policy allkeys-lru")  # as many have it, and none of our business
    servers.close()


@pytest.fixture
def old(server):
    server.client.flushall()
    return server


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory):
    """A folder with express-session and connect-redis, as npm installs them."""
    folder = tmp_path_factory.mktemp("express-session")
    folder.joinpath("package.json").write_text(json.dumps({"private": True}))
    packages = ["express@4", "express-session@1", "connect-redis@8", "redis@4"]
    npm(folder, "install", "--no-audit", "--no-fund", "--prefer-offline", *packages)
    return folder
