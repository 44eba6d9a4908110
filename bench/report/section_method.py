"""How it was measured, and what a reader should keep in mind."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from bench.figures import percentile
from bench.report.config import Scenario
from bench.report.measures import busy_client, busy_elsewhere, came_at_once
from bench.report.records import Facts, LeftOut, Run
from bench.report.showing import quoted, seconds, share
from bench.report.tables_md import table
from bench.report.words import Words

_BUSY_ELSEWHERE = 0.05
_BUSY_CLIENT = 0.5
_LATE_S = 0.05
_FEW = 100
_SHORT = 0.95
_WITH_WEIGHTS = ("local", "hf-pipeline")
"""They run from a folder of weights with its tokenizer; where these are not INT8 they are computed in bfloat16."""


def method(run: Run, words: Words) -> Iterator[str]:
    head = (words("variant"), words("provider"), words("precision"), words("model"))
    yield from table(head, (_variant(run, facts, words) for facts in run.variants))
    loads = ((one.name, load(one, words), str(one.requests)) for one in run.config.scenarios)
    yield from table((words("load"), "", words("requests")), loads)
    for sentence in _sentences(run, words):
        yield f"- {sentence}"
    yield ""
    if doubts := [*_doubts(run, words), *_left_out(run, words)]:
        yield words("doubts")
        yield ""
        yield from (f"- {doubt}" for doubt in doubts)
        yield ""


def load(scenario: Scenario, words: Words) -> str:
    if scenario.requests_per_s:
        return words("load open", rate=scenario.requests_per_s)
    return words("load one") if scenario.clients == 1 else words("load closed", clients=scenario.clients)


def _variant(run: Run, facts: Facts, words: Words) -> tuple[str, ...]:
    name = words("baseline", name=facts.name) if facts.name == run.base and run.others else facts.name
    precision = "file" if facts.provider == "llama-cpp" else facts.precision
    return name, words(f"provider {facts.provider}"), words(f"precision {precision}"), facts.model


def _sentences(run: Run, words: Words) -> Iterator[str]:
    config = run.config
    prompts = config.prompts
    fresh = words("prompts fresh") if prompts.fresh else ""
    lengths = sorted({config.lengths(one)[0] for one in config.scenarios})
    counted = "tokens own" if _are_counted(run) else "tokens roughly"
    tokens = words(counted, n=words.comma.join(map(str, lengths)))
    yield words(f"prompts {prompts.kind}", tokens=tokens, file=prompts.file and prompts.file.name, fresh=fresh)
    if told := _told(run):
        asked = sorted({config.lengths(one)[1] for one in config.scenarios})
        prompt, answer = told
        yield words(
            "prompts count", prompt=f"{prompt:.0f}", answer=f"{answer:.0f}", asked=words.comma.join(map(str, asked))
        )
    if config.repeats > 1:
        others = words("others" if prompts.fresh or prompts.kind != "file" else "no others")
        yield words("repeats", repeats=config.repeats, warm_up=config.warm_up, others=others)
    if len(run.variants) > 1 and any(one.provider != "openai" for one in run.variants):
        yield words(f"loading {run.loading}")
    if any(one.requests_per_s for one in config.scenarios):
        yield words("open loop")
    yield words("statistics")
    if any(one.resident_bytes for one in run.measured):
        yield words("memory is")


def _are_counted(run: Run) -> bool:
    """Whether a tokenizer was at hand when prompts were made."""
    return bool(run.config.tokenizer) or any(one.provider in _WITH_WEIGHTS for one in run.variants)


def _told(run: Run) -> tuple[float, float] | None:
    answers = [one for measured in run.measured for one in measured.window.answered if one.is_counted_by_server]
    answers = [one for one in answers if one.prompt_tokens]
    if not answers:
        return None
    return fmean(one.prompt_tokens for one in answers), fmean(one.completion_tokens for one in answers)


def _doubts(run: Run, words: Words) -> Iterator[str]:
    if run.config.repeats == 1:
        yield words("repeats one")
    elsewhere = busy_elsewhere(run)
    if elsewhere is not None and elsewhere > _BUSY_ELSEWHERE:
        yield words("doubt elsewhere", share=share(elsewhere))
    bounds, bf16 = run.bounds, any(one.precision == "none" and one.provider in _WITH_WEIGHTS for one in run.variants)
    if bf16 and bounds and bounds.gemm_bf16_gops < bounds.gemm_fp32_gops:
        yield words("doubt bf16", bf16=bounds.gemm_bf16_gops, fp32=bounds.gemm_fp32_gops)
    if (client := busy_client(run)) > _BUSY_CLIENT:
        yield words("doubt client", share=share(client))
    late = [one.late_s for measured in run.measured for one in measured.window.outcomes]
    if late and percentile(late, 99) > _LATE_S:
        yield words("doubt late", late=seconds(max(late)))
    answered = (len(run.answers(one.name, name)) for name in run.scenarios() for one in run.variants)
    fewest = min(filter(None, answered), default=_FEW)  # of what nobody answered there is no P99
    if fewest < _FEW:
        yield words("doubt few", n=fewest)
    for facts in run.variants:
        yield from _doubts_about(run, facts, words)


def _doubts_about(run: Run, facts: Facts, words: Words) -> Iterator[str]:
    if failures := run.failures(facts.name):
        yield words(
            "doubt failed",
            variant=facts.name,
            failed=len(failures),
            requests=run.requests(facts.name),
            reason=quoted(failures[0].reason),
        )
    answers = [one for name in run.scenarios() for one in run.answers(facts.name, name)]
    if not answers:
        return
    if at_once := sum(map(came_at_once, answers)):
        yield words("doubt at once", variant=facts.name, n=at_once, answers=len(answers))
    if facts.name in run.without_ignore_eos:
        yield words("doubt ends", variant=facts.name)
    is_counted = all(one.is_counted_by_server for one in answers)
    if not is_counted:
        yield words("doubt pieces", variant=facts.name)
    scenarios = (run.config.scenario(name) for name in run.scenarios())
    asked = fmean(run.config.lengths(one)[1] for one in scenarios for _ in run.answers(facts.name, one.name))
    answered = fmean(one.completion_tokens for one in answers)
    if answered < _SHORT * asked:
        yield words(
            "doubt short" if is_counted else "doubt short pieces", variant=facts.name, answer=answered, asked=asked
        )


def _left_out(run: Run, words: Words) -> Iterator[str]:
    for one in run.left_out:
        yield left_out(one, words)


def left_out(one: LeftOut, words: Words) -> str:
    what = words("left out set", set=words.set(one.what)) if one.what else ""
    why = words(f"why {one.why}", detail=quoted(one.detail) if one.why == "failed" else one.detail)
    return words("left out", variant=one.variant, what=what, why=why)
