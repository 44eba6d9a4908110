"""Runs that nobody measured, with figures that a test knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bench.bounds import Bounds
from bench.environment import Environment
from bench.outcomes import Answered, Failed, Outcome, Window
from bench.report.config_file import config_of
from bench.report.records import Facts, Judged, Measured, Question, Run

MACHINE = Environment("a CPU", 2, 24 * 2**30, "an OS", "3.11", {"larkwise": "0.1.0", "torch": "2", "numpy": "2"}, "abc")
BOUNDS = Bounds(2, 40.0, 20.0, 100.0, 800.0, 1600.0)
GIB = 2**30


def answered(label: str, *, first: float = 0.2, gap: float = 0.1, tokens: int = 11, started: float = 0.0) -> Answered:
    gaps = (gap,) * (tokens - 1)
    return Answered(label, started, first, gaps, first + sum(gaps), 50, tokens, first, first + sum(gaps))


def measured(
    variant: str,
    scenario: str,
    outcomes: Sequence[Outcome],
    *,
    repeat: int = 1,
    wall: float | None = None,
    resident: float | None = 4.0,
    **more: Any,
) -> Measured:
    wall_s = wall or sum(one.total_s for one in outcomes)
    window = Window(1, wall_s, 2 * wall_s, 0.0, tuple(outcomes))
    size = None if resident is None else int(resident * GIB)
    return Measured(repeat, variant, scenario, window, resident is not None, size, size, None, 0.5, **more)


def noisy(
    variant: str,
    scenario: str,
    *,
    first: float,
    gap: float,
    resident: float = 4.0,
    repeats: int = 3,
    requests: int = 40,
    clients: int = 1,
    noise: float = 0.1,
    seed: int = 1,
) -> list[Measured]:
    """So many repeats of requests, with times that differ by about a tenth."""
    chance = np.random.default_rng([seed, *map(ord, variant + scenario)])
    found = []
    for repeat in range(1, repeats + 1):
        drift = float(np.exp(chance.normal(0, noise / 10)))
        factors = np.exp(chance.normal(0, noise, size=requests)) * drift
        outcomes = [answered(str(at), first=first * factor, gap=gap * factor) for at, factor in enumerate(factors)]
        wall = sum(one.total_s for one in outcomes) / clients
        found.append(measured(variant, scenario, outcomes, repeat=repeat, wall=wall, resident=resident * drift))
    return found


def run_of(
    *found: Measured,
    judged: Sequence[Judged] = (),
    loads: dict[str, dict[str, float]] | None = None,
    repeats: int = 3,
    complete: bool = True,
    **config: Any,
) -> Run:
    """Variants, loads and what else a configuration says are those of what was measured."""
    variants = list(dict.fromkeys(one.variant for one in found))
    scenarios = list(dict.fromkeys(one.scenario for one in found))
    values = {
        "repeats": repeats,
        "answer_tokens": 11,
        "variants": [{"name": name, "precision": "int8" if "int8" in name else "none"} for name in variants],
        "scenarios": [
            {"name": name, "requests": 40, **((loads or {}).get(name) or {"clients": 1})} for name in scenarios
        ],
        **config,
    }
    facts = [
        Facts(name, "local", "int8" if "int8" in name else "none", "a-model", 10**9 if "int8" in name else 2 * 10**9)
        for name in variants
    ]
    return Run(
        name="made",
        started_at="2026-01-01T00:00:00+00:00",
        ended_at="2026-01-01T01:00:00+00:00",
        complete=complete,
        command="python -m bench --config made.yaml",
        config_text="# made\nrepeats: 3\n",
        config=config_of(values, "made"),
        environment=MACHINE,
        bounds=BOUNDS,
        variants=tuple(facts),
        left_out=(),
        loading="together",
        measured=found,
        judged=tuple(judged),
    )


def usual(**change: Any) -> Run:
    """INT8 that is faster, smaller and as good as 16 bits."""
    found = [
        *noisy("bf16", "one at a time", first=0.4, gap=0.15),
        *noisy("int8", "one at a time", first=0.25, gap=0.07, resident=2.4),
        *noisy("bf16", "eight at once", first=1.4, gap=0.25, clients=8),
        *noisy("int8", "eight at once", first=0.9, gap=0.13, clients=8, resident=2.4),
    ]
    judged = [judgement("bf16", 54, 60), judgement("int8", 53, 60)]
    made = run_of(*found, judged=judged, loads={"eight at once": {"clients": 8}})
    return replace(made, **change)


def judgement(variant: str, right: int, n: int, name: str = "handbook") -> Judged:
    """The first `right` of `n` questions are answered rightly."""
    questions = tuple(Question(f"q{at}", at < right) for at in range(n))
    return Judged(variant, name, "handbook" if name == "handbook" else "choices", questions)


def failed(label: str, reason: str = "HTTP 503: busy") -> Failed:
    return Failed(label, 0.0, 1.0, reason)
