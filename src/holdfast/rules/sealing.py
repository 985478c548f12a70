"""Session data that only its cookie can open: AES-256-GCM, its key made from the cookie's secret.

The store holds a hash of the secret and so cannot open what it stores. Format 1: version byte 1,
nonce (12 bytes), ciphertext with tag. Version and id are authenticated with it, so that sealed data
neither moves to another session nor is read as another format.
"""

from __future__ import annotations

from holdfast.errors import UsageError

NONCE = 12
_VERSION = b"\x01"
_LABEL = b"holdfast/1/sealing\0"
_OVERHEAD = len(_VERSION) + NONCE + 16


def seal(secret: bytes, id: str, plaintext: bytes, nonce: bytes) -> bytes:
    """`plaintext` sealed for the session `id`; `nonce` is 12 random bytes, new for each call."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(nonce) != NONCE:
        raise UsageError(f"sealing: the nonce has {NONCE} bytes")
    sealed = AESGCM(_key(secret, id)).encrypt(nonce, plaintext, _VERSION + id.encode())
    return _VERSION + nonce + sealed


def unseal(secret: bytes, id: str, sealed: bytes) -> bytes | None:
    """What was sealed with this secret for this id; None for anything else."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(sealed) < _OVERHEAD or not sealed.startswith(_VERSION):
        return None
    nonce, body = sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
    try:
        return AESGCM(_key(secret, id)).decrypt(nonce, body, _VERSION + id.encode())
    except InvalidTag:
        return None


def _key(secret: bytes, id: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt=None, info=_LABEL + id.encode()).derive(secret)
