"""One table: our errors to HTTP status and error body."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException

from app.observability import request_id_of
from chains import errors as chain_errors
from ingest import errors as ingest_errors
from models import errors as model_errors


class ErrorDetail(BaseModel):
    """What went wrong; `code` is for programs, `message` for people."""

    code: str
    message: str
    request_id: str


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class UnknownAnswer(Exception):
    """There is no answer with this id that the caller may see."""


class NotReady(Exception):
    """A part of the service does not answer yet, or any more."""


@dataclass(frozen=True, slots=True)
class _Status:
    status: int
    code: str
    retry_after: int | None = None


_TABLE: dict[type[Exception], _Status] = {
    chain_errors.InvalidInput: _Status(400, "bad_parameter"),
    chain_errors.UnknownChain: _Status(404, "unknown_chain"),
    model_errors.InvalidRequest: _Status(400, "bad_parameter"),
    model_errors.PromptTooLong: _Status(400, "prompt_too_long"),
    model_errors.CompletionTimeout: _Status(408, "timeout"),
    model_errors.CompletionCancelled: _Status(503, "shutting_down", 5),
    model_errors.EngineFailed: _Status(500, "model_failed"),
    ingest_errors.InvalidCollectionName: _Status(400, "bad_parameter"),
    ingest_errors.UnknownCollection: _Status(404, "unknown_collection"),
    ingest_errors.CollectionBusy: _Status(503, "collection_busy", 5),
    ingest_errors.EmbeddingMismatch: _Status(409, "embedding_mismatch"),
    ingest_errors.CollectionCorrupt: _Status(500, "collection_corrupt"),
    ingest_errors.StorageFull: _Status(503, "storage_full", 60),
    UnknownAnswer: _Status(404, "unknown_answer"),
    NotReady: _Status(503, "not_ready", 5),
}
_CODES = {
    400: "bad_parameter",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    415: "unsupported_type",
    429: "too_many_requests",
    503: "unavailable",
}
RESPONSES: dict[int | str, dict[str, object]] = {
    status: {"model": ErrorBody, "description": HTTPStatus(status).phrase} for status in (400, 404, 408, 500, 503)
}
"""For the OpenAPI document of our own routes."""


def install(app: FastAPI) -> None:
    """Every error of the application becomes an error body."""
    for kind in _TABLE:
        app.add_exception_handler(kind, _ours)
    app.add_exception_handler(StarletteHTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(Exception, _unexpected)


def _ours(request: Request, error: Exception) -> JSONResponse:
    status = next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)
    headers = {"Retry-After": str(status.retry_after)} if status.retry_after else None
    return _response(request, status.status, status.code, str(error), headers)


def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException | StarletteHTTPException):
        raise error
    # LangServe says 422 where the input is wrong; one status for one thing
    status = 400 if error.status_code == 422 else error.status_code
    return _response(request, status, _CODES.get(status, "error"), str(error.detail), dict(error.headers or {}))


def _validation(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    wrong = "; ".join(f"{'.'.join(map(str, e['loc'][1:])) or 'body'}: {e['msg']}" for e in error.errors())
    return _response(request, 400, "bad_parameter", wrong, None)


def _unexpected(request: Request, _error: Exception) -> JSONResponse:
    message = "an error of larkwise itself; the log says more under this request id"
    return _response(request, 500, "internal", message, None)


def _response(request: Request, status: int, code: str, message: str, headers: dict[str, str] | None) -> JSONResponse:
    body = ErrorBody(error=ErrorDetail(code=code, message=message, request_id=request_id_of(request.scope)))
    return JSONResponse(body.model_dump(), status, headers)
