"""What stands for itself in a question: identifiers, quoted titles, proper names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from chains.language import Language, language_of

Shape = Literal["quoted", "numbered", "upper", "plain"]

HAN = r"[\u4e00-\u9fff]"
_QUOTED = r"《[^《》]{1,40}》|「[^「」]{1,40}」|“[^“”]{1,40}”|\"[^\"]{1,40}\"|`[^`]{1,40}`"
_NUMBER = r"\d+(?:\.\d+)*"
_WORD = r"[A-Za-z][A-Za-z0-9]*(?:[-_./+][A-Za-z0-9]+)*"
_NAME_WORD = r"(?:[A-Z][A-Za-z0-9]*|[a-z]+[0-9_][A-Za-z0-9_]*)(?:[-_./+][A-Za-z0-9]+)*"
# not after a number: there it is a unit
_FREE = r"(?<![A-Za-z0-9_.'’])(?<!\d )"
NAME: dict[Language, str] = {
    "zh": rf"(?:{_QUOTED}|{_FREE}{_WORD}(?: (?:{_WORD}|{_NUMBER}))*)",
    "en": rf"(?:{_QUOTED}|{_FREE}{_NAME_WORD}(?: (?:{_NAME_WORD}|{_NUMBER}))*)",
}
"""Patterns: in Chinese every Latin word is a name, in English those with a capital, a digit or an underscore."""
_NO_NAMES = {"I", "OK"}


def names(text: str) -> list[str]:
    """Each once, in order."""
    language = language_of(text)
    found = []
    for match in re.finditer(NAME[language], text):
        name = match.group()
        if language == "en" and _begins_sentence(text, match.start()) and shape(name.split()[0]) == "plain":
            name = name.partition(" ")[2]
        if name and name not in _NO_NAMES:
            found.append(name)
    return list(dict.fromkeys(found))


def shape(name: str) -> Shape:
    """What must be alike in two names for one to take the other's place."""
    if name[0] in '《「“"`':
        return "quoted"
    if any(character.isdigit() for character in name):
        return "numbered"
    return "upper" if len(name) > 1 and name.isupper() else "plain"


def only(found: Sequence[str], wanted: Shape) -> str | None:
    """The one name, if it has this shape."""
    return found[0] if len(found) == 1 and shape(found[0]) == wanted else None


def in_its_place(name: str, before: str) -> str | None:
    """The question `before` asked about this name instead; None where it is not clear instead of what."""
    found = names(before)
    alike = [other for other in found if shape(other) == shape(name)]
    is_doubtful = name in found or (len(found) > 1 and shape(name) != "numbered")
    if is_doubtful or len(alike) != 1 or len(alike[0].split()) != len(name.split()):
        return None
    return before.replace(alike[0], name)


def _begins_sentence(text: str, at: int) -> bool:
    ahead = text[:at].rstrip()
    return not ahead or ahead[-1] in ".?!。？！"
