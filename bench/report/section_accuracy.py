"""How well the variants answer."""

from __future__ import annotations

from collections.abc import Iterator

from bench.report.accuracy import Quality, quality, quality_change, sets
from bench.report.intervals import Interval
from bench.report.records import Run
from bench.report.showing import MINUS, probability, share
from bench.report.tables_md import table
from bench.report.words import Words


def accuracy(run: Run, words: Words) -> Iterator[str]:
    if not run.judged:
        yield words("no accuracy")
        yield ""
    else:
        head = (words(key) for key in ("set", "variant", "n", "right", "difference", "mcnemar"))
        yield from table(head, _rows(run, words))
        yield words("scored")
        yield ""
    if not run.config.accuracy.choices:
        yield words("no choices")
        yield ""


def _rows(run: Run, words: Words) -> Iterator[tuple[str, ...]]:
    for name in sets(run):
        base = quality(run, run.base, name)
        for facts in run.variants:
            found = quality(run, facts.name, name)
            if found is None:
                yield words.set(name), facts.name, "0", "–", "–", "–"
            elif found.of != facts.name:
                yield words.set(name), facts.name, "", words("weights of", of=found.of), "", ""
            else:
                yield words.set(name), facts.name, _count(found, words), _right(found), *_against(base, found, words)


def _count(found: Quality, words: Words) -> str:
    n, unanswered = len(found.judged.questions), found.judged.unanswered
    return words("unanswered", n=n, unanswered=unanswered) if unanswered else str(n)


def _right(found: Quality) -> str:
    low, high = found.right.low, found.right.high
    return f"{share(found.right.value)} ({100 * (low or 0):.1f} … {100 * (high or 0):.1f})"


def _against(base: Quality | None, found: Quality, words: Words) -> tuple[str, str]:
    if base is None or base.of == found.of:
        return "", ""
    against = quality_change(base.judged, found.judged, found.variant)
    if against is None:
        return "–", "–"
    return f"{points(against.difference.value)} ({interval(against.difference, words)})", probability(against.p).lstrip(
        "= "
    )


def interval(difference: Interval, words: Words) -> str:
    return words("points", low=points(difference.low or 0), high=points(difference.high or 0))


def points(value: float) -> str:
    return f"{'+' if value >= 0 else MINUS}{abs(100 * value):.1f}"
