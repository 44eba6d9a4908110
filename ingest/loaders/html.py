"""HTML: what a reader reads, without menus, scripts and page furniture, as Markdown sections."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from bs4 import BeautifulSoup, Comment, MarkupResemblesLocatorWarning, Tag, XMLParsedAsHTMLWarning
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from markdownify import MarkdownConverter

from ingest.errors import EmptyDocument
from ingest.loaders.encoding import decode, known_encoding
from ingest.loaders.guard import damage_explained
from ingest.loaders.limits import MAX_MARKUP_BYTES, check_size
from ingest.loaders.markdown import section_documents

_CHARSET = re.compile(rb"<meta[^>]+charset=[\"']?\s*([A-Za-z0-9_-]+)", re.IGNORECASE)
_LONG_SPACE = re.compile(r"(\s{100})\s+")
"""markdownify's patterns take a time that grows with the square of a run of white space."""
_FURNITURE = ["script", "style", "noscript", "template", "nav", "footer", "aside", "form", "iframe", "svg"]


@dataclass(frozen=True, slots=True)
class HtmlPage:
    """`title` is what the browser's tab would show."""

    title: str
    markdown: str


class HtmlParser(BaseBlobParser):
    """Headings, lists and tables survive; the title is the page's own."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        page = html_page(html_text(blob.as_bytes(), name), name)
        if not page.markdown.strip():
            raise EmptyDocument(f"{name} holds no text besides menus and scripts")
        yield from section_documents(page.markdown, fallback_title=page.title or PurePath(name).stem)


def html_page(text: str, name: str) -> HtmlPage:
    """
    Raises:
        DocumentError: it is too large, or nested too deeply.
    """
    check_size(len(text), name, max_bytes=MAX_MARKUP_BYTES)
    with damage_explained(name, "HTML"), warnings.catch_warnings():
        # XHTML is read as HTML on purpose, and a page that is one address is a page all the same
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        soup = BeautifulSoup(_LONG_SPACE.sub(r"\1", text), "lxml")
        title = " ".join(soup.title.get_text().split()) if soup.title else ""
        return HtmlPage(title, _markdown(_body(soup)))


def html_text(data: bytes, name: str) -> str:
    """A page's own declaration of its encoding counts where it fits."""
    declared = _CHARSET.search(data[:2048])
    encoding = known_encoding(declared[1].decode("ascii", "replace")) if declared else None
    if encoding is None:
        return decode(data, name)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
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
