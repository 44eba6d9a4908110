"""Jupyter notebooks: the text, the code in fences, and what it printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from langchain_core.document_loaders import BaseBlobParser
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from ingest.errors import EmptyDocument, UnreadableDocument
from ingest.loaders.json import Json, parsed
from ingest.loaders.markdown import section_documents

_OUTPUT_CHARACTERS = 2_000
"""Of one output: a training log says little after its first lines."""


class NotebookParser(BaseBlobParser):
    """The headings of the text cells are the headings; pictures are left out."""

    def lazy_parse(self, blob: Blob) -> Iterator[Document]:
        name = str(blob.source)
        notebook = parsed(blob.as_bytes(), name)
        if not isinstance(notebook, dict) or not isinstance(cells := notebook.get("cells"), list):
            raise UnreadableDocument(f"{name} is no notebook of format 4: open it in Jupyter, and save it")
        language = _language(notebook)
        texts = [text for cell in cells if isinstance(cell, dict) for text in _cell(cell, language) if text.strip()]
        if not texts:
            raise EmptyDocument(f"{name} holds no text in its cells")
        yield from section_documents("\n\n".join(texts), fallback_title=PurePath(name).stem)


def _language(notebook: dict[str, Json]) -> str:
    metadata = notebook.get("metadata")
    info = metadata.get("language_info") if isinstance(metadata, dict) else None
    name = info.get("name") if isinstance(info, dict) else None
    return name if isinstance(name, str) and name.isalnum() else ""


def _cell(cell: dict[str, Json], language: str) -> Iterator[str]:
    source = _text(cell.get("source"))
    if cell.get("cell_type") != "code":
        yield source
        return
    if source.strip():
        yield _fenced(source, language)
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if isinstance(output, dict) and (text := _output(output).strip()):
            yield _fenced(text[:_OUTPUT_CHARACTERS], "")


def _output(output: dict[str, Json]) -> str:
    data = output.get("data")
    shown = data.get("text/plain") if isinstance(data, dict) else None
    error = ": ".join(text for text in (_text(output.get("ename")), _text(output.get("evalue"))) if text)
    return _text(output.get("text")) or _text(shown) or error


def _text(value: Json) -> str:
    """Notebooks keep a text as one string, or as its lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _fenced(text: str, language: str) -> str:
    mark = "~~~" if "```" in text else "```"
    return f"{mark}{language}\n{text.rstrip()}\n{mark}"
