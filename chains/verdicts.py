"""What is thought of each sentence of one answer: proved, not proved, said before, or no claim at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from chains.answers import Citation, Source
from chains.citations import cite, cite_code
from chains.citing.claims import claim
from chains.citing.crossing import Similarity
from chains.citing.facts import plain

NOT_SUPPORTED = "[?]"
"""The mark of a sentence that no source proves."""
Verdict: TypeAlias = Citation | Literal["unproved", "repeated", "no claim"]


class Verdicts:
    """Judges the sentences of one answer in their order, each once."""

    def __init__(self, sources: Sequence[Source], question: str, similarity: Similarity | None) -> None:
        self._sources = sources
        self._question = question
        self._similarity = similarity
        self._said: set[str] = set()
        self._judged = 0
        self.citations: list[Citation] = []
        """Of the sentences that are proved, and of those that were flagged."""

    @property
    def supported(self) -> int:
        """How many sentences are proved."""
        return sum(citation["supported"] for citation in self.citations)

    @property
    def supported_share(self) -> float:
        """... of those that claim something, 0..1."""
        return self.supported / self._judged if self._judged else 0.0

    def may_repeat(self, beginning: str) -> bool:
        """Whether an earlier sentence begins like this one."""
        return any(said.startswith(plain(beginning)) for said in self._said)

    def sentence(self, text: str) -> Verdict:
        """Of a sentence without its full stop."""
        if not claim(text):
            return "no claim"
        if plain(text) in self._said:
            return "repeated"
        self._said.add(plain(text))
        return self._keep(cite(text, self._sources, question=self._question, similarity=self._similarity))

    def code(self, block: str) -> Verdict:
        """Of the lines of a block of code."""
        return self._keep(cite_code(block, self._sources)) if block.strip() else "no claim"

    def flag(self) -> str:
        """The mark of a sentence that is shown although it is not proved; it is among the citations too."""
        none: Citation = {
            "marker": NOT_SUPPORTED,
            "source_id": "",
            "quote": "",
            "start": 0,
            "end": 0,
            "supported": False,
        }
        self.citations.append(none)
        return NOT_SUPPORTED

    def _keep(self, citation: Citation | None) -> Verdict:
        self._judged += 1
        if citation is None:
            return "unproved"
        self.citations.append(citation)
        return citation
