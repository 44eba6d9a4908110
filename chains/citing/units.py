"""Units of measurement, by the names that Chinese and English texts give them."""

from __future__ import annotations

import re

YEAR, MONTH, DAY, CENTURY, ORDINAL = "year of a date", "month of a date", "day of a date", "century", "ordinal"
COUNT = "个"
"""Goes for whatever is counted."""

_NAMES = """
    km: km kms kilometer kilometers kilometre kilometres 公里 千米
    m: meter meters metre metres 米 公尺
    cm: cm centimeter centimeters centimetre centimetres 厘米 公分 釐米
    mm: mm millimeter millimeters millimetre millimetres 毫米 公厘
    mile: mi mile miles 英里 哩
    foot: ft foot feet 英尺 呎
    inch: inch inches 英寸 英吋 吋
    km²: km² km2 sq_km square_km square_kilometers square_kilometres 平方公里 平方千米
    m²: m² m2 sq_m square_meters square_metres 平方米 平方公尺
    ft²: ft² ft2 sq_ft square_feet 平方英尺 平方呎
    mile²: sq_mi square_miles 平方英里 平方哩
    hectare: ha hectare hectares 公顷 公頃
    acre: acre acres 英亩 英畝
    亩: 亩 畝
    kg: kg kgs kilogram kilograms 公斤 千克
    g: gram grams 克 公克
    mg: mg milligram milligrams 毫克
    t: ton tons tonne tonnes 吨 噸 公吨 公噸
    lb: lb lbs 磅
    l: liter liters litre litres 升 公升
    ml: ml milliliter milliliters millilitre millilitres 毫升
    %: % percent per_cent 个百分点 個百分點
    °C: °c ℃ degrees_celsius 摄氏度 攝氏度
    °F: °f ℉ degrees_fahrenheit 华氏度 華氏度
    second: sec second seconds 秒
    ms: ms millisecond milliseconds 毫秒
    minute: min minute minutes 分钟 分鐘
    hour: hr hrs hour hours 小时 小時 个小时 個小時 钟头
    day: day days 天
    week: week weeks 周 週 星期 个星期 個星期
    month: month months 个月 個月
    year: yr yrs year years 年 岁 歲 周年 週年
    decade: 年代
    century: century centuries 世纪 世紀
    month of a date: 月
    day of a date: 日 号 號
    dollar: dollar dollars usd 美元 美金
    yuan: yuan rmb cny 人民币 人民幣
    hkd: hkd hong_kong_dollars 港元 港币 港幣
    euro: euro euros eur 欧元 歐元
    pound: gbp 英镑 英鎊
    yen: yen jpy 日元 日圆 日圓
    kb: kb kib kilobytes
    mb: mb mib megabytes
    gb: gb gib gigabytes
    tb: tb tib terabytes
    hz: hz hertz 赫兹
    khz: khz 千赫
    mhz: mhz 兆赫
    ghz: ghz 吉赫
    w: watt watts 瓦
    kw: kw kilowatt kilowatts 千瓦
    v: volt volts 伏
"""
_COUNTERS = """
    位名人口 项項种種类類件條条點点樣样 次回场場趟番 部本册冊套卷篇集章节節 所间間家座栋棟处處院校 届屆期版 枚颗顆粒
    列排行 只隻头頭匹尾 台辆輛架艘 组組队隊班团團 层層楼樓级級 票席 字句词詞段 路线線 丁 地 代 张張 块塊片 首 支
    站 店 省 市 县縣 区區 国國 岛島 州 村 户戶 步 轮輪 圈
"""
"""What is counted, in Chinese: 3枚 is not 3列."""
_LETTERS = {"m": "m", "g": "g", "t": "t", "l": "l", "L": "l", "s": "second", "h": "hour", "W": "w", "V": "v"}
"""Small and capital letters differ here: 5 g is a weight, and 5G is none."""
_SIGNS = {"HK$": "hkd", "US$": "dollar", "$": "dollar", "£": "pound", "€": "euro", "¥": "yuan", "￥": "yuan"}


def _by_name() -> dict[str, str]:
    lines = (line.strip().split(": ") for line in _NAMES.strip().splitlines())
    return {name.replace("_", " "): unit for unit, names in lines for name in names.split()}


_UNIT_OF = _by_name()
_COUNTED = {"个": COUNT, "個": COUNT, **{character: group for group in _COUNTERS.split() for character in group}}
_NAME = re.compile(rf"\s?-?({'|'.join(map(re.escape, sorted(_UNIT_OF, key=len, reverse=True)))})", re.IGNORECASE)
_LETTER = re.compile(rf"\s?([{''.join(_LETTERS)}])(?![A-Za-z0-9])")
_SIGN = re.compile(rf"(?:{'|'.join(map(re.escape, _SIGNS))})\s?\Z")


def unit_at(text: str, start: int, end: int) -> str:
    """The unit of the number that stands from `start` to `end`: the same for all its names, "" where there is none."""
    if (found := _NAME.match(text, end)) and not (found.group()[-1].isascii() and text[found.end() :][:1].isalpha()):
        return _UNIT_OF.get(found[1].casefold(), "")  # case is ignored for letters too that are small already: ſ
    if found := _LETTER.match(text, end):
        return _LETTERS[found[1]]
    if found := _SIGN.search(text[max(0, start - 4) : start]):
        return _SIGNS[found.group().strip()]
    return _COUNTED.get(text[end:].lstrip(" 多余餘几幾")[:1], "")


def is_unit(word: str) -> bool:
    """Whether a word that follows a number is its unit."""
    return word in _LETTERS or word.lower() in _UNIT_OF
