"""What tests have of the platform."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.feishu.credentials import Credentials
from tests.app.feishu.platform.calls import Call
from tests.app.feishu.platform.cards import Card
from tests.app.feishu.platform.chatting import Chatting
from tests.app.feishu.platform.clock import Clock
from tests.app.feishu.platform.documents import Documents, Folder, Space
from tests.app.feishu.platform.limits import Limits
from tests.app.feishu.platform.longconn import LongConnections
from tests.app.feishu.platform.messages import SentMessage
from tests.app.feishu.platform.reactions import Reaction
from tests.app.feishu.platform.sender import SCHEDULE_S, Sender
from tests.app.feishu.platform.server import Server, serving
from tests.app.feishu.platform.state import State, new_state
from tests.app.feishu.platform.trouble import Planned, Trouble


class Platform(Chatting):
    """A Feishu of one's own; what is read from it are copies."""

    def __init__(self, state: State, server: Server) -> None:
        super().__init__(state)
        self.url = server.url
        self.ws: LongConnections = server.ws

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.app_id, self.app_secret, self.url)

    @property
    def app_id(self) -> str:
        return self.state.app.app_id

    @property
    def app_secret(self) -> str:
        return self.state.app.app_secret

    @property
    def encrypt_key(self) -> str:
        return self.state.encrypt_key

    @property
    def verification_token(self) -> str:
        return self.state.verification_token

    @property
    def clock(self) -> Clock:
        return self.state.clock

    @property
    def limits(self) -> Limits:
        return self.state.limits

    @property
    def scopes(self) -> set[str]:
        """The permissions that the app has; take some away to see it refused."""
        return self.state.scopes

    @property
    def empty_pages(self) -> set[str]:
        """Parts of paths; such lists begin with an empty page that has more."""
        return self.state.empty_pages

    @property
    def documents(self) -> Documents:
        return self.state.documents

    def wiki(self, space_id: str | None = None, *, name: str = "Handbook") -> Space:
        """The space with this id, or a new one."""
        with self.state.lock:
            return self.documents.space(space_id, name)

    def folder(self, token: str | None = None, *, name: str = "Documents") -> Folder:
        """The folder with this token, or a new one; the token "" is the app's root."""
        with self.state.lock:
            return self.documents.folder(token, name)

    @property
    def token_life_s(self) -> float:
        return self.state.tokens.life_s

    @token_life_s.setter
    def token_life_s(self, seconds: float) -> None:
        self.state.tokens.life_s = seconds

    def messages(self, chat_id: str | None = None) -> list[SentMessage]:
        """Of people and of the bot, in order."""
        with self.state.lock:
            return [self.state.shown(one) for one in self.state.messages.all(chat_id)]

    def sent(self, chat_id: str | None = None) -> list[SentMessage]:
        """Of the bot, in order, the recalled ones too."""
        return [one for one in self.messages(chat_id) if one.sender_type == "app"]

    def message(self, message_id: str) -> SentMessage:
        with self.state.lock:
            return self.state.shown(self.state.messages.get(message_id))

    def card(self, card_id: str) -> Card:
        with self.state.lock:
            return self.state.cards.snapshot(card_id)

    def reactions(self, message_id: str) -> list[Reaction]:
        with self.state.lock:
            return self.state.reactions.of(message_id)

    def calls(self, path_contains: str = "", *, method: str | None = None) -> list[Call]:
        with self.state.lock:
            found = list(self.state.calls)
        return [one for one in found if path_contains in one.path and method in (None, one.method)]

    @property
    def token_calls(self) -> int:
        return len(self.calls("/tenant_access_token/"))

    def sender(
        self, url: str, *, schedule: tuple[float, ...] = SCHEDULE_S, scale: float = 0.001, resign: bool = True
    ) -> Sender:
        """What posts events to a webhook; see `Sender` for what else can be set."""
        return Sender(self.state, url, schedule, scale, resign)

    def fail(
        self, path_contains: str, *, times: int = 1, with_: Trouble, method: str | None = None, skip: int = 0
    ) -> Planned:
        """The next `times` calls of such a path have trouble, after `skip` that have none."""
        return self.state.troubles.plan(Planned(path_contains, with_, times, method, skip))

    def heal(self) -> None:
        """No more trouble."""
        self.state.troubles.clear()

    def revoke_tokens(self) -> None:
        with self.state.lock:
            self.state.tokens.revoke()


@contextmanager
def fake_platform() -> Iterator[Platform]:
    """Feishu's open platform on a free port of loopback, with an app of its own."""
    state = new_state()
    with serving(state) as server:
        yield Platform(state, server)
