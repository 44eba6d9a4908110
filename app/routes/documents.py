"""/collections/{name}/documents: upload, list, original, delete."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from app.dependencies import EditorOf, ServicesOf
from app.documents import described
from app.errors import RESPONSES, InvalidCursor, responses
from app.finishing import to_the_end
from app.jobs import new_job_id
from app.labels import labels_of
from app.routes.collections import Deleted
from app.routes.jobs import RefusedFile, TakenFile, links
from app.services import Services
from app.settings import Settings
from app.uploads import FILES, MIB, File, Form, InvalidUpload, Taken, UploadLimits, receive
from ingest.errors import UnknownDocument
from ingest.stores.port import KnowledgeStore, StoredDocument

router = APIRouter(tags=["documents"], responses=RESPONSES | responses(403, 409))
_LABELS = "labels"
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FILES],
                    "properties": {
                        FILES: {"type": "array", "items": {"type": "string", "format": "binary"}},
                        _LABELS: {"type": "string", "description": 'A JSON object, for example {"team": "hr"}'},
                    },
                }
            }
        },
    }
}


class UploadResponse(BaseModel):
    """The files in the order in which they came; those with an `error` are not taken, the others go in."""

    job_id: str
    status: Literal["queued"] = "queued"
    collection: str
    files: list[TakenFile | RefusedFile]
    links: dict[str, str] = Field(description="`job`, `events`")


class DocumentSeen(BaseModel):
    """`sources` are all names under which the same content was found."""

    id: str
    source: str
    sources: list[str]
    title: str
    chunks: int
    labels: dict[str, Any]


class DocumentsSeen(BaseModel):
    """`next` is the cursor of the next page, null on the last one."""

    collection: str
    total: int
    documents: list[DocumentSeen]
    next: str | None


@router.post("/collections/{name}/documents", status_code=202, responses=responses(413, 415), openapi_extra=_FORM)
async def upload(
    name: str, request: Request, response: Response, services: ServicesOf, caller: EditorOf
) -> UploadResponse:
    """
    Files as multipart/form-data; they are indexed by a job, and the same name again replaces the document.

    A collection that is not there is made. A file that cannot be taken is reported, and the others go in.
    """
    if await run_in_threadpool(services.collections.exists, name):
        await run_in_threadpool(services.collections.open, name)  # what cannot be used is told now, not in an hour
    job_id = new_job_id()
    try:
        form = await receive(request, services.originals.incoming(job_id), _limits(services.settings))
        form.check()
        labels = _labels(form)
    except BaseException:
        await to_the_end(asyncio.to_thread(services.originals.drop_incoming, job_id))
        raise
    files = [_file_of(file) for file in form.files]
    await to_the_end(_hand_over(services, job_id, name, caller, files, labels))
    response.headers["Location"] = links(job_id, request)["job"]
    return UploadResponse(job_id=job_id, collection=name, files=files, links=links(job_id, request))


@router.get("/collections/{name}/documents")
def list_documents(
    name: str,
    services: ServicesOf,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=8000)] = None,
) -> DocumentsSeen:
    """In the order of their names, page by page; `cursor` is `next` of the page before."""
    store = services.collections.open(name)
    documents = sorted(store.documents(), key=_place)
    after = _place_of(cursor) if cursor else ("", "")
    page = [document for document in documents if _place(document) > after][: limit + 1]
    counts = store.chunk_counts()
    return DocumentsSeen(
        collection=name,
        total=len(documents),
        documents=[DocumentSeen(**described(one, counts.get(one.id, 0))) for one in page[:limit]],
        next=_cursor(page[limit - 1]) if len(page) > limit else None,
    )


@router.get("/collections/{name}/documents/{document_id}")
def describe_document(name: str, document_id: str, services: ServicesOf) -> DocumentSeen:
    """Where it was found, its title, its chunks, its labels."""
    store, document = _document(services, name, document_id)
    return DocumentSeen(**described(document, len(store.chunks_of(document_id))))


@router.get("/collections/{name}/documents/{document_id}/original", response_class=FileResponse)
def download_original(name: str, document_id: str, services: ServicesOf) -> FileResponse:
    """The file as it was uploaded, to be saved; no browser shows it as a page of ours."""
    _, document = _document(services, name, document_id)
    original = services.originals.find(document)
    return FileResponse(
        original.path,
        filename=PurePosixPath(original.name).name,
        media_type="application/octet-stream",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"},
    )


@router.delete("/collections/{name}/documents/{document_id}")
def delete_document(name: str, document_id: str, services: ServicesOf, _: EditorOf) -> Deleted:
    """It is found no more, and its original is removed if it was uploaded."""
    store, document = _document(services, name, document_id)
    with store.writing() as change:
        change.forget.append(document_id)
    services.originals.remove(name, document)
    return Deleted(deleted=document_id)


async def _hand_over(
    services: Services,
    job_id: str,
    collection: str,
    caller: str,
    files: list[TakenFile | RefusedFile],
    labels: dict[str, Any],
) -> None:
    plain = [file.model_dump() for file in files]
    try:
        await services.jobs.add(job_id, collection=collection, caller=caller, files=plain, labels=labels)
    except BaseException:
        await asyncio.to_thread(services.originals.drop_incoming, job_id)
        raise


def _document(services: Services, collection: str, document_id: str) -> tuple[KnowledgeStore, StoredDocument]:
    store = services.collections.open(collection)
    document = store.document(document_id)
    if document is None:
        raise UnknownDocument(collection, document_id[:80], [])
    return store, document


def _limits(settings: Settings) -> UploadLimits:
    return UploadLimits(settings.upload_max_file_mb * MIB, settings.upload_max_mb * MIB, settings.upload_max_files)


def _labels(form: Form) -> dict[str, Any]:
    if unknown := [name for name in form.fields if name != _LABELS]:
        raise InvalidUpload(f"the form has a field {unknown[0][:80]!r}: known are `{FILES}` and `{_LABELS}`")
    return labels_of(form.fields.get(_LABELS, "{}"))


def _file_of(file: File) -> TakenFile | RefusedFile:
    if isinstance(file, Taken):
        return TakenFile(name=file.name, size=file.size)
    return RefusedFile(name=file.name, error=str(file.error))


def _place(document: StoredDocument) -> tuple[str, str]:
    return document.source, document.id


def _cursor(document: StoredDocument) -> str:
    return base64.urlsafe_b64encode(json.dumps(_place(document), ensure_ascii=False).encode()).decode().rstrip("=")


def _place_of(cursor: str) -> tuple[str, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        source, document_id = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidCursor("cursor must be `next` of the page before") from error
    return str(source), str(document_id)
