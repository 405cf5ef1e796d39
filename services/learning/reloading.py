"""Notices a changed catalogue file and has it adopted; one that is refused leaves the old one at work."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from services.learning import catalogue
from services.learning.catalogue import CatalogueError
from shared.repeating import repeating

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from services.learning.catalogue import Catalogue

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between looks at the file."""


class CatalogueFile:
    """Watches the file that the service was started with.

    Its content is compared, not its date: mounted files change by a link that is moved.

    Args:
        path: of the catalogue.
        adopt: puts a changed catalogue to work.
    """

    def __init__(self, path: Path, adopt: Callable[[Catalogue], Awaitable[None]]) -> None:
        self._path = path
        self._adopt = adopt
        self._seen = _content(path)
        self.problem: str | None = None
        """Why the newest content is not at work; None while it is."""

    async def look(self) -> None:
        """Adopt the file's content if it is new.

        Raises:
            TransientFault: it could not be adopted now; the next look tries again.
        """
        content = await asyncio.to_thread(_content, self._path)
        if content == self._seen:
            return
        try:
            changed = await asyncio.to_thread(catalogue.read, self._path)
        except CatalogueError as error:
            self._seen = content
            self.problem = f"the changed catalogue is not used, the one before it is: {error}"
            log.error("%s", self.problem)
            return
        await self._adopt(changed)
        self._seen, self.problem = content, None
        log.info("the changed catalogue is at work: %s", self._path)
        for warning in catalogue.warnings(changed):
            log.warning("%s: %s", self._path, warning)

    def watched(self, every: float = EVERY) -> AbstractAsyncContextManager[None]:
        """Look in the background while inside."""
        return repeating(self.look, every, "learning-catalogue")


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
