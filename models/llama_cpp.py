"""A GGUF file in this process, by llama-cpp-python: the optional extra `llama-cpp`."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

from models.chat import as_template
from models.errors import EngineFailed, InvalidRequest, PromptTooLong, WeightsInvalid
from models.one_at_a_time import OneAtATime

WritePrompt: TypeAlias = Callable[[list[dict[str, str]]], str]
"""The model's chat template."""
DEFAULT_CONTEXT = 8192
_SAMPLED = ("temperature", "top_p", "max_tokens", "seed")
_UNHEEDED = ("user", "queue_timeout", "first_token_timeout")
"""Only a model that serves many can heed these."""
_KNOWN = (*_SAMPLED, "timeout", "ignore_eos", *_UNHEEDED)


class LlamaCppChatModel(BaseChatModel):
    """
    Chats through a `llama_cpp.Llama`, token by token; one caller at a time, and the others wait.

    Unlike langchain-community's `ChatLlamaCpp` it may be called from many threads and tasks, counts tokens, and stops
    between two tokens when the caller goes away. Per call: `temperature`, `top_p`, `max_tokens`, `seed`, `stop`,
    `timeout` (waiting included) and `ignore_eos`.

    Raises:
        PromptTooLong: the prompt leaves no room for an answer in the context.
        InvalidRequest: a parameter is unknown, or a message is not text.
        CompletionTimeout: `timeout` is over.
        EngineFailed: llama.cpp failed.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    llama: Any = Field(exclude=True, repr=False)
    """A `llama_cpp.Llama`."""
    write_prompt: Any = Field(exclude=True, repr=False)
    """A `WritePrompt`."""
    worker: Any = Field(exclude=True, repr=False)
    """A `OneAtATime`; whoever made it closes it."""
    model: str
    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int = 512
    seed: int | None = None
    stop: list[str] | None = None
    timeout: float | None = None

    @property
    def _llm_type(self) -> str:
        return "larkwise-llama-cpp"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "temperature": self.temperature, "max_tokens": self.max_tokens}

    def get_num_tokens(self, text: str) -> int:
        """How many of the model's own tokens `text` has."""
        return len(self.llama.tokenize(text.encode(), add_bos=False))

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
        work, timeout = self._ordered(messages, stop, kwargs)
        for chunk in self._worker().items(work, timeout_s=timeout):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        work, timeout = self._ordered(messages, stop, kwargs)
        async for chunk in self._worker().aitems(work, timeout_s=timeout):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _worker(self) -> OneAtATime:
        worker: OneAtATime = self.worker
        return worker

    def _ordered(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> tuple[Callable[[], Iterator[ChatGenerationChunk]], float | None]:
        unknown = [name for name in kwargs if name not in _KNOWN and not name.startswith("ls_")]
        if unknown:
            raise InvalidRequest(f"unknown parameter {', '.join(unknown)}: known are {', '.join(_KNOWN)} and stop")
        prompt = self.write_prompt(as_template(messages))
        options = {name: kwargs.get(name, getattr(self, name)) for name in _SAMPLED}
        options["stop"] = stop if stop is not None else self.stop or []
        if kwargs.get("ignore_eos"):
            options["logit_bias"] = {self.llama.token_eos(): float("-inf")}
        return lambda: self._chunks(prompt, options), kwargs.get("timeout", self.timeout)

    def _chunks(self, prompt: str, options: dict[str, Any]) -> Iterator[ChatGenerationChunk]:
        """On the worker's thread: nobody else touches the model meanwhile."""
        ids = self.llama.tokenize(prompt.encode(), add_bos=False, special=True)
        room = self.llama.n_ctx() - len(ids)
        if room < 1:
            raise PromptTooLong(len(ids), options["max_tokens"], self.llama.n_ctx())
        if options["seed"] is not None:
            self.llama.reset()  # what it remembers of the prompt before would round differently
        text, reason = "", "stop"
        try:
            completion = self.llama.create_completion(
                ids, stream=True, **{**options, "max_tokens": min(options["max_tokens"], room)}
            )
            with closing(completion):
                for part in completion:
                    choice = part["choices"][0]
                    reason = choice.get("finish_reason") or reason
                    if piece := choice["text"]:
                        text += piece
                        yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        except (RuntimeError, ValueError, MemoryError) as error:
            raise EngineFailed(f"llama.cpp failed while answering: {error}") from error
        yield self._last(len(ids), self.get_num_tokens(text), reason)

    def _last(self, prompt: int, completion: int, reason: str) -> ChatGenerationChunk:
        """Completion tokens are counted from the text: llama.cpp does not tell them in a stream."""
        usage = UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)
        metadata = {"finish_reason": reason, "model_name": self.model}
        message = AIMessageChunk(content="", usage_metadata=usage, response_metadata=metadata, chunk_position="last")
        return ChatGenerationChunk(message=message, generation_info={"finish_reason": reason})


def load_llama_cpp_chat_model(
    gguf: Path,
    *,
    name: str,
    threads: int | None = None,
    max_tokens: int = 512,
    context_length: int = DEFAULT_CONTEXT,
    **defaults: Any,
) -> LlamaCppChatModel:
    """
    Load a GGUF file with its own chat template; `context_length` is cut to what the model was trained for.

    The caller closes it with `close_llama_cpp_chat_model`.

    Raises:
        WeightsInvalid: llama-cpp-python is not installed, or the file is no model that it can load and chat with.
    """
    try:
        llama_cpp = importlib.import_module("llama_cpp")  # it ships no types, and need not be installed
        chat_format = importlib.import_module("llama_cpp.llama_chat_format")
    except ImportError as error:
        raise WeightsInvalid(
            "LARKWISE_LLM_PROVIDER=llama-cpp needs llama-cpp-python: pip install 'larkwise[llama-cpp]' "
            "(it is compiled on this machine, which takes a C++ compiler and some minutes)"
        ) from error
    try:
        llama = llama_cpp.Llama(
            str(gguf), n_ctx=context_length, n_threads=threads, n_threads_batch=threads, verbose=False
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsInvalid(f"{gguf} does not hold a model that llama.cpp can load ({error})") from error
    template = llama.metadata.get("tokenizer.chat_template")
    if not template:
        llama.close()
        raise WeightsInvalid(f"{gguf} has no chat template, so it cannot chat: choose an instruction-tuned model")
    formatter = chat_format.Jinja2ChatFormatter(
        template, _token(llama, llama.token_eos()), _token(llama, llama.token_bos())
    )
    return LlamaCppChatModel(
        llama=llama,
        write_prompt=lambda messages: formatter(messages=messages).prompt,
        worker=OneAtATime("larkwise-llama-cpp"),
        model=name,
        max_tokens=max_tokens,
        **defaults,
    )


def close_llama_cpp_chat_model(model: LlamaCppChatModel) -> None:
    """Who still waits is told so; the memory goes with the model object."""
    model._worker().close()


def _token(llama: Any, token: int) -> str:
    """The text of a special token; a model need not have one (-1)."""
    if token < 0:
        return ""
    text: str = llama.detokenize([token], special=True).decode(errors="replace")
    return text
