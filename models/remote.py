"""A chat model behind any server with OpenAI's interface: vLLM, SGLang, llama.cpp's server, `transformers serve`."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any, NoReturn
from urllib.parse import urlsplit

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai.chat_models.base import BaseChatOpenAI
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from pydantic import SecretStr

from models.errors import (
    CompletionError,
    CompletionTimeout,
    EngineFailed,
    InvalidRequest,
    ModelUnavailable,
    PromptTooLong,
    QueueFull,
)

_CONNECT_TIMEOUT_S = 10.0
_RETRIES = 2
"""Of what may be over in a moment: no connection, 408, 409, 429 and 5xx, before the answer has begun."""
_RETRY_AFTER_S = 5.0
"""What a caller is told where the server says 429 and not for how long."""
_OURS = ("user", "ignore_eos", "queue_timeout", "first_token_timeout", "timeout")
_OPENAIS = frozenset(CompletionCreateParamsBase.__annotations__)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_CONTEXT_WORDS = re.compile(r"context.{0,20}(?:length|size|window|holds)|prompt is too long", re.IGNORECASE)
_PROMPT_TOKENS = re.compile(r"(?:prompt has|request \(|passed|requested) (\d+)|(\d+) (?:in the messages|input tokens)")
_CONTEXT_TOKENS = re.compile(r"context (?:length|size|holds)[^\d]{0,20}(\d+)")


class RemoteChatModel(BaseChatOpenAI):
    """
    Chats with a model that another server runs, by OpenAI's chat completions, always streamed.

    Per call as `models.chat.LocalChatModel`: `temperature`, `top_p`, `max_tokens`, `seed`, `stop`, in seconds `timeout`
    for the whole answer, and `queue_timeout` and `first_token_timeout`, which together bound the time to its first
    piece, since a server does not say when it begins. `ignore_eos` is passed on; `user` stays here: the server need not
    know who asks. OpenAI's other parameters work where the server knows them.
    When the caller goes away (closes the iterator, or its task is cancelled), the connection is closed, which such
    servers take as the end of the request.

    Raises:
        InvalidRequest, PromptTooLong: the server does not take it, and says why.
        QueueFull: the server is busy, still so after some tries.
        CompletionTimeout: `timeout` is over.
        ModelUnavailable: the server cannot be reached, fails, or refuses the key or the model's name.
        EngineFailed: the server reported an error in the middle of an answer.
    """

    queue_timeout: float | None = None
    first_token_timeout: float | None = None

    @property
    def _llm_type(self) -> str:
        return "larkwise-openai"

    def get_num_tokens(self, text: str) -> int:
        """An estimate on the high side: the tokenizer is at the server, and nothing is fetched to count."""
        wide = len(_WIDE.findall(text))
        return wide + -(-(len(text) - wide) // 3)

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], *_: Any, **__: Any) -> int:
        return sum(4 + self.get_num_tokens(str(message.text)) for message in messages)

    def get_token_ids(self, text: str) -> list[int]:
        """
        Raises:
            NotImplementedError: the tokenizer is at the server.
        """
        raise NotImplementedError("the tokenizer is at the server: get_num_tokens estimates")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        stream_usage: bool | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        limits, options = self._opened(kwargs)
        finished = False
        try:
            with closing(super()._stream(messages, stop, run_manager, stream_usage=True, **options)) as chunks:  # type: ignore[type-var]  # it is a generator
                for chunk in chunks:
                    limits.check(begun=True)
                    finished = finished or _finishes(chunk)
                    yield chunk
        except (openai.OpenAIError, JSONDecodeError) as error:
            self._raise(error, limits)
        self._check_end(finished)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        stream_usage: bool | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        limits, options = self._opened(kwargs)
        finished = begun = False
        try:
            async with aclosing(super()._astream(messages, stop, run_manager, stream_usage=True, **options)) as chunks:  # type: ignore[type-var]  # it is a generator
                while chunk := await limits.within(anext(chunks, None), begun=begun):
                    begun, finished = True, finished or _finishes(chunk)
                    yield chunk
        except (openai.OpenAIError, JSONDecodeError) as error:
            self._raise(error, limits)
        self._check_end(finished)

    def _opened(self, kwargs: dict[str, Any]) -> tuple[_Limits, dict[str, Any]]:
        """The times that this call may take, and what is sent to the server beside its messages."""
        given = {name: value for name, value in kwargs.items() if not name.startswith("ls_")}
        unknown = [name for name in given if name not in (*_OURS, *_OPENAIS, "extra_body", "extra_headers")]
        if unknown:
            raise InvalidRequest(f"unknown parameter {', '.join(unknown)}: known are OpenAI's, {', '.join(_OURS)}")
        ours = {name: given.pop(name) for name in _OURS if name in given}
        if ours.get("ignore_eos"):
            given["extra_body"] = {**(given.get("extra_body") or {}), "ignore_eos": True}
        limits = _Limits.beginning_now(
            total=ours.get("timeout", self.request_timeout),
            first=(
                ours.get("queue_timeout", self.queue_timeout),
                ours.get("first_token_timeout", self.first_token_timeout),
            ),
        )
        given["timeout"] = _silence_timeout(limits.total_s)
        return limits, given

    def _check_end(self, finished: bool) -> None:
        if not finished:
            raise ModelUnavailable(f"{self._server} broke the answer off before its end: see that server's log")

    @property
    def _server(self) -> str:
        return f"the server at {self.openai_api_base} (LARKWISE_LLM_BASE_URL)"

    def _raise(self, error: openai.OpenAIError | JSONDecodeError, limits: _Limits) -> NoReturn:
        raise self._translated(error, limits) from error

    def _translated(self, error: openai.OpenAIError | JSONDecodeError, limits: _Limits) -> CompletionError:
        """Our word for what the client says."""
        match error:
            case openai.APITimeoutError():
                return CompletionTimeout(limits.too_long())
            case openai.APIConnectionError():
                return ModelUnavailable(
                    f"{self._server} cannot be reached ({error.__cause__ or error}): "
                    "check that it runs, and that the address is right up to and with /v1"
                )
            case openai.APIStatusError():
                return self._translated_status(error)
            case openai.APIError() if "timeout" in str(error.code or error.type or ""):
                return CompletionTimeout(f"{self._server} gave up: {error.message}")
        return EngineFailed(f"{self._server} failed while answering: {error}")

    def _translated_status(self, error: openai.APIStatusError) -> CompletionError:
        said = error.message
        match error.status_code:
            case 401 | 403:
                return ModelUnavailable(f"{self._server} refuses the key: check LARKWISE_LLM_API_KEY ({said})")
            case 404:
                return ModelUnavailable(
                    f"{self._server} does not know the model {self.model_name!r} (LARKWISE_LLM_MODEL), "
                    f"or the address does not end in /v1 ({said})"
                )
            case 408:
                return CompletionTimeout(f"{self._server} gave up: {said}")
            case 429:
                return ServerBusy(self._server, retry_after_s=_retry_after_s(error))
            case status if status < 500:
                return _refused(said, error.body, self.max_tokens or 0)
        return ModelUnavailable(f"{self._server} failed with {error.status_code}: {said}")


class ServerBusy(QueueFull):
    """The server that runs the model has no room, and does not say how many wait."""

    def __init__(self, server: str, *, retry_after_s: float) -> None:
        CompletionError.__init__(self, f"{server} is busy; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


def open_remote_chat_model(
    *,
    base_url: str,
    api_key: str,
    model: str,
    timeout: float | None = None,
    max_tokens: int = 512,
    temperature: float = 0.7,
    **defaults: Any,
) -> RemoteChatModel:
    """
    The model that a server calls `model`; `base_url` ends in /v1, and `api_key` may be empty.

    Nothing is sent before the first question. The caller closes it with `close_remote_chat_model`.
    """
    # a proxy is for the world outside: it cannot know what this machine calls itself
    clients: dict[str, Any] = {"trust_env": urlsplit(base_url).hostname not in _LOOPBACK}
    return RemoteChatModel(
        base_url=base_url.rstrip("/"),
        api_key=SecretStr(api_key or "none"),
        model=model,
        timeout=timeout,
        max_tokens=max_tokens,
        temperature=temperature,
        max_retries=_RETRIES,
        stream_chunk_timeout=None,  # ours bound the whole answer
        use_responses_api=False,
        output_version="v0",
        http_client=openai.DefaultHttpxClient(**clients),
        http_async_client=openai.DefaultAsyncHttpxClient(**clients),
        **defaults,
    )


async def close_remote_chat_model(model: RemoteChatModel) -> None:
    """Close its connections; running completions end with an error."""
    await model.root_async_client.close()
    model.root_client.close()


@dataclass(frozen=True, slots=True)
class _Limits:
    """When an answer must have begun, and ended, by `time.monotonic`; None is without end."""

    total_s: float | None
    first_s: float | None
    began: float

    @classmethod
    def beginning_now(cls, *, total: float | None, first: Sequence[float | None]) -> _Limits:
        given = [limit for limit in first if limit is not None]
        return cls(total, sum(given) if len(given) == len(first) else None, time.monotonic())

    def check(self, *, begun: bool) -> None:
        """
        Raises:
            CompletionTimeout: it is over.
        """
        left = self._left_s(begun=begun)
        if left is not None and left <= 0:
            raise CompletionTimeout(self.too_long())

    async def within(self, work: Any, *, begun: bool) -> Any:
        """
        The result of the work.

        Raises:
            CompletionTimeout: it does not come in time, and is cancelled.
        """
        try:
            async with asyncio.timeout(self._left_s(begun=begun)):
                return await work
        except TimeoutError:
            raise CompletionTimeout(self.too_long()) from None

    def too_long(self) -> str:
        return (
            f"the answer was not complete after {time.monotonic() - self.began:.0f} s; "
            "ask for fewer tokens, or raise LARKWISE_REQUEST_TIMEOUT_S"
        )

    def _left_s(self, *, begun: bool) -> float | None:
        limits = [limit for limit in (self.total_s, None if begun else self.first_s) if limit is not None]
        return self.began + min(limits) - time.monotonic() if limits else None


def _silence_timeout(total_s: float | None) -> openai.Timeout:
    """What the client itself may wait for; `_Limits` bound the whole."""
    return openai.Timeout(total_s, connect=min(_CONNECT_TIMEOUT_S, total_s or _CONNECT_TIMEOUT_S))


def _finishes(chunk: ChatGenerationChunk) -> bool:
    return bool((chunk.generation_info or {}).get("finish_reason"))


def _retry_after_s(error: openai.APIStatusError) -> float:
    try:
        return max(0.0, float(error.response.headers.get("retry-after", _RETRY_AFTER_S)))
    except ValueError:  # it may be a date
        return _RETRY_AFTER_S


def _refused(said: str, body: object, max_tokens: int) -> CompletionError:
    """400 and its like; servers say in their own words that a prompt is too long."""
    if not _CONTEXT_WORDS.search(said):
        return InvalidRequest(f"the model's server does not take this: {said}")
    facts = body if isinstance(body, dict) else {}
    prompt = facts.get("n_prompt_tokens") or _number(_PROMPT_TOKENS, said)
    context = facts.get("n_ctx") or _number(_CONTEXT_TOKENS, said)
    if prompt and context:
        return PromptTooLong(int(prompt), max_tokens, int(context))
    return InvalidRequest(f"the prompt is too long for the model, shorten it: {said}")


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(next(group for group in found.groups() if group)) if found else None
