"""People talk to the bot: real service, real retrieval; the model says what it is told, the platform is the fake."""

from __future__ import annotations

import json
import threading
from itertools import pairwise

from tests.app.feishu.chats import QUESTION, ZH_QUESTION, Room, is_final, shown, values
from tests.app.feishu.platform import SentMessage
from tests.app.servers import wait_until
from tests.fake_openai import ErrorAfter, Words


def asked_of_the_model(room: Room) -> str:
    return json.dumps(room.model.bodies[-1]["messages"], ensure_ascii=False)


def test_a_question_gets_one_card_with_answer_source_confidence_and_buttons(room: Room) -> None:
    question = room.tell(QUESTION)
    card = room.reply_to(question)
    assert "within 15 days" in shown(card)
    assert "refunds" in shown(card).lower()
    assert "Confidence" in shown(card)
    assert [one["action"] for one in values(card)] == ["thumbs_up", "thumbs_down", "regenerate"]
    assert all(set(one) == {"action", "turn", "answer_id"} for one in values(card))
    assert len(room.replies_to(question)) == 1


def test_an_answer_is_seen_while_it_is_written_by_one_writer_with_rising_numbers(room: Room) -> None:
    room.model.replies[:] = [Words(tuple(f"word{number} " for number in range(30)), gap_s=0.05)]
    question = room.tell(QUESTION)
    wait_until(lambda: any(not is_final(one) for one in room.replies_to(question)))
    card = room.platform.card(room.reply_to(question).card_id)
    numbers = [sequence for _, sequence, _ in card.history]
    assert numbers == sorted(set(numbers))
    texts = [payload[1] for operation, _, payload in card.history if operation == "stream"]
    assert len(texts) >= 2
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert [operation for operation, _, _ in card.history][-2:] == ["settings", "replace"]


def test_a_chinese_question_is_answered_in_chinese_words(room: Room) -> None:
    card = room.ask(ZH_QUESTION)
    assert "您的问题" in shown(card)
    assert card.card is not None
    assert card.card["header"]["title"]["content"] == "🤖 AI助手回答"


def test_what_the_documents_do_not_say_is_refused_without_asking_the_model(room: Room) -> None:
    card = room.ask("Who won the football world cup in 1998?")
    assert "The documents do not answer this question" in shown(card)
    assert not room.model.bodies


def test_a_follow_up_is_understood_and_new_forgets_what_was_said(room: Room) -> None:
    room.ask(QUESTION)
    room.ask("And for a half refund?")
    assert "card" in asked_of_the_model(room)
    assert "new conversation" in shown(room.ask("/new"))
    room.model.bodies.clear()
    room.ask("And for a full refund?")
    assert all("Conversation:" not in json.dumps(body) for body in room.model.bodies)


def test_questions_of_one_conversation_are_answered_in_their_order(room: Room) -> None:
    questions = [room.tell(f"{QUESTION} ({number})") for number in range(4)]
    replies = [room.reply_to(one) for one in questions]
    finished = [room.platform.card(one.card_id) for one in replies]
    order = [one.parent_id for one in room.platform.sent(room.chat.chat_id)]
    assert order == [one.message_id for one in questions]
    assert len(finished) == 4


def test_conversations_do_not_wait_for_each_other(room: Room) -> None:
    is_answered = threading.Event()
    room.model.replies[:] = [Words(("slow ", "but ", "sure"), until=is_answered), Words(("fast",))]
    slow = room.tell(QUESTION)
    wait_until(lambda: room.model.bodies)
    wang = room.platform.user("Wang")
    fast = room.tell(QUESTION, user=wang, chat=room.platform.p2p(wang))
    room.reply_to(fast)
    assert not any(map(is_final, room.replies_to(slow)))
    is_answered.set()
    room.reply_to(slow)


