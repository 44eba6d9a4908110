from __future__ import annotations

import pytest

from ingest.loaders.table import load
from ingest.web.addresses import address_of
from ingest.web.charset import with_its_charset
from ingest.web.kinds import name_of
from ingest.web.pages import LeftOut
from tests.ingest.web.sites import Answer, Script, crawled, html, link, serving

OFFICE = "application/vnd.openxmlformats-officedocument"
TEXT = "部署指南:工作温度为 5 到 45 °C,相对湿度不超过 90%。"


@pytest.mark.parametrize(
    ("path", "content_type", "name"),
    [
        ("/a", "text/html", "a.html"),
        ("/a", "TEXT/HTML; charset=utf-8", "a.html"),
        ("/a.htm", "text/html", "a.htm"),
        ("/index.php?id=3", "text/html", "index.html"),
        ("/v1.2", "text/html", "v1.2.html"),
        ("/", "text/html", "h.html"),
        ("/docs/", "application/xhtml+xml", "docs.html"),
        ("/paper.pdf", "text/html", "paper.html"),
        ("/手册", "text/html", "手册.html"),
        ("/a%2Fb%00c", "text/html", "a_b_c.html"),
        ("/...%2f", "text/html", "_.html"),
        ("/a", "text/markdown", "a.md"),
        ("/a.markdown", "text/markdown", "a.markdown"),
        ("/a", "text/plain", "a.txt"),
        ("/a.md", "text/plain; charset=utf-8", "a.md"),
        ("/a.py", "text/plain", "a.py"),
        ("/a.html", "text/plain", "a.txt"),
        ("/a", "application/pdf", "a.pdf"),
        ("/download?id=3", "application/pdf", "download.pdf"),
        ("/a", f"{OFFICE}.wordprocessingml.document", "a.docx"),
        ("/a", f"{OFFICE}.presentationml.presentation", "a.pptx"),
        ("/a", f"{OFFICE}.spreadsheetml.sheet", "a.xlsx"),
        ("/a.docx", "application/octet-stream", "a.docx"),
        ("/a.docx", "application/zip", "a.docx"),
        ("/a.PDF", "", "a.pdf"),
        ("/a", "text/csv", "a.csv"),
        ("/a", "application/json", "a.json"),
        ("/a.ipynb", "application/json", "a.ipynb"),
    ],
)
def test_the_content_type_chooses_the_loader_and_then_the_address(path: str, content_type: str, name: str) -> None:
    assert name_of(address_of(f"http://h{path}"), content_type) == name


@pytest.mark.parametrize("kind", ["video/mp4", "application/octet-stream", "", "text/css", "application/x-msdownload"])
def test_an_unknown_kind_is_left_out_before_its_body_is_read(kind: str) -> None:
    def endless() -> Answer:
        return Answer((b"x" * 1000 for _ in iter(int, 1)), kind=kind)

    with serving({"/": html(link("/file")), "/file": endless}) as site:
        found = crawled(site.url, depth=1)

    assert isinstance(found.refused[0], LeftOut)
    assert "which is not read" in found.reason
    assert not found.crawl.partial


def test_pages_that_are_no_html_come_as_they_are() -> None:
    pages: dict[str, Script] = {
        "/": html(link("/a.md", "/b.bin")),
        "/a.md": Answer(b"# A\n\n[b](/never)\n", kind="text/markdown"),
        "/b.bin": Answer(b"%PDF-1.4 \xff\x00", kind="application/pdf"),
    }
    with serving(pages) as site:
        found = crawled(site.url, depth=3)

    assert [page.name for page in found.pages][1:] == ["a.md", "b.bin.pdf"]
    assert [page.read() for page in found.pages][1:] == [b"# A\n\n[b](/never)\n", b"%PDF-1.4 \xff\x00"]


@pytest.mark.parametrize(
    ("header", "encoding", "meta"),
    [
        ("gbk", "gbk", ""),
        ("GB2312", "gb18030", ""),
        ("big5", "big5", ""),
        ("utf-8", "utf-8", '<meta charset="gbk">'),
        ("gbk", "gbk", '<meta charset="utf-8">'),
        ("shift_jis", "shift_jis", ""),
        ('"euc-kr"', "euc_kr", ""),
        ("iso-8859-1", "utf-8", ""),
        ("no-such-thing", "utf-8", ""),
        ("punycode", "utf-8", ""),
        ("utf-8", "gbk", '<meta charset="gbk">'),
    ],
)
def test_a_page_is_read_in_the_encoding_that_its_header_names(header: str, encoding: str, meta: str) -> None:
    words = {"shift_jis": "設定は画面で行います。", "euc_kr": "설치 안내서", "big5": "設定說明,請先閱讀。"}.get(
        encoding, TEXT
    )
    page = f"<html><head>{meta}<title>{words}</title></head><body><p>{words}</p><a href='/a'>a</a></body></html>"
    answer = Answer(page.encode(encoding), kind=f"text/html; charset={header}")
    with serving({"/": answer, "/a": html()}) as site:
        found = crawled(site.url, depth=1)

    (section,) = load(found.pages[0].read(), found.pages[0].name)
    assert words in section.page_content
    assert section.metadata["title"] == words
    assert len(found.pages) == 2


def test_plain_text_is_read_in_the_encoding_of_its_header() -> None:
    with serving(
        {"/a.txt": Answer("naïve café – 5 €".encode("cp1252"), kind="text/plain; charset=iso-8859-1")}
    ) as site:
        (page,) = crawled(f"{site.url}/a.txt").pages

    assert load(page.read(), page.name)[0].page_content == "naïve café – 5 €"


def test_a_page_that_its_loader_reads_rightly_stays_as_it_is() -> None:
    page = f"<html><body>\r\n{TEXT}</body></html>".encode()

    assert with_its_charset(page, "a.html", "text/html; charset=utf-8") is page
    assert with_its_charset(page, "a.html", "text/html") is page


def test_a_few_broken_characters_break_no_page() -> None:
    page = b"<html><body>" + (TEXT * 20).encode() + b"\xe6\x89" + b"</body></html>"

    (section,) = load(with_its_charset(page, "a.html", "text/html; charset=utf-8"), "a.html")
    assert TEXT in section.page_content


def test_a_page_without_text_still_comes() -> None:
    with serving({"/": Answer(b"")}) as site:
        found = crawled(site.url)

    assert [page.read() for page in found.pages] == [b""]
