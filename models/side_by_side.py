"""Two embedding models' vectors side by side: one for every text, the other for texts in Latin letters."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

from models.errors import UnknownModel

SEPARATOR = "+"
_MOST = 2
_SHARE = 0.25
"""
Of the cosine of two texts in Latin letters, what the first model says; the rest is the second's.

Between .15 and .35 recall does not differ (en questions, .82 at 1); more helps questions in the other script.
"""
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WORD = re.compile("[A-Za-z]+")


class SideBySide(Embeddings):
    """
    Compares all texts as `every` does, and those in Latin letters as `latin` does as well; unit vectors.

    A text of another script has zeros where the second model's vector would be, so that it costs nothing more.
    """

    def __init__(self, every: Embeddings, latin: Embeddings, latin_dimension: int) -> None:
        self._every = every
        self._latin = latin
        self._latin_dimension = latin_dimension

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if not texts:
            return []
        first = np.array(self._every.embed_documents(texts), dtype=np.float32)
        vectors = np.zeros((len(texts), first.shape[1] + self._latin_dimension), dtype=np.float32)
        latin = [place for place, text in enumerate(texts) if is_latin(text)]
        vectors[:, : first.shape[1]] = first
        if latin:
            second = np.array(self._latin.embed_documents([texts[place] for place in latin]), dtype=np.float32)
            vectors[latin] = _joined(first[latin], second)
        return [[float(x) for x in row] for row in vectors]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def is_latin(text: str) -> bool:
    """Whether a model for English makes something of it."""
    words = len(_WORD.findall(text))
    return words > 0 and words >= 2 * len(_CJK.findall(text))


def parts(name: str) -> Sequence[str]:
    """
    The names of the one or two models that a name such as `first+second` stands for.

    Raises:
        UnknownModel: there are more, or one has no name.
    """
    found = [part.strip() for part in name.split(SEPARATOR)]
    if len(found) > _MOST or not all(found):
        raise UnknownModel(f"{name!r} is no embedding model: write one name, or two with {SEPARATOR} between them")
    return found


def _joined(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    joined: NDArray[np.float32] = np.hstack([first * math.sqrt(_SHARE), second * math.sqrt(1 - _SHARE)])
    return joined
