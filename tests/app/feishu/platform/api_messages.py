"""The calls of im/v1: sending, reading, taking back."""

from __future__ import annotations

import json
from typing import Any

from tests.app.feishu.platform.calls import Asked, Json, Refused, Reply, answered, invalid_field
from tests.app.feishu.platform.cardcheck import BadCard, CardRules
from tests.app.feishu.platform.messages import SentMessage, view
from tests.app.feishu.platform.pages import page_of
from tests.app.feishu.platform.state import State

TYPES = {"text", "post", "image", "file", "audio", "media", "sticker", "interactive", "share_chat", "share_user"}
PATCH_LIFE_S = 14 * 86400


def create(state: State, asked: Asked) -> Reply:
    if asked.query.get("receive_id_type") not in ("chat_id", "open_id"):
        raise invalid_field("receive_id_type")
    receiver = asked.text("receive_id")
    if asked.query["receive_id_type"] == "open_id":
        if receiver not in state.people.users:
            raise Refused(230001, "Your request contains an invalid request parameter, ext=invalid receive_id.")
        receiver = state.people.p2p(state.people.users[receiver]).chat_id
    return _send(state, asked, receiver, target=None)


def reply(state: State, asked: Asked) -> Reply:
    target = state.messages.get(asked.path["message_id"])
    return _send(state, asked, target.chat_id, target=target)


def _send(state: State, asked: Asked, chat_id: str, *, target: SentMessage | None) -> Reply:
    uuid = asked.uuid(50)
    if (done := state.sent.get(uuid)) is not None:
        return answered(_view(state, state.messages.get(done)))
    state.people.chat(chat_id)
    if target is not None:
        state.messages.alive(target.message_id)
    if state.rates.wait_s(f"chat {chat_id}", state.limits.chat_qps) > 0:
        raise too_often()
    msg_type, content = _content(state, asked)
    message = state.messages.new(chat_id, msg_type, content, sender_id=state.app.app_id, sender_type="app")
    if msg_type == "interactive":
        _attach_card(state, message)
    if target is not None:
        state.messages.attach(message, target, in_thread=bool(asked.body.get("reply_in_thread")))
    message.uuid = uuid
    state.messages.add(message)
    state.sent.put(uuid, message.message_id)
    return answered(_view(state, message))


def _content(state: State, asked: Asked) -> tuple[str, Json]:
    msg_type = asked.text("msg_type")
    if msg_type not in TYPES:
        raise Refused(230001, "Your request contains an invalid request parameter, ext=invalid msg_type.")
    raw = asked.text("content")
    most = state.limits.text_bytes if msg_type == "text" else state.limits.card_bytes
    if len(raw.encode()) > most:
        raise Refused(230025, "The length of the message content reaches its limit.")
    content = _parsed(raw)
    if msg_type == "text" and not (isinstance(content.get("text"), str) and content["text"]):
        raise _not_a_content("text is empty")
    if msg_type == "post" and not _is_post(content):
        raise _not_a_content("invalid post content")
    return msg_type, content


def _is_post(content: Json) -> bool:
    """A language each, with paragraphs of elements."""
    return bool(content) and all(
        isinstance(one, dict)
        and isinstance(one.get("content"), list)
        and all(
            isinstance(paragraph, list) and all("tag" in part for part in paragraph) for paragraph in one["content"]
        )
        for one in content.values()
    )


def _attach_card(state: State, message: SentMessage) -> None:
    content = message.content
    try:
        if content.get("type") == "card":
            card = state.cards.sendable(str((content.get("data") or {}).get("card_id", "")))
            card.sent_as = message.message_id
            message.card_id = card.card_id
        else:
            _rules(state).check(content)
    except BadCard as bad:
        raise bad.in_message() from bad


def patch(state: State, asked: Asked) -> Reply:
    message = _own(state, asked, alive=True)
    if message.msg_type != "interactive":
        raise Refused(230001, "Your request contains an invalid request parameter, ext=This message is NOT a card.")
    if state.clock.now_ms() - message.created_ms > PATCH_LIFE_S * 1000:
        raise Refused(230031, "The message is sent too long ago to be updated.")
    raw = asked.text("content")
    if len(raw.encode()) > state.limits.card_bytes:
        raise Refused(230025, "The length of the message content reaches its limit.")
    if state.rates.wait_s(f"patch {message.message_id}", state.limits.message_patch_qps) > 0:
        raise too_often()
    card = _parsed(raw)
    try:
        for one in (state.shown(message).card or {}, card):
            _check_shared(one)
        _rules(state).check(card)
    except BadCard as bad:
        raise bad.in_message() from bad
    if message.card_id:
        state.cards.put(state.cards.get(message.card_id), card)
    else:
        message.content = card
    message.patches.append(card)
    message.updated_ms = state.clock.now_ms()
    return answered()


