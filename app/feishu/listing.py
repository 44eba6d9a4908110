"""Documents of Feishu as the pipeline takes them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import quote

from app.feishu.blocks import unstructured, written
from app.feishu.documents import Document, Shelf, Walk
from app.feishu.errors import CallFailed, Misconfigured, PlatformUnavailable, QuotaSpent, ResourceTooLarge
from app.feishu.library import Library
from ingest.documents import LeftOut, Refused
from ingest.errors import DocumentTooLarge, UnreadableDocument
from ingest.loaders.limits import MAX_FILE_BYTES
from ingest.loaders.table import why_unread
from ingest.origins import Listing, was_labelled

logger = logging.getLogger(__name__)
FEISHU = "feishu"
"""The label of a document: the space or folder that it was found in last."""
_READ_AS = "1"
"""Counts up when blocks become other Markdown, so that what was read before is read again."""
_SETTLED_S = 60
"""Times are in whole seconds: of what was changed just now nobody can tell whether it will be once more."""
_NOT_READ = {
    "sheet": "a spreadsheet: download it as .xlsx and ingest the file",
    "bitable": "a base: export it and ingest the file",
    "mindnote": "a mind map, which the open platform does not give out",
    "slides": "slides: download them and ingest the file",
    "doc": "a document of the old kind: convert it in Feishu, or download it and ingest the file",
}
_ODD = re.compile(r"[\x00-\x1f\x7f/\\]+")


def feishu_listing(shelf: Shelf, library: Library, *, now_s: Callable[[], float]) -> Listing:
    """
    The documents of a shelf; they are fetched while they are ingested, and those that were not edited are not.

    What is gone can be told when every place could be listed; what is in another shelf is none of this one's.
    """
    walk = Walk(shelf)
    return Listing(
        origins=_origins(walk, library, now_s),
        total=0,
        covers=lambda document, source: was_labelled(document, source, FEISHU, shelf.name),
        is_complete=lambda: walk.is_complete,
        labels={FEISHU: shelf.name},
        shelf=shelf.name,
        shelves=lambda: walk.shelves,
    )


@dataclass(frozen=True, slots=True)
class FeishuOrigin:
    """A document where it is; its address is what it is called, so that citations lead there."""

    document: Document
    library: Library
    version: str

    @property
    def key(self) -> str:
        return self.document.url

    @property
    def source(self) -> str:
        return self.document.url

    @property
    def name(self) -> str:
        title = _ODD.sub(" ", self.document.title).strip()
        return f"{title or self.document.token}.md" if self.document.kind == "docx" else title

    def read(self) -> bytes:
        """
        Raises:
            UnreadableDocument: Feishu does not give it out, or not now.
            DocumentTooLarge: the file is larger than is read of one.
        """
        title = self.document.title
        try:
            if self.document.kind == "docx":
                return self._markdown().encode()
            path = f"/open-apis/drive/v1/files/{quote(self.document.token, safe='')}/download"
            return self.library.download(path, max_bytes=MAX_FILE_BYTES)
        except ResourceTooLarge as error:
            raise DocumentTooLarge(f"{title!r} is too large: {error}") from error
        except CallFailed as error:
            raise UnreadableDocument(f"{title!r} cannot be fetched: {error}") from error

    def _markdown(self) -> str:
        """Of its blocks, or of the plain text where those are none that we can read."""
        path = f"/open-apis/docx/v1/documents/{quote(self.document.token, safe='')}"
        try:
            blocks = self.library.items(f"{path}/blocks", {"page_size": 500, "document_revision_id": -1})
            done = written(blocks, title=self.document.title)
        except (Misconfigured, PlatformUnavailable, QuotaSpent):
            raise  # the plain text would not be had either
        except (CallFailed, ValueError) as error:
            logger.warning("%s is read as plain text, without its headings and tables: %s", self.key, error)
            text = self.library.get(f"{path}/raw_content").get("content")
            return unstructured(str(text or ""), title=self.document.title)
        if done.left_out:
            logger.info("%s holds what is not read: %s", self.key, ", ".join(sorted(set(done.left_out))))
        return done.markdown


def _origins(walk: Walk, library: Library, now_s: Callable[[], float]) -> Iterator[FeishuOrigin | Refused]:
    for found in walk:
        if isinstance(found, Refused):
            yield found
        elif why := _why_not(found):
            yield LeftOut(found.url, f"{found.title!r} is not read: {why}")
        else:
            yield FeishuOrigin(found, library, _version(found, now_s()))


def _why_not(document: Document) -> str | None:
    if document.kind == "docx":
        return None
    if document.kind == "file":
        return why_unread(PurePath(_ODD.sub(" ", document.title).strip()).suffix)
    return _NOT_READ.get(document.kind, f"a document of the kind {document.kind or 'unknown'!r}")


def _version(document: Document, now_s: float) -> str:
    if document.edited_s is None or document.edited_s > now_s - _SETTLED_S:
        return ""
    return f"{_READ_AS} {document.edited_s} {document.title}"
