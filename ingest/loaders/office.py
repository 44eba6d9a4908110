"""What Word, PowerPoint and Excel files share: a zip of XML parts, checked before a library opens it."""

from __future__ import annotations

import zipfile

from ingest.errors import UnreadableDocument
from ingest.loaders.archive import check_member, opened, read_member
from ingest.loaders.kinds import Kind
from ingest.loaders.limits import MAX_FILE_BYTES, MAX_PART_BYTES, Budget

_DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be"))


def check_package(data: bytes, name: str, kind: Kind, budget: Budget) -> None:
    """
    Pass a package that a library may open.

    The libraries resolve no entities; but they would read every part whole, and a document type has no business in
    an Office file.

    Raises:
        DocumentError: it is damaged, encrypted, a bomb, or not of this kind.
    """
    with opened(data, name, kind.words) as archive:
        for info in archive.infolist():
            part = f"{name} (part {info.filename!r})"
            if _is_xml(info):
                _check_xml(read_member(archive, info, part, budget, max_bytes=MAX_PART_BYTES), part)
            else:
                check_member(info, part, max_bytes=MAX_FILE_BYTES)
                budget.unpack(info.file_size, part)


def _is_xml(info: zipfile.ZipInfo) -> bool:
    return info.filename.lower().endswith((".xml", ".rels", ".vml"))


def _check_xml(content: bytes, part: str) -> None:
    if any(doctype in content for doctype in _DOCTYPES):
        raise UnreadableDocument(f"{part} declares a document type, as XML bombs do: save the document again")
