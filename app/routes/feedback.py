"""POST /feedback: was an answer any good?"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import CallerOf, ServicesOf
from app.errors import RESPONSES, UnknownAnswer

router = APIRouter(tags=["feedback"], responses=RESPONSES)


class FeedbackRequest(BaseModel):
    """`answer_id` as the answer said it; a second word on the same answer replaces the first."""

    model_config = ConfigDict(extra="forbid")

    answer_id: str = Field(min_length=1, max_length=64)
    rating: Literal["up", "down"]
    comment: str | None = Field(None, max_length=2000)


class FeedbackResponse(BaseModel):
    """What is kept now."""

    answer_id: str
    rating: Literal["up", "down"]


@router.post("/feedback")
async def feedback(body: FeedbackRequest, services: ServicesOf, caller: CallerOf) -> FeedbackResponse:
    """Only on answers that the caller got."""
    answer = await services.database.answer(body.answer_id)
    if answer is None or answer.caller != caller:
        raise UnknownAnswer(f"there is no answer {body.answer_id!r}: use the answer_id of an answer that you got")
    await services.database.save_feedback(body.answer_id, caller=caller, rating=body.rating, comment=body.comment)
    return FeedbackResponse(answer_id=body.answer_id, rating=body.rating)
