"""
Writes the samples beside it, one of each binary format, in Chinese and English; they are committed.

    pip install fpdf2 msoffcrypto-tool          # for this script only
    python tests/ingest/samples/make_samples.py NotoSansSC_400Regular.ttf

The font is in the npm package @expo-google-fonts/noto-sans-sc (OFL); what the PDF and the pictures show of it are
outlines and pixels.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import fpdf  # type: ignore[import-untyped, import-not-found, unused-ignore]  # not among our dependencies
import msoffcrypto.format.ooxml  # type: ignore[import-untyped, import-not-found, unused-ignore]
import openpyxl
import pptx
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from PIL import Image, ImageDraw, ImageFont
from pptx.util import Inches

HERE = Path(__file__).parent
ROWS = [["型号 Model", "价格 Price", "质保 Warranty"], ["LC-100", "390", "12 个月"], ["LC-200", "780", "24 months"]]


def word() -> bytes:
    document = docx.Document()
    document.core_properties.title = "退货政策 Return policy"
    document.add_heading("退货政策 Return policy", 0)
    document.add_paragraph("本政策适用于所有客户。This policy applies to all customers.")
    document.add_heading("期限 Deadline", 1)
    document.add_heading("国内 Domestic", 2)
    document.add_paragraph("收货后 15 天内可以退货。Returns are accepted within 15 days.")
    document.add_paragraph("保留原包装 Keep the box", style="List Bullet")
    document.add_heading("费用 Fees", 1)
    table = document.add_table(rows=0, cols=3)
    for row in ROWS:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    inserted = document.add_paragraph("修订：")
    mark = OxmlElement("w:ins")
    mark.append(inserted.add_run("运费由卖方承担。")._r)
    inserted._p.append(mark)
    control = OxmlElement("w:sdt")
    content = OxmlElement("w:sdtContent")
    content.append(document.add_paragraph("表单内的字段 A field in a form")._p)
    control.append(content)
    document.element.body.insert(len(document.element.body) - 1, control)
    assert document.element.body.find(qn("w:sdt")) is not None
    return saved(document)


def slides() -> bytes:
    presentation = pptx.Presentation()
    first = presentation.slides.add_slide(presentation.slide_layouts[1])
    first.shapes.title.text = "季度回顾 Quarterly review"
    first.placeholders[1].text = "收入增长 12%\nRevenue grew by 12%"
    second = presentation.slides.add_slide(presentation.slide_layouts[5])
    second.shapes.title.text = "价格 Prices"
    table = second.shapes.add_table(3, 3, Inches(1), Inches(2), Inches(8), Inches(2)).table
    for y, row in enumerate(ROWS):
        for x, text in enumerate(row):
            table.cell(y, x).text = text
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "组合里的文字 Text in a group"
    second.notes_slide.notes_text_frame.text = "备注：价格含税。Prices include tax."
    return saved(presentation)


def workbook() -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    prices = book.create_sheet("价格 Prices")
    prices["B2"] = "2026 年价目表"
    for y, row in enumerate(ROWS, start=3):
        for x, text in enumerate(row, start=2):
            prices.cell(y, x, int(text) if text.isdecimal() else text)
    staff = book.create_sheet("员工 Staff")
    staff.append(["姓名 Name", "部门 Department"])
    for number in range(1, 41):
        staff.append([f"员工 {number}", "研发 R&D" if number % 2 else "销售 Sales"])
    return saved(book)


def book() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        archive.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles><rootfile '
            'full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        )
        archive.writestr(
            "OEBPS/content.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
            'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>茶经 The Book of Tea</dc:title></metadata><manifest>'
            '<item id="b" href="second.xhtml" media-type="application/xhtml+xml"/>'
            '<item id="a" href="text/first%20chapter.xhtml" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
        )
        page = '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><body>{}</body></html>'
        archive.writestr("OEBPS/second.xhtml", page.format("<h1>二之具 Tools</h1><p>Fifteen tools are used.</p>"))
        archive.writestr(
            "OEBPS/text/first chapter.xhtml",
            page.format("<h1>一之源 Origins</h1><h2>茶 Tea</h2><p>茶者，南方之嘉木也。</p>"),
        )
    return out.getvalue()


def letter(attachment: bytes) -> bytes:
    message = EmailMessage()
    message["From"] = "王芳 <wang@example.com>"
    message["To"] = "team@example.com"
    message["Date"] = "Tue, 24 Nov 2026 09:00:00 +0800"
    message["Subject"] = "会议纪要 Minutes"
    message.set_content("下次会议在周五下午三点。\nThe next meeting is on Friday at three.\n")
    message.add_attachment(
        attachment,
        maintype="application",
        subtype="vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        filename="价格 prices.xlsx",
    )
    return message.as_bytes()


def notebook() -> bytes:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# 销售分析 Sales\n", "\n", "数据来自三月。"]},
        {"cell_type": "markdown", "metadata": {}, "source": "## 合计 Total"},
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {},
            "source": ["# not a heading\n", "390 + 780"],
            "outputs": [
                {
                    "output_type": "execute_result",
                    "execution_count": 1,
                    "metadata": {},
                    "data": {"text/plain": ["1170"], "image/png": "iVBORw0KGgo="},
                }
            ],
        },
    ]
    metadata = {"language_info": {"name": "python"}}
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, ensure_ascii=False, indent=1).encode()


def picture(font: Path, *lines: str) -> Image.Image:
    image = Image.new("L", (760, 60 + 70 * len(lines)), "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((30, 30 + 70 * number), line, font=ImageFont.truetype(str(font), 40), fill="black")
    return image.quantize(8)


def printed(font: Path) -> bytes:
    pdf = fpdf.FPDF()
    pdf.set_title("考勤制度 Attendance")
    pdf.add_font("noto", fname=str(font))
    pdf.set_font("noto", size=14)
    for text in (
        "工作时间为九点到十八点。\n请假须提前三天申请。",
        "Working hours are nine to six.\nAsk for leave early.",
    ):
        pdf.add_page()
        pdf.multi_cell(0, 10, text)
    return bytes(pdf.output())


def scanned(font: Path) -> bytes:
    pdf = fpdf.FPDF()
    pdf.add_font("noto", fname=str(font))
    pdf.set_font("noto", size=14)
    pdf.add_page()
    pdf.multi_cell(0, 10, "第一页是文字。The first page is text.")
    pdf.add_page()
    pdf.image(picture(font, "第二页是扫描件", "Invoice number 20261124").convert("L"), w=180)
    return bytes(pdf.output())


def archive(document: bytes) -> bytes:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as inside:
        inside.writestr("深处.md", "# 深处\n\n第二层压缩包里的文字。\n")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("docs/政策.docx", document)
        whole.writestr("docs/readme.txt", "压缩包说明 About this archive".encode("gbk"))
        whole.writestr("inner.zip", inner.getvalue())
        whole.writestr("broken.docx", b"PK\x03\x04 cut off")
        whole.writestr("tool.exe", b"MZ")
        whole.writestr("__MACOSX/._x.md", b"\x00")
    return out.getvalue()


def encrypted(book: bytes) -> bytes:
    out = io.BytesIO()
    msoffcrypto.format.ooxml.OOXMLFile(io.BytesIO(book)).encrypt("geheim", out)
    return out.getvalue()


def saved(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)  # type: ignore[attr-defined]  # of three libraries
    return out.getvalue()


def main() -> None:
    font = Path(sys.argv[1])
    image = io.BytesIO()
    picture(font, "欢迎使用云雀", "Room 305 opens at 9:30").save(image, "PNG", optimize=True)
    files = {
        "policy.docx": word(),
        "review.pptx": slides(),
        "prices.xlsx": workbook(),
        "locked.xlsx": encrypted(workbook()),
        "tea.epub": book(),
        "minutes.eml": letter(workbook()),
        "sales.ipynb": notebook(),
        "attendance.pdf": printed(font),
        "scanned.pdf": scanned(font),
        "sign.png": image.getvalue(),
        "bundle.zip": archive(word()),
    }
    for name, data in files.items():
        (HERE / name).write_bytes(data)
        sys.stdout.write(f"{name}: {len(data) / 1024:.1f} KiB\n")


if __name__ == "__main__":
    main()
