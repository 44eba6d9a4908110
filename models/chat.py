"""The local chat model: LangChain's face on the engine."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables.config import ensure_config
from pydantic import ConfigDict, Field

from models.detokenizer import Detokenizer, StopFilter
from models.engine.requests import (
    CompletionRequest,
    Engine,
    EngineLoad,
    Event,
    Failed,
    Finished,
    Phase,
    TimedOut,
    Token,
)
from models.errors import (
    CompletionCancelled,
    CompletionError,
    CompletionTimeout,
    EngineFailed,
    InvalidRequest,
    PromptTooLong,
)

CALLER = "larkwise_caller"
"""The key of a run's configurable values that says who asks; every door sets it, whatever a client sent."""


class LocalChatModel(BaseChatModel):
    """
    Chats with a model that runs in this process, one token at a time as they are made.

    Per call (`model.invoke(…, temperature=0)` or `model.bind(…)`): `temperature` 0..2, where 0 is greedy;
    `top_p` 0..1; `max_tokens` ≥ 1, cut to what the context still holds; `seed`; `stop`; in seconds
    `queue_timeout` until work begins, `first_token_timeout` from there, and `timeout` in all, waiting included;
    `ignore_eos` for load tests, which want answers of one length; `user`, with whose requests those of others take
    turns (where it is not given, the `CALLER` of the running chain's configurable values).
    When the caller goes away (closes the iterator, or its task is cancelled), the completion stops within one
    step. Concurrent calls share each step of the model.

    Raises:
        PromptTooLong: the prompt leaves no room for an answer in the model's context.
        InvalidRequest: a parameter is unknown or out of its range, or a message is not text.
        QueueFull: too many requests wait already.
        RequestTooLarge: it alone needs more than the engine may hold.
        CompletionTimeout: one of the three times is over.
        CompletionCancelled: the engine was closed meanwhile.
        OutOfMemory: there is no room for this request beside the others.
        EngineFailed: the model itself raised.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    engine: Any = Field(exclude=True, repr=False)
    """An `Engine`; whoever made it closes it."""
    tokenizer: Any = Field(exclude=True, repr=False)
    """The model's transformers tokenizer, with a chat template."""
    model: str
    """The name it is known by."""
    context_length: int
    """Tokens that prompt and answer may have together."""
    stop_ids: frozenset[int]
    """Token ids that end an answer."""
    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int = 512
    seed: int | None = None
    stop: list[str] | None = None
    queue_timeout: float | None = None
    first_token_timeout: float | None = None
    timeout: float | None = None

    @property
    def _llm_type(self) -> str:
        return "larkwise-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "temperature": self.temperature, "max_tokens": self.max_tokens}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "larkwise"
        return params

    def is_alive(self) -> bool:
        """Whether the engine behind it still works."""
        return self._engine().is_alive()

    def load(self) -> EngineLoad:
        """How busy its engine is."""
        return self._engine().load()

    def get_num_tokens(self, text: str) -> int:
        """How many of the model's own tokens `text` has."""
        return len(self._ids(text))

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
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        completion = self._open(messages, stop, kwargs)
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        ticket = self._engine().submit(completion.request, events.put)
        try:
            while not completion.done:
                for chunk in completion.chunks(events.get()):
                    if run_manager:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
        finally:
            ticket.cancel()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        # tokenizing a long prompt takes milliseconds that other people's streams would feel
        completion = await asyncio.to_thread(self._open, messages, stop, kwargs)
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event] = asyncio.Queue()

        def deliver(event: Event) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to listen
                loop.call_soon_threadsafe(events.put_nowait, event)

        ticket = self._engine().submit(completion.request, deliver)
        try:
            while not completion.done:
                for chunk in completion.chunks(await events.get()):
                    if run_manager:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
        finally:
            ticket.cancel()

    def _engine(self) -> Engine:
        engine: Engine = self.engine
        return engine

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _open(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> _Completion:
        """Check the parameters, write the prompt, and prepare the way back from ids to text."""
        options = self._options(kwargs)
        prompt = self._ids(chat_prompt(self.tokenizer, messages))
        room = self.context_length - len(prompt)
        if room < 1:
            raise PromptTooLong(len(prompt), options["max_tokens"], self.context_length)
        request = CompletionRequest(
            prompt_ids=tuple(prompt),
            max_tokens=min(options["max_tokens"], room),
            temperature=options["temperature"],
            top_p=options["top_p"],
            seed=options["seed"],
            stop_ids=frozenset() if options["ignore_eos"] else self.stop_ids,
            user=options["user"],
            queue_timeout_s=options["queue_timeout"],
            first_token_timeout_s=options["first_token_timeout"],
            timeout_s=options["timeout"],
        )
        stops = stop if stop is not None else self.stop or []
        return _Completion(request, Detokenizer(self.tokenizer), StopFilter(stops), self.model)

    def _options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        known = (*_DEFAULTED, "ignore_eos", "user")
        unknown = [name for name in kwargs if name not in known and not name.startswith("ls_")]
        if unknown:
            raise InvalidRequest(f"unknown parameter {', '.join(unknown)}: known are {', '.join(known)} and stop")
        options = {name: kwargs.get(name, getattr(self, name)) for name in _DEFAULTED}
        options["ignore_eos"] = bool(kwargs.get("ignore_eos"))
        options["user"] = str(kwargs.get("user") or _running_caller())
        _check_range("temperature", options["temperature"], 0, 2)
        _check_range("top_p", options["top_p"], 0, 1)
        if options["seed"] is not None:
            _check_range("seed", options["seed"], -(2**63), 2**63 - 1)
        if options["max_tokens"] < 1:
            raise InvalidRequest(f"max_tokens must be at least 1, not {options['max_tokens']}")
        return options


MEAN_LOG_PROBABILITY = "mean_log_probability"
"""In the last chunk's response metadata: how sure the model was of its tokens, on average; 0 is certain."""
_DEFAULTED = ("temperature", "top_p", "max_tokens", "seed", "queue_timeout", "first_token_timeout", "timeout")
"""Options that the model's own fields give where a call does not."""


def _running_caller() -> str:
    """Who asked the chain that is running, as far as it is one."""
    return str(ensure_config().get("configurable", {}).get(CALLER, ""))


@dataclass(slots=True)
class _Completion:
    """One request's way from token ids to message chunks."""

    request: CompletionRequest
    detokenizer: Detokenizer
    stops: StopFilter
    model: str
    tokens: int = 0
    log_probability: float = 0.0
    """The sum of all tokens'."""
    done: bool = False

    def chunks(self, event: Event) -> Iterator[ChatGenerationChunk]:
        """What this event adds to the answer."""
        match event:
            case Token(id=token, log_probability=log_probability):
                self.tokens += 1
                self.log_probability += log_probability
                if text := self.stops.feed(self.detokenizer.text(token)):
                    yield _chunk(text)
                if self.stops.stopped:
                    yield self._last("stop")
            case Finished(reason="stop" | "length" as reason):
                if text := self.stops.flush():
                    yield _chunk(text)
                yield self._last(reason)
            case Finished() | TimedOut() | Failed():
                self.done = True
                _raise(event, self.request)

    def _last(self, reason: str) -> ChatGenerationChunk:
        self.done = True
        prompt_tokens = len(self.request.prompt_ids)
        usage = UsageMetadata(
            input_tokens=prompt_tokens, output_tokens=self.tokens, total_tokens=prompt_tokens + self.tokens
        )
        mean = round(self.log_probability / max(1, self.tokens), 4)
        metadata = {"finish_reason": reason, "model_name": self.model, MEAN_LOG_PROBABILITY: mean}
        message = AIMessageChunk(content="", usage_metadata=usage, response_metadata=metadata, chunk_position="last")
        return ChatGenerationChunk(message=message, generation_info={"finish_reason": reason})


def _chunk(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text))


