"""`holdfast sessions`: list and end them (R35)."""

import pytest

EMAIL = "ada@example.org"


@pytest.mark.parametrize("name", ["email", "subject"])
def test_a_list(holdfast, ada, sign_in, name):
    """By address or subject; nothing in it is a credential."""
    cookies = sign_in(ada["subject"], 2)
    sign_in("somebody else")
    listed = holdfast("sessions", "list", ada[name], "--json").json
    assert {each["id"] for each in listed} == {cookie.split(".")[1] for cookie in cookies}
    assert set(listed[0]) == {"id", "device", "created_at", "last_seen_at", "address"}
    shown = holdfast("sessions", "list", ada[name]).out
    for cookie in cookies:
        _, id, secret = cookie.split(".")
        assert id in shown
        assert secret not in shown


def test_a_subject_of_another_directory(holdfast, sign_in):
    """Without a user of that name: the application has its own."""
    sign_in("user-7")
    assert len(holdfast("sessions", "list", "user-7", "--json").json) == 1
    assert holdfast("sessions", "list", "user-8").out == "No session.\n"


def test_more_than_a_page(holdfast, sign_in):
    """All of them, each once."""
    sign_in("user-7", 130)
    ids = [each["id"] for each in holdfast("sessions", "list", "user-7", "--json").json]
    assert len(ids) == len(set(ids)) == 130


def test_ending_one(holdfast, sign_in, alive):
    """Twice is no error."""
    first, second = sign_in("user-7", 2)
    id = first.split(".")[1]
    assert holdfast("sessions", "end", id).out == "Ended.\n"
    assert (alive([first]), alive([second])) == (0, 1)
    again = holdfast("sessions", "end", id)
    assert (again.status, "no such session" in again.out) == (0, True)
    assert holdfast("sessions", "end", id, "--json").json == {"ended": 0}


def test_ending_all_of_one(holdfast, ada, sign_in, alive):
    """And nobody else's."""
    mine, others = sign_in(ada["subject"], 3), sign_in("somebody else")
    assert holdfast("sessions", "end-all", EMAIL, "--json").json == {"ended": 3}
    assert (alive(mine), alive(others)) == (0, 1)


def test_ending_everybodys(holdfast, sign_in, alive):
    """Only when it was meant; a sign-in after it counts."""
    cookies = sign_in("user-7", 2) + sign_in("user-8")
    refused = holdfast("sessions", "end-everyone")
    assert (refused.status, alive(cookies)) == (1, 3)
    assert "--yes" in refused.err
    done = holdfast("sessions", "end-everyone", "--yes")
    assert (done.status, alive(cookies)) == (0, 0)
    assert alive(sign_in("user-7")) == 1


def test_an_id_that_is_none(holdfast):
    """Nothing ends, and nothing breaks."""
    for id in ("x", "..", "aa1" + "A" * 22, "'; DROP TABLE sessions"):
        assert holdfast("sessions", "end", id, "--json").json == {"ended": 0}
