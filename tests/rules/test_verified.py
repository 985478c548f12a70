"""The cache of verified tokens is bounded, and never says more than a verification would."""

from holdfast.rules.verified import VerifiedCache

CLAIMS = {"type": "access", "exp": 1_000, "jti": "s.1"}


def test_a_token_is_found_again_until_it_expires():
    """The second of `exp` is too late: from there on the leeway is the verifier's business."""
    cache = VerifiedCache(10)
    cache.put("access", "token", CLAIMS)
    assert cache.get("access", "token", 999) == CLAIMS
    assert cache.get("access", "token", 1_000) is None


def test_a_token_is_of_one_kind():
    """R94 holds for the warm path too."""
    cache = VerifiedCache(10)
    cache.put("access", "token", CLAIMS)
    assert cache.get("refresh", "token", 0) is None
    cache.put("refresh", "other", CLAIMS)
    assert cache.get("refresh", "other", 0) is None
    assert cache.get("access", "other", 0) is None


def test_only_the_very_same_text_is_found():
    """An altered signature is another text."""
    cache = VerifiedCache(10)
    cache.put("access", "token", CLAIMS)
    assert all(
        cache.get("access", text, 0) is None for text in ("", "toke", "token ", "Token", "\ud800")
    )


def test_it_never_holds_more_than_its_capacity():
    """P37: whoever signs in a million times fills no memory."""
    cache = VerifiedCache(100)
    for number in range(10_000):
        cache.put("access", f"token-{number}", CLAIMS)
        assert len(cache) <= 100
    assert cache.get("access", "token-9999", 0) == CLAIMS
    assert cache.get("access", "token-0", 0) is None


def test_what_is_used_stays():
    """A busy token survives a flood of others."""
    cache = VerifiedCache(100)
    cache.put("access", "busy", CLAIMS)
    for number in range(10_000):
        cache.put("access", f"token-{number}", CLAIMS)
        if number % 20 == 0:
            assert cache.get("access", "busy", 0) == CLAIMS


def test_claims_are_changed_for_nobody_else():
    """Who is given the claims may do with them as they like, also deep inside: nobody gains a right."""
    cache, claims = VerifiedCache(10), CLAIMS | {"roles": ["user"]}
    cache.put("access", "token", claims)
    claims["roles"].append("admin")
    cache.get("access", "token", 0)["roles"].append("admin")
    assert cache.get("access", "token", 0)["roles"] == ["user"]


def test_tokens_are_not_kept_as_text():
    """Promise 4: nothing in it can be used as a credential."""
    cache = VerifiedCache(10)
    cache.put("access", "the-token", CLAIMS)
    assert "the-token" not in repr([getattr(cache, name) for name in VerifiedCache.__slots__])
