"""All that the platform keeps."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.app.feishu.platform.calls import Call, Json
from tests.app.feishu.platform.cardcheck import CardRules
from tests.app.feishu.platform.cards import Cards
from tests.app.feishu.platform.clock import Clock
from tests.app.feishu.platform.documents import Documents
from tests.app.feishu.platform.events import Events
from tests.app.feishu.platform.limits import Limits, Once, Rates
from tests.app.feishu.platform.messages import Messages, SentMessage, snapshot
from tests.app.feishu.platform.people import People
from tests.app.feishu.platform.reactions import Reactions
from tests.app.feishu.platform.resources import Resources
from tests.app.feishu.platform.tokens import App, Tokens
from tests.app.feishu.platform.trouble import Troubles

SCOPES = (
    "im:message", "im:message:readonly", "im:message:send_as_bot", "im:message:update", "im:message.group_msg",
    "im:message.p2p_msg:readonly", "im:message.group_at_msg:readonly", "im:resource", "im:message.reactions:write_only",
    "im:message.reactions:read", "im:chat:readonly", "cardkit:card:write", "wiki:wiki:readonly",
    "docx:document:readonly", "drive:drive:readonly", "docs:document:export",
)  # fmt: skip


@dataclass(slots=True)
class State:
    """Whoever reads or changes it holds `lock`."""

    app: App
    encrypt_key: str
    verification_token: str
    clock: Clock
    limits: Limits
    rates: Rates
    tokens: Tokens
    people: People
    messages: Messages
    cards: Cards
    resources: Resources
    reactions: Reactions
    events: Events
    documents: Documents
    sent: Once[str]
    troubles: Troubles = field(default_factory=Troubles)
    calls: list[Call] = field(default_factory=list)
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))
    empty_pages: set[str] = field(default_factory=set)
    """Lists whose path has one of these begin with an empty page that has more."""
    on_event: Callable[[Json], object] | None = None
    """Is told the events that calls of the bot cause."""
    caused: list[Json] = field(default_factory=list)
    ws_url: Callable[[Json], Json] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def shown(self, message: SentMessage) -> SentMessage:
        """A copy of it for a test, with what its card shows."""
        if message.card_id:
            return snapshot(message, self.cards.snapshot(message.card_id).json)
        return snapshot(message, message.content if message.msg_type == "interactive" else None)


def new_state() -> State:
    """An app of its own: lark-oapi keeps tokens by app id for the whole process."""
    app = App(f"cli_{secrets.token_hex(8)}", secrets.token_urlsafe(24))
    clock, limits, people = Clock(), Limits(), People()
    rates = Rates(clock)
    verification_token = secrets.token_urlsafe(24)
    return State(
        app=app,
        encrypt_key=secrets.token_urlsafe(18),
        verification_token=verification_token,
        clock=clock,
        limits=limits,
        rates=rates,
        tokens=Tokens(app, clock),
        people=people,
        messages=Messages(clock),
        cards=Cards(clock, CardRules(limits, people.knows), rates),
        resources=Resources(limits),
        reactions=Reactions(clock),
        events=Events(app.app_id, verification_token, people, clock),
        documents=Documents(clock),
        sent=Once[str](clock),
    )
