"""On what it was measured."""

from __future__ import annotations

from collections.abc import Iterator

from bench.report.measures import busy_elsewhere
from bench.report.records import Run
from bench.report.showing import share
from bench.report.tables_md import table
from bench.report.words import Words

_NAMED_APART = ("larkwise", "torch")


def environment(run: Run, words: Words) -> Iterator[str]:
    yield from table((words("item"), words("value")), _rows(run, words))


def _rows(run: Run, words: Words) -> Iterator[tuple[str, str]]:
    here = run.environment
    yield words("gpu"), "; ".join(here.gpus) or words("none")
    yield words("cpu name"), words("cores", cpu=here.cpu, cores=here.cores)
    yield words("main memory"), f"{here.memory_bytes / 2**30:.0f} GiB"
    if run.bounds:
        yield words("bandwidth"), _bandwidth(run, words)
        rates = {name: getattr(run.bounds, f"gemm_{name}_gops") for name in ("fp32", "bf16", "int8")}
        yield words("matrices"), words("matrices value", **rates)
    yield words("system"), here.system
    yield words("cuda"), here.cuda or words("none")
    yield words("python"), here.python
    yield "PyTorch", here.versions.get("torch", words("not known"))
    packages = (f"{name} {number}" for name, number in here.versions.items() if name not in _NAMED_APART)
    yield words("packages"), ", ".join(packages)
    yield words("tested"), f"{here.versions.get('larkwise', '')}, {here.commit}"
    yield words("when"), f"{run.started_at} – {run.ended_at}"
    if (elsewhere := busy_elsewhere(run)) is not None:
        yield words("elsewhere"), words("elsewhere value", share=share(elsewhere))


def _bandwidth(run: Run, words: Words) -> str:
    assert run.bounds is not None
    if run.bounds.device != "cpu":
        return words("bandwidth gpu", all=run.bounds.read_gb_s, device=run.bounds.device)
    return words("bandwidth value", all=run.bounds.read_gb_s, one=run.bounds.read_one_thread_gb_s)
