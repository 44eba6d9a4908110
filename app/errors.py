"""One table: our errors to HTTP status and error body."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import Scope

from app.jobs import JobConflict, UnknownJob
from app.keys import Unauthorized
from app.labels import InvalidLabels
from app.observability import request_id_of
from app.originals import OriginalMissing
from app.rates import TooManyRequests
from app.uploads import InvalidUpload, UnsupportedUpload, UploadTooLarge
from chains import errors as chain_errors
from ingest import errors as ingest_errors
from models import errors as model_errors

logger = logging.getLogger(__name__)


class ErrorDetail(BaseModel):
    """What went wrong; `code` is for programs, `message` for people."""

    code: str
    message: str
    request_id: str


class ErrorBody(BaseModel):
    """The body of every answer that is not a success; below /v1 with OpenAI's `type` and `param` as well."""

    error: ErrorDetail


class UnknownAnswer(Exception):
    """There is no answer with this id that the caller may see."""


class UnknownModelId(Exception):
    """A client of /v1 names a model that is not served."""


class InvalidCursor(Exception):
    """It does not come from the page before."""


class InvalidLink(Exception):
    """A signed link is not ours, or has ended."""


class NotReady(Exception):
    """A part of the service does not answer yet, or any more."""


class ShuttingDown(Exception):
    """The service is being stopped."""


@dataclass(frozen=True, slots=True)
class _Status:
    status: int
    code: str
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as clients see it: the same whether it is a response or an event of a stream."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str]
    param: str | None = None

    def body(self, scope: Scope) -> dict[str, Any]:
        """Of the response; `scope` is the request's."""
        detail: dict[str, Any] = {"code": self.code, "message": self.message, "request_id": request_id_of(scope)}
        if scope["path"].removeprefix(scope.get("root_path", "")).startswith("/v1/"):
            detail |= {"type": _OPENAI_TYPES.get(self.status, "server_error"), "param": self.param}
        return {"error": detail}

    def response(self, scope: Scope) -> JSONResponse:
        return JSONResponse(self.body(scope), self.status, dict(self.headers))


_TABLE: dict[type[Exception], _Status] = {
    chain_errors.InvalidInput: _Status(400, "bad_parameter"),
    chain_errors.UnknownChain: _Status(404, "unknown_chain"),
    model_errors.InvalidRequest: _Status(400, "bad_parameter"),
    model_errors.PromptTooLong: _Status(400, "prompt_too_long"),
    model_errors.RequestTooLarge: _Status(400, "request_too_large"),
    model_errors.QueueFull: _Status(429, "too_many_requests"),
    model_errors.CompletionTimeout: _Status(408, "timeout"),
    model_errors.CompletionCancelled: _Status(503, "shutting_down", 5),
    model_errors.OutOfMemory: _Status(503, "out_of_memory", 5),
    model_errors.ModelUnavailable: _Status(503, "model_unavailable", 5),
    model_errors.EngineFailed: _Status(500, "model_failed"),
    ingest_errors.InvalidCollectionName: _Status(400, "bad_parameter"),
    ingest_errors.UnknownCollection: _Status(404, "unknown_collection"),
    ingest_errors.UnknownDocument: _Status(404, "unknown_document"),
    ingest_errors.CollectionExists: _Status(409, "collection_exists"),
    ingest_errors.CollectionBusy: _Status(503, "collection_busy", 5),
    ingest_errors.EmbeddingMismatch: _Status(409, "embedding_mismatch"),
    ingest_errors.CollectionCorrupt: _Status(500, "collection_corrupt"),
    ingest_errors.StoreUnavailable: _Status(503, "store_unavailable", 5),
    ingest_errors.ChunkTooLarge: _Status(413, "too_large"),
    ingest_errors.NotSupported: _Status(400, "not_supported"),
    ingest_errors.InvalidFilter: _Status(400, "bad_parameter"),
    ingest_errors.StorageFull: _Status(503, "storage_full", 60),
    InvalidUpload: _Status(400, "bad_parameter"),
    InvalidLabels: _Status(400, "bad_parameter"),
    InvalidCursor: _Status(400, "bad_parameter"),
    InvalidLink: _Status(403, "forbidden"),
    UploadTooLarge: _Status(413, "too_large"),
    UnsupportedUpload: _Status(415, "unsupported_type"),
    OriginalMissing: _Status(404, "no_original"),
    UnknownJob: _Status(404, "unknown_job"),
    JobConflict: _Status(409, "conflict"),
    Unauthorized: _Status(401, "unauthorized"),
    TooManyRequests: _Status(429, "too_many_requests"),
    UnknownAnswer: _Status(404, "unknown_answer"),
    UnknownModelId: _Status(404, "model_not_found"),
    NotReady: _Status(503, "not_ready", 5),
    ShuttingDown: _Status(503, "shutting_down", 5),
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
_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def responses(*statuses: int) -> dict[int | str, dict[str, object]]:
    """For the OpenAPI document."""
    return {status: {"model": ErrorBody, "description": HTTPStatus(status).phrase} for status in statuses}


RESPONSES = responses(400, 401, 404, 408, 429, 500, 503)
"""Of our own routes."""


def problem_of(error: Exception) -> Problem:
    """What a client is told of it; an error that nobody expected is told without its cause."""
    for kind in type(error).__mro__:
        if kind in _TABLE:
            return _expected(_TABLE[kind], error)
    if isinstance(error, RequestValidationError):
        return _validation(error)
    if isinstance(error, StarletteHTTPException):
        return _http(error)
    return Problem(500, "internal", "an error of larkwise itself; the log says more under this request id", {})


def logged_problem(error: Exception, scope: Scope) -> Problem:
    """The same, for errors that no handler of the framework will see: those that nobody expected go to the log."""
    problem = problem_of(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request %s failed", request_id_of(scope), exc_info=error)
    return problem


def install(app: FastAPI) -> None:
    """Every error of the application becomes an error body."""
    for kind in (*_TABLE, StarletteHTTPException, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _respond)
    app.add_exception_handler(Exception, _respond_unexpected)


def _respond(request: Request, error: Exception) -> JSONResponse:
    return logged_problem(error, request.scope).response(request.scope)


def _respond_unexpected(request: Request, error: Exception) -> JSONResponse:
    return problem_of(error).response(request.scope)  # the server logs it


def _expected(known: _Status, error: Exception) -> Problem:
    headers: dict[str, str] = {}
    retry_after = getattr(error, "retry_after_s", known.retry_after)
    if retry_after is not None:
        headers["Retry-After"] = str(math.ceil(retry_after))
    if known.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Problem(known.status, known.code, str(error), headers)


def _http(error: StarletteHTTPException) -> Problem:
    # LangServe says 422 where the input is wrong; one status for one thing
    status = 400 if error.status_code == HTTPStatus.UNPROCESSABLE_ENTITY else error.status_code
    return Problem(status, _CODES.get(status, "error"), str(error.detail), error.headers or {})


def _validation(error: RequestValidationError) -> Problem:
    fields = [".".join(map(str, one["loc"][1:])) for one in error.errors()]
    wrong = "; ".join(f"{field or 'body'}: {one['msg']}" for field, one in zip(fields, error.errors(), strict=True))
    return Problem(400, "bad_parameter", wrong, {}, param=next(filter(None, fields), None))
