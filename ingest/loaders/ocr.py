"""
Text recognition in images, where the extra "ocr" is installed.

RapidOCR brings its models (PP-OCR, Chinese and English) in its own wheel: nothing is fetched when it runs.
"""

from __future__ import annotations

import functools
import importlib.util
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from rapidocr import RapidOCR

HOW_TO_INSTALL = "text recognition is not installed; `pip install 'larkwise[ocr]'` adds it"

_MAX_SIDE = 2000
"""The models see no more; a larger picture is shrunk."""
_THREADS = 2
_working = threading.Lock()
"""Neither PDFium nor the engine's own state is made for two threads."""


@functools.cache
def is_installed() -> bool:
    return all(map(importlib.util.find_spec, ("rapidocr", "onnxruntime", "pypdfium2", "PIL")))


def recognise(image: Image) -> str:
    """The lines of text in a picture, from above; what stands beside each other is on one line."""
    import numpy as np

    flat = _on_white(image)
    flat.thumbnail((_MAX_SIDE, _MAX_SIDE))
    with _working:
        result = _engine()(np.asarray(flat))
    boxes, texts = getattr(result, "boxes", None), getattr(result, "txts", None)
    if boxes is None or not texts:
        return ""
    return "\n".join(_in_lines([_Word(box, text) for box, text in zip(boxes, texts, strict=True)]))


def recognise_page(pdf: bytes, number: int, *, max_pixels: int) -> str:
    """The text of a PDF's page, counted from 1, as it would be printed."""
    import pypdfium2  # type: ignore[import-untyped]  # it ships none

    with _working:
        document = pypdfium2.PdfDocument(pdf)
        try:
            page = document[number - 1]
            width, height = page.get_size()
            scale = min(200 / 72, (max_pixels / max(width * height, 1)) ** 0.5, _MAX_SIDE / max(width, height, 1))
            image = page.render(scale=scale).to_pil()
        finally:
            document.close()
    return recognise(image)


class _Word:
    """A piece of a line, as the engine finds it: four corners, from the upper left one."""

    def __init__(self, box: object, text: str) -> None:
        corners = [(float(x), float(y)) for x, y in box]  # type: ignore[attr-defined]  # a numpy array of 4 × 2
        self.left = min(x for x, _ in corners)
        self.top = min(y for _, y in corners)
        self.bottom = max(y for _, y in corners)
        self.text = text


def _in_lines(words: list[_Word]) -> list[str]:
    """A word whose middle is within the line before it belongs to that line."""
    lines: list[list[_Word]] = []
    for word in sorted(words, key=lambda word: word.top):
        middle = (word.top + word.bottom) / 2
        if lines and lines[-1][0].top < middle < lines[-1][0].bottom:
            lines[-1].append(word)
        else:
            lines.append([word])
    return [" ".join(word.text for word in sorted(line, key=lambda word: word.left)) for line in lines]


def _on_white(image: Image) -> Image:
    """Black letters on a transparent ground are black on black to the engine."""
    import PIL.Image

    with_alpha = image.convert("RGBA")
    ground = PIL.Image.new("RGBA", with_alpha.size, "white")
    return PIL.Image.alpha_composite(ground, with_alpha).convert("RGB")


@functools.cache
def _engine() -> RapidOCR:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": _THREADS,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
