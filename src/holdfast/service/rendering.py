"""From templates to answers. Every value is escaped; an undefined one is an error, no blank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from holdfast.rules.shown import shown
from holdfast.service import back_button, moments

if TYPE_CHECKING:
    from holdfast.protocols import Clock
    from holdfast.service.assets import Assets

_FOLDER = Path(__file__).parent / "templates"


class Templates:
    """The pages of the service; times are told relative to `clock`."""

    def __init__(self, assets: Assets, clock: Clock) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._names: dict[str, Callable[..., str] | str] = {
            "asset": assets.url,
            "iso": moments.iso,
            "exact": moments.exact,
            "ago": self._ago,
            "shown": _shown,
            "back_button": back_button.SCRIPT,
        }

    def page(
        self,
        name: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        /,
        **values: Any,
    ) -> HTMLResponse:
        """The answer made of template `name`. `account` is who is signed in, if anybody is."""
        text = self._environment.get_template(name).render(
            {**self._names, "account": None, **values}
        )
        return HTMLResponse(text, status, headers)

    def _ago(self, moment: int) -> str:
        return moments.ago(moment, self._clock())


def _shown(value: object) -> str:
    return shown(str(value))  # a claim may be anything that JSON can say
