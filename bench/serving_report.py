"""From results.json to the Markdown that people read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bench.bounds import Bounds
from bench.environment import Environment
from bench.figures import Spread, percentile, spread
from bench.outcomes import Answered
from bench.results import Measurement, Results, ScenarioName, Work

INT8, BF16, LLAMA, PIPELINE = "larkwise int8", "larkwise bf16", "llama.cpp", "HuggingFacePipeline bf16"
_Figure: TypeAlias = Callable[[Measurement], float]
_LONGEST_GAP_S = 3.0


def report(results: Results) -> str:
    """All tables; what was not measured is said, not left blank."""
    plan = results.plan
    lines = [
        f"# Serving: {plan.model}, {plan.prompt_tokens} tokens of prompt, {plan.answer_tokens} of answer",
        "",
        *_environment(results.environment, plan.threads),
        *_conditions(results),
        "",
        *_engines(results),
        *_ratios(results),
        *_precision(results),
        *_prefix(results),
        *_gaps(results),
        *_bounds(results),
        *_failures(results),
    ]
    return "\n".join(lines) + "\n"


def _environment(here: Environment, threads: int) -> Iterator[str]:
    versions = ", ".join(f"{name} {number}" for name, number in here.versions.items())
    yield f"{here.cpu}, {here.cores} cores, {here.memory_bytes / 2**30:.0f} GiB; {here.system}; Python {here.python}; "
    yield f"{threads} threads for each engine; commit {here.commit}; {versions}."


def _conditions(results: Results) -> Iterator[str]:
    rounds = len({one.round for one in results.measurements})
    yield ""
    yield (
        f"{rounds} of {results.plan.rounds} rounds, engines in turn in each, all of them loaded. "
        "Medians of the rounds, (least..greatest). CPU-seconds decide: wall times depend on what else ran "
        f"({_elsewhere(results):.0%} of the machine did)."
    )
    yield (
        "The 16-bit weights were themselves dequantized from the GGUF file that llama.cpp reads. Prompts share their "
        "system prompt only, about 20 tokens, which larkwise's prefix cache keeps; llama.cpp's prompt cache is off."
    )
    if not results.complete:
        yield ""
        yield "**The run was stopped: this is what it had measured.**"
    for reason in results.left_out:
        yield ""
        yield f"Not measured: {reason}"


def _elsewhere(results: Results) -> float:
    walls = sum(one.window.wall_s for one in results.measurements) * results.environment.cores
    elsewhere = sum(one.window.elsewhere_cpu_s for one in results.measurements)
    return max(0.0, elsewhere / walls) if walls else 0.0  # the kernel counts in hundredths: it may come out below


def _engines(results: Results) -> Iterator[str]:
    yield from _head("engine", "clients", "CPU-s per request", "wall s per request", "first text s", "tokens/s", "n")
    for engine in (INT8, BF16, LLAMA, PIPELINE):
        for scenario in ("one client", "many clients"):
            if not (measured := results.of(engine, scenario)):
                continue
            cells = (
                _over(measured, _cpu_per_request).show(2),
                _over(measured, _wall_per_request).show(2),
                _over(measured, _first_text).show(2),
                _over(measured, _tokens_per_s).show(),
            )
            count = sum(len(one.window.answered) for one in measured)
            yield _row(engine, str(measured[0].window.clients), *cells, str(count))
    yield ""
    yield "HuggingFacePipeline answers one at a time: to eight people its requests cost the same and come one by one."
    yield ""


@dataclass(frozen=True, slots=True)
class _Comparison:
    """How many times as cheap `ours` is as `theirs`."""

    title: str
    ours: str
    theirs: str
    scenario: ScenarioName
    their_scenario: ScenarioName
    must: str


_COMPARISONS = (
    _Comparison("HuggingFacePipeline bf16, 8 clients", INT8, PIPELINE, "many clients", "one client", "≥ 4"),
    _Comparison("llama.cpp, 8 clients", INT8, LLAMA, "many clients", "many clients", "≥ 1.6"),
    _Comparison("llama.cpp, 1 client", INT8, LLAMA, "one client", "one client", "≥ 0.85"),
    _Comparison("larkwise bf16, 1 client", INT8, BF16, "one client", "one client", "–"),
)


def _ratios(results: Results) -> Iterator[str]:
    yield from _head("larkwise int8 against", "times as cheap (CPU-s)", "times as fast (wall)", "must")
    for one in _COMPARISONS:
        ours, theirs = results.of(one.ours, one.scenario), results.of(one.theirs, one.their_scenario)
        cpu = _ratio(theirs, ours, _cpu_per_request)
        wall = _ratio(theirs, ours, _wall_per_request)
        yield _row(one.title, _shown(cpu, 2), _shown(wall, 2), one.must)
    yield ""


def _precision(results: Results) -> Iterator[str]:
    int8, bf16 = results.of(INT8, "one client"), results.of(BF16, "one client")
    yield from _head("one client", "bf16", "int8", "change", "must")
    rows: tuple[tuple[str, _Figure, int, str], ...] = (
        ("step, wall ms", lambda one: 1000 * _step_wall(one), 0, "−55 %"),
        ("step, CPU-ms", lambda one: 1000 * _step_cpu(one), 0, "−55 %"),
        ("prompt, wall s", _first_text, 2, "no slower"),
        ("prompt, CPU-s", _prompt_cpu, 2, "no slower"),
        ("resident memory, GiB", lambda one: one.resident_bytes / 2**30, 2, "−40 %"),
    )
    for title, figure, digits, must in rows:
        change = _ratio(int8, bf16, figure)
        shown = "not measured" if change is None else f"{100 * (change.median - 1):+.0f} %"
        before, after = (_over(one, figure).show(digits) if one else "–" for one in (bf16, int8))
        yield _row(title, before, after, shown, must)
    yield ""


def _prefix(results: Results) -> Iterator[str]:
    labels = {"cold", "repeated"}
    measured = [
        one for one in results.of(INT8, "repeated prefix") if labels <= {answer.label for answer in one.window.answered}
    ]
    yield from _head("half of the prompt repeated", "first text s", "must")
    if measured:
        cold, repeated = (_over(measured, _labelled(label)) for label in ("cold", "repeated"))
        yield _row("cold", cold.show(2), "")
        yield _row("repeated", repeated.show(2), "")
    shorter = _ratio(measured, measured, _labelled("cold"), _labelled("repeated"))
    yield _row("times shorter", _shown(shorter, 2), "≥ 1.6")
    yield ""


def _gaps(results: Results) -> Iterator[str]:
    yield from _head("larkwise int8, gaps between tokens", "p50 ms", "p95 ms", "longest ms", "must")
    cases: tuple[tuple[str, ScenarioName, str], ...] = (
        ("alone", "one client", ""),
        ("while others come in", "joined by others", "watched"),
        ("eight at once", "many clients", ""),
    )
    for title, scenario, label in cases:
        gaps = [
            1000 * gap
            for one in results.of(INT8, scenario)
            for answer in one.window.answered
            if answer.label == label
            for gap in answer.gaps_s
        ]
        if not gaps:
            yield _row(title, "not measured", "", "", "")
            continue
        must = f"none over {1000 * _LONGEST_GAP_S:.0f}"
        yield _row(title, f"{percentile(gaps, 50):.0f}", f"{percentile(gaps, 95):.0f}", f"{max(gaps):.0f}", must)
    yield ""


def _bounds(results: Results) -> Iterator[str]:
    bounds = results.bounds
    if bounds is None:
        return
    yield (
        f"Bounds, measured in the same run with {bounds.threads} threads: memory is read at {bounds.read_gb_s:.1f} "
        f"GB/s ({bounds.read_one_thread_gb_s:.1f} by one thread); matrices of a 700-token prompt: fp32 "
        f"{bounds.gemm_fp32_gops:.0f}, bf16 {bounds.gemm_bf16_gops:.0f}, int8 {bounds.gemm_int8_gops:.0f} GFLOP/s."
    )
    yield ""
    yield from _head("one client, wall", "step: of the memory bound", "prompt: of the GEMM bound", "read a step, GB")
    for work in results.work:
        if measured := results.of(work.engine, "one client"):
            step = _over(measured, lambda one, work=work: _of_memory_bound(one, work, bounds))  # type: ignore[misc]  # mypy knows no defaults in a lambda
            prompt = _over(measured, lambda one, work=work: _of_gemm_bound(one, work, bounds))  # type: ignore[misc]
            yield _row(work.engine, _percent(step), _percent(prompt), f"{work.step_bytes / 1e9:.2f}")
    yield ""


def _failures(results: Results) -> Iterator[str]:
    failed = [(one, failure) for one in results.measurements for failure in one.window.failed]
    asked = sum(len(one.window.outcomes) for one in results.measurements)
    yield f"Requests: {asked}, of which {len(failed)} failed."
    for one, failure in failed[:10]:
        yield f"- {one.engine}, {one.scenario}, round {one.round}: {failure.reason}"


def _cpu_per_request(one: Measurement) -> float:
    return one.window.cpu_s / len(one.window.answered)


def _wall_per_request(one: Measurement) -> float:
    return one.window.wall_s / len(one.window.answered)


def _tokens_per_s(one: Measurement) -> float:
    return sum(answer.completion_tokens for answer in one.window.answered) / one.window.wall_s


def _first_text(one: Measurement) -> float:
    return spread([answer.first_text_s for answer in one.window.answered]).median


def _prompt_cpu(one: Measurement) -> float:
    return spread([answer.cpu_first_text_s for answer in one.window.answered]).median


def _step_wall(one: Measurement) -> float:
    return spread([_steps(answer, answer.total_s - answer.first_text_s) for answer in one.window.answered]).median


def _step_cpu(one: Measurement) -> float:
    costs = [_steps(answer, answer.cpu_total_s - answer.cpu_first_text_s) for answer in one.window.answered]
    return spread(costs).median


def _steps(answer: Answered, cost: float) -> float:
    """One step's part of what all steps after the first token cost."""
    return cost / max(1, answer.completion_tokens - 1)


