"""Letters as .eml files: who, when, about what, the text, and each attachment through its own loader."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.policy import EmailPolicy
from pathlib import PurePath
from typing import cast

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.errors import DocumentError, EncryptedDocument, UnreadableDocument
from ingest.loaders.archive import name_fault
from ingest.loaders.encoding import decode
from ingest.loaders.guard import damage_explained
from ingest.loaders.html import html_page
from ingest.loaders.limits import MAX_HEADER_CHARACTERS, MAX_MAIL_BYTES, Budget, budget_of, check_size
from ingest.loaders.parts import UnreadPart
from ingest.loaders.reading import Parsers, parse_member
from ingest.sections import sections

_HEADERS = ("From", "To", "Cc", "Date", "Subject")


class _ShortHeaders(EmailPolicy):
    """The default policy, but that a header is cut before it is parsed."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:MAX_HEADER_CHARACTERS]


class MailParser(BaseBlobParser):
    """The subject is the title; an attachment's source is "letter.eml/name"."""

    def __init__(self, members: Parsers) -> None:
        self._members = members

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        data = blob.as_bytes()
        check_size(len(data), name, max_bytes=MAX_MAIL_BYTES)
        with damage_explained(name, "a letter"):
            # the stubs forget the class when the policy is one's own
            message = cast("EmailMessage", BytesParser(EmailMessage, policy=_ShortHeaders()).parsebytes(data))
            head = [f"{field}: {message[field]}" for field in _HEADERS if message[field]]
            title = str(message["Subject"] or "").strip() or PurePath(name).stem
            kind = message.get_content_type()
        if not head:
            raise UnreadableDocument(f"{name} is no letter: it has none of the lines {', '.join(_HEADERS)}")
        if kind in ("application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted"):
            raise EncryptedDocument(f"{name} is encrypted: save a copy that is not")
        unread: list[UnreadPart] = []
        try:
            body = _body(message, name)
        except DocumentError as error:
            body = ""
            unread.append(UnreadPart.of(f"{name}, its text", error))
        yield Document("\n".join([*head, "", body]).strip(), metadata={"title": title, "headings": ""})
        yield from unread
        try:
            yield from self._attachments(message, name, budget_of(blob))
        except DocumentError as error:
            yield UnreadPart.of(f"{name}, its attachments", error)

    def _attachments(self, message: EmailMessage, name: str, budget: Budget) -> Iterator[Document]:
        for part in _attachments(message, name):
            with damage_explained(name, "a letter"):
                path, data = _file(part)
            if fault := name_fault(path):
                yield UnreadPart.of(f"{name}/{path!r}", fault)
            elif data.strip():
                yield from parse_member(data, f"{name}/{path}", self._members, budget)


def _body(message: EmailMessage, name: str) -> str:
    with damage_explained(name, "a letter"):
        part = message.get_body(preferencelist=("plain", "html"))
        data = _bytes(part) if part is not None else b""
        if part is None or not data.strip():
            return ""
        text = _text(part, data, name)
        if part.get_content_type() != "text/html":
            return text
        return "\n\n".join(section.text for section in sections(html_page(text, name).markdown))


def _text(part: MIMEPart, data: bytes, name: str) -> str:
    """A charset that is not declared, or declared wrongly, is found out."""
    try:
        declared = str(part.get_content_charset() or "utf-8")
        text = data.decode("gb18030" if declared in ("gb2312", "gbk") else declared)
    except (LookupError, UnicodeDecodeError):
        return decode(data, name)
    return text.replace("\r\n", "\n")


def _attachments(message: EmailMessage, name: str) -> list[MIMEPart]:
    """Pictures that the text shows, as a signature's logo, are no attachments."""
    with damage_explained(name, "a letter"):
        if not message.is_multipart():
            return []
        return [
            part
            for part in message.iter_attachments()
            if not (part.get_content_maintype() == "image" and part["Content-ID"] and not part.is_attachment())
        ]


def _file(part: MIMEPart) -> tuple[str, bytes]:
    name = part.get_filename()
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload(0)
        data = inner.as_bytes() if isinstance(inner, EmailMessage) else b""
        return name or "forwarded.eml", data
    return name or "attachment", _bytes(part)


def _bytes(part: MIMEPart) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""
