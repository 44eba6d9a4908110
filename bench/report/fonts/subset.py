"""
Makes larkwise-sans-sc.otf, with which pictures are labelled in Chinese: `python -m bench.report.fonts.subset FONT`.

FONT is NotoSansCJK-Regular.ttc (SIL Open Font License 1.1) of Debian's package fonts-noto-cjk. Kept are the characters
of larkwise's Chinese texts and ASCII, since the whole font has 19 MB; other names of variants need a font that the
machine has.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTCollection, TTFont

from bench.report.words import TEXTS

HERE = Path(__file__).parent
FAMILY = "Larkwise Sans SC"
FILE = HERE / "larkwise-sans-sc.otf"
_SIMPLIFIED = "Noto Sans CJK SC"
_PUNCTUATION = "，。、：；！？（）《》“”‘’—…·％±×÷≤≥→↑↓–−"
_NUMERALS = "零一二三四五六七八九十百千万"
_ROOT = HERE.parent.parent.parent
_KEPT_NAMES = (0, 7, 8, 11, 13, 14)
"""Copyright, trademark, maker, licence."""


def characters() -> str:
    """ASCII, punctuation, and every Han character of the report and of larkwise's Chinese documents."""
    files = [*_ROOT.glob("*.zh-CN.md"), *_ROOT.glob("docs/*.zh-CN.md"), *_ROOT.glob("examples/handbook/zh/*.md")]
    texts = "".join(file.read_text(encoding="utf-8") for file in files) + "".join(TEXTS["zh"].values())
    han = set(re.findall(r"[\u3400-\u9fff]", texts))
    return "".join(map(chr, range(0x20, 0x7F))) + _PUNCTUATION + "".join(sorted(han | set(_NUMERALS)))


def main() -> None:
    font = next(one for one in TTCollection(sys.argv[1]).fonts if one["name"].getDebugName(4) == _SIMPLIFIED)
    options = Options()
    options.layout_features = []
    options.hinting = False
    options.name_IDs = list(_KEPT_NAMES)
    subsetter = Subsetter(options)
    subsetter.populate(text=characters())
    subsetter.subset(font)
    _rename(font)
    font.save(FILE)
    print(f"{FILE}: {FILE.stat().st_size} bytes")


def _rename(font: TTFont) -> None:
    """A part of a font must not pass for the whole of it."""
    names = {1: FAMILY, 2: "Regular", 3: f"{FAMILY} 1.0", 4: FAMILY, 6: FAMILY.replace(" ", "")}
    for number, text in names.items():
        font["name"].setName(text, number, 3, 1, 0x409)
    for top in font["CFF "].cff.topDictIndex:
        top.FullName = top.FamilyName = FAMILY
    font["CFF "].cff.fontNames = [names[6]]


if __name__ == "__main__":
    main()
