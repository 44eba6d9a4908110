"""The best of a question's candidates first: a linear ranker over readable numbers, as a LangChain compressor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor

from chains.coefficients import Pairing, shipped
from chains.language import is_han, terms
from chains.matching import Asked, Candidate, as_numbers, matches

MATCH = "larkwise_match"
"""The key of a chunk's metadata for what is known of how it fits the question; see `chains.matching.Match`."""


class LearnedRanker(BaseDocumentCompressor):
    """
    Orders chunks by a weighted sum of how they match, with the weights of `chains.coefficients`.

    Takes a thousandth of a cross-encoder's time. It reads what retrieval left in the metadata under `MATCH`; documents
    without it are compared with the question here, by their words alone.
    """

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """All of them, best first."""
        if any(MATCH not in document.metadata for document in documents):
            documents = _compared(documents, query)
        scores = {id(document): score(document, query) for document in documents}
        return sorted(documents, key=lambda document: -scores[id(document)])


def score(document: Document, query: str) -> float:
    """What the ranker orders by; comparable among the documents of one question in the same script only."""
    numbers: Mapping[str, float] = document.metadata[MATCH]
    return shipped().ranking[pairing_of(query, document)].of(numbers)


def pairing_of(question: str, chunk: Document) -> Pairing:
    """Which of the learned weights are theirs."""
    if is_han(question) != is_han(chunk.page_content):
        return "cross"
    return "zh" if is_han(question) else "en"


def _compared(documents: Sequence[Document], query: str) -> Sequence[Document]:
    asked = Asked(query, dict.fromkeys(terms(query), 1.0))
    found = matches(asked, [Candidate(document, 0.0, 0.0) for document in documents])
    return [
        Document(document.page_content, id=document.id, metadata={**document.metadata, MATCH: as_numbers(match)})
        for document, match in zip(documents, found, strict=True)
    ]
