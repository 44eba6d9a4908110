"""CardKit: cards that are changed bit by bit."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.app.feishu.platform.calls import Json, Refused, invalid_field
from tests.app.feishu.platform.cardcheck import BadCard, CardRules, element_of
from tests.app.feishu.platform.clock import Clock
from tests.app.feishu.platform.limits import Rates

STREAMING_S = 600.0
"""Then Feishu ends the streaming mode by itself."""
LIFE_S = 14 * 86400.0
HIGHEST_SEQUENCE = 2**31 - 1


@dataclass(slots=True)
class Card:
    """`history` has every change that was done: (operation, sequence, payload)."""

    card_id: str
    json: Json
    created_at: float
    sequence: int = 0
    streaming: bool = False
    streaming_since: float = 0.0
    closed_by_time: bool = False
    sent_as: str = ""
    history: list[tuple[str, int, Any]] = field(default_factory=list)
    done: dict[str, str] = field(default_factory=dict)

    def text(self, element_id: str) -> str:
        """What an element of the card says."""
        found = element_of(self.json, element_id)
        assert found is not None, f"the card has no element {element_id}"
        return str(found.get("content", ""))


class Cards:
    def __init__(self, clock: Clock, rules: CardRules, rates: Rates) -> None:
        self._clock = clock
        self._rules = rules
        self._rates = rates
        self._all: dict[str, Card] = {}

    def create(self, data: Json, *, check: bool = True) -> Card:
        """
        Raises:
            Refused: it cannot be a card.
        """
        if check:
            self._check(data)
        card = Card(str(7 * 10**18 + secrets.randbelow(10**18)), copy.deepcopy(data), self._clock.now())
        self._set_streaming(card, bool((data.get("config") or {}).get("streaming_mode")))
        self._all[card.card_id] = card
        return card

    def get(self, card_id: str) -> Card:
        """
        Raises:
            Refused: there is none, or it is older than 14 days.
        """
        card = self._all.get(card_id)
        if card is None:
            raise Refused(200740, "ErrMsg: card entity does not exist;")
        if self._clock.now() - card.created_at > LIFE_S:
            raise Refused(200750, "ErrMsg: card entity has expired;")
        return self._ticked(card)

    def sendable(self, card_id: str) -> Card:
        """
        Raises:
            BadCard: there is none, or it was sent already.
        """
        invalid = BadCard(11310, "cardid is invalid")
        try:
            card = self.get(card_id)
        except Refused:
            raise invalid from None
        if card.sent_as:
            raise invalid
        return card

    def stream(self, card_id: str, element_id: str, body: Mapping[str, Any]) -> None:
        """The whole text so far of an element."""
        text = body.get("content")
        if not isinstance(text, str) or not 1 <= len(text) <= 100_000:
            raise invalid_field("content")
        card = self.get(card_id)
        what = f"stream {element_id} {text}"
        if self._is_done(card, what, body):
            return
        if not card.streaming:
            raise self._not_streaming(card)
        changed = copy.deepcopy(card.json)
        element = element_of(changed, element_id)
        if element is None or element["tag"] != "markdown":
            raise Refused(300313, f"ErrMsg: not find elementID : {element_id};")
        element["content"] = text
        self._check(changed)
        card.json = changed
        self._note(card, what, body, (element_id, text))

    def settings(self, card_id: str, body: Mapping[str, Any]) -> None:
        change = parsed(body.get("settings"), "settings")
        card = self.get(card_id)
        what = f"settings {change}"
        if self._is_done(card, what, body):
            return
        config = {**card.json.get("config", {}), **change.get("config", {})}
        changed = {**card.json, "config": config}
        self._check(changed)
        card.json = changed
        if "streaming_mode" in change.get("config", {}):
            self._set_streaming(card, bool(config["streaming_mode"]))
        self._note(card, what, body, change)

    def replace(self, card_id: str, body: Mapping[str, Any]) -> None:
        given = body.get("card")
        if not isinstance(given, dict) or given.get("type") != "card_json":
            raise invalid_field("card")
        data = parsed(given.get("data"), "card.data")
        card = self.get(card_id)
        what = f"replace {data}"
        if self._is_done(card, what, body):
            return
        self._check(data)
        self.put(card, data)
        self._note(card, what, body, data)

    def put(self, card: Card, data: Json) -> None:
        """Show this from now on."""
        card.json = copy.deepcopy(data)
        self._set_streaming(card, bool((data.get("config") or {}).get("streaming_mode")))

    def snapshot(self, card_id: str) -> Card:
        """A copy, also of one that has expired."""
        return copy.deepcopy(self._ticked(self._all[card_id]))

    def _ticked(self, card: Card) -> Card:
        if card.streaming and self._clock.now() - card.streaming_since >= STREAMING_S:
            card.streaming, card.closed_by_time = False, True
        return card

    def _check(self, data: Json) -> None:
        try:
            self._rules.check(data)
        except BadCard as bad:
            raise bad.in_cardkit() from bad

    def _set_streaming(self, card: Card, on: bool) -> None:
        card.streaming, card.closed_by_time = on, False
        card.streaming_since = self._clock.now() if on else 0.0

    def _not_streaming(self, card: Card) -> Refused:
        if card.closed_by_time:
            card.closed_by_time = False  # it is said once; then the card is just closed
            return Refused(200850, "ErrMsg: card streaming timeout;")
        return Refused(300309, "ErrMsg: streaming mode is closed;")

    def _is_done(self, card: Card, what: str, body: Mapping[str, Any]) -> bool:
        """Whether a call under this uuid did it already; else whether its sequence allows it, and the rate."""
        if self._rates.wait_s(f"card {card.card_id}", self._rules.limits.card_ops) > 0:
            raise Refused(230020, "This operation triggers the frequency limit.")
        uuid, sequence = body.get("uuid") or "", body.get("sequence")
        if not isinstance(uuid, str) or len(uuid) > 64:
            raise invalid_field("uuid")
        if uuid and uuid in card.done:
            if card.done[uuid] != what:
                raise Refused(200770, "ErrMsg: uuid conflict;")
            return True
        if isinstance(sequence, bool) or not isinstance(sequence, int):
            raise invalid_field("sequence")
        if not max(card.sequence, 0) < sequence <= HIGHEST_SEQUENCE:
            raise Refused(300317, "ErrMsg: sequence number compare failed;")
        return False

    def _note(self, card: Card, what: str, body: Mapping[str, Any], payload: Any) -> None:
        operation = what.partition(" ")[0]
        if uuid := body.get("uuid"):
            card.done[uuid] = what
        card.sequence = int(body["sequence"])
        card.history.append((operation, card.sequence, copy.deepcopy(payload)))


def parsed(text: Any, name: str) -> Json:
    try:
        found = json.loads(text)
    except (TypeError, ValueError):
        raise invalid_field(name) from None
    if not isinstance(found, dict):
        raise invalid_field(name)
    return found
