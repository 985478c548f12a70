"""What to try next, as lines that work when pasted into a shell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.service.demo import Credentials

_TEXT = """
Try next, in a browser:
  {url}/

Or in a shell, one after the other:
  tokens=$(curl -sS {url}/login -H 'Content-Type: application/json' -d '{login}')
  access=$(printf %s "$tokens" | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
  refresh=$(printf %s "$tokens" | sed 's/.*"refresh_token":"\\([^"]*\\)".*/\\1/')
  curl -sS {url}/api/me -H "Authorization: Bearer $access"
  curl -sS {url}/refresh -H 'Content-Type: application/json' -d "{body}"
  curl -sS -X POST {url}/api/auth/logout -H "Authorization: Bearer $access"
  curl -sS {url}/api/me -H "Authorization: Bearer $access"
"""


def what_next(url: str, credentials: Credentials) -> str:
    """The text for this address and user."""
    login = json.dumps(credentials._asdict(), separators=(",", ":"))
    body = '{\\"refresh_token\\":\\"$refresh\\"}'
    return _TEXT.format(url=url, login=login, body=body)
