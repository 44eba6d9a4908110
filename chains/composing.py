"""From the model's stream of text to the answer that a person reads, while it streams."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chains.answers import Citation, Source
from chains.citations import cite
from chains.language import Language
from chains.prompts import REFUSALS

_OWN_MARKER = re.compile(r"[ ]?(?:\[|【)(?:来源|资料|source\s*)?\d{1,2}(?:\s*[,，]\s*\d{1,2})*(?:\]|】)", re.IGNORECASE)
_MARKER_BEGINS = re.compile(r"[ ]?(?:\[|【)[^\]】\n]{0,12}\Z")
_FULL_STOPS = "。！？!?\n"
_IGNORED = re.compile(r"[\s\"'“”‘’。.,，！!：:]")


class Composer:
    """
    Takes the model's text in pieces and gives back what can be shown, sentence by sentence with its citation.

    The model's own markers are taken out (it puts them anywhere); a sentence gets one before its full stop where a
    source shares its words and numbers. A refusal is told from an answer before any of it is shown.

    Where it is `doubtful` that the sources answer at all, nothing is shown until a sentence is supported, and an answer
    without one becomes a refusal.
    """

    def __init__(self, sources: Sequence[Source], language: Language, *, doubtful: bool = False) -> None:
        self._sources = sources
        self._doubtful = doubtful
        self._unproven = ""
        """Text that waits for a supported sentence."""
        self._refusal = REFUSALS[language]
        self._raw = ""
        """What has come and could not be judged yet."""
        self._sentence = ""
        self._begun = False
        self._sentences = 0
        self.refused = False
        self.citations: list[Citation] = []

    def feed(self, piece: str) -> str:
        """What this piece lets us show."""
        if self.refused:
            return ""
        self._raw += piece
        if not self._begun:
            self._raw = self._raw.lstrip()
            if _is_refusal(self._raw):
                return self._refuse()
            if _may_become_refusal(self._raw):
                return ""
            self._begun = True
        return self._proven(self._show(final=False))

    def end(self) -> str:
        """What is left when the model has ended; an answer without any text is a refusal."""
        if self.refused:
            return ""
        if not self._begun and (_may_become_refusal(self._raw) or not self._raw.strip()):
            return self._refuse()
        text = self._proven(self._show(final=True))
        return self._refuse() if self._doubtful and not self.citations else text

    @property
    def supported_share(self) -> float:
        """The part of the sentences that carry a citation."""
        return len(self.citations) / self._sentences if self._sentences else 0.0

    def _proven(self, text: str) -> str:
        if not self._doubtful:
            return text
        self._unproven += text
        if not self.citations:
            return ""
        shown, self._unproven = self._unproven, ""
        return shown

    def _refuse(self) -> str:
        self.refused, self._raw = True, ""
        return self._refusal

    def _show(self, *, final: bool) -> str:
        text = _OWN_MARKER.sub(self._without_marker, self._raw)
        held = "" if final else _held_back(text)
        text = text[: len(text) - len(held)]
        self._raw = held
        shown = "".join(self._step(character, following) for character, following in _with_next(text, held, final))
        return shown + (self._close("") if final else "")

    def _without_marker(self, found: re.Match[str]) -> str:
        """Nothing, unless the sources say it too: `devices[0]` is a name and not a mark."""
        before = re.search(r"\w+\Z", self._sentence + found.string[: found.start()])
        name = before.group() + found.group() if before else ""
        return found.group() if name and any(name in source["content"] for source in self._sources) else ""

    def _step(self, character: str, following: str) -> str:
        if character in _FULL_STOPS or (character == "." and (not following or following.isspace())):
            return self._close(character)
        self._sentence += character
        return character

    def _close(self, full_stop: str) -> str:
        """End the sentence: its mark, if it deserves one, then the full stop."""
        sentence, self._sentence = self._sentence, ""
        if not sentence.strip(" \t-*#|>`"):
            return full_stop
        self._sentences += 1
        citation = cite(sentence, self._sources)
        if citation is None:
            return full_stop
        self.citations.append(citation)
        return citation["marker"] + full_stop


def _with_next(text: str, held: str, final: bool) -> list[tuple[str, str]]:
    following = text[1:] + (held[:1] or ("" if final else "x"))
    return [(character, following[at : at + 1]) for at, character in enumerate(text)]


def _held_back(text: str) -> str:
    """The end of the text that the next piece may change the meaning of: a marker, or a dot."""
    if match := _MARKER_BEGINS.search(text):
        return match.group()
    return text[-1:] if text.endswith((".", " ")) else ""


def _plain(text: str) -> str:
    return _IGNORED.sub("", text).lower()


_FORMS = [_plain(refusal) for refusal in REFUSALS.values()] + [
    _plain(other)
    for other in (
        "根据现有资料，无法回答",
        "根据参考资料无法回答",
        "根据提供的资料无法回答",
        "参考资料中没有相关",
        "参考资料中完全没有",
        "参考资料中没有提",
        "参考资料中未提",
        "资料中没有提到",
        "The documents do not",
        "The document does not",
        "The reference material does not",
        "The reference material holds nothing",
        "The provided reference material does not",
        "I cannot answer",
    )
]


_FORMS += [sorry + form for sorry in ("sorry", "抱歉", "很抱歉", "对不起") for form in _FORMS]


def _is_refusal(text: str) -> bool:
    plain = _plain(text)
    return any(plain.startswith(form) for form in _FORMS)


def _may_become_refusal(text: str) -> bool:
    plain = _plain(text)
    return any(form.startswith(plain) for form in _FORMS)
