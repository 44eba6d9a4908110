"""Images are read, and files offered to the chat's collection."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from app.feishu.client import FeishuClient
from app.feishu.inbox import Item
from app.jobs import Job, UnknownJob
from app.originals import file_name
from app.services import Services
from app.uploads import checked_name
from ingest.loaders import ocr
from ingest.loaders.table import read
from ingest.stores.disk import flush_folder, storage_explained

_KINDS = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\x00": ".tiff",
    b"MM\x00*": ".tiff",
}
_POLL_S = 0.5


class NotRecognised(Exception):
    """Text recognition is not installed."""


class Images:
    """The text of the images of messages."""

    def __init__(self, client: FeishuClient, *, max_bytes: int) -> None:
        self._client = client
        self._max_bytes = max_bytes

    @property
    def max_mb(self) -> int:
        """What an image may have."""
        return self._max_bytes // 2**20

    async def text(self, message_id: str, keys: Sequence[str]) -> str:
        """
        Of all of them, one after the other.

        Raises:
            NotRecognised: no text can be recognised on this machine.
            DocumentError: one is no image that can be read, or holds no text.
            ResourceTooLarge: one is larger than `max_mb`.
            CallFailed: one cannot be fetched.
        """
        if not ocr.is_installed():
            raise NotRecognised(ocr.HOW_TO_INSTALL)
        texts = []
        for key in keys:
            image = await self._client.resource(message_id, key, "image", max_bytes=self._max_bytes)
            texts.append(await asyncio.to_thread(_recognised, image.data))
        return "\n".join(texts)


class Files:
    """Files of messages on their way into a collection, by the same jobs as uploads."""

    def __init__(self, client: FeishuClient, services: Services, *, max_bytes: int) -> None:
        self._client = client
        self._services = services
        self._max_bytes = max_bytes

    async def ingest(self, item: Item, message_id: str, key: str, name: str, collection: str, caller: str) -> Job:
        """
        The job at its end; the item's own, however often this is begun.

        Raises:
            UploadRefused: it cannot be taken under its name.
            CallFailed: it cannot be fetched.
            IngestError: it cannot be kept.
        """
        job_id = hashlib.sha256(f"feishu {item.id} {item.event_id}".encode()).hexdigest()[:32]
        jobs = self._services.jobs
        try:
            await jobs.get(job_id)
        except UnknownJob:
            called = checked_name(name.encode())
            file = await self._client.resource(message_id, key, "file", max_bytes=self._max_bytes)
            folder = self._services.originals.incoming(job_id)
            await asyncio.to_thread(_write, folder, file_name(called), file.data)
            taken = [{"name": called, "size": len(file.data)}]
            await jobs.add(job_id, collection=collection, caller=caller, files=taken, labels={})
        while not (job := await jobs.get(job_id)).has_ended:  # noqa: ASYNC110 - what it waits for is in the database
            await asyncio.sleep(_POLL_S)
        return job


def chunks_of(job: Job) -> int:
    return int((job.report or {}).get("chunks_written", 0))


def why_not(job: Job) -> str:
    """Why the job's one file is not in the collection; empty where it is."""
    if job.error:
        return job.error
    failed = (job.report or {}).get("failed") or (job.report or {}).get("skipped")
    return str(failed[0]["reason"]) if failed and not chunks_of(job) else ""


def _recognised(data: bytes) -> str:
    kind = next((suffix for start, suffix in _KINDS.items() if data.startswith(start)), ".webp")
    return "\n".join(section.page_content for section in read(data, f"image{kind}").sections)


def _write(folder: Path, name: str, data: bytes) -> None:
    with storage_explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        flush_folder(folder)
        flush_folder(folder.parent)
