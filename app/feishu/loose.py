"""What the open platform says in JSON, as far as we look at it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Loose(BaseModel):
    """New fields are no news to us; let those that are known be missing, or null."""

    model_config = ConfigDict(extra="ignore", frozen=True)
