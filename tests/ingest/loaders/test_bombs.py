"""Files that are made to fill the memory or to take for ever: each is refused, or read in part, at once."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from ingest.errors import DocumentError, DocumentTooLarge, EncryptedDocument, UnreadableDocument
from ingest.loaders import ocr
from ingest.loaders.limits import MAX_MEMBERS, MIB, Budget
from ingest.loaders.table import load, read
from tests.ingest.loaders.fuzzing import sample

WORD = b"<w:document xmlns:w='http://schemas.openxmlformats.org/wordprocessingml/2006/main'><w:body>"
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b"]>"
)
LATE = pytest.mark.timeout(60)
"""Each takes a second at most; the naive way takes minutes, or all memory."""


def packed(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def with_part(name: str, part: str, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(sample(name))) as archive:
        return packed({info.filename: archive.read(info) for info in archive.infolist()} | {part: content})


def sheet(rows: bytes) -> bytes:
    return (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        b'<dimension ref="A1:XFD1048576"/><sheetData>' + rows + b"</sheetData></worksheet>"
    )


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def pdf(*objects: bytes) -> bytes:
    out = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + trailer


def page(drawing: bytes, resources: bytes = b"") -> bytes:
    packed_drawing = zlib.compress(drawing, 9)
    return pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]/Contents 4 0 R/Resources<<%s>>>>" % resources,
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed_drawing), packed_drawing),
        b"<</Type/XObject/Subtype/Image/Width 60000/Height 60000/ColorSpace/DeviceGray/BitsPerComponent 8/Length 5>>"
        b"stream\nabcde\nendstream",
    )


@LATE
def test_a_zip_bomb_is_named_and_the_other_members_go_in() -> None:
    loaded = read(packed({"bomb.txt": bytes(50 * MIB), "ok.md": b"# Ok\n\ntext"}), "a.zip")
    assert [section.metadata["source"] for section in loaded.sections] == ["a.zip/ok.md"]
    (refused,) = loaded.failed
    assert refused.path == "a.zip/bomb.txt"
    assert "times its size, as bombs do" in refused.reason


def test_what_all_members_unpack_to_is_bounded() -> None:
    archive = packed({f"{number}.txt": b"x" * 100 for number in range(5)})
    loaded = read(archive, "a.zip", budget=Budget(unpacked_bytes=250))
    assert len(loaded.sections) == 2
    assert len(loaded.failed) == 3
    assert "would unpack to more than" in loaded.failed[0].reason


def test_an_archive_with_too_many_members_is_refused() -> None:
    with pytest.raises(DocumentTooLarge, match=r"10,001 members"):
        load(packed({f"{number}.txt": b"" for number in range(MAX_MEMBERS + 1)}), "a.zip")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../etc/passwd.txt", "leads out of the archive"),
        ("a/../../b.txt", "leads out of the archive"),
        ("/etc/passwd.txt", "an absolute path"),
        ("C:/windows.txt", "an absolute path"),
        ("a\x1b[2Jb.txt", "control characters"),
        ("a\nb.txt", "control characters"),
    ],
)
def test_a_member_whose_name_is_a_trap_is_refused_by_name(name: str, reason: str) -> None:
    loaded = read(packed({name: b"trap", "ok.txt": b"fine"}), "a.zip")
    assert [section.page_content for section in loaded.sections] == ["fine"]
    (refused,) = loaded.failed
    assert reason in refused.reason
    assert refused.path.isprintable()


def test_an_encrypted_member_is_told_and_the_others_go_in() -> None:
    data = bytearray(packed({"a.txt": b"secret", "b.txt": b"open"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    loaded = read(bytes(data), "a.zip")
    assert [section.page_content for section in loaded.sections] == ["open"]
    assert "protected by a password" in loaded.failed[0].reason


@LATE
@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("policy.docx", "word/document.xml"),
        ("policy.docx", "word/styles.xml"),
        ("review.pptx", "ppt/slides/slide1.xml"),
        ("prices.xlsx", "xl/sharedStrings.xml"),
        ("prices.xlsx", "xl/worksheets/sheet1.xml"),
        ("tea.epub", "OEBPS/content.opf"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_billion_laughs_are_refused(name: str, part: str, encoding: str) -> None:
    with pytest.raises(UnreadableDocument, match=r"document type|EntitiesForbidden"):
        load(with_part(name, part, (LAUGHS.decode() + "<l>&j;</l>").encode(encoding)), name)


@LATE
@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"<html><body>" + b"<div>" * 100_000 + b"x", "a.html"),
        (b"[" * 100_000 + b"]" * 100_000, "a.json"),
        (b"[" * 150 + b"1" + b"]" * 150, "a.json"),
        (b'{"cells":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "a.ipynb"),
        (b"From: a@b.c\nSubject: x\n" + b"Content-Type: message/rfc822\n\n" * 3000 + b"text", "a.eml"),
        (with_part("policy.docx", "word/document.xml", WORD + b"<w:sdt><w:sdtContent>" * 50_000), "a.docx"),
        (pdf(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>"), "a.pdf"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_deep_nesting_is_refused(data: bytes, name: str) -> None:
    with pytest.raises(UnreadableDocument, match=name.replace(".", r"\.")):
        load(data, name)


@LATE
@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"<p>a" + b" " * 500_000 + b"b</p>", "a.html"),
        (b"# a" + b" " * 300_000 + b"b\n\ntext", "a.md"),
        (b"# " + b"#" * 300_000 + b"b\n\ntext", "a.md"),
        (b"---\ntitle: a" + b" " * 300_000 + b"b\n---\n\ntext", "a.md"),
        (b"From: " + b"a@b.c, " * 20_000 + b"\nSubject: x\n\ntext", "a.eml"),
        ((b"static " * 30 + b"\n") * 10_000, "a.py"),
        ((b"a " * 115 + b"\n") * 10_000, "a.c"),
        (with_part("prices.xlsx", "xl/worksheets/sheet1.xml", sheet(b'<row r="999999999"/>')), "a.xlsx"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_makes_a_careless_pattern_slow_is_read(data: bytes, name: str) -> None:
    assert load(data, name)


@LATE
def test_a_sheet_of_cells_far_to_the_right_is_told() -> None:
    rows = b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (row, row) for row in range(1, 1000))
    with pytest.raises(DocumentError, match="more than 5,000,000 cells"):
        load(with_part("prices.xlsx", "xl/worksheets/sheet1.xml", sheet(rows)), "a.xlsx")


@LATE
@pytest.mark.skipif(not ocr.is_installed(), reason="the extra ocr is not installed")
@pytest.mark.parametrize("side", [8_000, 30_000])
def test_a_picture_of_too_many_pixels_is_not_unpacked(side: int) -> None:
    with pytest.raises(DocumentTooLarge, match="more than 50 million pixels"):
        load(png(side, side), "a.png")


@LATE
@pytest.mark.skipif(not ocr.is_installed(), reason="the extra ocr is not installed")
def test_a_scan_that_claims_too_many_pixels_is_not_drawn() -> None:
    with pytest.raises(DocumentError, match=r"page 1 of a\.pdf is a scan of more than 50 million pixels"):
        load(page(b"q 100 0 0 100 0 0 cm /X Do Q", b"/XObject<</X 5 0 R>>"), "a.pdf")


@LATE
def test_a_pdf_page_that_unpacks_to_too_much_is_told() -> None:
    with pytest.raises(DocumentError, match=r"page 1 of a\.pdf draws too much"):
        load(page(b"q Q " * 5_000_000), "a.pdf")


def test_recognition_is_bounded_for_a_whole_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "is_installed", lambda: True)
    monkeypatch.setattr(ocr, "recognise", lambda _image: "text")
    pytest.importorskip("PIL")
    archive = packed({f"{number}.png": sample("sign.png") for number in range(4)})
    loaded = read(archive, "a.zip", budget=Budget(recognitions=2))
    assert len(loaded.sections) == 2
    assert "scanned pages or images" in loaded.failed[0].reason


def test_a_file_that_is_too_large_says_how_large() -> None:
    with pytest.raises(DocumentTooLarge, match=r"a\.html has 17 MiB, and at most 16 MiB are read"):
        load(b"x" * (17 * MIB), "a.html")


def test_a_locked_office_file_is_told() -> None:
    with pytest.raises(EncryptedDocument, match=r"locked\.xlsx is protected by a password"):
        load(sample("locked.xlsx"), "locked.xlsx")
