"""How well a chunk fits a question: the numbers that ranking and the first gate are made of."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from langchain_core.documents import Document

from chains.language import characters
from chains.passages import Passage, passage_of, plain


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that a search found: the vectors' cosine (-1..1), and BM25's score (0 where no word is shared)."""

    document: Document
    cosine: float
    bm25: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and how telling each of its terms is (rare ones more; BM25's weights)."""

    text: str
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Match:
    """
    What is known of one candidate. Coverages are weighted shares of the question's terms, 0..1; "best" is the largest
    value among the candidates.
    """

    cosine: float
    cosine_below_best: float
    bm25_of_best: float
    bm25_of_possible: float
    """The score for each unit of the terms' weights: about 1 where all are there once."""
    coverage: float
    """By the chunk, its title and headings."""
    title_coverage: float
    """By the title and headings."""
    sentence_coverage: float
    """By the sentence that covers most."""
    titled_sentence_coverage: float
    """By a sentence together with title and headings."""
    window_coverage: float
    """By two neighbouring sentences."""
    shared_run: float
    """The longest run of the question's letters that stands in the chunk, as a share of the question."""
    character_coverage: float
    """The share of the question's Han characters; 0 where it has none."""
    kind_in_sentence: float
    """-1 where a date, a number or a person is asked for and the best sentence has none, else 0."""
    kind_in_chunk: float
    opening: float
    """1 for a document's first chunk."""
    document_bm25: float
    """Of the document's best other candidate, as a share of the best."""
    document_bm25_sum: float
    """Of all other candidates of its document, in tenths of the best."""
    document_cosine_below_best: float
    """Of the document's best candidate."""
    neighbour_coverage: float
    """By the chunk before it or after it, where that is a candidate too."""
    length: float
    """The logarithm of its number of characters."""


NAMES: tuple[str, ...] = tuple(field.name for field in fields(Match))


def as_numbers(match: Match) -> dict[str, float]:
    """By the names of its fields."""
    return {name: float(getattr(match, name)) for name in NAMES}


def matches(asked: Asked, candidates: Sequence[Candidate]) -> list[Match]:
    """One for each candidate; they are compared with each other, so all of a question's belong into one call."""
    words = _Words.of(asked)
    among = _Among.of(words, candidates)
    return [_match(words, among, candidate) for candidate in candidates]


@dataclass(frozen=True, slots=True)
class _Words:
    """The question as it is compared with every chunk."""

    weights: Mapping[str, float]
    total: float
    characters: frozenset[str]
    plain: str
    kinds: tuple[re.Pattern[str], ...]
    """Of what a fitting answer holds."""

    @classmethod
    def of(cls, asked: Asked) -> _Words:
        return cls(
            weights=asked.weights,
            total=sum(asked.weights.values()) or 1.0,
            characters=characters(asked.text),
            plain=plain(asked.text),
            kinds=tuple(answer for question, answer in _KINDS if question.search(asked.text)),
        )

    def coverage(self, here: frozenset[str]) -> float:
        return sum(weight for term, weight in self.weights.items() if term in here) / self.total

    def lacking(self, text: str) -> float:
        return -float(sum(not kind.search(text) for kind in self.kinds))


@dataclass(frozen=True, slots=True)
class _Among:
    """The best values of all candidates, and of each document's."""

    cosine: float
    bm25: float
    document_cosines: Mapping[str, float]
    document_bm25s: Mapping[str, Sequence[float]]
    coverages: Mapping[tuple[str, int], float]
    """Of each chunk, by its document and its number there."""

    @classmethod
    def of(cls, words: _Words, candidates: Sequence[Candidate]) -> _Among:
        cosines: dict[str, float] = {}
        bm25s: dict[str, list[float]] = {}
        for one in candidates:
            name = document_of(one.document)
            cosines[name] = max(cosines.get(name, -1.0), one.cosine)
            bm25s.setdefault(name, []).append(one.bm25)
        return cls(
            cosine=max((one.cosine for one in candidates), default=0.0),
            bm25=max((one.bm25 for one in candidates), default=0.0) or 1.0,
            document_cosines=cosines,
            document_bm25s={name: sorted(scores, reverse=True) for name, scores in bm25s.items()},
            coverages={_place(one.document): words.coverage(passage_of(one.document).terms) for one in candidates},
        )

    def other_bm25(self, candidate: Candidate) -> float:
        first, *rest = self.document_bm25s[document_of(candidate.document)]
        other = first if candidate.bm25 < first else (rest[0] if rest else 0.0)
        return other / self.bm25

    def other_bm25s(self, candidate: Candidate) -> float:
        return (sum(self.document_bm25s[document_of(candidate.document)]) - candidate.bm25) / self.bm25 / 10

    def neighbour_coverage(self, chunk: Document) -> float:
        name, number = _place(chunk)
        return max(self.coverages.get((name, number + step), 0.0) for step in (-1, 1))


def _place(chunk: Document) -> tuple[str, int]:
    return document_of(chunk), int(chunk.metadata.get("chunk", -9))


def document_of(chunk: Document) -> str:
    """What tells its document apart."""
    return str(chunk.metadata.get("document_id") or chunk.metadata.get("source") or chunk.id or id(chunk))


def _match(words: _Words, among: _Among, candidate: Candidate) -> Match:
    passage = passage_of(candidate.document)
    by_sentence = [words.coverage(here) for here in passage.sentence_terms]
    best = passage.sentences[by_sentence.index(max(by_sentence))]
    return Match(
        cosine=candidate.cosine,
        cosine_below_best=candidate.cosine - among.cosine,
        bm25_of_best=candidate.bm25 / among.bm25,
        bm25_of_possible=candidate.bm25 / words.total,
        coverage=words.coverage(passage.terms | passage.above),
        title_coverage=words.coverage(passage.above),
        sentence_coverage=max(by_sentence),
        titled_sentence_coverage=max(words.coverage(here | passage.above) for here in passage.sentence_terms),
        window_coverage=_window_coverage(words, passage),
        shared_run=longest_shared_run(words.plain, passage.plain) / max(1, len(words.plain)),
        character_coverage=len(words.characters & passage.characters) / max(1, len(words.characters)),
        kind_in_sentence=words.lacking(best),
        kind_in_chunk=words.lacking(candidate.document.page_content),
        opening=1.0 if candidate.document.metadata.get("chunk") == 0 else 0.0,
        document_bm25=among.other_bm25(candidate),
        document_bm25_sum=among.other_bm25s(candidate),
        document_cosine_below_best=among.document_cosines[document_of(candidate.document)] - among.cosine,
        neighbour_coverage=among.neighbour_coverage(candidate.document),
        length=math.log1p(len(candidate.document.page_content)),
    )


def _window_coverage(words: _Words, passage: Passage) -> float:
    here = passage.sentence_terms
    pairs = zip(here, here[1:] or here, strict=False)
    return max(words.coverage(one | other) for one, other in pairs)


def longest_shared_run(one: str, other: str) -> int:
    """The length of the longest string that stands in both."""
    longest = 0
    for start in range(len(one)):
        while start + longest < len(one) and one[start : start + longest + 1] in other:
            longest += 1
    return longest


_WHEN = (
    r"什么时候|何时|哪一?年|哪天|几月|几年|年份|日期|哪一?个?(?:世纪|时代|年代|朝代|月)"
    r"|\bwhen\b|\b(?:what|which) (?:year|date|day|month|decade|century)\b"
)
_DATE = (
    r"\d{1,4}\s*年|\d\s*月|世纪|年代|\b1\d{3}\b|\b20\d{2}\b|\bcentury\b|星期|周[一二三四五六日末]"
    r"|\b(?:jan|feb|mar|apr|may|june?|july?|aug|sep|oct|nov|dec)[a-z]*\b|day\b|o'clock|\d:\d\d"
)
_MANY = (
    r"多少|几[个名人位家所座次届岁场种天]|多[大高长远重深久]"
    r"|\bhow (?:many|much|long|old|far|tall|big|large|high|often)\b"
    r"|\bwhat (?:percent|number|percentage|amount)"
)
_NUMBER = (
    r"\d|[一二三四五六七八九十百千万亿两半][个名人位家所座年次届岁场种多余天小]|\b(?:one|two|three|four|five|six|seven|eight"
    r"|nine|ten|eleven|twelve|hundred|thousand|million|billion|dozen|half|once|twice)\b"
)
_WHO = r"谁|哪[位个]人|什么人|何人|\bwho\b|\bwhose\b|\bwhom\b"
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
    "余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_PERSON = rf"[A-Z][\w.]+\s+[A-Z]|·|[{_SURNAMES}]"
_KINDS = tuple(
    (re.compile(question, re.IGNORECASE), re.compile(answer, flags))
    for question, answer, flags in (
        (_WHEN, _DATE, re.IGNORECASE),
        (_MANY, _NUMBER, re.IGNORECASE),
        (_WHO, _PERSON, re.NOFLAG),
    )
)
"""What is asked for, and what an answer to it holds."""
