"""The static files: read once, served under a path that changes with their content."""

from __future__ import annotations

from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent / "static"
_FOREVER = "public, max-age=31536000, immutable"


class Assets:
    """All files of a folder.

    One hash over all of them stands in the path, so that each may be kept for ever, and may name
    the others relatively.
    """

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        digest = sha256(b"".join(sha256(content).digest() for content in self._files.values()))
        self._version = digest.hexdigest()[:12]
        self.route = Route("/static/{version}/{name}", self._serve, name="asset")

    def url(self, name: str) -> str:
        """The path of a file.

        Raises:
            KeyError: there is no such file.
        """
        self._files[name]
        return f"/static/{self._version}/{name}"

    async def _serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._files or request.path_params["version"] != self._version:
            raise HTTPException(404)
        kind = guess_type(name)[0] or "application/octet-stream"
        return Response(self._files[name], media_type=kind, headers={"Cache-Control": _FOREVER})
