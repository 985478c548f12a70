"""The paths on which the service's own chain looks for no session; here, so that commands load no routes."""

from __future__ import annotations

EXCLUDED = (
    *("/login", "/refresh", "/api/auth/refresh", "/api/auth/logout"),
    *("/introspect", "/revoke"),
    *("/healthz", "/readyz", "/.well-known/jwks.json"),
    "/metrics",
    *("/forward-auth", "/forward-auth/"),
    "/backend/",
)
"""What it leaves alone but for its transport check. A decision of forward-auth runs a chain of its own."""
