"""Zip archives: every member through its own loader, under the name "archive.zip/inner/path"."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.errors import DocumentError
from ingest.loaders.archive import member_name, name_fault, opened, read_member
from ingest.loaders.limits import Budget, budget_of
from ingest.loaders.parts import UnreadPart
from ingest.loaders.reading import Parsers, parse_member


class ZipParser(BaseBlobParser):
    """A member that cannot be read leaves the others; hidden members and a Mac's resource forks are left out."""

    def __init__(self, members: Parsers) -> None:
        self._members = members

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        budget = budget_of(blob)
        with opened(blob.as_bytes(), name, "a ZIP archive") as archive:
            for info in archive.infolist():
                path = member_name(info)
                if not info.is_dir() and not _is_hidden(path):
                    yield from self._member(archive, info, path, name, budget)

    def _member(
        self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str, name: str, budget: Budget
    ) -> Iterator[Document]:
        source = f"{name}/{path}"
        if fault := name_fault(path):
            yield UnreadPart.of(f"{name}/{path!r}", fault)
            return
        try:
            data = read_member(archive, info, source, budget)
        except DocumentError as error:
            yield UnreadPart.of(source, error)
            return
        yield from parse_member(data, source, self._members, budget)


def _is_hidden(path: str) -> bool:
    return any((part.startswith(".") and part.strip(".")) or part == "__MACOSX" for part in path.split("/"))
