"""Images and files, read bit by bit, and no more of them than is wanted."""

from __future__ import annotations

import httpx

from app.feishu.errors import ResourceTooLarge
from app.feishu.failures import refused
from app.feishu.filenames import name_in
from app.feishu.wire import Resource, answer_of

_MOST_OF_AN_ERROR = 64 * 1024


async def received(api: str, response: httpx.Response, max_bytes: int) -> Resource:
    """
    Read it; the caller closes the response.

    Raises:
        Failed: it is no file.
        ResourceTooLarge: it has more than `max_bytes`; what is beyond was not read.
    """
    if not response.is_success:
        raise refused(api, response, answer_of(await _read(response, _MOST_OF_AN_ERROR)))
    if int(response.headers.get("content-length") or 0) > max_bytes:
        raise _too_large(max_bytes)
    data = await _read(response, max_bytes)
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    disposition = response.headers.get("content-disposition", "")
    kind = response.headers.get("content-type", "")
    if not disposition:
        _check_that_it_is_a_file(api, response, kind, data)
    return Resource(data, name_in(disposition), kind)


def _check_that_it_is_a_file(api: str, response: httpx.Response, kind: str, data: bytes) -> None:
    """Feishu names the files that it gives; what has no name may be an error, or a page of some gateway."""
    if kind.startswith("text/html"):
        raise refused(api, response, None)
    answer = answer_of(data) if kind.startswith("application/json") else None
    if answer is not None and answer.code != 0:
        raise refused(api, response, answer)


async def _read(response: httpx.Response, most: int) -> bytes:
    """To the end, or a little further than `most`."""
    data = bytearray()
    async for part in response.aiter_bytes():
        data += part
        if len(data) > most:
            break
    return bytes(data)


def _too_large(max_bytes: int) -> ResourceTooLarge:
    return ResourceTooLarge(f"it is larger than {max_bytes / 1024 / 1024:g} MB")
