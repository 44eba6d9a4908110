"""From the model's stream of text to the answer that a person reads, while it streams."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from chains.answers import Citation, Source
from chains.citing.crossing import Similarity
from chains.citing.spans import ends_sentence
from chains.language import Language
from chains.markers import marker_at, may_begin
from chains.prompts import REFUSALS
from chains.refusals import is_refusal, may_become_refusal
from chains.verdicts import Verdict, Verdicts

Unsupported: TypeAlias = Literal["flag", "drop"]
"""What becomes of a sentence that no source proves: shown with a mark that says so, or left out."""

_FULL_STOPS = "。！？.!?"
_CLOSING = "”’」』）)\"'"
_FENCE = "```"


class Composer:
    """
    Takes the model's text in pieces and gives back what can be shown, sentence by sentence with its citation.

    The model's own marks are taken out (it puts them anywhere). A sentence that a source proves gets a mark before its
    full stop; one that none proves gets "[?]" or is left out; one that claims nothing ("Here is the answer:") stays as
    it is; one that was said before is not said again. A refusal is told from an answer before any of it is shown.

    Where it is `doubtful` that the sources answer at all, or where sentences are left out, nothing is shown until a
    sentence is proved, and an answer without one becomes a refusal.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        language: Language,
        *,
        doubtful: bool = False,
        question: str = "",
        similarity: Similarity | None = None,
        unsupported: Unsupported = "flag",
    ) -> None:
        self._sources = sources
        self._refusal = REFUSALS[language]
        self._verdicts = Verdicts(sources, question, similarity)
        self._leaves_out = unsupported == "drop"
        self._must_prove = doubtful or self._leaves_out
        self._unproven = ""
        """Text that waits for a supported sentence."""
        self._raw = ""
        """What has come and could not be read yet."""
        self._sentence = ""
        """What has been read since the last full stop; in a block of code, since the last line."""
        self._held = ""
        """What has been read and is not shown yet, because it may be a repetition, or be left out."""
        self._code: str | None = None
        """The lines of a block of code while it lasts."""
        self._begun = False
        self._leading: str | None = ""
        """What stands before the first words: it waits for them. None once they are shown."""
        self.refused = False

    def feed(self, piece: str) -> str:
        """What this piece lets us show."""
        if self.refused:
            return ""
        self._raw += piece
        if not self._begun:
            self._raw = self._raw.lstrip()
            if is_refusal(self._raw):
                return self._refuse()
            if may_become_refusal(self._raw):
                return ""
            self._begun = True
        return self._with_words(self._proven("".join(self._read(final=False))))

    def end(self) -> str:
        """What is left when the model has ended; an answer of no text, or of marks alone, is a refusal."""
        if self.refused:
            return ""
        if not self._begun and (may_become_refusal(self._raw) or not self._raw.strip()):
            return self._refuse()
        text = self._with_words(self._proven("".join(self._read(final=True)) + self._close("")))
        is_empty = self._leading is not None
        return self._refuse() if is_empty or (self._must_prove and not self._verdicts.supported) else text

    @property
    def citations(self) -> list[Citation]:
        """One for each mark, in their order; none in a refusal."""
        return [] if self.refused else self._verdicts.citations

    @property
    def supported_share(self) -> float:
        """The part of the sentences that are proved."""
        return self._verdicts.supported_share

    def _proven(self, text: str) -> str:
        if not self._must_prove:
            return text
        self._unproven += text
        if not self._verdicts.supported:
            return ""
        shown, self._unproven = self._unproven, ""
        return shown

    def _with_words(self, text: str) -> str:
        """The text, once there is more in it than space and full stops."""
        if self._leading is None:
            return text
        self._leading = (self._leading + text).lstrip()
        if all(character.isspace() or character in _FULL_STOPS for character in self._leading):
            return ""
        shown, self._leading = self._leading, None
        return shown

    def _refuse(self) -> str:
        self.refused, self._raw = True, ""
        return self._refusal

    def _read(self, *, final: bool) -> Iterator[str]:
        """What can be shown of what has come, up to where the next piece may change its meaning."""
        text, at = self._raw, 0
        while at < len(text):
            after = marker_at(text, at, final=final)
            if after > at and not self._is_in_source(text[at:after]):
                at = after
                continue
            if not final and (may_begin(text, at) or (text[at] in _FULL_STOPS + _CLOSING and may_begin(text, at + 1))):
                break
            after = max(after, at + 1)
            for character in text[at:after]:
                yield self._step(character, _following(text, after, final=final))
            at = after
        self._raw = text[at:]

    def _is_in_source(self, marker: str) -> bool:
        """Whether a source says it too: `devices[0]` is a name and not a mark."""
        before = re.search(r"\w+\Z" if self._code is None else r".+\Z", self._sentence)
        name = (before.group() + marker).strip() if before else ""
        return bool(name) and any(name in source["content"] for source in self._sources)

    def _step(self, character: str, following: str) -> str:
        if character == "\n" or (self._code is None and _is_full_stop(self._sentence, character, following)):
            return self._close(character)
        self._sentence += character
        self._held += character
        waits = self._leaves_out or (self._code is None and self._verdicts.may_repeat(self._sentence))
        return "" if waits else self._release()

    def _release(self) -> str:
        held, self._held = self._held, ""
        return held

    def _close(self, full_stop: str) -> str:
        """End the sentence, or the line of code."""
        sentence, self._sentence = self._sentence, ""
        is_fence = sentence.count(_FENCE) == 1 and sentence.lstrip().startswith(_FENCE)
        if self._code is None and not is_fence:
            return self._marked(self._verdicts.sentence(sentence), self._release(), full_stop)
        if is_fence or not full_stop:
            return self._fence(sentence, full_stop)
        self._code = (self._code or "") + sentence + full_stop
        return self._more_code(full_stop)

    def _fence(self, line: str, full_stop: str) -> str:
        """Begin a block of code, or end it; the end of all text ends it too."""
        if self._code is None:
            self._code = ""
            return self._more_code(full_stop)
        block = self._code if _FENCE in line else self._code + line
        self._code = None
        verdict = self._verdicts.code(block)
        if verdict == "no claim":
            return self._release() + full_stop
        return self._marked(verdict, self._release() + "\n", full_stop)

    def _more_code(self, line_end: str) -> str:
        self._held += line_end
        return "" if self._leaves_out else self._release()

    def _marked(self, verdict: Verdict, text: str, full_stop: str) -> str:
        if verdict == "no claim":
            return text + full_stop
        if verdict == "repeated" or (verdict == "unproved" and self._leaves_out):
            return ""
        return text + (self._verdicts.flag() if isinstance(verdict, str) else verdict["marker"]) + full_stop


def _is_full_stop(sentence: str, character: str, following: str) -> bool:
    """Whether a sentence ends here: not within quotation marks, an address, a number or an abbreviation."""
    if character in _CLOSING and sentence.endswith(tuple(_FULL_STOPS)):
        return not following or following.isspace()
    if character not in _FULL_STOPS or (following and following in _CLOSING + _FULL_STOPS):
        return False
    if character in "。！？":
        return True
    goes_on = bool(following) and following.isascii() and not following.isspace()
    return not goes_on and (character != "." or ends_sentence(sentence))


def _following(text: str, at: int, *, final: bool) -> str:
    """The next character that is not part of a mark."""
    while at < len(text) and (after := marker_at(text, at, final=final)) > at:
        at = after
    return text[at : at + 1]
