"""HTML: what a reader reads, without menus, scripts and page furniture, as Markdown sections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from bs4 import BeautifulSoup, Comment, Tag
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from markdownify import MarkdownConverter

from ingest.errors import EmptyDocument
from ingest.loaders.encoding import decode
from ingest.loaders.markdown import section_documents

_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?\s*([A-Za-z0-9_-]+)", re.IGNORECASE)
_FURNITURE = ["script", "style", "noscript", "template", "nav", "footer", "aside", "form", "iframe", "svg"]


class HtmlParser(BaseBlobParser):
    """Headings, lists and tables survive; the title is the page's own."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        data = blob.as_bytes()
        soup = BeautifulSoup(_text(data, name), "lxml")
        title = soup.title.get_text(strip=True) if soup.title else ""
        markdown = _markdown(_body(soup))
        if not markdown.strip():
            raise EmptyDocument(f"{name} holds no text besides menus and scripts")
        yield from section_documents(markdown, fallback_title=title or PurePath(name).stem)


def _text(data: bytes, name: str) -> str:
    """A page's own declaration of its encoding counts where UTF-8 does not fit."""
    declared = _CHARSET.search(data[:2048])
    if declared:
        try:
            # gb18030 holds all of gb2312 and gbk, whose names pages use for each other
            encoding = declared[1].decode("ascii").lower()
            return data.decode("gb18030" if encoding in ("gb2312", "gbk") else encoding)
        except (LookupError, UnicodeDecodeError):
            pass
    return decode(data, name)


def _body(soup: BeautifulSoup) -> Tag:
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for furniture in soup.find_all(_FURNITURE):
        furniture.decompose()
    main = soup.find("main") or soup.find("article") or soup.body
    return main if isinstance(main, Tag) else soup


def _markdown(body: Tag) -> str:
    for header in body.find_all("header"):
        if not header.find(["h1", "h2"]):
            header.decompose()
    converter = MarkdownConverter(
        heading_style="ATX",
        bullets="-",
        strip=["a", "img"],
        escape_misc=False,
        escape_underscores=False,
        escape_asterisks=False,
    )
    markdown: str = converter.convert_soup(body)
    return "\n".join(line.rstrip() for line in markdown.splitlines())
