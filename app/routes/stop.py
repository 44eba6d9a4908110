"""POST /stop: that is enough of an answer."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import CallerOf, ServicesOf
from app.errors import RESPONSES

router = APIRouter(tags=["stop"], responses=RESPONSES)


class StopRequest(BaseModel):
    """The session that the question was asked in."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"session_id": "mine"}})

    session_id: str = Field(min_length=1, max_length=128)


class StopResponse(BaseModel):
    """How many answers were stopped; 0 where none was being made."""

    stopped: int


@router.post("/stop")
async def stop(body: StopRequest, services: ServicesOf, caller: CallerOf) -> StopResponse:
    """
    End the caller's running answers of a session, whatever door they were asked at.

    What has been sent stays, and the answer's stream ends as if it were complete.
    """
    return StopResponse(stopped=services.running.stop(caller, body.session_id))
