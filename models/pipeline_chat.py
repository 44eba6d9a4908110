"""LangChain's HuggingFacePipeline as a chat model: the ordinary way, kept as a choice and to compare with."""

from __future__ import annotations

import queue
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import torch
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

from models.chat import chat_prompt
from models.detokenizer import StopFilter
from models.errors import EngineFailed, PromptTooLong, WeightsInvalid
from models.one_at_a_time import OneAtATime


class PipelineChatModel(BaseChatModel):
    """
    Writes the chat template itself and lets HuggingFacePipeline do the rest.

    One caller at a time: the others wait. It streams words rather than tokens, and computes to the end when its caller
    goes away, while the next one waits for that. `LocalChatModel` is better in all three.

    Per call: `temperature`, `top_p`, `max_tokens`, `seed`, `stop`, `timeout` (waiting included) and `ignore_eos`. What
    only a model that serves many can heed, such as `user`, changes nothing.

    Raises:
        PromptTooLong: the prompt leaves no room for an answer in the model's context.
        CompletionTimeout: `timeout` is over.
        EngineFailed: the pipeline fell silent.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    llm: Any = Field(exclude=True, repr=False)
    """A `HuggingFacePipeline`."""
    worker: Any = Field(exclude=True, repr=False)
    """A `OneAtATime`; whoever made it closes it."""
    model: str
    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int = 512
    timeout: float | None = None

    @property
    def _llm_type(self) -> str:
        return "larkwise-hf-pipeline"

    def get_num_tokens(self, text: str) -> int:
        """How many of the model's own tokens `text` has."""
        return len(self.llm.pipeline.tokenizer(text, add_special_tokens=False)["input_ids"])

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
        timeout = kwargs.get("timeout", self.timeout)
        for chunk in self._worker().items(lambda: self._chunks(messages, stop, kwargs), timeout_s=timeout):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk
            if _is_last(chunk):
                break  # the pipeline may compute on after a stop sequence

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        timeout = kwargs.get("timeout", self.timeout)
        async for chunk in self._worker().aitems(lambda: self._chunks(messages, stop, kwargs), timeout_s=timeout):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk
            if _is_last(chunk):
                break

    def _worker(self) -> OneAtATime:
        worker: OneAtATime = self.worker
        return worker

    def _chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> Iterator[ChatGenerationChunk]:
        tokenizer = self.llm.pipeline.tokenizer
        prompt = chat_prompt(tokenizer, messages)
        prompt_tokens = len(tokenizer(prompt)["input_ids"])
        arguments = self._arguments(prompt_tokens, kwargs)
        if (seed := kwargs.get("seed")) is not None:
            torch.manual_seed(seed)  # transformers knows no other way; nobody else draws while we have our turn
        stops = StopFilter(stop or [])
        text = ""
        words = self.llm.stream(prompt, skip_prompt=True, pipeline_kwargs=arguments)
        try:
            for word in words:
                text += word
                if shown := stops.feed(word):
                    yield ChatGenerationChunk(message=AIMessageChunk(content=shown))
                if stops.stopped:
                    break
            usage = _usage(prompt_tokens, len(tokenizer(text)["input_ids"]))
            yield ChatGenerationChunk(
                message=AIMessageChunk(content=stops.flush(), usage_metadata=usage, chunk_position="last")
            )
        except queue.Empty as error:  # how the pipeline's own stream ends after a minute without a word
            raise EngineFailed("the pipeline fell silent: the model failed, or takes too long for a word") from error
        finally:
            _drain(words)

    def _arguments(self, prompt_tokens: int, kwargs: dict[str, Any]) -> dict[str, Any]:
        """
        Raises:
            PromptTooLong: the pipeline would fail on its own thread, and its stream would hang.
        """
        context = self.llm.pipeline.model.config.max_position_embeddings
        tokens = min(kwargs.get("max_tokens", self.max_tokens), context - prompt_tokens)
        if tokens < 1:
            raise PromptTooLong(prompt_tokens, kwargs.get("max_tokens", self.max_tokens), context)
        temperature = kwargs.get("temperature", self.temperature)
        arguments = {"max_new_tokens": tokens, "do_sample": temperature > 0}
        if temperature > 0:
            arguments |= {"temperature": temperature, "top_p": kwargs.get("top_p", self.top_p)}
        if kwargs.get("ignore_eos"):
            arguments["min_new_tokens"] = tokens
        return arguments


def load_pipeline_chat_model(folder: Path, *, name: str, **defaults: Any) -> PipelineChatModel:
    """
    The caller closes it with `close_pipeline_chat_model`.

    Raises:
        WeightsInvalid: the folder does not hold a model that a pipeline can load.
    """
    from langchain_huggingface import HuggingFacePipeline

    try:
        llm = HuggingFacePipeline.from_model_id(
            model_id=str(folder), task="text-generation", model_kwargs={"dtype": torch.bfloat16}
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise WeightsInvalid(f"{folder} does not hold a model that can be loaded ({error})") from error
    return PipelineChatModel(llm=llm, worker=OneAtATime("larkwise-pipeline"), model=name, **defaults)


def close_pipeline_chat_model(model: PipelineChatModel) -> None:
    """Who still waits is told so."""
    model._worker().close()


def _drain(words: Iterator[str]) -> None:
    """The pipeline computes to the end whether one listens or not: whoever is next waits for that."""
    try:
        for _ in words:
            pass
    except queue.Empty:
        return


def _is_last(chunk: ChatGenerationChunk) -> bool:
    return getattr(chunk.message, "chunk_position", None) == "last"


def _usage(prompt: int, completion: int) -> UsageMetadata:
    return UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)
