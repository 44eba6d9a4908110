"""Any cross-encoder that sentence-transformers can load, as a LangChain document compressor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from pydantic import ConfigDict, Field

from models.errors import WeightsInvalid


class CrossEncoderReranker(BaseDocumentCompressor):
    """
    Orders chunks by what a model says of each together with the question.

    It reads every candidate anew: on a CPU that takes some tenths of a second for twenty chunks.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: Any = Field(exclude=True, repr=False)
    """A `sentence_transformers.CrossEncoder`."""
    most: int = 20
    """Candidates that are read; the rest follow in the order in which they came."""

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """All of them, best first."""
        read = list(documents[: self.most])
        if not read:
            return []
        scores = self.model.predict([(query, one.page_content) for one in read], show_progress_bar=False)
        order = sorted(range(len(read)), key=lambda place: -float(scores[place]))
        return [*(read[place] for place in order), *documents[self.most :]]


def load_cross_encoder(folder: Path) -> CrossEncoderReranker:
    """
    Raises:
        WeightsInvalid: the folder does not hold one that gives one score a pair.
    """
    from sentence_transformers import CrossEncoder

    from models.transformers_output import silence

    silence()
    try:
        model = CrossEncoder(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise WeightsInvalid(f"{folder} does not hold a cross-encoder that can be loaded ({error})") from error
    if model.config.num_labels != 1:
        raise WeightsInvalid(
            f"{folder} gives {model.config.num_labels} numbers a pair and a reranker gives one: "
            "choose another LARKWISE_RERANKER_MODEL"
        )
    return CrossEncoderReranker(model=model)
