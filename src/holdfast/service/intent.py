"""What somebody asked for before the password had to be asked again (R36).

It travels through the confirmation page in the form itself, so that nothing is lost, or mixed up
between two windows, and nothing happens until the form with the password comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from holdfast.rules.local_path import local_path
from holdfast.service.way_back import HOME

END = "end"
END_OTHERS = "end-others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """To `do` something, perhaps with a `session`, and then go to `next`.

    Without `do` it is only about going there.
    """

    do: str = ""
    session: str = ""
    next: str = HOME

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Intent:
        """The intent in a query or a form; whatever is missing or unknown falls away."""
        do = fields.get("do", "")
        return cls(
            do=do if do in {END, END_OTHERS} else "",
            session=fields.get("session", ""),
            next=local_path(fields.get("next"), HOME),
        )

    @property
    def fields(self) -> list[tuple[str, str]]:
        """As hidden fields of a form."""
        pairs = [("do", self.do), ("session", self.session), ("next", self.next)]
        return [(name, value) for name, value in pairs if value]

    @property
    def confirmation(self) -> str:
        """The page that asks for the password first."""
        return f"/confirm?{urlencode(self.fields)}"