def _raise(event: Finished | TimedOut | Failed, request: CompletionRequest) -> NoReturn:
    match event:
        case Failed(error=CompletionError() as error):
            raise error
        case Failed(error=error):
            raise EngineFailed(f"the model failed while answering: {error}") from error
        case TimedOut(phase=phase):
            raise CompletionTimeout(_time_is_over(phase, request))
        case Finished():
            raise CompletionCancelled("the model was closed before the answer was complete")


def _time_is_over(phase: Phase, request: CompletionRequest) -> str:
    match phase:
        case "waiting":
            return (
                f"{request.queue_timeout_s:g} s went by before the model had time for this; "
                "ask again later, or raise LARKWISE_QUEUE_TIMEOUT_S"
            )
        case "first token":
            return (
                f"the model had not begun to answer after {request.first_token_timeout_s:g} s; "
                "shorten the prompt, or raise LARKWISE_FIRST_TOKEN_TIMEOUT_S"
            )
        case "whole answer":
            return (
                f"the answer was not complete after {request.timeout_s:g} s; "
                "ask for fewer tokens, or raise LARKWISE_REQUEST_TIMEOUT_S"
            )


def chat_prompt(tokenizer: Any, messages: Sequence[BaseMessage]) -> str:
    """
    The messages in the words of the model's chat template, up to where its answer begins.

    Control tokens that stand in a message are taken apart: a document must not be able to end its own turn.

    Raises:
        InvalidRequest: a message is not text, or of a kind that the model does not read.
    """
    turns = as_template(messages)
    for turn in turns:
        turn["content"] = _without_control_tokens(tokenizer, turn["content"])
    prompt: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return prompt


def _without_control_tokens(tokenizer: Any, text: str) -> str:
    for token in tokenizer.added_tokens_decoder.values():
        text = text.replace(token.content, f"{token.content[:1]} {token.content[1:]}")
    return text


def as_template(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """Messages as chat templates take them."""
    return [{"role": _role(message), "content": _text(message)} for message in messages]


def _role(message: BaseMessage) -> str:
    match message:
        case SystemMessage():
            return "system"
        case HumanMessage():
            return "user"
        case AIMessage():
            return "assistant"
    raise InvalidRequest(f"this model reads system, human and AI messages, not {message.type!r}")


def _text(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    return "".join(_block_text(block) for block in message.content)


def _block_text(block: str | dict[Any, Any]) -> str:
    if isinstance(block, str):
        return block
    if block.get("type") == "text":
        return str(block.get("text", ""))
    raise InvalidRequest(f"this model reads text only, not {block.get('type')!r}")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidRequest(f"{name} must be from {low} to {high}, not {value}")


def stop_ids_of(tokenizer: Any, generation_config: Any) -> frozenset[int]:
    """Every id that ends an answer, as the tokenizer and the model's generation settings name them."""
    eos = generation_config.eos_token_id
    ids: Sequence[int | None] = eos if isinstance(eos, list) else [eos]
    return frozenset(i for i in (*ids, tokenizer.eos_token_id) if i is not None)
