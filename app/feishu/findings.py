"""What `larkwise feishu check` says of one thing, and where in the developer console it is mended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["ok", "missing", "not granted", "cannot tell"]
"""`not granted` is what larkwise can do without."""
PUBLISH = "then publish a version of the app"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `todo` is empty where there is nothing to do."""

    what: str
    status: Status
    detail: str = ""
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Console:
    """The pages of an app."""

    domain: str
    app_id: str

    @property
    def apps(self) -> str:
        """All that one has."""
        return f"{self.domain}/app"

    def page(self, name: str) -> str:
        return f"{self.domain}/app/{self.app_id}/{name}"

    def ask_for(self, scopes: Iterable[str]) -> str:
        """The page that adds these permissions."""
        return f"{self.page('auth')}?q={','.join(scopes)}&op_from=openapi&token_type=tenant"
