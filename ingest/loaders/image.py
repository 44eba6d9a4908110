"""Images: the text that is recognised in them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.errors import DocumentTooLarge, EmptyDocument, UnsupportedDocument
from ingest.loaders import ocr
from ingest.loaders.guard import damage_explained
from ingest.loaders.limits import MAX_PIXELS, Budget, budget_of

if TYPE_CHECKING:
    from PIL.Image import Image


class ImageParser(BaseBlobParser):
    """One document an image, or one a page of a TIFF with several; needs the extra "ocr"."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        if not ocr.is_installed():
            raise UnsupportedDocument(f"{name} is an image, and {ocr.HOW_TO_INSTALL}")
        title = PurePath(name).stem
        pages = list(_pages(blob.as_bytes(), name, budget_of(blob)))
        if not any(pages):
            raise EmptyDocument(f"no text was recognised in {name}")
        for number, text in enumerate(pages, start=1):
            if text:
                place = {"page": number} if len(pages) > 1 else {}
                yield Document(text, metadata={"title": title, "headings": "", **place})


def _pages(data: bytes, name: str, budget: Budget) -> Iterator[str]:
    with damage_explained(name, "an image"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pixels, which are counted here, and of metadata, which nobody reads
        with _opened(data, name) as image:
            # the frames of a GIF are one picture that moves
            for frame in range(getattr(image, "n_frames", 1) if image.format == "TIFF" else 1):
                image.seek(frame)
                _check_pixels(image.size, name)
                budget.recognise(name)
                yield ocr.recognise(image)


def _opened(data: bytes, name: str) -> Image:
    import PIL.Image

    try:
        return PIL.Image.open(io.BytesIO(data))
    except PIL.Image.DecompressionBombError as error:
        raise _too_large(name) from error


def _check_pixels(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise _too_large(name)


def _too_large(name: str) -> DocumentTooLarge:
    return DocumentTooLarge(f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels: shrink it")
