"""What a flood of events showed: how late it was acknowledged, what it cost, and whether all of it was kept."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.environment import Environment
from bench.errors import BenchError
from bench.feishu_sender import Outcome
from bench.figures import percentile

GOAL_MS = 50.0
PATIENCE_MS = 3000.0
"""Of Feishu: then it sends the event again."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """
    Times are milliseconds from the moment at which a request was due, of those that were acknowledged.

    Of the shares all requests are the whole; one that was not acknowledged is over every limit. `late_p99_ms` is how
    late the sender itself was, which is part of all times.
    """

    requests: int
    distinct: int
    refused: dict[str, int]
    """Not acknowledged, by the status of the answer; `0` is none."""
    rate: float
    """Requests a second, as they were sent."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    over_goal: float
    over_patience: float
    late_p99_ms: float


@dataclass(frozen=True, slots=True)
class Kept:
    """Events that were acknowledged, and how they are found in the database."""

    acknowledged: int
    committed: int
    missing: tuple[str, ...]
    doubled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """
    CPU-seconds of the service, of the machine for neither the service nor this bench, and of sending.

    `writing` is the share of the time in which the model made steps. At least `tokens` were written: exactly so many,
    if the first answer began less than a minute before the end.
    """

    seconds: float
    service_cpu_s: float
    sender_cpu_s: float
    elsewhere_cpu_s: float
    writing: float
    steps: int
    tokens: int
    replies: int
    """To messages, of any kind."""


@dataclass(frozen=True, slots=True)
class Flooded:
    """A whole run; `fsync_ms` is what the disk takes for one, the median, before the run."""

    model: str
    rate_wanted: float
    environment: Environment
    fsync_ms: float
    acknowledgement: Acknowledgement
    kept: Kept
    cost: Cost

    def faults(self) -> list[str]:
        """What must not be, at any speed."""
        faults = []
        if lost := self.kept.missing:
            faults.append(f"{len(lost)} acknowledged events are not in the database, for example {lost[0]}")
        if doubled := self.kept.doubled:
            faults.append(f"{len(doubled)} events are there more than once, for example {doubled[0]}")
        return faults


def acknowledgement(outcomes: Sequence[Outcome]) -> Acknowledgement:
    """
    Raises:
        BenchError: no event was acknowledged.
    """
    refused = dict(Counter(str(one.status) for one in outcomes if not one.is_acknowledged))
    taken_ms = [1000 * one.answered_s for one in outcomes if one.is_acknowledged]
    if not taken_ms:
        raise BenchError(f"no event was acknowledged: {_named(refused)}")
    sent_s = [one.at_s + one.late_s for one in outcomes]
    p50, p95, p99 = (percentile(taken_ms, cut) for cut in (50, 95, 99))
    return Acknowledgement(
        requests=len(outcomes),
        distinct=len({one.event_id for one in outcomes}),
        refused=refused,
        rate=len(outcomes) / max(max(sent_s) - min(sent_s), 1e-9),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=max(taken_ms),
        over_goal=_over(outcomes, GOAL_MS),
        over_patience=_over(outcomes, PATIENCE_MS),
        late_p99_ms=percentile([1000 * one.late_s for one in outcomes], 99),
    )


def _over(outcomes: Sequence[Outcome], limit_ms: float) -> float:
    over = sum(not one.is_acknowledged or 1000 * one.answered_s > limit_ms for one in outcomes)
    return over / len(outcomes)


def kept(database: Path, acknowledged: Sequence[str]) -> Kept:
    """Seen over a connection of our own, which sees only what is committed."""
    counts = _counts(database)
    wanted = dict.fromkeys(acknowledged)
    return Kept(
        acknowledged=len(wanted),
        committed=sum(counts.get(one, 0) > 0 for one in wanted),
        missing=tuple(one for one in wanted if one not in counts),
        doubled=tuple(one for one, count in counts.items() if count > 1),
    )


def _counts(database: Path) -> Mapping[str, int]:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as connection:
        return dict(connection.execute("SELECT event_id, count(*) FROM feishu_inbox GROUP BY event_id"))


def table(run: Flooded) -> Iterator[str]:
    """Markdown."""
    machine, seen, cost, kept = run.environment, run.acknowledgement, run.cost, run.kept
    yield (
        f"{machine.cpu}, {machine.cores} cores; larkwise at {machine.commit}; {run.model}; "
        f"an fsync takes {run.fsync_ms:.1f} ms"
    )
    yield ""
    yield "| what | measured |"
    yield "|---|---|"
    yield f"| requests | {seen.requests:,} in {cost.seconds:.1f} s, {seen.rate:.0f}/s (wanted {run.rate_wanted:.0f}) |"
    yield f"| acknowledged after, p50 / p95 | {seen.p50_ms:.1f} / {seen.p95_ms:.1f} ms |"
    yield f"| p99 | {seen.p99_ms:.1f} ms (goal {GOAL_MS:.0f}) |"
    yield f"| longest | {seen.max_ms:.0f} ms |"
    yield f"| over {GOAL_MS:.0f} ms / over 3 s | {seen.over_goal:.2%} / {seen.over_patience:.2%} |"
    yield f"| not acknowledged, by status | {_named(seen.refused)} |"
    yield f"| of it the sender was late, p99 | {seen.late_p99_ms:.1f} ms |"
    yield f"| acknowledged events / in the database | {kept.acknowledged:,} / {kept.committed:,} |"
    yield f"| CPU-seconds: service / sender / others | {_cpu(cost)} |"
    yield f"| the model made steps | {cost.writing:.0%} of the time |"
    yield f"| … steps / tokens, at least | {cost.steps:,} / {cost.tokens:,} |"
    yield f"| replies in chats meanwhile | {cost.replies:,} |"


def _cpu(cost: Cost) -> str:
    return f"{cost.service_cpu_s:.1f} / {cost.sender_cpu_s:.1f} / {cost.elsewhere_cpu_s:.1f}"


def _named(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {status}" for status, count in counts.items()) or "none"
