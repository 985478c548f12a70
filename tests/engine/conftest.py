import pytest

from faces import BACKENDS, FACES, World


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
