"""Rotation, grace and reuse, decided from the record alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from holdfast.record import Refresh
from holdfast.rules import refresh as rules
from holdfast.rules.refresh import RefreshId, Step

SID = "qm1AAECAwQFBgcICQoLDA0ODw"
FAMILY = "AAECAwQFBgcICQoL"
GRACE = 30_000
T0 = 1_700_000_000_000
END = T0 + 604_800_000


def live(generation=5, rotations=(), ends_at=END):
    return Refresh(FAMILY, generation, T0 // 1000, ends_at, tuple(rotations))


def decide(record, generation, *, now=T0, grace=GRACE, same_client=True, family=FAMILY):
    token = RefreshId(SID, family, generation)
    return rules.decide(record, token, now=now, grace=grace, same_client=same_client)


# Names


def test_a_jti_leads_to_its_record():
    """Nothing of a token need be stored."""
    text = str(RefreshId(SID, FAMILY, 12))
    assert rules.parse_jti(text) == RefreshId(SID, FAMILY, 12)
    access = rules.access_jti(SID, bytes(range(9)))
    assert rules.parse_access_jti(access) == SID == access[rules.SID_PART]
    assert access[rules.ACCESS_PART] == "AAECAwQFBgcI"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        f"{SID}.{FAMILY}",
        f"{SID}.{FAMILY}.",
        f"{SID}.{FAMILY}.-1",
        f"{SID}.{FAMILY}.01",
        f"{SID}.{FAMILY}.1\n",
        f"{SID}.{FAMILY}.\u0661",
        f"{SID}.{FAMILY}.1234567890",
        f"{SID}.{FAMILY}.1.1",
        f"{SID}.{FAMILY}x.1",
        f"{SID[1:]}.{FAMILY}.1",
        f" {SID}.{FAMILY}.1",
    ],
)
def test_another_shape_is_no_jti(text):
    """One spelling for each generation, digits of ASCII only."""
    assert rules.parse_jti(text) is None
    assert rules.parse_access_jti(text) is None


@given(st.text(max_size=60))
def test_no_text_crashes_the_reader(text):
    """A `jti` may come from outside, at revocation."""
    for found in (rules.parse_jti(text), rules.parse_access_jti(text)):
        assert found is None


def test_the_two_kinds_are_told_apart():
    """No access token's `jti` is a refresh token's."""
    assert rules.parse_jti(rules.access_jti(SID, bytes(9))) is None
    assert rules.parse_access_jti(str(RefreshId(SID, FAMILY, 0))) is None


# Decisions


def test_the_current_generation_rotates():
    """From any client: the token itself is the proof."""
    assert decide(live(), 5) is Step.ROTATE
    assert decide(live(), 5, same_client=False) is Step.ROTATE


def test_another_family_is_superseded():
    """A normal event: `issue_tokens` or a sign-in has started a new one, or there is none."""
    assert decide(live(), 5, family="x" * 16) is Step.SUPERSEDED
    assert decide(None, 5) is Step.SUPERSEDED


def test_a_family_ends_at_the_very_ms():
    """R111, R112, P40: for every generation."""
    found = live(rotations=[END - 1])
    for generation in (4, 5, 6):
        assert decide(found, generation, now=END) is Step.EXPIRED
    assert decide(found, 5, now=END - 1) is Step.ROTATE


def test_the_grace_is_that_of_its_own_rotation():
    """R110, P7: each generation has as long as its own exchange is less than the grace ago."""
    found = live(rotations=[T0, T0 + 20_000])
    assert decide(found, 3, now=T0 + 29_999) is Step.REPEAT
    assert decide(found, 4, now=T0 + 49_999) is Step.REPEAT
    assert decide(found, 3, now=T0 + 30_000) is Step.REUSED
    assert decide(found, 4, now=T0 + 50_000) is Step.REUSED


def test_what_is_not_in_the_list_is_reuse():
    """R107: older generations, and all of them with the grace turned off."""
    assert decide(live(rotations=[T0]), 3) is Step.REUSED
    assert decide(live(), 4) is Step.REUSED
    assert decide(live(rotations=[T0]), 4, grace=0) is Step.REUSED
    assert decide(live(rotations=[T0]), 0) is Step.REUSED


def test_another_kind_of_client_gets_no_repeat():
    """Inside the grace only the client that lost the answer can have reason to ask again."""
    assert decide(live(rotations=[T0]), 4, same_client=False) is Step.WRONG_CLIENT
    assert decide(live(), 4, same_client=False) is Step.REUSED


def test_a_later_generation_means_that_the_store_lost_writes():
    """It was signed by us, so the record is behind; nobody is signed out for that."""
    assert decide(live(), 6) is Step.AHEAD
    assert decide(live(), 999_999_999) is Step.AHEAD


# Rotation


def test_a_family_starts():
    """At generation 0, with its end (R112); seconds as in the token."""
    assert rules.start(FAMILY, now=T0 + 999, lifetime=5000) == Refresh(
        FAMILY, 0, T0 // 1000, T0 + 5999, ()
    )


def test_a_rotation_counts_up_and_keeps_the_end():
    """R111: rotation never extends a family."""
    after = rules.rotate(live(), 5, now=T0 + 70_000, grace=GRACE)
    assert after == Refresh(FAMILY, 6, T0 // 1000 + 70, END, (T0 + 70_000,))


def test_rotations_outside_the_grace_are_forgotten():
    """And without a grace none is kept."""
    found = live(rotations=[T0, T0 + 20_000])
    kept = rules.rotate(found, 5, now=T0 + 30_000, grace=GRACE).rotations
    assert kept == (T0 + 20_000, T0 + 30_000)
    assert rules.rotate(found, 5, now=T0, grace=0).rotations == ()


def test_at_most_eight_are_kept():
    """The record stays small; who exchanges more often than that within the grace has no grace."""
    found = live(generation=0)
    for step in range(12):
        found = rules.rotate(found, step, now=T0 + step, grace=GRACE)
    assert found.rotations == tuple(range(T0 + 4, T0 + 12))
    assert decide(found, 4, now=T0 + 12) is Step.REPEAT
    assert decide(found, 3, now=T0 + 12) is Step.REUSED


def test_a_clock_that_is_behind_keeps_the_order():
    """Another machine's clock was ahead: its rotation is still there, and ours is not older."""
    found = rules.rotate(live(rotations=[T0 + 5000]), 5, now=T0, grace=GRACE)
    assert found.rotations == (T0 + 5000, T0 + 5000)
    assert decide(found, 4, now=T0) is Step.REPEAT


