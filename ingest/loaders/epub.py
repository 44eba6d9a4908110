"""EPUB books: the chapters in reading order, each as the HTML that it is."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.errors import DocumentError, EncryptedDocument, UnreadableDocument
from ingest.loaders.archive import opened, read_member
from ingest.loaders.guard import damage_explained
from ingest.loaders.html import html_page, html_text
from ingest.loaders.kinds import EPUB
from ingest.loaders.limits import MAX_MARKUP_BYTES, Budget, budget_of
from ingest.loaders.markdown import documents_of
from ingest.loaders.parts import UnreadPart
from ingest.sections import sections

_CONTAINER = "META-INF/container.xml"
_RIGHTS = ("META-INF/rights.xml", "META-INF/sinf.xml")


@dataclass(frozen=True, slots=True)
class _Book:
    title: str
    chapters: tuple[str, ...]
    """Members of the archive, in reading order."""


class BookParser(BaseBlobParser):
    """The title is the book's; a chapter's headings are its path, or its own title where it has none."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        budget = budget_of(blob)
        with opened(blob.as_bytes(), name, EPUB.words) as archive:
            book = _book(archive, name, budget)
            for path in book.chapters:
                try:
                    yield from _chapter(archive, path, book.title or PurePath(name).stem, name, budget)
                except DocumentError as error:
                    yield UnreadPart.of(f"{name}, {path}", error)


def _book(archive: zipfile.ZipFile, name: str, budget: Budget) -> _Book:
    if any(rights in archive.namelist() for rights in _RIGHTS):
        raise EncryptedDocument(f"{name} is protected by its shop: only that shop's reader can open it")
    container = _xml(archive, _CONTAINER, name, budget)
    root = next((str(file.get("full-path")) for file in container.iterfind(".//{*}rootfile")), "")
    package = _xml(archive, root, name, budget)
    titles = [(title.text or "").strip() for title in package.iterfind(".//{*}metadata/{*}title")]
    files = {item.get("id"): str(item.get("href")) for item in package.iterfind(".//{*}manifest/{*}item")}
    order = [files.get(item.get("idref")) for item in package.iterfind(".//{*}spine/{*}itemref")]
    folder = posixpath.dirname(root)
    paths = (posixpath.normpath(posixpath.join(folder, unquote(path))) for path in order if path)
    return _Book(next(iter(titles), ""), tuple(dict.fromkeys(paths)))


def _xml(archive: zipfile.ZipFile, path: str, name: str, budget: Budget) -> Element:
    data = _member(archive, path, name, budget)
    with damage_explained(f"{name} (part {path!r})", "part of an EPUB book"):
        return fromstring(data)


def _chapter(archive: zipfile.ZipFile, path: str, title: str, name: str, budget: Budget) -> Iterator[Document]:
    where = f"{name} ({path})"
    page = html_page(html_text(_member(archive, path, name, budget), where), where)
    for document in documents_of(sections(page.markdown), title=title):
        if not document.metadata["headings"] and page.title != title:
            document.metadata["headings"] = page.title
        yield document


def _member(archive: zipfile.ZipFile, path: str, name: str, budget: Budget) -> bytes:
    try:
        info = archive.getinfo(path)
    except KeyError as error:
        raise UnreadableDocument(f"{name} lacks its part {path!r}: the file may be damaged") from error
    return read_member(archive, info, f"{name} (part {path!r})", budget, max_bytes=MAX_MARKUP_BYTES)
