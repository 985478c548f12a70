"""A small OpenID provider on a port of its own: one client, and one person who always agrees.

It does what an application can rely on at Google: discovery, the code flow with PKCE, a code that counts
once, and an ID token that is signed with RS256 and names the nonce.
"""

import base64
import hashlib
import json
import secrets
import time
from contextlib import contextmanager
from threading import Thread
from urllib.parse import unquote_plus

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, redirect, request
from jwt.algorithms import RSAAlgorithm
from markupsafe import escape
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.urls import iri_to_uri

KID = "one"


class Provider:
    """What it knows: its client, who the person is, and the codes that nobody has redeemed yet."""

    def __init__(self):
        self.url = ""
        self.client = {"id": "shop", "secret": secrets.token_urlsafe(16)}
        self.person = {"sub": "1093", "email": "ada@example.org", "email_verified": True}
        self.claims = {}  # what a test wants otherwise in the next ID tokens
        self.asks = False  # with a page of its own, before it sends anybody back
        self.away = False  # as a machine behind a load balancer that answers for it
        self._codes = {}
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def metadata(self):
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def authorize(self, asked):
        """Where the browser goes on: back to the application, with a code."""
        assert asked["client_id"] == self.client["id"], asked
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return iri_to_uri(f"{asked['redirect_uri']}?code={code}&state={asked['state']}")

    def redeem(self, form, credentials):
        """The tokens for a code; None: it does not count, or not for this client."""
        asked = self._codes.pop(form["code"], None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        told = base64.urlsafe_b64encode(challenge).decode().rstrip("=")
        client = tuple(map(unquote_plus, (credentials.username, credentials.password)))
        if client != (self.client["id"], self.client["secret"]) or asked is None:
            return None
        if (asked["code_challenge"], asked["redirect_uri"]) != (told, form["redirect_uri"]):
            return None
        return {
            "access_token": secrets.token_urlsafe(16),
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": self._id_token(asked.get("nonce")),
        }

    def keys(self):
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**public, "kid": KID, "use": "sig", "alg": "RS256"}]}

    def _id_token(self, nonce):
        now = int(time.time())
        about = {"iss": self.url, "aud": self.client["id"], "iat": now, "exp": now + 300}
        claims = {**about, "nonce": nonce, **self.person, **self.claims}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KID})


class _Quiet(WSGIRequestHandler):
    def log(self, *arguments):
        pass


def _routes(provider):
    app = Flask("identity")

    @app.before_request
    def here():
        return ("Bad gateway", 502) if provider.away else None

    @app.get("/.well-known/openid-configuration")
    def metadata():
        return provider.metadata()

    @app.get("/authorize")
    def authorize():
        back = provider.authorize(request.args.to_dict())
        return f'<a href="{escape(back)}">Agree</a>' if provider.asks else redirect(back)

    @app.post("/token")
    def token():
        tokens = provider.redeem(request.form, request.authorization)
        return tokens or ({"error": "invalid_grant"}, 400)

    @app.get("/jwks")
    def jwks():
        return provider.keys()

    return app


@contextmanager
def running():
    """The provider, while it listens at 127.0.0.1."""
    provider = Provider()
    app = _routes(provider)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    serving = Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield provider
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
