"""The marks that a model puts into its answer by itself: [1], 【来源2】, (source 3), [12, 13], [^1], 〔1〕."""

from __future__ import annotations

import re

_WORD = (
    "参考资料|参考文献|资料来源|来源|资料|参考|引用|文档|片段|文献|注|"
    "sources?|references?|refs?|documents?|docs?|passages?|citations?|cited?|chunks?|material"
)
_NUMBERS = r"\d{1,3}(?:[ ]?(?:[,，、;；&和–-]|and)[ ]?\d{1,3}){0,9}"
_INSIDE = rf"(?:{_WORD})[ ]?[:：#№]?[ ]?(?:{_NUMBERS})?"
_OWN = re.compile(
    rf"[ ]?(?:[\[［【〔]{{1,2}}[ ]?(?:\^?{_NUMBERS}|\^?{_INSIDE}|\?)[ ]?[\]］】〕]{{1,2}}|[(（][ ]?{_INSIDE}[ ]?[)）])",
    re.IGNORECASE,
)
_BEGINS = re.compile(
    r"[ ]?(?:[\[［【〔(（]{1,2}(?:[ ]?[?^]?[a-z]{0,10}|[ ]?\^?[参考资料来源引用文档片段献注]{0,4})"
    r"[ ]?[:：#№]?(?:[\d ,，、;；&和–-]|and?(?=\Z|[\d ]))*[?]?[ ]?)?\Z",
    re.IGNORECASE,
)
_CUT_OFF = re.compile(r"[ ]?[\[［【〔][ ]?\^?(?:\d[\d ,，、-]*|来源.*|source.*)\Z", re.IGNORECASE)
_OPENING = " [［【〔(（"


def marker_at(text: str, at: int, *, final: bool) -> int:
    """Where the mark ends that begins here, `at` itself where none does; at the end of all text a half one is one."""
    if text[at] not in _OPENING:
        return at
    found = _OWN.match(text, at) or (_CUT_OFF.match(text, at) if final else None)
    return found.end() if found else at


def may_begin(text: str, at: int) -> bool:
    """Whether all that has come from here on may be the beginning of a mark."""
    return at >= len(text) or (text[at] in _OPENING and bool(_BEGINS.match(text, at)))
