"""
The process that ingests what was uploaded, beside the one that answers; `app.supervisor` starts it and listens to it.

It is told of tasks and tells of their progress over one connection, in JSON. It may be killed at any moment: what is
committed stays, and the same task goes on from there.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import queue
import signal
import threading
import time
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from app.ingestion import Ingestion, Wishes
from app.jobs import Job
from app.observability import configure_logging
from app.originals import Batch, Originals, names_of
from app.services import splitter_settings
from app.settings import Settings, SettingsError
from ingest.collections import CollectionSet
from ingest.documents import IngestReport, Refused
from ingest.errors import CollectionBusy, IngestError
from ingest.origins import Listing
from models.errors import ModelError
from models.weights import no_progress

logger = logging.getLogger(__name__)
Message: TypeAlias = dict[str, Any]
STOP: Message = {"kind": "stop"}
_NICENESS = 10
"""Answering comes first."""
_AGAIN_S = 2.0
_TELL_EVERY_S = 0.1


class _Stopped(Exception):
    """The service wants to end; what is committed stays."""


def work(settings: Settings, line: Connection) -> None:
    """The process: one task after the other, until whoever started it kills it or is gone."""
    os.setsid()  # what it starts itself can be killed with it
    os.nice(_NICENESS)
    configure_logging(settings.log_level)
    orders = _Orders(line)
    desk = _Desk(settings, line, orders.is_stopped)
    while True:
        task = orders.next()
        _tell(line, desk.result_of(task))


class _Orders:
    """What the service says, while the work goes on."""

    def __init__(self, line: Connection) -> None:
        self.is_stopped = threading.Event()
        self._line = line
        self._tasks: queue.SimpleQueue[Message] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def next(self) -> Message:
        task = self._tasks.get()
        self.is_stopped.clear()
        return task

    def _listen(self) -> None:
        while True:
            try:
                message = json.loads(self._line.recv_bytes())
            except (EOFError, OSError):
                os.killpg(0, signal.SIGKILL)  # nobody would hear the result, and somebody else has the job by now
            if message == STOP:
                self.is_stopped.set()
            else:
                self._tasks.put(message)


class _Desk:
    """Does tasks; the model is loaded with the first one."""

    def __init__(self, settings: Settings, line: Connection, stop: threading.Event) -> None:
        self._settings = settings
        self._line = line
        self._stop = stop
        self._ingestion: Ingestion | None = None
        self._told = 0.0

    def result_of(self, task: Message) -> Message:
        try:
            report = self._ingest(task)
        except _Stopped:
            return {"kind": "stopped"}
        except (IngestError, ModelError, SettingsError) as error:
            return {"kind": "failed", "error": str(error)}
        except Exception:  # the top of a process: the job must not wait for ever
            logger.exception("job %s failed", task["job_id"])
            return {"kind": "failed", "error": "an error of larkwise itself; its log says more under the job's id"}
        return {"kind": "report", "report": dataclasses.asdict(report)}

    def _ingest(self, task: Message) -> IngestReport:
        ingestion = self._ingestion = self._ingestion or Ingestion(self._settings, progress=no_progress)
        batch = _batch(self._settings, task)
        store = ingestion.collections.create(task["collection"])
        try:
            batch.begin()
            return self._patiently(ingestion, task, _listing(batch, task))
        finally:
            batch.settle(store, splitter_settings(self._settings))

    def _patiently(self, ingestion: Ingestion, task: Message, listing: Listing) -> IngestReport:
        """Again and again while something else writes to the collection."""
        wishes = Wishes(labels=task["labels"])
        until = time.monotonic() + self._settings.ingest_wait_s
        while True:
            try:
                return ingestion.run(listing, task["collection"], wishes, each=self._progress)
            except CollectionBusy as error:
                if time.monotonic() > until:
                    raise
                _tell(self._line, {"kind": "progress", "done": 0, "total": listing.total, "note": str(error)})
            if self._stop.wait(_AGAIN_S):
                raise _Stopped

    def _progress(self, file: str, done: int, total: int) -> None:
        if self._stop.is_set():
            raise _Stopped
        if time.monotonic() - self._told > _TELL_EVERY_S:
            self._told = time.monotonic()
            _tell(self._line, {"kind": "progress", "done": done, "total": total, "file": file})


def task_of(job: Job) -> Message:
    """The job as the process is told of it."""
    return {
        "kind": "task",
        "job_id": job.id,
        "collection": job.collection,
        "files": job.files,
        "labels": job.labels,
    }


def put_away(settings: Settings, collections: CollectionSet, job: Job) -> None:
    """The files of a job that will not go on: what is indexed keeps its original, and the rest goes."""
    task = task_of(job)
    try:
        if collections.exists(job.collection):
            _batch(settings, task).settle(collections.open(job.collection), splitter_settings(settings))
    except IngestError as error:
        logger.warning("the originals of job %s stay as they are: %s", job.id, error)
    Originals(settings.data_dir).drop_incoming(job.id)


def _batch(settings: Settings, task: Message) -> Batch:
    return Batch(Originals(settings.data_dir), task["job_id"], task["collection"], names_of(task["files"]))


def _listing(batch: Batch, task: Message) -> Listing:
    """What was refused at the door is counted with what cannot be read."""
    refused = tuple(Refused(file["name"], file["error"]) for file in task["files"] if "error" in file)
    return Listing(origins=batch.files, total=len(batch.files), covers=lambda _, __: False, failed=refused)


def _tell(line: Connection, message: Message) -> None:
    line.send_bytes(json.dumps(message).encode())
