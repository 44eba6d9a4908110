"""Numbers as people read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from bench.report.changes import Change
from bench.report.intervals import Interval

MINUS = "−"
_LONGEST_QUOTE = 200


def seconds(value: float) -> str:
    """`198 ms`, `2.35 s`, `151 s`."""
    if value < 1:
        return f"{1000 * value:.0f} ms" if value >= 0.01 else f"{1000 * value:.1f} ms"
    return f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def plain(value: float) -> str:
    """Three digits, or all of those before the point."""
    for digits, below in ((3, 0.1), (2, 10), (1, 100)):
        if abs(value) < below:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"


SHOWN: Mapping[str, Callable[[float], str]] = {
    "ttft": seconds,
    "latency": seconds,
    "between": seconds,
    "memory": lambda value: f"{value:.2f} GiB",
    "peak": lambda value: f"{value:.2f} GiB",
    "gpu_memory": lambda value: f"{value:.2f} GiB",
    "speed": lambda value: f"{plain(value)} tok/s",
    "rps": lambda value: f"{plain(value)} req/s",
    "tokens": lambda value: f"{plain(value)} tok/s",
    "cpu": lambda value: f"{plain(value)} s",
}
"""By a measure's key."""


def signed(share: float) -> str:
    """`+16 %`, `−46 %`."""
    return f"{'+' if share >= 0 else MINUS}{_percent(share)} %"


def arrow(change: Change) -> str:
    """`↓46 %`: only for what is a significant difference."""
    return f"{'↓' if change.ratio.value < 1 else '↑'}{_percent(change.ratio.value - 1)} %"


def bounds(interval: Interval, *, of: float = 1.0) -> str:
    """`−48 … −44 %`: how far it is from `of`; nothing where there is no interval."""
    if interval.low is None or interval.high is None:
        return ""
    low, high = (signed(edge - of).removesuffix(" %") for edge in (interval.low, interval.high))
    return f"{low} … {high} %"


def share(value: float) -> str:
    return f"{100 * value:.1f} %"


def quoted(text: str) -> str:
    """What somebody else has written, as a piece of code in one line: no part of it is Markdown, and it is not long."""
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]} …"
    longest = max((len(ticks) for ticks in re.findall("`+", line)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{line}{space}{fence}"


def probability(p: float) -> str:
    return "< .001" if p < 0.001 else f"= {p:.3f}".replace("0.", ".") if p < 1 else "= 1"


def _percent(share: float) -> str:
    value = abs(100 * share)
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
