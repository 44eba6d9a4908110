"""A document that can be read only in part: the parts that cannot stand in the stream, each with its reason."""

from __future__ import annotations

from langchain_core.documents import Document

from ingest.documents import Refused
from ingest.errors import DocumentError, UnsupportedDocument


class UnreadPart(Document):
    """Stands where a page, sheet, member or attachment would; `table.read` keeps it apart from the sections."""

    @classmethod
    def of(cls, part: str, error: DocumentError) -> UnreadPart:
        skipped = isinstance(error, UnsupportedDocument)
        return cls(page_content="", metadata={"part": part, "reason": str(error), "skipped": skipped})

    @property
    def is_skipped(self) -> bool:
        """It is of a kind that nothing reads, as a picture beside a page is; not a failure."""
        return bool(self.metadata["skipped"])

    @property
    def refused(self) -> Refused:
        return Refused(str(self.metadata["part"]), str(self.metadata["reason"]))