def test_after_a_roll_forward_only_the_last_exchange_is_known():
    """Nothing is known of the generations between, so none of them is in the grace."""
    found = rules.rotate(live(rotations=[T0]), 9, now=T0 + 1, grace=GRACE)
    assert (found.generation, found.rotations) == (10, (T0 + 1,))
    assert decide(found, 9, now=T0 + 2) is Step.REPEAT
    for generation in (4, 5, 8):
        assert decide(found, generation, now=T0 + 2) is Step.REUSED


class Family(RuleBasedStateMachine):
    """One family, any exchanges at any time; the model remembers when each generation rotated."""

    @initialize(grace=st.sampled_from([0, 1, 1000, GRACE]))
    def begin(self, grace):
        self.grace = grace
        self.now = T0
        self.found = rules.start(FAMILY, now=T0, lifetime=400_000)
        self.rotated = {}

    @rule(pause=st.integers(0, 20_000) | st.integers(0, 2))
    def wait(self, pause):
        self.now += pause

    @rule(back=st.integers(0, 12), same=st.booleans())
    def exchange(self, back, same):
        generation = max(self.found.generation - back, 0)
        step = decide(self.found, generation, now=self.now, grace=self.grace, same_client=same)
        assert step is self.expected(generation, same)
        if step is Step.ROTATE:
            self.rotated[generation] = self.now
            self.found = rules.rotate(self.found, generation, now=self.now, grace=self.grace)

    def expected(self, generation, same):
        if self.now >= T0 + 400_000:
            return Step.EXPIRED
        if generation == self.found.generation:
            return Step.ROTATE
        recent = self.now - self.rotated[generation] < self.grace
        if not recent or self.found.generation - generation > rules.ROTATIONS_KEPT:
            return Step.REUSED
        return Step.REPEAT if same else Step.WRONG_CLIENT

    @invariant()
    def the_end_stands_and_the_list_is_short(self):
        """P40, and the record stays bounded."""
        assert self.found.ends_at == T0 + 400_000
        assert len(self.found.rotations) <= rules.ROTATIONS_KEPT
        assert list(self.found.rotations) == sorted(self.found.rotations)


TestFamily = settings(max_examples=200, stateful_step_count=30)(Family).TestCase
