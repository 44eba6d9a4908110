"""The calls for tokens, the bot, cards, resources, reactions and permissions."""

from __future__ import annotations

from tests.app.feishu.platform.calls import Asked, Refused, Reply, answered, invalid_field, json_reply
from tests.app.feishu.platform.cardcheck import BadCard, CardRules
from tests.app.feishu.platform.cards import parsed
from tests.app.feishu.platform.messages import SentMessage
from tests.app.feishu.platform.state import State


def token(state: State, asked: Asked) -> Reply:
    issued, left = state.tokens.issue(asked.body.get("app_id"), asked.body.get("app_secret"))
    return json_reply({"code": 0, "msg": "ok", "tenant_access_token": issued, "expire": left})


def bot_info(state: State, asked: Asked) -> Reply:
    bot = state.people.bot
    about = {"activate_status": 2, "app_name": bot.name, "avatar_url": "", "ip_white_list": [], "open_id": bot.open_id}
    return json_reply({"code": 0, "msg": "ok", "bot": about})


def scopes(state: State, asked: Asked) -> Reply:
    granted = [{"scope_name": name, "grant_status": 1, "scope_type": "tenant"} for name in sorted(state.scopes)]
    return answered({"scopes": granted})


def ws_endpoint(state: State, asked: Asked) -> Reply:
    assert state.ws_url is not None
    return json_reply({"code": 0, "msg": "", "data": state.ws_url(asked.body)})


def create_card(state: State, asked: Asked) -> Reply:
    if asked.body.get("type") != "card_json":
        raise invalid_field("type")
    data = parsed(asked.body.get("data"), "data")
    if data.get("schema") != "2.0":
        raise Refused(300303, "ErrMsg: only schema 2.0 is supported;")
    return answered({"card_id": state.cards.create(data).card_id})


def convert_id(state: State, asked: Asked) -> Reply:
    """A card that was sent as a message gets an id of its own."""
    message = state.messages.alive(asked.text("message_id"))
    if message.msg_type != "interactive" or message.sender_id != state.app.app_id:
        raise Refused(300311, "ErrMsg: the app has no permission for the card;")
    if not message.card_id:
        card = state.cards.create(message.content, check=False)
        card.sent_as = message.message_id
        message.card_id = card.card_id
    return answered({"card_id": message.card_id})


def stream_text(state: State, asked: Asked) -> Reply:
    state.cards.stream(asked.path["card_id"], asked.path["element_id"], asked.body)
    return answered()


def card_settings(state: State, asked: Asked) -> Reply:
    state.cards.settings(asked.path["card_id"], asked.body)
    return answered()


def replace_card(state: State, asked: Asked) -> Reply:
    state.cards.replace(asked.path["card_id"], asked.body)
    return answered()


def card_after_click(state: State, asked: Asked) -> Reply:
    """With the token of a click; twice, within 30 minutes."""
    message = state.messages.alive(state.events.use(asked.body.get("token")))
    card = asked.body.get("card")
    if not isinstance(card, dict):
        raise invalid_field("card")
    show(state, message, {name: value for name, value in card.items() if name != "open_ids"})
    return answered()


def show(state: State, message: SentMessage, card: dict[str, object]) -> None:
    """Another card in a message, as a click may bring it about."""
    try:
        CardRules(state.limits, state.people.knows).check(card)
    except BadCard as bad:
        raise bad.in_message() from bad
    if message.card_id:
        state.cards.put(state.cards.get(message.card_id), card)
    else:
        message.content = card


def resource(state: State, asked: Asked) -> Reply:
    message = state.messages.get(asked.path["message_id"])
    if message.deleted:
        raise Refused(234009, "The message was recalled.")
    state.people.chat(message.chat_id)
    named = "application/json" in asked.call.headers.get("content-type", "")
    return state.resources.of_message(message, asked.path["key"], asked.query.get("type", ""), disposition=named)


def image(state: State, asked: Asked) -> Reply:
    named = "application/json" in asked.call.headers.get("content-type", "")
    return state.resources.own_image(asked.path["key"], disposition=named)


def upload_image(state: State, asked: Asked) -> Reply:
    if asked.form.get("image_type") not in ("message", "avatar") or "image" not in asked.files:
        raise Refused(234001, "Invalid request param.")
    return answered({"image_key": state.resources.upload_image(asked.files["image"].data)})


def add_reaction(state: State, asked: Asked) -> Reply:
    message = _reacted(state, asked)
    emoji = (asked.body.get("reaction_type") or {}).get("emoji_type")
    reaction, is_new = state.reactions.add(message.message_id, emoji, state.app.app_id, "app")
    if is_new:
        state.caused.append(state.events.reaction(reaction, None))
    return answered(reaction.view())


def remove_reaction(state: State, asked: Asked) -> Reply:
    message = _reacted(state, asked)
    removed = state.reactions.remove(message.message_id, asked.path["reaction_id"], state.app.app_id)
    state.caused.append(state.events.reaction(removed, None, deleted=True))
    return answered(removed.view())


def reactions(state: State, asked: Asked) -> Reply:
    found = state.reactions.of(_reacted(state, asked).message_id)
    return answered({"items": [one.view() for one in found], "has_more": False, "page_token": ""})


def _reacted(state: State, asked: Asked) -> SentMessage:
    message = state.messages.find(asked.path["message_id"])
    if message is None or message.deleted:
        raise Refused(231003, "The message is not found or was recalled.")
    state.people.chat(message.chat_id)
    return message
