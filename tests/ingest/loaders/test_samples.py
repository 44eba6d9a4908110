"""A real file of every format, in Chinese and English: its text, headings, tables and places come through."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from langchain_core.documents import Document

from ingest.documents import Refused
from ingest.errors import DocumentError, EmptyDocument, UnreadableDocument, UnsupportedDocument
from ingest.loaders import ocr
from ingest.loaders.table import PARSERS, load, read, why_unread
from tests.ingest.loaders.fuzzing import sample

needs_ocr = pytest.mark.skipif(not ocr.is_installed(), reason="the extra ocr is not installed")


@pytest.fixture
def no_ocr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: False)


def sections(name: str) -> list[Document]:
    return load(sample(name), name)


def metadata(name: str) -> list[dict[str, Any]]:
    return [section.metadata for section in sections(name)]


def text_of(name: str) -> str:
    return "\n\n".join(section.page_content for section in sections(name))


def test_markdown() -> None:
    assert metadata("handbook.md") == [{"title": "手册 Handbook", "headings": "网络 Network"}]
    assert "| 3 | lark-3 |" in text_of("handbook.md")


def test_html() -> None:
    assert metadata("page.html") == [{"title": "常见问题 FAQ", "headings": "发货 Shipping"}]
    assert "| 华东 | 2 |" in text_of("page.html")


def test_text_in_the_encodings_of_offices() -> None:
    assert text_of("room-big5.txt").startswith("會議室預約須知：請於使用前一日登記")
    assert text_of("notes-utf16.txt") == "Plain notes.\n第二行。\n"


def test_pdf() -> None:
    assert metadata("attendance.pdf") == [{"title": "考勤制度 Attendance", "page": page} for page in (1, 2)]
    assert "请假须提前三天申请。" in text_of("attendance.pdf")
    assert "Ask for leave early." in text_of("attendance.pdf")


def test_word() -> None:
    assert metadata("policy.docx") == [
        {"title": "退货政策 Return policy", "headings": headings}
        for headings in ("", "期限 Deadline > 国内 Domestic", "费用 Fees")
    ]
    _, deadline, fees = sections("policy.docx")
    assert "收货后 15 天内可以退货。Returns are accepted within 15 days." in deadline.page_content
    assert "- 保留原包装 Keep the box" in deadline.page_content
    assert "| 型号 Model | 价格 Price | 质保 Warranty |\n| --- | --- | --- |\n| LC-100 | 390 |" in fees.page_content


def test_word_gives_tracked_insertions_and_form_fields() -> None:
    assert "修订：运费由卖方承担。" in text_of("policy.docx")
    assert "表单内的字段 A field in a form" in text_of("policy.docx")


def test_powerpoint() -> None:
    first, second = sections("review.pptx")
    assert first.metadata == {"title": "季度回顾 Quarterly review", "headings": "", "slide": 1}
    assert second.metadata == {"title": "季度回顾 Quarterly review", "headings": "价格 Prices", "slide": 2}
    assert "收入增长 12%\nRevenue grew by 12%" in first.page_content
    for text in ("| LC-100 | 390 | 12 个月 |", "组合里的文字 Text in a group", "Prices include tax."):
        assert text in second.page_content


def test_excel() -> None:
    prices, *staff = sections("prices.xlsx")
    assert prices.metadata == {"title": "prices", "headings": "价格 Prices", "sheet": "价格 Prices"}
    assert prices.page_content.startswith("2026 年价目表\n\n| 型号 Model | 价格 Price |")
    assert "| LC-200 | 780 | 24 months |" in prices.page_content
    assert {section.metadata["sheet"] for section in staff} == {"员工 Staff"}


@pytest.mark.parametrize("name", ["prices.xlsx", "orders-gbk.csv"])
def test_each_part_of_a_long_table_has_its_header_and_no_row_is_lost(name: str) -> None:
    found = [section.page_content for section in sections(name) if "价格" not in section.page_content]
    header = found[0].splitlines()[0]
    assert len(found) > 1
    assert all(text.startswith(f"{header}\n| --- |") and len(text) <= 500 for text in found)
    rows = [line for text in found for line in text.splitlines()[2:]]
    assert len(rows) == len(set(rows)) == (40 if name == "prices.xlsx" else 30)


def test_csv_quotes_and_other_delimiters() -> None:
    assert "| 2026-001 | 客户, 第 1 号 | 10 |" in text_of("orders-gbk.csv")
    assert text_of("people.tsv") == "| name | city |\n| --- | --- |\n| Alice | Paris |\n| Bob | Berlin |"
    assert load("名称;价格\n茶;3,5\n".encode(), "a.csv")[0].page_content.endswith("| 茶 | 3,5 |")


def test_json_keeps_together_what_is_short() -> None:
    company, faq = sections("products.json")
    assert "company: 云雀科技 Larkwise" in company.page_content
    assert "    price: 390" in company.page_content
    assert "    en: Orders ship within 48 hours" in faq.page_content


def test_json_is_cut_at_its_own_parts_and_knows_the_path() -> None:
    long = '{"手册": {"网络": "' + "甲" * 400 + '", "门禁": {"zh": "' + "乙" * 400 + '", "en": "' + "c" * 400 + '"}}}'
    found = load(long.encode(), "a.json")
    assert [(section.metadata["headings"], section.page_content[:5]) for section in found] == [
        ("手册", "网络: 甲"),
        ("手册 > 门禁", "zh: 乙"),
        ("手册 > 门禁", "en: c"),
    ]


def test_json_lines_are_a_section_each_and_a_broken_line_is_told() -> None:
    loaded = read(sample("tickets.jsonl"), "tickets.jsonl")
    assert [section.page_content.splitlines()[0] for section in loaded.sections] == ["id: 1", "id: 2", "id: 3"]
    assert loaded.failed == (Refused("tickets.jsonl, line 3", "line 3 of tickets.jsonl: no JSON"),)


def test_epub_in_reading_order() -> None:
    assert metadata("tea.epub") == [
        {"title": "茶经 The Book of Tea", "headings": headings}
        for headings in ("一之源 Origins > 茶 Tea", "二之具 Tools")
    ]
    assert "茶者，南方之嘉木也。" in text_of("tea.epub")


def test_a_letter_and_its_attachment() -> None:
    letter, price, *_ = sections("minutes.eml")
    assert letter.metadata == {"title": "会议纪要 Minutes", "headings": ""}
    assert "From: 王芳 <wang@example.com>" in letter.page_content
    assert letter.page_content.endswith("下次会议在周五下午三点。\nThe next meeting is on Friday at three.")
    assert price.metadata["source"] == "minutes.eml/价格 prices.xlsx"
    assert price.metadata["sheet"] == "价格 Prices"


def test_a_letter_in_html_only() -> None:
    mail = (
        "From: a@b.c\nSubject: =?utf-8?b?5Lu35qC8?=\nContent-Type: text/html; charset=gbk\n\n<h1>价格</h1><p>七元。</p>"
    )
    (letter,) = load(mail.encode("gbk"), "a.eml")
    assert letter.metadata["title"] == "价格"
    assert letter.page_content.endswith("# 价格\n\n七元。")


def test_a_notebook() -> None:
    _, total = sections("sales.ipynb")
    assert total.metadata == {"title": "销售分析 Sales", "headings": "合计 Total"}
    assert total.page_content.endswith("```python\n# not a heading\n390 + 780\n```\n\n```\n1170\n```")


@pytest.mark.parametrize(
    ("name", "headings"),
    [
        ("service.py", ["", "Refunds", "Refunds > allowed", "Refunds > pay_back", "main"]),
        ("cache.go", ["", "Store", "Get"]),
        ("schema.sql", ["orders", "orders_amount"]),
        ("deploy.toml", ["", "server", "server.limits"]),
    ],
)
def test_source_code_is_cut_at_its_definitions(name: str, headings: list[str]) -> None:
    assert metadata(name) == [{"title": name, "headings": heading} for heading in headings]
    assert "".join(text_of(name).split()) == "".join(sample(name).decode().split())


def test_a_comment_stays_with_the_definition_below_it() -> None:
    assert sections("service.py")[3].page_content.startswith("    # Money goes back the way it came.\n    def pay_back")


@pytest.mark.parametrize(
    "suffix", ["py", "js", "ts", "java", "go", "rs", "c", "cpp", "h", "sh", "sql", "yaml", "toml", "ini"]
)
def test_the_usual_languages_are_read(suffix: str) -> None:
    assert load("# 注释 a comment\nx = 1\n".encode(), f"a.{suffix}")[0].page_content.startswith("# 注释 a comment")


def test_halves_of_characters_do_not_reach_the_index() -> None:
    (section,) = load(b'{"a": "\\ud83d", "b": "\\u0000x"}', "a.json")
    assert section.page_content == "a: ?\nb: x"


def test_a_letter_whose_attachment_is_broken_is_still_read() -> None:
    mail = sample("minutes.eml").replace(b"UEsD", b"AAAA", 1)
    loaded = read(mail, "minutes.eml")
    assert "下次会议" in loaded.sections[0].page_content
    assert [refused.path for refused in loaded.failed] == ["minutes.eml/价格 prices.xlsx"]


def test_an_archive_of_all_kinds() -> None:
    loaded = read(sample("bundle.zip"), "bundle.zip")
    assert {section.metadata["source"] for section in loaded.sections} == {
        "bundle.zip/docs/政策.docx",
        "bundle.zip/docs/readme.txt",
        "bundle.zip/inner.zip/深处.md",
    }
    assert [refused.path for refused in loaded.failed] == ["bundle.zip/broken.docx"]
    assert [refused.path for refused in loaded.skipped] == ["bundle.zip/tool.exe"]


def test_an_archive_in_an_archive_in_an_archive_is_not_opened() -> None:
    data = sample("bundle.zip")
    for _ in range(2):
        data = packed({"bundle.zip": data})
    with pytest.raises(EmptyDocument, match=r"x\.zip/bundle\.zip/bundle\.zip is of a kind that is not read"):
        read(data, "x.zip")


def test_member_names_that_chinese_windows_has_packed() -> None:
    raw = packed({"a" * 8: b"text", "b.txt": b"text"}).replace(b"a" * 8, "政策.txt".encode("gbk"))
    assert [section.metadata["source"] for section in load(raw, "x.zip")] == ["x.zip/政策.txt", "x.zip/b.txt"]


def packed(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


@needs_ocr
def test_a_picture_is_recognised_without_the_network() -> None:
    (sign,) = sections("sign.png")
    assert sign.metadata == {"title": "sign", "headings": ""}
    assert "欢迎使用云雀" in sign.page_content
    assert "Room 305" in sign.page_content


@needs_ocr
def test_a_scanned_page_is_recognised_beside_pages_of_text() -> None:
    text, scan = sections("scanned.pdf")
    assert text.page_content == "第一页是文字。The first page is text."
    assert scan.metadata["page"] == 2
    assert "第二页是扫描件" in scan.page_content
    assert "20261124" in scan.page_content


@pytest.mark.usefixtures("no_ocr")
def test_a_scanned_page_is_named_where_there_is_no_recognition() -> None:
    loaded = read(sample("scanned.pdf"), "scanned.pdf")
    assert [section.metadata["page"] for section in loaded.sections] == [1]
    (refused,) = loaded.failed
    assert refused.path == "scanned.pdf, page 2"
    assert "pip install 'larkwise[ocr]'" in refused.reason


@pytest.mark.usefixtures("no_ocr")
def test_a_picture_says_what_to_install_where_there_is_no_recognition() -> None:
    with pytest.raises(UnsupportedDocument, match=r"sign\.png is an image.*pip install 'larkwise\[ocr\]'"):
        load(sample("sign.png"), "sign.png")
    assert "pip install" in str(why_unread(".png"))
    assert why_unread(".md") is None


@pytest.mark.parametrize("suffix", sorted(PARSERS))
def test_an_empty_file_of_any_kind_is_refused(suffix: str) -> None:
    with pytest.raises(EmptyDocument, match="empty"):
        load(b" \n", f"a{suffix}")


@pytest.mark.parametrize(
    ("name", "called", "words"),
    [
        ("attendance.pdf", "a.docx", "is not a Word document: it is a PDF; give it the ending .pdf"),
        ("policy.docx", "a.pdf", "is not a PDF: it is a Word document; give it the ending .docx"),
        ("policy.docx", "a.xlsx", "is not an Excel workbook: it is a Word document"),
        ("bundle.zip", "a.pptx", "is not a PowerPoint presentation: it is a ZIP archive"),
        ("sign.png", "a.txt", "is not text: it is a PNG image"),
        ("locked.xlsx", "a.xlsx", "is protected by a password"),
        ("page.html", "a.docx", "cannot be read as a Word document"),
        ("page.html", "a.eml", "is no letter"),
        ("page.html", "a.json", "is no JSON"),
        ("products.json", "a.ipynb", "is no notebook"),
    ],
)
def test_a_wrong_ending_or_a_lock_is_told(name: str, called: str, words: str) -> None:
    with pytest.raises(DocumentError, match=rf"^{called}") as raised:
        load(sample(name), called)
    assert words in str(raised.value)


def test_an_old_word_document_says_how_to_save_it() -> None:
    with pytest.raises(UnreadableDocument, match=r"Office before 2007.*\.docx"):
        load(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old.docx")


@pytest.mark.parametrize(
    "name", ["policy.docx", "review.pptx", "prices.xlsx", "tea.epub", "bundle.zip", "attendance.pdf"]
)
def test_a_file_that_is_cut_off_is_told(name: str) -> None:
    with pytest.raises(UnreadableDocument, match=rf"{name} cannot be read .*damaged or cut off"):
        load(sample(name)[: len(sample(name)) // 2], name)
