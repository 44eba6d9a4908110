"""The commands: `larkwise bench --config`, `larkwise bench http`, `larkwise bench compare`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli_terminal import JsonOption, err, out, print_json, say_error
from app.settings import load_settings
from bench.errors import BenchError, InvalidConfig, UsageError
from bench.report.config import LONGEST_NAME
from bench.report.config_file import changed, config_of, read_config
from bench.report.folder import made, write_folder
from bench.report.measuring import measure
from bench.report.records import read_run, seeded
from bench.report.running import Job
from bench.report.runs_compared import compared
from bench.report.runs_table import table
from bench.report.words import Lang, Words

FOLDERS = Path("var/bench")
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", help="The folder to write; a run in it that was stopped goes on. Else a new one in var/bench"
    ),
]
LangOption = Annotated[Lang, typer.Option("--lang", help="The report's language")]


def report(config: Path, folder: Path | None, lang: Lang, repeats: int | None, requests: int | None) -> None:
    """The test report: what variants of a model cost and bring, on this machine."""
    with explained():
        file = read_config(config)
        wanted = seeded(changed(file.config, repeats=repeats, requests=requests), folder)
        job = Job(file.name, wanted, file.text, _command(), folder or _new_folder(file.name), load_settings())
        _end(measure(job, Words(lang)))


def http(
    url: Annotated[list[str], typer.Option("--url", help="[NAME=]URL of a server; several are measured in turn")],
    model: Annotated[str | None, typer.Option(help="What the servers call it; else the first that each names")] = None,
    clients: Annotated[list[int] | None, typer.Option(help="So many wait for their answers; each is a load")] = None,
    rate: Annotated[list[float] | None, typer.Option(help="Requests/s at random times; each is a load")] = None,
    requests: Annotated[int, typer.Option(help="Of each load")] = 20,
    prompt_tokens: Annotated[int, typer.Option(help="Length of a prompt")] = 50,
    answer_tokens: Annotated[int, typer.Option(help="Length of an answer")] = 64,
    prompts: Annotated[Path | None, typer.Option(help="A prompt a line, or .jsonl; else they are generated")] = None,
    seed: Annotated[int | None, typer.Option(help="Of prompts and random times; else another for each run")] = None,
    repeats: Annotated[int, typer.Option(help="How often each server has its turn")] = 3,
    tokenizer: Annotated[str | None, typer.Option(help="Whose tokens are counted; else they are guessed")] = None,
    pid: Annotated[list[str] | None, typer.Option(help="[NAME=]PROCESS of a server here: its CPU and memory")] = None,
    handbook: Annotated[bool, typer.Option("--handbook", help="Ask the handbook's questions as well")] = False,
    folder: OutOption = None,
    lang: LangOption = "en",
) -> None:
    """Measure servers that run already, larkwise or any with OpenAI's interface. Its key is LARKWISE_LLM_API_KEY."""
    with explained():
        servers = _named(url)
        processes = dict(_named(pid or [], alone=servers[0][0]))
        if unknown := processes.keys() - dict(servers).keys():
            raise InvalidConfig(f"--pid names {', '.join(unknown)}, and the servers are {', '.join(dict(servers))}")
        values = {
            "model": model,
            "tokenizer": tokenizer,
            "repeats": repeats,
            "answer_tokens": answer_tokens,
            "prompts": {
                "tokens": prompt_tokens,
                "seed": seed,
                **({"kind": "file", "file": prompts} if prompts else {}),
            },
            "variants": [
                {"name": name, "provider": "openai", "url": address, "pid": processes.get(name)}
                for name, address in servers
            ],
            "scenarios": list(_loads(clients or ([] if rate else [1]), rate or [], requests)),
            "accuracy": {"handbook": handbook},
        }
        config = seeded(config_of(values, "larkwise bench http"), folder)
        job = Job("http", config, "", _command(), folder or _new_folder("http"), load_settings())
        _end(measure(job, Words(lang)))


def compare(
    before: Annotated[Path, typer.Argument(help="The folder of a run; the one to be as good as")],
    after: Annotated[Path, typer.Argument(help="… of the later one")],
    max_regression: Annotated[
        float | None,
        typer.Option(min=0, help="Exit with 1 where a figure is surely worse, and by more percent than this"),
    ] = None,
    max_loss: Annotated[
        float, typer.Option(min=0, help="… or where surely more points of right answers are lost")
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """What changed between two runs of the report, for each variant under each load."""
    with explained():
        found = compared(read_run(before), read_run(after))
    if as_json:
        print_json(found.as_json())
    else:
        for note in found.notes:
            err.print(f"note: {note}", markup=False)
        out.print(table(found), markup=False)
    if max_regression is not None:
        _end(found.regressions(max_percent=max_regression, max_points=max_loss))


def render(
    run: Annotated[Path, typer.Argument(help="The folder of a run")],
    lang: LangOption = "en",
    folder: Annotated[Path | None, typer.Option("--out", help="Where the files go; else into the same folder")] = None,
) -> None:
    """Write a run's report again, from its results.json: in another language, say."""
    with explained():
        found, into = read_run(run), folder or (run if run.is_dir() else run.parent)
        made(into)
        out.print(write_folder(found, into, Words(lang)), markup=False)


@contextmanager
def explained() -> Iterator[None]:
    """Our errors are sentences; those of usage exit with 2, the others with 1."""
    try:
        yield
    except UsageError as error:
        say_error(str(error))
        raise typer.Exit(2) from error
    except BenchError as error:
        say_error(str(error))
        raise typer.Exit(1) from error


def _end(problems: Sequence[str]) -> None:
    for problem in problems:
        say_error(problem)
    if problems:
        raise typer.Exit(1)


def _named(given: Sequence[str], alone: str = "") -> list[tuple[str, str]]:
    """NAME=VALUE in two parts; what has no name is called `alone`, or as its value is."""
    found = []
    for one in given:
        name, equals, value = one.partition("=")
        is_named = bool(equals) and "/" not in name
        found.append((name, value) if is_named else (alone or (one.partition("//")[2] or one)[:LONGEST_NAME], one))
    return found


def _loads(clients: Sequence[int], rates: Sequence[float], requests: int) -> Iterator[dict[str, Any]]:
    for count in clients:
        yield {"name": f"{count} client{'' if count == 1 else 's'}", "clients": count, "requests": requests}
    for rate in rates:
        yield {"name": f"{rate:g} request{'' if rate == 1 else 's'}/s", "requests_per_s": rate, "requests": requests}


def _command() -> str:
    """With which this was called."""
    program = Path(sys.argv[0]).name
    return shlex.join([*(["python", "-m", "bench"] if program == "__main__.py" else [program]), *sys.argv[1:]])


def _new_folder(name: str) -> Path:
    return FOLDERS / f"{name}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
