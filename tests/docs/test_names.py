"""The page that maps the specification's names to ours leaves none out, and ours exist."""

import dataclasses
import re
from pathlib import Path

import pytest

from holdfast import AsyncSessions, Session, Settings
from holdfast.record import Record

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "names.md").read_text(encoding="utf-8")

# Every class, function, option, path and claim that the specification names, in its order.
SPECIFICATION = """
    TokenManager JWT_SECRET algorithm access_token_expires_hours refresh_token_expires_days
    generate_tokens user_id email role access_token refresh_token expires_in token_type
    verify_token refresh_access_token
    SessionManager accessTokenExpiry refreshTokenExpiry generateTokens jti verifyToken
    isTokenBlacklisted blacklistToken logout refreshAccessToken authMiddleware req.user
    RedisSessionManager redis_url prefix create_session expire_hours created_at last_activity
    get_session destroy_session update_session get_user_sessions invalidate_all_user_sessions
    CSRFProtect csrf.protect generate_csrf session['csrf_token'] /csrf-token X-CSRF-Token
    COOKIE_SECRET SESSION_SECRET resave saveUninitialized httpOnly secure sameSite maxAge
    csrfProtection sessionRateLimit keyGenerator requireAuth req.session.user
    req.session.regenerate req.session.destroy res.clearCookie /api/login /api/logout
    require_auth /api/auth/refresh /api/auth/logout
    SessionCleanup cleanup_interval_minutes cleanup_expired_sessions
    SECRET_KEY /login /refresh
"""


def fields(kind):
    return {field.name for field in dataclasses.fields(kind)}


OURS = {
    "sessions": set(dir(AsyncSessions)),
    "session": set(dir(Session)),
    "Settings": fields(Settings),
    "record": {name for name in dir(Record) if name[0] != "_"},
}


@pytest.mark.parametrize("name", SPECIFICATION.split())
def test_no_name_of_the_specification_is_left_out(name):
    """Who looks for it finds where it went."""
    assert name in PAGE


@pytest.mark.parametrize("owner", OURS)
def test_our_names_exist(owner):
    """A renamed method or setting shows here."""
    named = set(re.findall(rf"`{owner}\.(\w+)", PAGE))
    assert named
    assert named <= OURS[owner]
