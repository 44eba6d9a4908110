"""What the open platform says in JSON, as far as we look at it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


class Loose(BaseModel):
    """New fields are no news to us; let those that are known be missing, or null."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Told(BaseModel):
    """What may be missing has a default, which null and "" stand for as well."""

    @field_validator("*", mode="before")
    @classmethod
    def _nothing_is_the_default(cls, value: object, info: Any) -> object:
        field = cls.model_fields[info.field_name]
        is_nothing = value is None or value == ""
        return field.get_default(call_default_factory=True) if is_nothing and not field.is_required() else value
