"""Files that pages load: few, ours, and named by their content so that a browser may keep them for ever."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent / "assets"

TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

FOR_EVER = "public, max-age=31536000, immutable"


class Assets:
    """All files of the folder, read once: `paths` has the address of each by its name."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._served: dict[str, tuple[bytes, bytes, str]] = {}
        self.paths: Mapping[str, str] = {}
        paths = {}
        for file in sorted(folder.iterdir()):
            if file.suffix in TYPES:
                content = file.read_bytes()
                name = f"{file.stem}.{hashlib.sha256(content).hexdigest()[:16]}{file.suffix}"
                self._served[name] = (content, gzip.compress(content, mtime=0), TYPES[file.suffix])
                paths[file.name] = f"/assets/{name}"
        self.paths = paths

    def router(self) -> APIRouter:
        """The route that serves them."""
        routes = APIRouter()

        @routes.get("/assets/{name}")
        async def asset(request: Request, name: str) -> Response:
            """One file, compressed where the browser takes that: it is the same for everybody, and holds no secret."""
            found = self._served.get(name)
            if found is None:
                raise HTTPException(404)
            content, compressed, media_type = found
            headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
            if "gzip" in request.headers.get("accept-encoding", ""):
                return Response(compressed, media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
            return Response(content, media_type=media_type, headers=headers)

        return routes
