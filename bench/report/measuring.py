"""A job from its start to its folder, as a command does it: it can be stopped, and it says how it ended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from app.cli_terminal import err, progress_bar
from bench.errors import BenchError, NotWritten, UsageError
from bench.report.folder import write_folder
from bench.report.records import RESULTS, Run, read_run
from bench.report.running import Job, Runner
from bench.report.words import Words

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def measure(job: Job, words: Words) -> list[str]:
    """
    Measure, write the folder, and say in sentences what has gone wrong; none where all went well.

    Raises:
        UsageError: the job cannot be done as it was asked.
    """
    problems = []
    try:
        run = asyncio.run(_completed(job))
        if not run.complete:
            problems.append(
                f"the run was stopped, and its report is partial; the same command with --out {job.out} goes on"
            )
    except (UsageError, NotWritten):
        raise  # the folder may be another run's, or take nothing more
    except BenchError:
        _written(job, words)
        raise
    problems += failures(run)
    _written(job, words)
    return problems


def failures(run: Run) -> list[str]:
    """What went wrong although the run came to an end."""
    found = []
    for facts in run.variants:
        failed, requests = run.failures(facts.name), run.requests(facts.name)
        if failed and len(failed) > run.config.allowed_errors * requests:
            found.append(
                f"{len(failed)} of {requests} requests to {facts.name} failed, for example: {failed[0].reason}"
            )
    for judged in run.judged:
        if judged.unanswered > run.config.allowed_errors * len(judged.questions):
            of = len(judged.questions)
            found.append(f"{judged.variant} gave no answer to {judged.unanswered} of {of} questions of {judged.set}")
    for one in run.left_out:
        if one.why == "failed":
            found.append(f"{one.variant} could not be asked {one.what}: {one.detail}")
    return found


def _written(job: Job, words: Words) -> None:
    if not (job.out / RESULTS).exists():
        return
    run = read_run(job.out)
    if run.measured:
        err.print(f"the report is {write_folder(run, job.out, words)}", markup=False)


async def _completed(job: Job) -> Run:
    stop, began = asyncio.Event(), time.monotonic()

    def say(text: str) -> None:
        err.print(f"{time.monotonic() - began:5.0f} s  {text}", markup=False)

    with progress_bar() as progress, _stopped_by_signals(stop):
        return await Runner(job, stop=stop, say=say, progress=progress).complete()


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """The first signal ends the run in order, a second one at once."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        restore()

    def restore() -> None:
        for number in _SIGNALS:
            with suppress(NotImplementedError):  # not on every system
                loop.remove_signal_handler(number)

    for number in _SIGNALS:
        with suppress(NotImplementedError):  # not on every system
            loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        restore()
