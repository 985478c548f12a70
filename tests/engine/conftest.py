import pytest

from faces import BACKENDS, FACES, World
from holdfast.rules import secret


@pytest.fixture(params=[(face, store) for face in FACES for store in BACKENDS], ids="-".join)
def make_world(request, tmp_path):
    """Makes worlds of one face and one store; keyword arguments are settings."""
    worlds = []

    def make(**settings):
        folder = tmp_path / str(len(worlds))
        folder.mkdir()
        worlds.append(World(*request.param, folder, **settings))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world):
    return make_world()


@pytest.fixture
def apart(monkeypatch):
    """A session of nobody never lives in the slot of somebody's; by chance one in 1,024 does."""
    monkeypatch.setattr(secret, "random_tag", lambda _: 7)
    monkeypatch.setattr(secret, "subject_tag", lambda *_: 8)
