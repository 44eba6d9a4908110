"""The report, from its title to how it can be done again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.environment import UNKNOWN
from bench.report.records import SCHEMA, Run
from bench.report.section_accuracy import accuracy
from bench.report.section_conclusion import conclusion
from bench.report.section_environment import environment
from bench.report.section_method import method
from bench.report.section_results import all_changes, bound, latency, performance
from bench.report.words import Words


@dataclass(frozen=True, slots=True)
class Pictures:
    """None where one could not be drawn; `names` are what stands in them, where that is not the name itself."""

    latency: Path | None = None
    throughput: Path | None = None
    names: Mapping[str, str] = field(default_factory=dict)


def report(run: Run, words: Words, pictures: Pictures) -> str:
    """The whole of report.md; what was not measured is said, and not left blank."""
    return "\n".join(_lines(run, words, pictures)).rstrip() + "\n"


def title(run: Run, words: Words) -> str:
    models = list(dict.fromkeys(one.model for one in run.variants))
    precisions = {one.precision for one in run.variants}
    model = models[0] if len(models) == 1 or precisions == {"none", "int8"} else words.comma.join(models)
    return words("title int8" if precisions == {"none", "int8"} else "title", model=model)


def _lines(run: Run, words: Words, pictures: Pictures) -> Iterator[str]:
    yield f"# {title(run, words)}"
    yield ""
    if not run.complete:
        yield words("partial")
        yield ""
    yield from _headed("## 1", words("environment"), environment(run, words))
    yield from _headed("## 2", words("method"), method(run, words))
    yield from _headed("## 3", words("results"), _results(run, words, pictures))
    yield from _headed("## 4", words("conclusion"), conclusion(run, words))
    yield from _headed("##", words("appendix"), _appendix(run, words))


def _results(run: Run, words: Words, pictures: Pictures) -> Iterator[str]:
    sections: list[tuple[str, Iterable[str]]] = [("performance", performance(run, words))]
    if run.others:
        sections.append(("changes", all_changes(run, words)))
    sections += [
        ("accuracy", accuracy(run, words)),
        ("latency", [*_picture(run, "latency", pictures.latency, words), *_key(pictures, words), *latency(run, words)]),
        ("throughput", _picture(run, "throughput", pictures.throughput, words)),
        ("bound", bound(run, words)),
    ]
    for number, (key, lines) in enumerate(sections, start=1):
        yield from _headed(f"### 3.{number}", words(key, base=run.base), lines)


def _picture(run: Run, key: str, picture: Path | None, words: Words) -> Iterator[str]:
    missing = "no pictures" if any(run.scenarios()) else "nothing to draw"
    yield f"![{words(f'picture {key}')}]({picture.name})" if picture else words(missing)
    yield ""


def _key(pictures: Pictures, words: Words) -> Iterator[str]:
    if pictures.names:
        names = (words("plot name", short=short, name=name) for short, name in pictures.names.items())
        yield words("plot key", list=words.comma.join(names))
        yield ""


def _appendix(run: Run, words: Words) -> Iterator[str]:
    yield from _headed("###", words("full data"), iter((words("files", schema=SCHEMA), "")))
    yield from _headed("###", words("reproduce"), _steps(run, words))


def _steps(run: Run, words: Words) -> Iterator[str]:
    here = run.environment
    if here.commit == UNKNOWN:
        yield words("steps version", version=here.versions.get("larkwise", UNKNOWN))
    else:
        yield words("steps", commit=here.commit)
    yield ""
    yield f"    {run.command}"
    yield ""
    if run.config_text:
        yield words("config", name=run.name)
        yield ""
        yield "```yaml"
        yield run.config_text.rstrip()
        yield "```"


def _headed(level: str, heading: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"{level} {heading}"
    yield ""
    yield from lines
