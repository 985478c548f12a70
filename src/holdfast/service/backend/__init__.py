"""The back-end API: sessions and tokens for applications in other languages, by service key.

The application checks passwords itself; the service keeps sessions, makes tokens and judges
requests. Everything is JSON below `/backend/v1`. Whoever holds a service key is trusted to tell who
somebody is and what their browser sent, within the scopes of the key.
"""

from __future__ import annotations

from holdfast.service.backend import changes, requests, sessions, together, tokens

ROUTES = (*together.ROUTES, *requests.ROUTES, *sessions.ROUTES, *tokens.ROUTES, *changes.ROUTES)
"""What an application asks with its requests comes first: each look at a route takes a microsecond."""