def _labelled(label: str) -> _Figure:
    def first_text(one: Measurement) -> float:
        return spread([answer.first_text_s for answer in one.window.answered if answer.label == label]).median

    return first_text


def _of_memory_bound(one: Measurement, work: Work, bounds: Bounds) -> float:
    return work.step_bytes / (bounds.read_gb_s * 1e9) / _step_wall(one)


def _of_gemm_bound(one: Measurement, work: Work, bounds: Bounds) -> float:
    rate = {"bf16": bounds.gemm_bf16_gops, "int8": bounds.gemm_int8_gops}[work.gemm]
    tokens = spread([answer.prompt_tokens for answer in one.window.answered]).median
    return work.prompt_token_operations * tokens / (rate * 1e9) / _first_text(one)


def _over(measured: Sequence[Measurement], figure: _Figure) -> Spread:
    return spread([figure(one) for one in measured])


def _ratio(
    above: Sequence[Measurement], below: Sequence[Measurement], figure: _Figure, figure_below: _Figure | None = None
) -> Spread | None:
    """Round by round, since what else runs changes from round to round; None where no round has both."""
    others = {one.round: one for one in below}
    pairs = [(one, others[one.round]) for one in above if one.round in others]
    if not pairs:
        return None
    return spread([figure(one) / (figure_below or figure)(other) for one, other in pairs])


def _shown(value: Spread | None, digits: int) -> str:
    return "not measured" if value is None else value.show(digits)


def _percent(value: Spread) -> str:
    return f"{100 * value.median:.0f} %"


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield "|" + "---|" * len(cells)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
