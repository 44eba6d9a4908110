"""A faithful fake of Feishu's open platform, on loopback."""

from tests.app.feishu.platform.calls import Call
from tests.app.feishu.platform.cards import Card
from tests.app.feishu.platform.clock import Clock
from tests.app.feishu.platform.documents import Entry, Folder, Node, Space, Thing
from tests.app.feishu.platform.facade import Platform, fake_platform
from tests.app.feishu.platform.longconn import Ack
from tests.app.feishu.platform.messages import SentMessage
from tests.app.feishu.platform.people import Chat, User
from tests.app.feishu.platform.reactions import Reaction
from tests.app.feishu.platform.sender import Delivery, Sender
from tests.app.feishu.platform.trouble import Trouble

__all__ = [
    "Ack",
    "Call",
    "Card",
    "Chat",
    "Clock",
    "Delivery",
    "Entry",
    "Folder",
    "Node",
    "Platform",
    "Reaction",
    "Sender",
    "SentMessage",
    "Space",
    "Thing",
    "Trouble",
    "User",
    "fake_platform",
]
