"""Every word of the report, in the language that it is written in."""

from __future__ import annotations

from typing import Literal

from bench.report import words_en, words_zh

Lang = Literal["zh", "en"]
TEXTS = {"zh": words_zh.TEXTS, "en": words_en.TEXTS}


class Words:
    """`words("title", model="m")`."""

    def __init__(self, lang: Lang) -> None:
        self.lang: Lang = lang
        self._texts = TEXTS[lang]

    def __call__(self, key: str, **facts: object) -> str:
        return self._texts[key].format(**facts)

    @property
    def comma(self) -> str:
        """Between the parts of a list."""
        return "、" if self.lang == "zh" else ", "

    @property
    def semicolon(self) -> str:
        return "；" if self.lang == "zh" else "; "

    def set(self, name: str) -> str:
        """What a set of questions is called."""
        return self("handbook") if name == "handbook" else name

    def measure(self, key: str, percent: int = 50) -> str:
        """What a measure is called, with its percentile where that is not the middle one."""
        name = self("latency name" if key == "latency" else key)
        return name if percent == 50 else self("percentile", name=name, percent=percent)
