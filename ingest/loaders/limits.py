"""How much of a document is read: what one file may cost in memory and time, whatever it claims to hold."""

from __future__ import annotations

from dataclasses import dataclass

from langchain_core.documents.base import Blob

from ingest.errors import DocumentTooLarge

MIB = 1024 * 1024

MAX_FILE_BYTES = 200 * MIB
MAX_MARKUP_BYTES = 16 * MIB
"""HTML, JSON and notebooks become a tree of objects, some thirty times as large in memory."""
MAX_PART_BYTES = 64 * MIB
"""One XML part of an Office file or one chapter's file; the largest real ones have some tens of MiB."""
MAX_UNPACKED_BYTES = 400 * MIB
MAX_MEMBERS = 10_000
MAX_RATIO = 200
"""Logs and tables shrink to a hundredth; bombs to a thousandth."""
RATIO_FREE_BYTES = 10 * MIB
"""Below this a member may shrink as much as it likes: it is harmless."""
MAX_TEXT_CHARACTERS = 50_000_000
MAX_PAGE_BYTES = 8 * MIB
"""One PDF page's drawing instructions; they are interpreted in Python, about 1 MiB a second."""
MAX_PIXELS = 50_000_000
"""A sheet of A4 scanned at 600 dpi has 35 million."""
MAX_RECOGNISED = 300
"""Pages and images of one document that text is recognised in, at about a second each."""
MAX_CELLS = 5_000_000
"""Of one workbook or CSV file, empty ones counted."""
MAX_SHEET_ROWS = 1_048_576
"""Excel's own limit; a file may claim that a row is further down."""
MAX_PAGES = 10_000
MAX_MAIL_BYTES = 64 * MIB
"""Mail servers take 50 at most."""
MAX_HEADER_CHARACTERS = 4_000
"""Of one line of a letter's head, whose parsing takes a time that grows with the square of it."""
MAX_DEPTH = 100

BUDGET = "budget"
"""The key of a blob's metadata that holds the document's `Budget`."""


@dataclass(slots=True)
class Budget:
    """What one document and all that it contains may still use; containers hand it to their members."""

    unpacked_bytes: int = MAX_UNPACKED_BYTES
    recognitions: int = MAX_RECOGNISED

    def unpack(self, size_bytes: int, name: str) -> None:
        """
        Raises:
            DocumentTooLarge: with this member the document would unpack to more than it may.
        """
        if size_bytes > self.unpacked_bytes:
            raise DocumentTooLarge(
                f"{name} would unpack to more than {MAX_UNPACKED_BYTES // MIB} MiB in all: "
                "unpack it yourself, and ingest the folder"
            )
        self.unpacked_bytes -= size_bytes

    def recognise(self, name: str) -> None:
        """
        Raises:
            DocumentTooLarge: text was recognised in as many pages as one document may have.
        """
        if self.recognitions <= 0:
            raise DocumentTooLarge(
                f"{name} is beyond the {MAX_RECOGNISED} scanned pages or images that are read of one document: split it"
            )
        self.recognitions -= 1


def budget_of(blob: Blob) -> Budget:
    """The budget that came with the document, or a fresh one for a parser that is used by itself."""
    budget = blob.metadata.get(BUDGET)
    return budget if isinstance(budget, Budget) else Budget()


def check_size(size_bytes: int, name: str, *, max_bytes: int = MAX_FILE_BYTES) -> None:
    """
    Raises:
        DocumentTooLarge: a file of this size is not read.
    """
    if size_bytes > max_bytes:
        raise DocumentTooLarge(
            f"{name} has {size_bytes / MIB:,.0f} MiB, and at most {max_bytes / MIB:,.0f} MiB are read "
            "of a file of this kind: split it"
        )
