"""Numbers that are written as words, in digits: 三十二 is 32, 1.2亿 is 120000000, twenty-five is 25, third is 第3."""

from __future__ import annotations

import re
from decimal import Decimal

_HAN_DIGITS = {
    **{digit: value for value, digit in enumerate("零一二三四五六七八九")},
    "〇": 0,
    "○": 0,
    "两": 2,
    "兩": 2,
}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_DIGIT = f"[{''.join(_HAN_DIGITS)}]"
_UNIT = f"[{''.join(_HAN_UNITS)}]"
_ARABIC = r"(?<![\d,])\d[\d,]*(?:\.\d+)?"
_NO_PREFIX = "(?!千[米克瓦卡赫])"
"""千米 is a kilometre: 5千米 is not 5000 米."""
_HAN_PART = re.compile(rf"{_ARABIC}|{_DIGIT}|{_UNIT}")
_HAN_NUMBER = re.compile(
    rf"(?:{_ARABIC}(?:{_NO_PREFIX}{_UNIT})+(?:(?:{_ARABIC}|{_DIGIT})(?:{_NO_PREFIX}{_UNIT})+)*"
    rf"|(?:{_DIGIT}|{_NO_PREFIX}{_UNIT})+)"
)
_COUNTED = re.compile(
    "[个個位名种種条條次年月日号號天岁歲人座只隻头頭匹件项項款部本册冊首支场場届屆期层層级級类類间間所台辆輛艘架枚颗顆块塊"
    "张張元秒倍米里斤吨噸亩畝周星世代季集章节節声聲句字组組队隊篇份套家口户戶轮輪段步道站栋棟大公英海毫厘小省市县縣区區国國]"
)
"""What follows a Chinese numeral of one character where it is a number: 三个, and not 三角."""

_SMALL = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
"""
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORDS = {
    **{word: value for value, word in enumerate(_SMALL.split())},
    **{word: 10 * value for value, word in enumerate(_TENS, start=2)},
}
_MULTIPLES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ORDINALS = {
    **{f"{word}th": value for word, value in _WORDS.items()},
    **{f"{word[:-1]}ieth": _WORDS[word] for word in _TENS},
    "first": 1,
    "second": 2,
    "third": 3,
    "fifth": 5,
    "eighth": 8,
    "ninth": 9,
    "twelfth": 12,
}
_ANY_WORD = "|".join(sorted([*_WORDS, *_MULTIPLES], key=len, reverse=True))
_ANY_ORDINAL = "|".join(sorted(_ORDINALS, key=len, reverse=True))
_ENGLISH = re.compile(
    rf"(?<![\w-])(?<!\d\s)(?<!per\s)((?:(?:{_ANY_WORD})(?:-|\s+(?:and\s+)?))*)(?:({_ANY_WORD})|({_ANY_ORDINAL}))(?![\w-])",
    re.IGNORECASE,
)
_MULTIPLIED = re.compile(rf"({_ARABIC})[\s-]?({'|'.join(_MULTIPLES)})\b", re.IGNORECASE)
_NTH = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b", re.IGNORECASE)
_FIRST = re.compile("首(?=[次个個位届屆部支家座批款场場名任])")
_PERCENT = re.compile(rf"百分之({_ARABIC}|[{''.join(_HAN_DIGITS)}十百]+)")
_FRACTION = re.compile(rf"({_DIGIT}|十)分之({_DIGIT}+)")
_SCORE = re.compile(r"(\d)\s?比\s?(\d)")
_ONE = re.compile(r"(?:只有|仅有?)?一.{0,3}|(?:only |just )?one(?: \w+)?\W*", re.IGNORECASE)
_FULL_WIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}


def in_digits(text: str, *, ones: bool = True) -> str:
    """
    The text with its numbers in digits without separators, ordinals as 第3, percents as 30%.

    Without `ones`, a lone 一 or "one" stays as it is: it is an article more often than a number.
    """
    text = _FIRST.sub("第一", text.translate(_FULL_WIDTH))
    text = _PERCENT.sub(lambda found: f"{_han_value(found[1])}%", text)
    text = _FRACTION.sub(lambda found: f"{_han_value(found[2])}/{_han_value(found[1])}", text)
    text = _HAN_NUMBER.sub(lambda found: _of_han(found, ones=ones), text)
    text = _MULTIPLIED.sub(lambda found: _plain(_decimal(found[1]) * _MULTIPLES[found[2].lower()]), text)
    text = _ENGLISH.sub(lambda found: _of_english(found, ones=ones), text)
    text = _SCORE.sub(r"\1:\2", _NTH.sub(r"第\1", text))
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)


def is_one(text: str) -> bool:
    """Whether the whole text is a lone 一个 or "one": then it is a number, and no article."""
    return bool(_ONE.fullmatch(text.strip()))


def _of_han(found: re.Match[str], *, ones: bool) -> str:
    said, before, after = found.group(), found.string[: found.start()], found.string[found.end() :]
    if not (before.endswith("第") or said[0].isdigit() or _is_number(said, after)):
        return said
    if said == "一" and before.endswith(tuple("哪每某另同任这那其")):
        return said
    if said == "一" and not ones and not before.endswith("第") and not after.startswith(("年", "月", "日", "号")):
        return said
    return _han_value(said)


def _is_number(said: str, after: str) -> bool:
    """Whether Chinese numerals count something: those of words such as 万一, 千万 and 四川 do not."""
    has_digit, has_unit = re.search(_DIGIT, said), re.search(_UNIT, said)
    if len(said) == 1:
        return (bool(has_digit) or said == "十") and bool(_COUNTED.match(after))
    if has_unit:
        return (bool(has_digit) and said != "万一") or said in ("十万", "十亿")
    return len(said) > 2 or after.startswith(("年", "月", "日"))


def _han_value(said: str) -> str:
    if not re.search(_UNIT, said):
        return "".join(str(_HAN_DIGITS.get(sign, sign)) for sign in said)
    total, section, number = Decimal(0), Decimal(0), None
    for part in _HAN_PART.findall(said):
        unit = _HAN_UNITS.get(part)
        if unit is None:
            number = _decimal(str(_HAN_DIGITS.get(part, part)))
        elif unit < 10**4:
            section, number = section + (Decimal(1) if number is None else number) * unit, None
        else:
            section += number or 0
            total = (total + section) * unit if unit == 10**8 else total + section * unit
            section, number = Decimal(0), None
    return _plain(total + section + (number or 0))


def _of_english(found: re.Match[str], *, ones: bool) -> str:
    if found.group().lower() == "one" and not ones:
        return found.group()
    total, current = 0, 0
    for word in re.findall(r"[a-z]+", (found[1] + (found[2] or "")).lower()):
        if word == "hundred":
            current = (current or 1) * 100
        elif word in _MULTIPLES:
            total, current = total + (current or 1) * _MULTIPLES[word], 0
        else:
            current += _WORDS.get(word, 0)
    if found[3]:
        return f"第{total + current + _ORDINALS[found[3].lower()]}"
    return str(total + current)


def _decimal(digits: str) -> Decimal:
    return Decimal(digits.replace(",", ""))


def _plain(value: Decimal) -> str:
    return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
