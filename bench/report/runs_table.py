"""What changed between two runs, for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from bench.report.intervals import Interval
from bench.report.runs_compared import RunsCompared
from bench.report.showing import SHOWN, bounds, probability, signed
from bench.report.tables_md import table as markdown
from bench.report.words import Words


def table(found: RunsCompared) -> str:
    return "\n".join(_lines(found, Words("en"))).rstrip()


def _lines(found: RunsCompared, words: Words) -> Iterator[str]:
    rows = (
        (
            one.scenario,
            one.variant,
            words.measure(one.measure.key, one.percent),
            SHOWN[one.measure.key](one.before.median),
            SHOWN[one.measure.key](one.after.median),
            signed(one.ratio.value - 1),
            bounds(one.ratio) or "–",
            words("no significant difference" if one.verdict == "same" else one.verdict),
        )
        for one in found.moved
    )
    yield from markdown(("load", "variant", "figure", "before", "after", "change", "95 %", "verdict"), rows)
    if found.answers:
        answers = (
            (one.set, one.variant, str(one.n), str(one.lost), str(one.won), _points(one.difference), probability(one.p))
            for one in found.answers
        )
        yield from markdown(("questions", "variant", "n", "lost", "won", "points (95 %)", "p"), answers)
    yield from (f"- {what}" for what in found.more_failures)
    yield from (f"- only in the earlier run: {what}" for what in found.missing)


def _points(difference: Interval) -> str:
    low, high = 100 * (difference.low or 0), 100 * (difference.high or 0)
    return f"{100 * difference.value:+.1f} ({low:+.1f} … {high:+.1f})"
