"""The documents of a wiki space or a folder of Feishu, found by walking down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from app.feishu.errors import CallFailed
from app.feishu.library import Library
from app.feishu.loose import Loose
from ingest.documents import Refused

_SITES = {"https://open.larksuite.com": "https://larksuite.com"}
_SITE = "https://feishu.cn"
_STRANGE = "Feishu's answer is not as it is documented; a newer larkwise may know more"
_PLACES = {"sheet": "sheets", "bitable": "base", "doc": "docs", "mindnote": "mindnotes", "folder": "drive/folder"}
"""What stands before a token in an address, where it is not Feishu's word for the kind."""


@dataclass(frozen=True, slots=True)
class Document:
    """
    `kind` is Feishu's word: docx, file, sheet …; `token` is what its content is had by.

    `edited_s` is when its content was changed last, in seconds; None where that is not told.
    """

    kind: str
    token: str
    url: str
    title: str
    edited_s: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """A page of a wiki or a folder, in which there may be documents."""

    token: str
    url: str
    title: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Something on a shelf: a document, or a place to go on from, or both, as a wiki's pages are."""

    document: Document | None
    below: Place | None = None


class Shelf(Protocol):
    """Where documents are: a wiki space, a folder."""

    @property
    def name(self) -> str:
        """What tells it from others."""

    def name_of(self, place: Place) -> str:
        """The name of the shelf that a place is the top of, or else is on."""

    @property
    def top(self) -> Place: ...

    def entries(self, place: Place) -> Iterator[Entry]:
        """
        What is directly in a place; those that came before an error have been given.

        Raises:
            CallFailed: not all of it can be listed.
        """


class Walk:
    """
    Everything below the top of a shelf, each document once; iterate over it, then look at `is_complete`, and at the
    `shelves` that it has been on: a folder is one, and so are those in it.

    A place that cannot be listed comes as `Refused`; the others are walked all the same.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.is_complete = False
        self.shelves: set[str] = set()

    def __iter__(self) -> Iterator[Document | Refused]:
        complete = True
        waiting, seen = [self.shelf.top], {self.shelf.top.url}
        while waiting:
            place = waiting.pop()
            self.shelves.add(self.shelf.name_of(place))
            below: list[Place] = []
            try:
                for entry in self.shelf.entries(place):
                    if entry.below and entry.below.token not in seen:
                        seen.add(entry.below.token)
                        below.append(entry.below)
                    if entry.document and entry.document.url not in seen:
                        seen.add(entry.document.url)
                        yield entry.document
            except CallFailed as error:
                complete = False
                yield Refused(place.url, f"not all of what is in {place.title!r} can be listed: {error}")
            except ValidationError:
                complete = False
                yield Refused(place.url, f"not all of what is in {place.title!r} can be listed: {_STRANGE}")
            waiting += reversed(below)
        self.is_complete = complete


def site_of(domain: str) -> str:
    """
    Where people read what the open platform of this origin has.

    Feishu's own addresses of documents begin so, and lead on to the company's: of a wiki page the open platform tells
    no other, and this one stays when a company is renamed.
    """
    return _SITES.get(domain, _SITE)


@dataclass(frozen=True, slots=True)
class WikiSpace:
    """
    All pages of a wiki.

    A shortcut stands for the page that it leads to, wherever that is; what is below that page is found in its own
    place, and not once more.
    """

    library: Library
    space_id: str
    site: str

    @property
    def name(self) -> str:
        return f"wiki/{self.space_id}"

    def name_of(self, place: Place) -> str:
        return self.name

    @property
    def top(self) -> Place:
        return Place("", f"{self.site}/wiki/space/{self.space_id}", f"wiki space {self.space_id}")

    def entries(self, place: Place) -> Iterator[Entry]:
        params: dict[str, str | int] = {"page_size": 50}
        if place.token:
            params["parent_node_token"] = place.token
        for item in self.library.items(f"/open-apis/wiki/v2/spaces/{self.space_id}/nodes", params):
            node = _Node.model_validate(item)
            own = Place(node.node_token, f"{self.site}/wiki/{node.node_token}", node.title or node.node_token)
            is_shortcut = node.node_type == "shortcut"
            origin = (node.origin_node_token or node.node_token) if is_shortcut else node.node_token
            document = Document(
                kind=node.obj_type or "",
                token=node.obj_token or "",
                url=f"{self.site}/wiki/{origin}",
                title=own.title,
                edited_s=node.obj_edit_time,
            )
            yield Entry(document, own if node.has_child and not is_shortcut else None)


@dataclass(frozen=True, slots=True)
class DriveFolder:
    """
    All files of a folder, and of the folders in it.

    A shortcut stands for the file that it leads to; a shortcut to a folder is not followed.
    """

    library: Library
    token: str
    site: str

    @property
    def name(self) -> str:
        return self.name_of(self.top)

    def name_of(self, place: Place) -> str:
        return f"folder/{place.token}"

    @property
    def top(self) -> Place:
        return Place(self.token, f"{self.site}/drive/folder/{self.token}", f"folder {self.token}")

    def entries(self, place: Place) -> Iterator[Entry]:
        wanted = {"folder_token": place.token, "page_size": "200"}
        for item in self.library.items("/open-apis/drive/v1/files", wanted, items="files"):
            file = _File.model_validate(item)
            kind, token, edited_s = file.type, file.token, file.modified_time
            if target := file.shortcut_info:
                # the shortcut's time is its own, and says nothing of the file
                kind, token, edited_s = target.target_type, target.target_token, None
            url = (file.url or "").partition("?")[0]
            if token not in url:
                url = f"{self.site}/{_PLACES.get(kind, kind)}/{token}"
            title = file.name or token
            if kind != "folder":
                yield Entry(Document(kind, token, url, title, edited_s))
            elif target is None:
                yield Entry(None, Place(token, url, title))


class _Node(Loose):
    """Of a wiki; a shortcut has the token and the kind of the document that it leads to."""

    node_token: str
    node_type: str | None = None
    origin_node_token: str | None = None
    obj_token: str | None = None
    obj_type: str | None = None
    obj_edit_time: int | None = None
    has_child: bool | None = None
    title: str | None = None


class _Target(Loose):
    target_token: str
    target_type: str


class _File(Loose):
    token: str
    type: str
    name: str | None = None
    url: str | None = None
    modified_time: int | None = None
    shortcut_info: _Target | None = None
