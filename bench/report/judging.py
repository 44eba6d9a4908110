"""How well a variant answers: in a process of its own, with the weights that were measured."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
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
from bench.report.subjects import PATIENT

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
) -> AsyncGenerator[Question]:
    """
    Whether the model of a folder finds the right choice the most probable; each question as soon as it is scored.

    Raises:
        NotScored: it could not be loaded, or fails.
    """
    command = [sys.executable, "-m", "bench.report.scoring", str(folder), str(threads)]
    process = await _started(command, environment, log, piped=True)
    try:
        await _said(process, log)
        for number, question in enumerate(questions, start=1):
            assert process.stdin is not None
            process.stdin.write(json.dumps(question.as_json()).encode() + b"\n")
            scores = (await _said(process, log))["scores"]
            yield Question(question.id, scores.index(max(scores)) == question.answer)
            progress(number, len(questions))
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
    variables: Mapping[str, str],
    *,
    limit: int | None,
    file: Path,
    data_dir: Path,
    log: Path,
    environment: Mapping[str, str],
) -> tuple[tuple[Question, ...], int]:
    """
    Whether the handbook's questions are answered rightly, or rightly refused; how many of them got no answer at all.

    `variables` are larkwise's settings, without their prefix, that choose the model. Answers are in `file` as soon as
    they are there; see `read_answers`.

    Raises:
        NotScored: nothing was answered.
    """
    await asyncio.to_thread(file.unlink, missing_ok=True)
    ours = {f"{PREFIX}{name}": value for name, value in {**variables, "DATA_DIR": str(data_dir)}.items()}
    some = ["--limit", str(limit)] if limit else []
    command = [sys.executable, "-m", "evals.answers", "--collection", _COLLECTION, "--out", str(file), *some]
    code = await _run(command, {**environment, **ours}, log)
    questions = read_answers(file)
    if not questions:
        raise NotScored(f"the handbook's questions were not answered: {last_lines(log)}")
    unanswered = [Question(name, right=False) for name in _unanswered(log)] if code else []
    return (*questions, *unanswered), len(unanswered)


def settings_of(ready: Ready, *, threads: int | None, url: str, model: str) -> dict[str, str]:
    """With which settings larkwise answers by this variant; `url` and `model` are those of a server that runs it."""
    variant = ready.variant
    if variant.provider in ("openai", "llama-cpp"):
        return {"LLM_PROVIDER": "openai", "LLM_BASE_URL": f"{url}/v1", "LLM_MODEL": model}
    own = {name: str(value) for name, value in variant.settings.items()}
    return {
        **PATIENT,
        "LLM_PROVIDER": variant.provider,
        "LLM_MODEL": ready.facts.model,
        "LLM_QUANTIZATION": variant.precision,
        **({"LLM_THREADS": str(threads)} if threads else {}),
        **own,
    }


def last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join(line.strip() for line in lines[-3:])[-400:] or "it said nothing"


def read_answers(file: Path) -> tuple[Question, ...]:
    """
    What `ask_handbook` has written until now.

    Raises:
        NotScored: it cannot be read.
    """
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    lines = text.split("\n")[1:-1]  # after what the file is, and before a line that is not whole
    try:
        records = [_Line.model_validate_json(line) for line in lines]
    except ValidationError as error:
        raise NotScored(f"what `larkwise eval answers` wrote cannot be read: {error}") from error
    return tuple(Question(one.id, one.contains if one.answerable else one.refused) for one in records)


def _unanswered(log: Path) -> list[str]:
    """The ids that `larkwise eval answers` names."""
    return re.findall(r"^(\S+) was not answered: ", log.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)


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