def test_in_a_group_it_answers_when_it_is_mentioned_and_without_its_name(room: Room) -> None:
    group = room.platform.group([room.li])
    bot = room.platform.bot
    ignored = room.tell(QUESTION, chat=group)
    heard = room.tell(f"@{bot.name} {QUESTION}", chat=group, mentions=[bot])
    card = room.reply_to(heard)
    assert bot.name not in shown(card)
    assert "@_user" not in shown(card)
    assert not room.replies_to(ignored)


def test_in_a_thread_it_answers_in_the_thread_and_the_thread_is_the_conversation(room: Room) -> None:
    group = room.platform.group([room.li])
    bot = room.platform.bot
    first = room.tell(f"@{bot.name} {QUESTION}", chat=group, mentions=[bot], thread_id="omt_1")
    assert room.reply_to(first).thread_id == "omt_1"
    room.tell(f"@{bot.name} And for a half refund?", chat=group, mentions=[bot], thread_id="omt_1")
    wait_until(lambda: len(room.platform.sent(group.chat_id)) == 2)
    assert "card" in asked_of_the_model(room)


def test_a_reply_to_the_first_question_goes_on_with_it(room: Room) -> None:
    first = room.tell(QUESTION)
    room.reply_to(first)
    room.reply_to(room.tell("And for a half refund?", root=first))
    assert "card" in asked_of_the_model(room)


def test_what_the_bot_itself_does_causes_no_answer(room: Room) -> None:
    events: list[dict[str, object]] = []
    room.platform.on_event(events.append)
    card = room.ask(QUESTION)
    payload = room.platform.event_of(card)
    assert room.deliver(payload).taken
    assert all(room.deliver(event).taken for event in events)
    assert len(room.platform.sent(room.chat.chat_id)) == 1


def test_the_same_event_twice_and_the_same_message_under_two_events_are_answered_once(room: Room) -> None:
    message = room.platform.says(room.li, room.chat, QUESTION)
    event = room.platform.event_of(message)
    for one in (event, event, room.platform.event_of(message)):
        assert room.deliver(one).taken
    room.reply_to(message)
    last = room.tell("/help")
    room.reply_to(last)
    assert len(room.replies_to(message)) == 1


def test_events_that_are_not_known_are_taken_and_nothing_comes_of_them(room: Room) -> None:
    payload = room.platform.event_of(room.platform.says(room.li, room.chat, "hello"))
    payload["header"]["event_type"] = "contact.user.created_v3"
    assert room.deliver(payload).taken
    assert not room.platform.sent(room.chat.chat_id)


# commands


def test_help_says_what_can_be_done(room: Room) -> None:
    assert "/kb" in shown(room.ask("/help"))


def test_kb_shows_and_chooses_the_chats_collection(room: Room) -> None:
    assert "default" in shown(room.ask("/kb"))
    assert "没有名为“nowhere”的知识库" in shown(room.ask("/kb nowhere"))
    room.service.services.collections.create("empty")
    assert "empty" in shown(room.ask("/kb empty"))
    assert "The documents do not answer" in shown(room.ask(QUESTION))
    wang = room.platform.user("Wang")
    assert "within 15 days" in shown(room.ask(QUESTION, user=wang, chat=room.platform.p2p(wang)))


def test_a_collection_that_is_gone_is_named(room: Room) -> None:
    room.service.services.collections.create("gone")
    room.ask("/kb gone")
    room.service.services.collections.delete("gone")
    assert "no collection gone" in shown(room.ask(QUESTION))


def test_sources_shows_what_the_last_answer_rests_on(room: Room) -> None:
    assert "还没有带来源的回答" in shown(room.ask("/sources"))
    room.ask(QUESTION)
    assert "A card can be returned within 15 days for a full refund." in shown(room.ask("/sources"))


