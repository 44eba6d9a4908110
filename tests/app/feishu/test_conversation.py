"""People talk to the bot: a real service and real retrieval; the model says what it is told, the platform is the fake."""

from __future__ import annotations

from tests.app.feishu.chats import QUESTION, Room, shown, values


def test_a_question_gets_one_card_with_answer_source_confidence_and_buttons(room: Room) -> None:
    question = room.tell(QUESTION)
    card = room.reply_to(question)
    assert "within 15 days" in shown(card)
    assert "refunds" in shown(card).lower()
    assert "Confidence" in shown(card)
    assert [one["action"] for one in values(card)] == ["thumbs_up", "thumbs_down", "regenerate"]
    assert len(room.replies_to(question)) == 1
