"""PowerPoint presentations: one document a slide, with its tables and notes."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import PurePath

import pptx
from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from pptx.exc import PythonPptxError
from pptx.shapes.base import BaseShape
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.group import GroupShape
from pptx.slide import Slide
from pptx.table import Table

from ingest.errors import EmptyDocument
from ingest.loaders.guard import damage_explained
from ingest.loaders.kinds import SLIDES
from ingest.loaders.limits import budget_of
from ingest.loaders.office import check_package
from ingest.loaders.tables import markdown_tables


class SlidesParser(BaseBlobParser):
    """Slides are counted from 1; a slide's title is its heading."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        data = blob.as_bytes()
        check_package(data, name, SLIDES, budget_of(blob))
        with damage_explained(name, SLIDES.words, PythonPptxError):
            presentation = pptx.Presentation(io.BytesIO(data))
            slides = list(enumerate(map(_slide, presentation.slides), start=1))
            title = presentation.core_properties.title.strip()
        if not any(text for _, (_, text) in slides):
            raise EmptyDocument(f"{name} holds no text on its slides")
        title = title or next((heading for _, (heading, _) in slides if heading), "") or PurePath(name).stem
        for number, (heading, text) in slides:
            if text:
                headings = "" if heading == title else heading
                yield Document(text, metadata={"title": title, "headings": headings, "slide": number})


def _slide(slide: Slide) -> tuple[str, str]:
    """The slide's title and its text."""
    title = slide.shapes.title
    heading = " ".join(title.text_frame.text.split()) if title is not None else ""
    title_id = title.shape_id if title is not None else None
    blocks = [f"## {heading}"] if heading else []
    blocks += _blocks(shape for shape in slide.shapes if shape.shape_id != title_id)
    if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame):
        blocks.append(notes.text)
    return heading, "\n\n".join(block.strip() for block in blocks if block.strip())


def _blocks(shapes: Iterable[BaseShape]) -> Iterator[str]:
    for shape in shapes:
        if isinstance(shape, GroupShape):
            yield from _blocks(shape.shapes)
        elif isinstance(shape, GraphicFrame) and shape.has_table:
            yield from markdown_tables(_rows(shape.table))
        elif shape.has_text_frame:
            yield str(shape.text_frame.text).replace("\v", "\n")  # type: ignore[attr-defined]  # where it has one


def _rows(table: Table) -> Iterator[list[str]]:
    for row in table.rows:
        yield [cell.text for cell in row.cells]
