"""Buttons and emojis: what people think of an answer is kept, and another answer can be had in the same card."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

from app.database import FeedbackRow
from tests.app.feishu.chats import QUESTION, Room, is_final, shown, values
from tests.app.feishu.platform import Delivery, SentMessage
from tests.app.servers import wait_until
from tests.fake_openai import Words

OTHER = ("The ", "full ", "refund ", "is ", "given ", "within ", "15 ", "days.")


def feedback_on(room: Room, card: SentMessage) -> dict[str, str]:
    """By person."""
    answer_id = values(room.platform.message(card.message_id))[0]["answer_id"]
    rows: list[FeedbackRow] = asyncio.run(room.service.services.database.feedback(answer_id))
    return {row.caller.removeprefix("feishu:"): row.rating for row in rows}


def toast(delivery: Delivery) -> str:
    return str(delivery.json["toast"]["i18n"]["en_us"])


def current(room: Room, card: SentMessage) -> SentMessage:
    return room.platform.message(card.message_id)


def regenerated(room: Room, card: SentMessage, times: int = 1) -> SentMessage:
    """The card with so many earlier answers in it."""
    wait_until(lambda: f"Earlier answer ({times})" in shown(current(room, card)) and is_final(current(room, card)))
    return current(room, card)


def test_a_click_is_thanked_for_and_the_last_word_of_each_person_counts(room: Room) -> None:
    group = room.platform.group([room.li])
    wang = room.platform.user("Wang")
    bot = room.platform.bot
    card = room.ask(f"@{bot.name} {QUESTION}", chat=group, mentions=[bot])
    assert "Thank" in toast(room.click(card, "thumbs_up"))
    room.click(card, "thumbs_down", user=wang)
    room.click(card, "thumbs_down")
    assert feedback_on(room, card) == {room.li.open_id: "down", wang.open_id: "down"}


def test_a_click_that_comes_again_later_does_not_undo_a_newer_one(room: Room) -> None:
    card = room.ask(QUESTION)
    first = room.platform.click(room.li, current(room, card), values(card)[0])
    room.deliver(first)
    room.click(card, "thumbs_down")
    room.deliver(first)
    assert feedback_on(room, card) == {room.li.open_id: "down"}


def test_an_emoji_on_the_answer_counts_as_well_and_on_the_question_it_does_not(room: Room) -> None:
    question = room.tell(QUESTION)
    card = room.reply_to(question)
    for sent, emoji in ((card, "ThumbsDown"), (question, "THUMBSUP"), (card, "SMILE")):
        assert room.deliver(room.platform.reacts(room.li, sent, emoji)).taken
    assert feedback_on(room, card) == {room.li.open_id: "down"}


def test_regenerate_searches_wider_and_in_other_words_in_the_same_card_and_keeps_the_first_answer(room: Room) -> None:
    question = room.tell(QUESTION)
    card = room.reply_to(question)
    before = len(room.model.bodies)
    room.model.replies[:] = [Words(("By when must a card be returned?",)), Words(OTHER)]
    assert "another answer" in toast(room.click(card, "regenerate"))
    card = regenerated(room, card)
    assert "is given within 15 days" in shown(card)
    assert "A card can be returned within 15 days" in shown(card)
    assert len(room.replies_to(question)) == 1
    rewording, answering = room.model.bodies[before:]
    assert "In other words" in json.dumps(rewording)
    # the first time the model reads what holds the answer; now all that was found, the other document as well
    assert "LC-200" in json.dumps(answering, ensure_ascii=False)


def test_the_new_answer_can_be_rated_and_the_old_one_keeps_its_rating(room: Room) -> None:
    card = room.ask(QUESTION)
    room.click(card, "thumbs_down")
    old = values(card)[0]["answer_id"]
    room.model.replies[:] = [Words(OTHER)]
    room.click(card, "regenerate")
    card = regenerated(room, card)
    room.click(card, "thumbs_up")
    assert values(card)[0]["answer_id"] != old
    assert feedback_on(room, card) == {room.li.open_id: "up"}


def test_two_clicks_on_regenerate_make_one_more_answer_and_after_some_there_are_no_more(room: Room) -> None:
    card = room.ask(QUESTION)
    are_clicked = threading.Event()
    room.model.replies[:] = [Words(("slow ", "but ", "sure"), until=are_clicked)]
    first, second = (room.platform.click(room.li, current(room, card), values(card)[2]) for _ in range(2))
    assert "another answer" in toast(room.deliver(first))
    assert "already" in toast(room.deliver(second))
    room.model.replies[:] = [Words(OTHER)]
    are_clicked.set()
    for times in (1, 2, 3):
        card = regenerated(room, card, times)
        last = room.click(card, "regenerate")
    assert "other words" in toast(last)


def test_of_two_clicks_at_the_same_moment_one_counts(room: Room) -> None:
    card = room.ask(QUESTION)
    are_clicked = threading.Event()
    room.model.replies[:] = [Words(OTHER, until=are_clicked)]
    clicks = [room.platform.click(room.li, current(room, card), values(card)[2]) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        toasts = [toast(one) for one in threads.map(room.deliver, clicks)]
    are_clicked.set()
    assert sum("already" in one for one in toasts) == 3
    assert "Earlier answer (2)" not in shown(regenerated(room, card))


def test_a_model_that_fails_leaves_the_first_answer_and_says_why(room: Room) -> None:
    question = room.tell(QUESTION)
    card = room.reply_to(question)
    room.service.services.collections.create("short-lived")
    room.model.replies[:] = [Words(("half ",), finish=None)]
    room.click(card, "regenerate")
    wait_until(lambda: len(room.replies_to(question)) == 2 or "Earlier" in shown(current(room, card)))
    assert "A card can be returned within 15 days" in shown(current(room, card))


def test_a_button_works_in_its_own_chat_and_card_only(room: Room) -> None:
    card = room.ask(QUESTION)
    wang = room.platform.user("Wang")
    other = room.ask(QUESTION, user=wang, chat=room.platform.p2p(wang))
    stolen = room.platform.click(wang, other, values(card)[0], forged=True)
    assert "original chat" in toast(room.deliver(stolen))
    assert feedback_on(room, card) == {}


def test_buttons_that_we_have_never_made_do_nothing(room: Room) -> None:
    card = room.ask(QUESTION)
    turn = values(card)[0]["turn"]
    for value in (
        {},
        {"action": "thumbs_up"},
        {"action": "thumbs_up", "turn": "99999999999999999999", "answer_id": "x"},
        {"action": "thumbs_up", "turn": turn, "answer_id": "another"},
        {"action": "explode", "turn": turn},
        {"action": "regenerate", "turn": "-1"},
    ):
        delivery = room.deliver(room.platform.click(room.li, card, value, forged=True))
        assert delivery.status == 200
        assert "nothing any more" in toast(delivery)
