"""Fonts for pictures: Latin and Chinese, whatever the machine has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OURS = Path(__file__).parent / "fonts" / "larkwise-sans-sc.otf"
_FAMILY = "Larkwise Sans SC"
_LATIN = "DejaVu Sans"
"""It comes with matplotlib."""
_SYSTEM = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "PingFang SC",
    "Microsoft YaHei", "SimHei", "Droid Sans Fallback", "LXGW WenKai",
)  # fmt: skip
"""For names that ours has not all characters of, where the machine has one of them."""


@dataclass(frozen=True, slots=True)
class Lettering:
    """`characters` are those that can be drawn."""

    families: tuple[str, ...]
    characters: frozenset[int]

    def can_draw(self, name: str) -> bool:
        return all(ord(letter) in self.characters for letter in name)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """matplotlib draws with these fonts: the first that has a character draws it. A $ in a name is a $."""
        import matplotlib as mpl

        fonts = list(self.families)
        with mpl.rc_context({"font.family": fonts, "axes.unicode_minus": False, "text.parse_math": False}):
            yield


def lettering() -> Lettering:
    from matplotlib import font_manager

    manager: Any = font_manager.fontManager
    if not any(font.name == _FAMILY for font in manager.ttflist):
        manager.addfont(str(_OURS))
    known = {font.name: font.fname for font in manager.ttflist}
    families = tuple(name for name in (_LATIN, _FAMILY, *_SYSTEM) if name in known)
    characters: set[int] = set()
    for name in families:
        characters |= font_manager.get_font(known[name]).get_charmap().keys()
    return Lettering(families, frozenset(characters))
