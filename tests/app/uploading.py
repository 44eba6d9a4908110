"""Uploads as clients send them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import psutil

from tests.app.servers import wait_until

ENDED = ("done", "failed")
Content = bytes | str


def upload(
    url: str, collection: str, files: Mapping[str, Content] | Sequence[tuple[str, Content]], **fields: str
) -> httpx.Response:
    pairs = list(files.items()) if isinstance(files, Mapping) else files
    parts = [("files", (name, content)) for name, content in pairs]
    return httpx.post(f"{url}/collections/{collection}/documents", files=parts, data=fields, timeout=60)


def job_of(url: str, job_id: str) -> dict[str, Any]:
    answer = httpx.get(f"{url}/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()
    return job


def ended(url: str, taken: httpx.Response) -> dict[str, Any]:
    """The upload's job when it is over."""
    assert taken.status_code == 202, taken.text
    job_id = taken.json()["job_id"]
    wait_until(lambda: job_of(url, job_id)["status"] in ENDED)
    return job_of(url, job_id)


def uploaded(url: str, collection: str, files: Mapping[str, Content], **fields: str) -> dict[str, Any]:
    """The report of an upload that went well."""
    job = ended(url, upload(url, collection, files, **fields))
    assert job["status"] == "done", job
    report: dict[str, Any] = job["report"]
    return report


def documents_of(url: str, collection: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{url}/collections/{collection}/documents", params={"limit": 1000})
    if answer.status_code == 404:
        return []
    found: list[dict[str, Any]] = answer.json()["documents"]
    return found


def events_of(url: str, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the stream says, to its end."""
    with httpx.stream("GET", f"{url}/jobs/{job_id}/events", timeout=60) as response:
        event = ""
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data":
                yield event, json.loads(value)


def workers(of: int | None = None) -> list[psutil.Process]:
    """The processes that ingest, of this process or of another."""
    children = psutil.Process(of).children(recursive=True)
    return [child for child in children if _leads_its_session(child)]


def _leads_its_session(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline()) and os.getsid(process.pid) == process.pid
    except (psutil.Error, ProcessLookupError):
        return False


def many(count: int) -> dict[str, str]:
    """So many that they take seconds."""
    return {f"d{n}.md": f"# Document {n}\n\n" + f"Sentence {n} tells of thing {n}. " * 60 for n in range(count)}
