"""What a text denies, so that an answer does not assert what its source denies, nor the reverse."""

from __future__ import annotations

import re
from functools import lru_cache

from chains.citing.alignment import held, keys, units

_REPEATED = 0.6
"""A sentence that has so much of what its source denies asserts it."""
_ALIKE = 0.4
"""Two denials that have so much in common deny the same."""
_ZH_NO_DENIAL = (
    "不仅|不但|不断|不斷|不同|不少|不久|不过|不過|不论|不論|不管|不只|不光|不已|不禁|不得不|不等|不锈|不鏽|不动产|不動產|差不多|不丹|"
    "不列颠|不列顛|不莱梅|不時|不时|不满|不滿|不朽|不幸|不惜|不乏|不愧|不妨|不料|"
    "无线|無線|无论|無論|无锡|無錫|无数|無數|无穷|無窮|无机|無機|无人机|無人機|无花果|无产|無產|无限|無限|无名|無名|无敌|無敵|"
    "未来|未來|未婚|未央|未免|未知|"
    "没收|沒收|没落|沒落|埋没|埋沒|淹没|淹沒|沉没|沉沒|出没|出沒|没食子|"
    "是不是|能不能|会不会|會不會|要不要|可不可以|有没有|有沒有|是否|能否|可否|会否"
)
_ZH_DENIAL = "不|没有|沒有|没|沒|无|無|未|并非|並非|绝非|絕非|而非|否认|否認|勿"
_EN_NO_DENIAL = (
    r"\bnot\s+(?:only|just|merely|simply)\b|\bno\.?\s?\d|\bno\s+(?:later|longer\s+than|more\s+than|less\s+than|doubt)\b"
)
_EN_DENIAL = r"\b(?:not|no|never|cannot|without|neither|nor|none|nobody|nothing)\b|n['’]t\b"
_DENIAL = re.compile(f"(?:{_ZH_NO_DENIAL}|{_EN_NO_DENIAL})|(?P<zh>{_ZH_DENIAL})|(?P<en>{_EN_DENIAL})", re.IGNORECASE)
_ZH_DENIED = re.compile(r"[^，。；！？,;!?\n]{1,8}")
_EN_DENIED = re.compile(r"\s*((?:[\w'’-]+\s*){1,4})")


@lru_cache(maxsize=8192)
def denied(text: str) -> tuple[str, ...]:
    """The few words after each 不, 没有, not, never …: what they deny. 不仅, 未来 or "not only" deny nothing."""
    return tuple(_after(text, match) for match in _DENIAL.finditer(text) if match["zh"] or match["en"])


def _after(text: str, match: re.Match[str]) -> str:
    found = (_ZH_DENIED if match["zh"] else _EN_DENIED).match(text, match.end())
    return found.group().strip() if found else ""


def contradict(said: str, shown: str, *, asked: str = "") -> bool:
    """
    Whether one of the two denies what the other says: both may deny, but then the same.

    An answer may leave the denial to the question that was `asked`: "What is not allowed?"
    """
    mine, theirs = denied(said), denied(shown)
    if mine:
        return not all(any(_same(one, other) for other in theirs) for one in mine)
    return not denied(asked) and any(bool(units(one)) and held(units(one), keys(said)) >= _REPEATED for one in theirs)


def _same(one: str, other: str) -> bool:
    return not units(one) or held(units(one), keys(other)) >= _ALIKE
