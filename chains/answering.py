"""One question on its way from what was retrieved to an answer; the same whether the model streams sync or async."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.messages import BaseMessageChunk
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables.utils import AddableDict

from chains.answer_settings import AnswerSettings
from chains.answers import Citation
from chains.composing import Composer
from chains.confidence import Calibration, Outcome
from chains.diversity import diverse
from chains.extraction import extracted, joined_sentences
from chains.language import language_of
from chains.merging import as_sources, enough
from chains.prompts import REFUSALS, nearest, passages, rag_prompt
from chains.retrieval import Retrieved


class Answering:
    """
    Feed it what the model says; it gives what can be shown, and at the end citations and confidence.

    The model is `worth_asking` where the documents probably hold the answer (the first gate) and a generated one is
    wanted. `fall_back` says that it cannot answer now.
    """

    def __init__(
        self,
        *,
        question: str,
        standalone: str,
        retrieved: Retrieved,
        calibration: Calibration,
        settings: AnswerSettings,
        embeddings: Embeddings | None,
    ) -> None:
        self._standalone = standalone
        self._retrieved = retrieved
        self._calibration = calibration
        self._settings = settings
        self._embeddings = embeddings
        self._language = language_of(question)
        chosen = diverse(retrieved.found, settings.passages, settings.diversity)
        self._sources = as_sources(chosen)
        self._read = self._sources[: len(as_sources(enough(chosen, retrieved.found, settings.enough)))]
        refuse_below, answer_from = calibration.gates[retrieved.pairing]
        self._is_near = bool(self._sources) and retrieved.answerable >= refuse_below
        self._is_sure = retrieved.answerable >= answer_from
        self._is_generated = settings.mode != "extractive"
        self._log_probability: float | None = None
        self._shown = False
        self._composer = Composer(
            self._sources,
            self._language,
            doubtful=not self._is_sure,
            question=standalone,
            similarity=self._similarity if embeddings else None,
            unsupported=settings.unsupported,
        )

    @property
    def worth_asking(self) -> bool:
        return self._is_near and self._is_generated

    def begin(self) -> AddableDict:
        return AddableDict(answer_id=uuid.uuid4().hex, standalone_question=self._standalone, sources=self._sources)

    def template(self) -> ChatPromptTemplate:
        return rag_prompt(self._language, may_refuse=not self._is_sure)

    def prompt(self) -> dict[str, str]:
        return {
            "passages": passages(self._read),
            "question": self._standalone,
            "refusal": REFUSALS[self._language],
        }

    def feed(self, piece: BaseMessageChunk) -> Iterator[AddableDict]:
        said = piece.response_metadata.get("mean_log_probability")
        self._log_probability = self._log_probability if said is None else float(said)
        text = piece.content if isinstance(piece.content, str) else ""
        yield from self._text(self._composer.feed(text))

    def fall_back(self, error: BaseException) -> None:
        """
        The model cannot answer: the best sentences of the sources will, unless it has begun already.

        Raises:
            the error, where part of its answer has been shown, or where nothing else than it is wanted.
        """
        if self._shown or self._settings.mode == "generated":
            raise error
        self._is_generated = False

    def end(self) -> Iterator[AddableDict]:
        """The rest of the answer, and what is known of all of it."""
        citations = [] if self._is_generated else extracted(self._retrieved.weights, self._sources)
        if not self._is_near or not (self._is_generated or citations):
            yield from self._ended(
                REFUSALS[self._language] + self._nearest(), [], supported=0.0, refused=True, mode="refused"
            )
        elif citations:
            text = joined_sentences(citations)
            yield from self._ended(text, citations, supported=1.0, refused=False, mode="extractive")
        else:
            rest = self._composer.end()
            refused = self._composer.refused
            yield from self._ended(
                rest + (self._nearest() if refused else ""),
                self._composer.citations,
                supported=self._composer.supported_share,
                refused=refused,
                mode="generated",
            )

    def _ended(
        self, text: str, citations: Sequence[Citation], *, supported: float, refused: bool, mode: str
    ) -> Iterator[AddableDict]:
        yield from self._text(text)
        outcome = Outcome(
            answerable=self._retrieved.answerable,
            supported=supported,
            log_probability=self._log_probability or 0.0,
            is_extractive=mode == "extractive",
            refused=refused,
        )
        yield AddableDict(
            citations=list(citations),
            confidence=round(self._calibration.confidence(outcome, self._retrieved.pairing), 4),
            refused=refused,
            mode=mode,
            signals={name: round(value, 4) for name, value in outcome.numbers().items()},
        )

    def _nearest(self) -> str:
        return nearest(self._language, self._sources)

    def _similarity(self, sentence: str, spans: Sequence[str]) -> list[float]:
        """Cosines, in the order of the spans."""
        assert self._embeddings is not None
        first, *others = np.array(self._embeddings.embed_documents([sentence, *spans]), dtype=np.float32)
        return [float(first @ other) for other in others]

    def _text(self, text: str) -> Iterator[AddableDict]:
        if text:
            self._shown = True
            yield AddableDict(answer=text)
