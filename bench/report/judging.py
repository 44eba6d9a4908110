"""How well a variant answers: in a process of its own, with the weights that were measured."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app.settings import PREFIX
from bench.errors import NotScored
from bench.prompts import HANDBOOK
from bench.report.choices import ChoiceQuestion
from bench.report.preparing import Ready
from bench.report.records import Question

Progress = Callable[[int, int], None]
"""How many are done, of how many."""
_STOP_TIMEOUT_S = 10.0
_LONGEST_LINE = 2**20
_COLLECTION = "handbook"


async def score_choices(
    folder: Path,
    questions: Sequence[ChoiceQuestion],
    *,
    threads: int,
    environment: Mapping[str, str],
    log: Path,
    progress: Progress,
) -> tuple[Question, ...]:
    """
    Whether the model of a folder finds the right choice the most probable, question by question.

    Raises:
        NotScored: it could not be loaded, or fails.
    """
    command = [sys.executable, "-m", "bench.report.scoring", str(folder), str(threads)]
    process = await _started(command, environment, log, piped=True)
    try:
        await _said(process, log)
        found = []
        for number, question in enumerate(questions, start=1):
            assert process.stdin is not None
            process.stdin.write(json.dumps(question.as_json()).encode() + b"\n")
            scores = (await _said(process, log))["scores"]
            found.append(Question(question.id, scores.index(max(scores)) == question.answer))
            progress(number, len(questions))
        return tuple(found)
    finally:
        await _ended(process)


class _Line(BaseModel):
    """Of what `larkwise eval answers --out` writes, what is needed here."""

    model_config = ConfigDict(extra="ignore")

    id: str
    answerable: bool
    contains: bool
    refused: bool


async def ingest_handbook(data_dir: Path, *, log: Path, environment: Mapping[str, str]) -> None:
    """
    The handbook's documents into a collection below `data_dir`.

    Raises:
        NotScored: they cannot be ingested.
    """
    command = [sys.executable, "-m", "app", "ingest", str(HANDBOOK), "--collection", _COLLECTION]
    if await _run(command, {**environment, f"{PREFIX}DATA_DIR": str(data_dir)}, log):
        raise NotScored(f"the handbook could not be ingested: {last_lines(log)}")


async def ask_handbook(
    variables: Mapping[str, str], *, limit: int | None, data_dir: Path, log: Path, environment: Mapping[str, str]
) -> tuple[tuple[Question, ...], int]:
    """
    Whether the handbook's questions are answered rightly, or rightly refused; and how many got no answer.

    `variables` are larkwise's settings, without their prefix, that choose the model.

    Raises:
        NotScored: nothing was answered.
    """
    file = data_dir.parent / "answers.jsonl"
    file.unlink(missing_ok=True)
    ours = {f"{PREFIX}{name}": value for name, value in {**variables, "DATA_DIR": str(data_dir)}.items()}
    some = ["--limit", str(limit)] if limit else []
    command = [sys.executable, "-m", "evals.answers", "--collection", _COLLECTION, "--out", str(file), *some]
    code = await _run(command, {**environment, **ours}, log)
    questions = tuple(_read(file))
    if not questions:
        raise NotScored(f"the handbook's questions were not answered: {last_lines(log)}")
    return questions, _unanswered(log) if code else 0


def settings_of(ready: Ready, *, threads: int | None, url: str, model: str) -> dict[str, str]:
    """With which settings larkwise answers by this variant; `url` and `model` are those of a server that runs it."""
    variant = ready.variant
    if variant.provider in ("openai", "llama-cpp"):
        return {"LLM_PROVIDER": "openai", "LLM_BASE_URL": f"{url}/v1", "LLM_MODEL": model}
    own = {name: str(value) for name, value in variant.settings.items()}
    return {
        "LLM_PROVIDER": variant.provider,
        "LLM_MODEL": ready.facts.model,
        "LLM_QUANTIZATION": variant.precision,
        **({"LLM_THREADS": str(threads)} if threads else {}),
        **own,
    }


def last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join(line.strip() for line in lines[-3:])[-400:] or "it said nothing"


def _read(file: Path) -> list[Question]:
    if not file.exists():
        return []
    _, *lines = file.read_text(encoding="utf-8").splitlines() or [""]
    try:
        records = [_Line.model_validate_json(line) for line in lines]
    except ValidationError as error:
        raise NotScored(f"what `larkwise eval answers` wrote cannot be read: {error}") from error
    return [Question(one.id, one.contains if one.answerable else one.refused) for one in records]


def _unanswered(log: Path) -> int:
    return log.read_text(encoding="utf-8", errors="replace").count(" was not answered: ")


async def _run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
    """Its exit code; it is ended with the task that waits for it."""
    process = await _started(command, environment, log, piped=False)
    try:
        return await process.wait()
    finally:
        await _ended(process)


async def _started(
    command: Sequence[str], environment: Mapping[str, str], log: Path, *, piped: bool
) -> asyncio.subprocess.Process:
    log.parent.mkdir(parents=True, exist_ok=True)
    variables = [f"{name}={value}" for name, value in environment.items()]
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            *("env", *variables, *command),
            stdin=asyncio.subprocess.PIPE if piped else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if piped else output,
            stderr=output,
            limit=_LONGEST_LINE,
            process_group=0,  # Ctrl-C is for the bench, which ends it itself
        )


async def _said(process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise NotScored(f"what scores the choices has ended: {last_lines(log)}")
    said: dict[str, Any] = json.loads(line)
    return said


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await process.wait()
            return
    process.kill()
    await process.wait()
