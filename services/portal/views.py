"""Templates to pages. Everything is escaped; a name that a template misspells is an error, not a blank."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from services.portal.clock import told_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.portal.people import Person

FOLDER = Path(__file__).parent / "templates"


class Views:
    """Renders the templates of the folder.

    Args:
        assets: the address of each asset by its name.
        subscriptions: whether there are any to lead to.
    """

    def __init__(self, assets: Mapping[str, str], *, subscriptions: bool = False) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["told"] = told_moment
        self._templates.globals["assets"] = assets
        self._templates.globals["subscriptions"] = subscriptions

    def html(self, template: str, person: Person | None, **context: object) -> str:
        """A template's text; `person` is who reads it."""
        return self._templates.get_template(template).render(person=person, **context)

    def page(
        self, template: str, person: Person | None = None, *, status: int = 200, **context: object
    ) -> HTMLResponse:
        """The same as an answer."""
        return HTMLResponse(self.html(template, person, **context), status)
