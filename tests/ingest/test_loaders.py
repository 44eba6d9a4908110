from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter

from ingest.errors import DocumentError, EmptyDocument, EncryptedDocument, UnreadableDocument, UnsupportedDocument
from ingest.loaders.table import load
from ingest.sections import Heading, sections, sections_of

TEXT = "# 部署指南\n\n## 环境要求\n\n工作温度为 5 到 45 °C，相对湿度不超过 90%。\n"


def encrypted_pdf(password: str) -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt(password, algorithm="AES-256")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def blank_pdf() -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_chinese_file_is_read_in_any_encoding_that_offices_use(encoding: str) -> None:
    (section,) = load((TEXT * 3).encode(encoding.replace("gbk", "gb18030"))[:], "a.md")[:1]
    assert "工作温度为 5 到 45 °C" in section.page_content


def test_markdown_sections_know_their_headings_and_title() -> None:
    (section,) = load(TEXT.encode(), "a.md")
    assert section.metadata == {"title": "部署指南", "headings": "环境要求"}


def test_underlined_headings_are_headings() -> None:
    found = load("手册\r\n===\r\n\r\n第一段。\r\n\r\n费用\r\n---\r\n\r\n七元。\r\n\r\n| a |\n---\n".encode(), "a.md")
    assert [section.metadata for section in found] == [
        {"title": "手册", "headings": ""},
        {"title": "手册", "headings": "费用"},
    ]


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("# C#", "C#"),
        ("# Title ##", "Title"),
        ("# Two  words #", "Two  words"),
        ("# 问题 #1", "问题 #1"),
        ("# ##", "##"),
    ],
)
def test_only_hashes_that_close_a_heading_are_left_out(line: str, heading: str) -> None:
    (section,) = sections(f"{line}\n\ntext")
    assert section.headings == (heading,)


def test_what_looks_like_a_heading_in_other_formats_is_text() -> None:
    found = list(
        sections_of(["before", Heading(1, "一"), Heading(3, "三"), "# 1 is a number\n```", Heading(2, "二"), "x"])
    )
    assert [section.headings for section in found] == [(), ("一", "三"), ("一", "二")]
    assert found[1].text == "### 三\n\n# 1 is a number\n```"


def test_a_file_of_headings_only_can_still_be_found() -> None:
    (section,) = load("# 目录\n\n## 差旅制度\n".encode(), "a.md")
    assert "差旅制度" in section.page_content


def test_a_hash_in_a_code_fence_is_no_heading() -> None:
    found = load(b"# A\n\n```sh\n# not a heading\nls\n```\n\n## B\n\ntext\n", "a.md")
    assert [section.metadata["headings"] for section in found] == ["", "B"]
    assert "# not a heading" in found[0].page_content


HTML = """<html><head><title>退货</title><script>tracking()</script></head><body><nav>菜单</nav>
<main><h1>退货</h1><h2>期限</h2><p>15 天内可以退货。</p><table><tr><th>型号</th><th>费用</th></tr>
<tr><td>LC-100</td><td>390</td></tr></table></main><footer>版权</footer></body></html>"""


def test_html_keeps_what_a_reader_reads() -> None:
    found = load(HTML.encode(), "a.html")
    text = "\n".join(section.page_content for section in found)
    assert "15 天内可以退货" in text
    assert "| LC-100 | 390 |" in text
    assert not any(word in text for word in ("菜单", "tracking", "版权"))
    assert found[-1].metadata == {"title": "退货", "headings": "期限"}


@pytest.mark.parametrize(
    "declared", ['<meta charset="gbk">', '<meta http-equiv=x content="text/html; charset=gb2312">']
)
def test_html_is_read_in_the_encoding_that_it_declares(declared: str) -> None:
    data = HTML.replace("<head>", f"<head>{declared}").encode("gbk")
    assert "15 天内可以退货" in "".join(section.page_content for section in load(data, "a.html"))


def test_a_binary_file_renamed_to_markdown_is_refused() -> None:
    for data in (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, b"PK\x03\x04" + bytes(range(256)) * 20):
        with pytest.raises(UnreadableDocument, match=r"picture\.md is not text"):
            load(data, "picture.md")


def test_an_encrypted_pdf_is_named_with_what_to_do() -> None:
    with pytest.raises(EncryptedDocument, match=r"secret\.pdf is protected by a password: save a copy"):
        load(encrypted_pdf("geheim"), "secret.pdf")


def test_a_pdf_that_opens_without_a_password_is_read_although_it_is_encrypted() -> None:
    with pytest.raises(EmptyDocument):  # it was opened: the page is blank
        load(encrypted_pdf(""), "open.pdf")


def test_a_damaged_pdf_is_refused() -> None:
    with pytest.raises(UnreadableDocument, match=r"broken\.pdf"):
        load(blank_pdf()[:200], "broken.pdf")


def test_a_scanned_pdf_says_that_it_needs_text_recognition() -> None:
    with pytest.raises(EmptyDocument, match="text recognition"):
        load(blank_pdf(), "scan.pdf")


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html", "a.pdf"])
@pytest.mark.parametrize("data", [b"", b" \n\t "])
def test_an_empty_file_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(EmptyDocument, match=name):
        load(data, name)


def test_a_file_of_another_kind_names_the_kinds_that_are_read() -> None:
    with pytest.raises(UnsupportedDocument, match=r"\.md"):
        load(b"x", "a.exe")


@given(data=st.binary(max_size=2000), suffix=st.sampled_from([".md", ".txt", ".html", ".pdf"]))
@settings(max_examples=60, deadline=None)
def test_whatever_the_bytes_are_a_loader_reads_them_or_raises_our_error(data: bytes, suffix: str) -> None:
    try:
        documents = load(data, "fuzz" + suffix)
    except DocumentError:
        return
    assert all(isinstance(document.page_content, str) for document in documents)


@pytest.mark.parametrize("text", ["年假", "员工年假五天。", "年假 5 days, see HR\n" * 3, "员工年假五天a。" * 9000])
def test_gbk_is_known_however_short_mixed_or_long_the_text_is(text: str) -> None:
    assert load(text.encode("gbk"), "a.txt")[0].page_content.split() == text.split()


def test_traditional_chinese_in_big5_is_not_taken_for_gbk() -> None:
    text = "員工年假五天，請向主管申請。這是繁體中文的文件，用來測試編碼。"
    assert load(text.encode("big5"), "a.txt")[0].page_content == text
