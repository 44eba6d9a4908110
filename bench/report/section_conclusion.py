"""What follows from the figures, in sentences that the figures choose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.report.accuracy import QualityChange, quality
from bench.report.changes import Change
from bench.report.recommendation import RELEVANT, Weighed, weigh
from bench.report.records import Run
from bench.report.showing import arrow, bounds, probability, share, signed
from bench.report.words import Words


def conclusion(run: Run, words: Words) -> Iterator[str]:
    if not run.complete:
        yield words("recommend partial")
        yield ""
    if not run.others:
        yield words("alone")
        yield ""
    for variant in run.others:
        yield from _about(run, weigh(run, variant), words)


def _about(run: Run, found: Weighed, words: Words) -> Iterator[str]:
    yield words("against", variant=found.variant, base=run.base)
    yield ""
    for key, some in (
        ("list better", found.better),
        ("list worse", found.worse),
        ("list same", found.same),
        ("list untested", found.untested),
        ("list unlike", found.unlike),
    ):
        if some:
            yield f"- {words(key, relevant=100 * RELEVANT)}"
            yield from (f"  - {line}" for line in _by_load(some, words))
    for one in found.answers:
        yield f"- {_answers(run, one, words)}"
    yield ""
    failed, requests = len(run.failures(found.variant)), run.requests(found.variant)
    facts = {"variant": found.variant, "base": run.base, "failed": failed, "requests": requests}
    text = words(f"recommend {found.advice}", relevant=100 * RELEVANT, **facts)
    if failed and found.advice != "fails":
        again = words("recommend failed", **facts)
        text = f"{text} {again}" if words.lang == "en" else text + again
    yield words("recommend", text=text)
    yield ""


def _by_load(some: Sequence[Change], words: Words) -> Iterator[str]:
    """What changed under each, and by how much."""
    for load in dict.fromkeys(one.scenario for one in some):
        figures = words.comma.join(_figure(one, words) for one in some if one.scenario == load)
        yield words("of load", load=load, list=figures)


def _figure(one: Change, words: Words) -> str:
    name, interval = words.measure(one.measure.key, one.percent), bounds(one.ratio)
    moved = arrow(one) if one.verdict in ("better", "worse") else signed(one.ratio.value - 1)
    return f"{name} {moved} ({interval})" if interval else f"{name} {moved}"


def _answers(run: Run, one: QualityChange, words: Words) -> str:
    before, after = quality(run, run.base, one.set), quality(run, one.variant, one.set)
    assert before is not None
    assert after is not None
    key = "no significant difference"
    if one.is_worse or one.is_better:
        key = "significantly worse" if one.is_worse else "significantly better"
    lost = -(one.difference.low or 0)
    return words(
        "answers",
        set=words.set(one.set),
        before=share(before.right.value),
        after=share(after.right.value),
        verdict=words(key),
        p=probability(one.p),
        n=one.n,
        bound=words("may be lost", points=100 * lost) if lost > 0 else words("is won"),
    )
