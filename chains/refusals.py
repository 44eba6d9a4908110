"""How a model says that the sources hold no answer."""

from __future__ import annotations

import re

from chains.prompts import REFUSALS

_IGNORED = re.compile(r"[\s\"'“”‘’。.,，！!：:]")


def is_refusal(text: str) -> bool:
    """Whether a text begins by refusing to answer."""
    plain = _plain(text)
    return any(plain.startswith(form) for form in _FORMS)


def may_become_refusal(text: str) -> bool:
    """Whether a text that has only begun may still turn out to be one."""
    plain = _plain(text)
    return any(form.startswith(plain) for form in _FORMS)


def _plain(text: str) -> str:
    return _IGNORED.sub("", text).lower()


_SAID = (
    *REFUSALS.values(),
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
_FORMS = [_plain(sorry + form) for sorry in ("", "sorry", "抱歉", "很抱歉", "对不起") for form in _SAID]
