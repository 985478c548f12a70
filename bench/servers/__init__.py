"""The same three routes under every library: `GET /me`, `POST /note`, and a log-in to begin with.

`POST /login/N` signs user N in, `GET /csrf` gives the token of the cookie's session. Every chain has a
server-side session, CSRF, a rate limit per session that is never met, and a guard.
"""
