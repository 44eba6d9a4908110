"""Why a try was not successful: what Feishu answered, or that it did not, as one of our errors."""

from __future__ import annotations

import math
import re

import httpx

from app.feishu.codes import LACKS_PERMISSION, Meaning, Remedy, meaning_of
from app.feishu.errors import PlatformUnavailable
from app.feishu.wire import Answer, Json

_LATER = "try again later, and check the network and LARKWISE_FEISHU_DOMAIN"
_LONGEST = 200
"""Characters of what Feishu says."""


class Failed(Exception):
    """
    One try; `error` is what it comes to if no other is made.

    `is_unsure` where it may have been done all the same, `reset_s` is how long Feishu wants us to wait.
    """

    def __init__(self, meaning: Meaning, message: str, *, code: int = 0, log_id: str = "") -> None:
        super().__init__(message)
        self.error = meaning.error(message, code=code, log_id=log_id)
        self.remedy = meaning.remedy
        self.is_unsure = False
        self.reset_s = 0.0


def refused(api: str, response: httpx.Response, answer: Answer | None) -> Failed:
    """By an answer: `None` where it was none of Feishu's API, such as a page of a gateway in between."""
    if answer is None:
        return _not_of_the_api(api, response)
    meaning = meaning_of(answer.code, status=response.status_code)
    log_id = response.headers.get("x-tt-logid") or str(answer.error.get("log_id") or "")
    said = f"code {answer.code}, {_cut(answer.msg)!r}, log id {log_id or 'unknown'}"
    failed = Failed(meaning, f"{_advice(meaning, answer)} ({api}: {said})", code=answer.code, log_id=log_id)
    failed.is_unsure = response.status_code >= 500
    failed.reset_s = _reset_s(response)
    return failed


def unanswered(api: str, request: httpx.Request, error: httpx.RequestError | TimeoutError) -> Failed:
    """The connection broke, or it took too long."""
    advice = f"Feishu does not answer at {request.url.host}: {_LATER}"
    why = f"{type(error).__name__}, {str(error) or 'it took too long'}"
    failed = Failed(Meaning(PlatformUnavailable, advice, Remedy.REPEAT), f"{advice} ({api}: {why})")
    failed.is_unsure = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return failed


def _not_of_the_api(api: str, response: httpx.Response) -> Failed:
    log_id = response.headers.get("x-tt-logid", "")
    status = response.status_code
    said = f"status {status}, {response.headers.get('content-type', 'no content type')}, log id {log_id or 'unknown'}"
    if status == 429:
        meaning = meaning_of(0, status=status)
    else:
        advice = f"something before Feishu answers at {response.request.url.host}: {_LATER}"
        meaning = Meaning(PlatformUnavailable, advice, Remedy.REPEAT)
    failed = Failed(meaning, f"{meaning.advice} ({api}: {said})", log_id=log_id)
    failed.is_unsure = status != 429
    failed.reset_s = _reset_s(response)
    return failed


def _advice(meaning: Meaning, answer: Answer) -> str:
    """With the permissions and the link that Feishu puts into its answer."""
    scopes, link = _scopes(answer), _link(answer.error)
    advice = meaning.advice
    if answer.code == LACKS_PERMISSION and scopes:
        advice = advice.replace("a permission", f"a permission, any one of {', '.join(scopes)}", 1)
    return f"{advice}: {link}" if link else advice


def _scopes(answer: Answer) -> list[str]:
    violations = answer.error.get("permission_violations")
    subjects = (
        [one.get("subject") for one in violations if isinstance(one, dict)] if isinstance(violations, list) else []
    )
    found = [one for one in subjects if isinstance(one, str)]
    if not found and (listed := re.search(r"\[([\w:.,\s-]+)\]", answer.msg)):
        found = listed[1].split(",")
    return [one.strip() for one in found]


def _link(error: Json) -> str:
    helps = error.get("helps")
    for one in helps if isinstance(helps, list) else []:
        url = one.get("url") if isinstance(one, dict) else None
        if isinstance(url, str) and url.startswith("https://"):
            return url
    return ""


def _cut(msg: str) -> str:
    """Without what Feishu quotes of a message, which may be anybody's words."""
    return re.sub(r"ErrorValue:.*", "", msg, flags=re.DOTALL).strip()[:_LONGEST]


def _reset_s(response: httpx.Response) -> float:
    try:
        seconds = float(response.headers.get("x-ogw-ratelimit-reset", "0"))
    except ValueError:
        return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
