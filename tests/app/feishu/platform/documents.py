"""Documents, and the wiki spaces and folders in which they lie; tests build them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.app.feishu.platform.calls import Json, Refused
from tests.app.feishu.platform.clock import Clock
from tests.app.feishu.platform.docx import Block, flattened, raw_content

ObjType = Literal["docx", "file", "sheet", "bitable", "mindnote", "slides", "doc"]


@dataclass(slots=True)
class Thing:
    """What a wiki's node or a folder's entry stands for: a document, a file, or something that has no text."""

    token: str
    type: str
    title: str
    created_s: int
    edited_s: int
    readable: bool = True
    data: bytes = b""
    blocks: list[Json] = field(default_factory=list)
    content: str = ""
    revision: int = 1


@dataclass(slots=True)
class Node:
    """Of a wiki."""

    token: str
    thing: Thing
    parent: str
    space_id: str
    origin: Node | None = None
    """What a shortcut leads to."""


@dataclass(slots=True)
class Entry:
    """Of a folder: a thing, another folder, or a shortcut to either."""

    token: str
    name: str
    type: str
    thing: Thing | None = None
    target: tuple[str, str] | None = None


class Documents:
    """All things, spaces and folders."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.things: dict[str, Thing] = {}
        self.spaces: dict[str, Space] = {}
        self.folders: dict[str, Folder] = {}

    def docx(self, title: str, blocks: Sequence[Block] = ()) -> Thing:
        thing = self._thing("docx", title)
        self._write(thing, blocks)
        return thing

    def file(self, name: str, data: bytes) -> Thing:
        """Also for the images and attachments within documents: the token is the same for both ways to get it."""
        thing = self._thing("file", name)
        thing.data = data
        return thing

    def other(self, type_: str, title: str) -> Thing:
        """A spreadsheet, a mind map …"""
        return self._thing(type_, title)

    def edit(self, thing: Thing, *, blocks: Sequence[Block] | None = None, data: bytes | None = None) -> None:
        """Now, which is later than before by a second at least."""
        thing.edited_s = max(int(self._clock.now()), thing.edited_s + 1)
        thing.revision += 1
        if blocks is not None:
            self._write(thing, blocks)
        if data is not None:
            thing.data = data

    def get(self, token: str, type_: str, *, missing: Refused, forbidden: Refused) -> Thing:
        thing = self.things.get(token)
        if thing is None or thing.type != type_:
            raise missing
        if not thing.readable:
            raise forbidden
        return thing

    def space(self, space_id: str | None, name: str) -> Space:
        number = space_id or str(7 * 10**18 + secrets.randbelow(10**18))
        return self.spaces.setdefault(number, Space(number, name, self))

    def folder(self, token: str | None, name: str) -> Folder:
        key = f"fldcn{secrets.token_hex(11)}" if token is None else token
        return self.folders.setdefault(key, Folder(key, name, self))

    def _thing(self, type_: str, title: str) -> Thing:
        now = int(self._clock.now())
        thing = Thing(f"{type_[:3]}cn{secrets.token_hex(11)}", type_, title, now, now)
        self.things[thing.token] = thing
        return thing

    def _write(self, thing: Thing, blocks: Sequence[Block]) -> None:
        thing.blocks = flattened(thing.token, thing.title, blocks)
        thing.content = raw_content(thing.title, blocks)


@dataclass(slots=True)
class Space:
    """A wiki; where the app is no `member` nothing of it can be read."""

    space_id: str
    name: str
    documents: Documents = field(repr=False)
    member: bool = True
    nodes: dict[str, Node] = field(default_factory=dict)

    def page(self, title: str, blocks: Sequence[Block] = (), *, parent: Node | None = None) -> Node:
        return self.add(self.documents.docx(title, blocks), parent=parent)

    def file(self, name: str, data: bytes, *, parent: Node | None = None) -> Node:
        return self.add(self.documents.file(name, data), parent=parent)

    def other(self, type_: str, title: str, *, parent: Node | None = None) -> Node:
        return self.add(self.documents.other(type_, title), parent=parent)

    def shortcut(self, origin: Node, *, parent: Node | None = None) -> Node:
        return self.add(origin.thing, parent=parent, origin=origin)

    def add(self, thing: Thing, *, parent: Node | None = None, origin: Node | None = None) -> Node:
        node = Node(f"wikcn{secrets.token_hex(11)}", thing, parent.token if parent else "", self.space_id, origin)
        self.nodes[node.token] = node
        return node

    def remove(self, node: Node) -> None:
        """And what is below it."""
        for child in self.children(node.token):
            self.remove(child)
        self.nodes.pop(node.token)

    def children(self, parent: str) -> list[Node]:
        return [node for node in list(self.nodes.values()) if node.parent == parent]


@dataclass(slots=True)
class Folder:
    """Of the cloud space; shared with the app, if it is a `member`."""

    token: str
    name: str
    documents: Documents = field(repr=False)
    member: bool = True
    entries: dict[str, Entry] = field(default_factory=dict)

    def page(self, title: str, blocks: Sequence[Block] = ()) -> Entry:
        return self.add(self.documents.docx(title, blocks))

    def file(self, name: str, data: bytes) -> Entry:
        return self.add(self.documents.file(name, data))

    def other(self, type_: str, title: str) -> Entry:
        return self.add(self.documents.other(type_, title))

    def folder(self, name: str) -> Folder:
        inner = self.documents.folder(None, name)
        self.entries[inner.token] = Entry(inner.token, name, "folder")
        return inner

    def shortcut(self, to: Entry | Folder) -> Entry:
        type_ = to.type if isinstance(to, Entry) else "folder"
        entry = Entry(f"shtcut{secrets.token_hex(10)}", to.name, "shortcut", None, (type_, to.token))
        self.entries[entry.token] = entry
        return entry

    def add(self, thing: Thing) -> Entry:
        entry = Entry(thing.token, thing.title, thing.type, thing)
        self.entries[entry.token] = entry
        return entry

    def remove(self, entry: Entry | Folder) -> None:
        self.entries.pop(entry.token)
