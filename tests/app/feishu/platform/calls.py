"""What was asked of the platform, and what it answers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class Call:
    """A request as it came, and what became of it: `status` 0 means that no answer was sent."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    """Parsed where it was JSON, else the bytes."""
    headers: Mapping[str, str]
    at: float
    raw: bytes = field(default=b"", repr=False)
    status: int = 0
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart request."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A call, with what its path names and its multipart form, if it has one."""

    call: Call
    path: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)

    @property
    def query(self) -> Mapping[str, str]:
        return self.call.query

    @property
    def body(self) -> Json:
        if not isinstance(self.call.body, dict):
            raise Refused(9499, "Bad Request")
        return self.call.body

    def text(self, name: str, *, longest: int | None = None) -> str:
        """A word of the body that must be there."""
        value = self.body.get(name)
        if not isinstance(value, str) or not value or (longest is not None and len(value) > longest):
            raise invalid_field(name)
        return value

    def uuid(self, longest: int) -> str:
        value = self.body.get("uuid") or ""
        if not isinstance(value, str) or len(value) > longest:
            raise invalid_field("uuid")
        return value


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int | None:
        """Feishu's, where the body has one."""
        if "json" not in self.headers.get("Content-Type", ""):
            return None
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return found.get("code") if isinstance(found, dict) else None


class Refused(Exception):
    """The platform does not do it."""

    def __init__(
        self,
        code: int,
        msg: str,
        *,
        http: int = 400,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.http = http
        self.more = dict(more or {})
        self.headers = dict(headers or {})


def invalid_field(name: str) -> Refused:
    violations = {"field_violations": [{"field": name, "description": f"{name} is not as documented"}]}
    return Refused(99992402, "field validation failed", more=violations)


def json_reply(body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    data = json.dumps(body, ensure_ascii=False).encode()
    return Reply(status, data, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def answered(data: Mapping[str, Any] | None = None) -> Reply:
    return json_reply({"code": 0, "msg": "success", "data": data or {}})


def refused(error: Refused) -> Reply:
    """As the platform words it, with a log id inside as well."""
    detail = {"log_id": secrets.token_hex(16).upper(), "troubleshooter": "https://open.feishu.cn/search", **error.more}
    body = {"code": error.code, "msg": error.msg, "error": detail}
    return json_reply(body, status=error.http, headers=error.headers)