def test_stop_ends_the_answer_that_is_being_written(room: Room) -> None:
    room.model.replies[:] = [Words(("It ", "is ", *("long ",) * 200), gap_s=0.05)]
    question = room.tell(QUESTION)
    wait_until(lambda: room.replies_to(question))
    assert "Stopped" in shown(room.ask("/stop"))
    card = room.reply_to(question)
    assert "(stopped)" in shown(card)
    assert shown(card).count("long") < 200


def test_stop_as_a_reply_to_the_question_ends_its_answer_too(room: Room) -> None:
    room.model.replies[:] = [Words(("It ", "is ", *("long ",) * 200), gap_s=0.05)]
    question = room.tell(QUESTION)
    wait_until(lambda: room.replies_to(question))
    stop = room.tell("/stop", root=question)
    wait_until(lambda: "(stopped)" in shown(room.replies_to(question)[0]))
    assert "Stopped" in shown(room.reply_to(stop))


def test_nobody_is_called_by_what_somebody_has_written(room: Room) -> None:
    assert "<at" not in shown(room.ask('/kb <at user_id="all">everyone</at>'))


def test_stop_says_so_where_nothing_runs(room: Room) -> None:
    room.ask(QUESTION)
    assert "No answer is being written" in shown(room.ask("/stop"))


def test_an_endless_command_is_named_like_any_other(room: Room) -> None:
    assert "/help" in shown(room.ask("/" + "x" * 2000))


def test_a_command_that_is_not_known_is_named_and_a_path_is_a_question(room: Room) -> None:
    room.ask(QUESTION)
    assert "/nonsense" in shown(room.ask("/nonsense"))
    assert "command" not in shown(room.ask("/etc/hosts holds what?"))


# what goes wrong


def test_a_question_that_is_taken_back_is_not_answered(room: Room) -> None:
    room.model.replies[:] = [Words(("It ", *("long ",) * 100), gap_s=0.1)]
    question = room.tell(QUESTION)
    wait_until(lambda: room.replies_to(question))
    assert room.deliver(room.platform.recalls(question)).taken

    def ended() -> SentMessage | None:
        return next((one for one in room.replies_to(question) if is_final(one)), None)

    wait_until(ended)
    final = ended()
    assert final is not None
    assert "recalled" in shown(final)


def test_a_model_that_fails_in_the_middle_of_an_answer_leaves_one_card_that_says_so(room: Room) -> None:
    words = ("The card ", "can be ", "returned. ") * 5
    room.model.replies[:] = [ErrorAfter(words, {"message": "out of order", "type": "server_error"})]
    question = room.tell(QUESTION)
    reply = room.reply_to(question)
    wait_until(lambda: "could not be answered" in shown(room.platform.message(reply.message_id)))
    room.ask("/help")
    assert len(room.replies_to(question)) == 1


def test_a_question_that_is_too_long_is_told_its_limit(room: Room) -> None:
    assert "2048" in shown(room.ask("why " * 1000))


def test_an_empty_question_is_asked_back(room: Room) -> None:
    group = room.platform.group([room.li])
    bot = room.platform.bot
    assert "/help" in shown(room.ask(f"@{bot.name}", chat=group, mentions=[bot]))


def test_of_too_many_waiting_questions_the_newest_are_told_so(room: Room) -> None:
    room.platform.limits.chat_qps = None
    are_asked = threading.Event()
    room.model.replies[:] = [Words(("slow ", "but ", "sure"), until=are_asked), Words(("fast",))]
    questions = [room.tell(f"{QUESTION} {number}") for number in range(26)]
    are_asked.set()
    replies = [room.reply_to(one) for one in questions]
    assert "still waiting" in shown(replies[-1])
    assert "fast" in shown(replies[5])


def test_other_kinds_of_messages_get_a_polite_word(room: Room) -> None:
    room.ask(QUESTION)
    for kind in ("audio", "sticker", "share_user", "location"):
        message = room.platform.says(room.li, room.chat, content={"file_key": "x"}, msg_type=kind)
        room.deliver(room.platform.event_of(message))
        assert "cannot read" in shown(room.reply_to(message))