def _check_shared(card: Json) -> None:
    """Cards of schema 2.0 are shared if nothing is said, older ones are not."""
    shared = (card.get("config") or {}).get("update_multi", card.get("schema") == "2.0")
    if shared is not True:
        raise BadCard(300302, "update_multi must be true")


def get(state: State, asked: Asked) -> Reply:
    message = state.messages.get(asked.path["message_id"])
    _check_readable(state, message.chat_id)
    as_sent = asked.query.get("card_msg_content_type") == "user_card_content"
    found = [message, *([] if message.deleted else state.messages.children(message.message_id))]
    return answered({"items": [_view(state, one, cards_as_sent=as_sent) for one in found]})


def history(state: State, asked: Asked) -> Reply:
    """Of a chat or of a thread; a chat has only the roots of its threads, and a thread no time range."""
    container = asked.query.get("container_id", "")
    if asked.query.get("container_id_type") == "thread":
        found = state.messages.in_thread(container)
        if not found:
            raise Refused(230001, "Your request contains an invalid request parameter, ext=invalid thread_id.")
        _check_readable(state, found[0].chat_id)
    elif asked.query.get("container_id_type") == "chat":
        _check_readable(state, container)
        since, until = (asked.query.get(name) for name in ("start_time", "end_time"))
        found = [
            one
            for one in state.messages.all(container)
            if not one.is_reply_in_thread
            and (not since or one.created_ms // 1000 >= int(since))
            and (not until or one.created_ms // 1000 <= int(until))
        ]
    else:
        raise invalid_field("container_id_type")
    order = asked.query.get("sort_type", "ByCreateTimeAsc")
    if order not in ("ByCreateTimeAsc", "ByCreateTimeDesc"):
        raise invalid_field("sort_type")
    if order == "ByCreateTimeDesc":
        found.reverse()
    as_sent = asked.query.get("card_msg_content_type") == "user_card_content"
    items = [_view(state, one, cards_as_sent=as_sent) for one in found]
    return answered(page_of(items, asked, largest=50, usual=20, empty_first=state.empty_pages))


def delete(state: State, asked: Asked) -> Reply:
    _own(state, asked, alive=True).deleted = True
    return answered()


def chat(state: State, asked: Asked) -> Reply:
    return answered(state.people.described(asked.path["chat_id"]))


def _own(state: State, asked: Asked, *, alive: bool) -> SentMessage:
    find = state.messages.alive if alive else state.messages.get
    message = find(asked.path["message_id"])
    state.people.chat(message.chat_id)
    if message.sender_id != state.app.app_id:
        raise Refused(230027, "Lack of necessary permissions: the message was sent by somebody else.")
    return message


def _check_readable(state: State, chat_id: str) -> None:
    if state.people.chat(chat_id).chat_type == "group" and "im:message.group_msg" not in state.scopes:
        raise Refused(230027, "Lack of necessary permissions, ext=need scope: im:message.group_msg")


def _view(state: State, message: SentMessage, *, cards_as_sent: bool = False) -> Json:
    shown = state.shown(message)
    if cards_as_sent and shown.card is not None:
        shown.content = shown.card
    return view(shown, state.people.tenant_key, cards_as_sent=cards_as_sent)


def _rules(state: State) -> CardRules:
    return CardRules(state.limits, state.people.knows)


def _parsed(raw: str) -> Json:
    try:
        found: Any = json.loads(raw)
    except ValueError:
        raise _not_a_content("it is no JSON") from None
    if not isinstance(found, dict):
        raise _not_a_content("it is no object")
    return found


def too_often() -> Refused:
    return Refused(230020, "This operation triggers the frequency limit.")


def _not_a_content(why: str) -> Refused:
    return Refused(230001, f"Your request contains an invalid request parameter, ext=invalid message content: {why}.")
