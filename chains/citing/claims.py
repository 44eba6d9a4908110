"""What a sentence of an answer claims, without the words that only lead to it."""

from __future__ import annotations

import re

_ORNAMENT = re.compile(r"^[\s>#*•·\-–—|]*(?:\d{1,2}[.)、．](?!\d)\s*|[(（]\d{1,2}[)）]\s*)?|[\s*|`]+$")
_MATERIAL = (
    "(?:(?:given|provided|above|reference|source) )*"
    "(?:materials?|documents?|sources?|texts?|passages?|information|context)"
)
_SAYS = "(?:says?|states?|mentions?|notes?|indicates?|explains?|shows?|suggests?)"
_LEAD_INS = (
    r"(?:根据|依据|按照|基于|从)[^，,：:。]{0,12}(?:资料|材料|内容|信息|文档|原文|文中|段落|来源)[^，,：:。]{0,10}[，,：:]",
    r"(?:参考)?(?:资料|材料|文中|原文|文档)中?(?:提到|指出|显示|说明|表明|提及|说|写道|称)了?[，,：:]?",
    r"(?:因此|所以|综上所述|综上|总之|具体来说|也就是说|此外|另外|同时|其中)[，,：:]",
    r"(?:答案|回答|答)(?:是|为)?[：:，,]?(?=.)",
    r"(?:是|是的|对|对的|没错|不是|不是的|不|否|没有|有|有的|可以|可以的|不可以|能|能的|不能|会|会的|不会)[，,！!。](?=.)",
    r"(?:yes|no|correct|sure|certainly)\s*[,.:!](?=.)",
    rf"(?:according to|based on|per|in|from) the {_MATERIAL}(?: (?:provided|given|above))?\s*[,:]",
    rf"the {_MATERIAL} (?:also )?{_SAYS}(?: that)?\s*[,:]?",
    r"(?:the answer is|answer)\s*:?",
    r"(?:so|therefore|thus|hence|in addition|additionally|moreover|also|however)\s*,",
)
_SAYS_NOTHING = (
    r".*[：:]",
    r"(?:以下|下面)(?:是|为).{0,20}",
    r"希望(?:这|以上|对|能).{0,12}(?:帮助|帮到).*",
    r"如果?[您你](?:还|有).{0,6}(?:问题|疑问).*",
    r"(?:谢谢|感谢)[您你]?.{0,6}",
    r"好的|当然(?:可以)?",
    r"here (?:is|are) (?:the|an?|your|some)\b.{0,30}",
    r"i hope (?:this|that).*",
    r"(?:please )?let me know (?:if|whether)\b.*",
    r"if you have any (?:other |further )?questions.*",
    r"sure|certainly|of course|thank you|thanks",
)
_LEADS = re.compile("|".join(f"^{one}" for one in _LEAD_INS), re.IGNORECASE)
_EMPTY = re.compile("|".join(_SAYS_NOTHING), re.IGNORECASE)
_YES = re.compile(r"(?:是的?|对的?|没错|有的?|可以的?|能的?|会的?|yes|correct)[。.!！]?", re.IGNORECASE)


def claim(sentence: str) -> str:
    """The claim alone; "" where there is none, as in "Here is the answer:" or a heading."""
    if sentence.lstrip().startswith("#"):
        return ""
    said = _ORNAMENT.sub("", sentence).strip()
    while (shorter := _LEADS.sub("", said, count=1).strip()) != said:
        said = shorter
    return "" if _EMPTY.fullmatch(said) or not re.search(r"\w", said) else said


def affirms(said: str) -> bool:
    """Whether it is a mere "yes": then the claim is the question's."""
    return bool(_YES.fullmatch(said))
