"""LangChain's HuggingFacePipeline as a chat model: the ordinary way, kept as a choice and to compare with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field

from models.chat import as_template
from models.detokenizer import StopFilter
from models.errors import WeightsInvalid


class PipelineChatModel(BaseChatModel):
    """
    Writes the chat template itself and lets HuggingFacePipeline do the rest.

    It streams words rather than tokens, does not stop computing when the caller goes away, and answers one
    caller at a time; `LocalChatModel` is better in all three.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    llm: Any = Field(exclude=True, repr=False)
    """A `HuggingFacePipeline`."""
    model: str
    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int = 512

    @property
    def _llm_type(self) -> str:
        return "larkwise-hf-pipeline"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        tokenizer = self.llm.pipeline.tokenizer
        prompt = tokenizer.apply_chat_template(as_template(messages), tokenize=False, add_generation_prompt=True)
        stops = StopFilter(stop or [])
        text = ""
        for piece in self.llm.stream(prompt, skip_prompt=True, pipeline_kwargs=self._arguments(kwargs)):
            text += piece
            if shown := stops.feed(piece):
                yield ChatGenerationChunk(message=AIMessageChunk(content=shown))
            if stops.stopped:
                break
        usage = _usage(len(tokenizer(prompt)["input_ids"]), len(tokenizer(text)["input_ids"]))
        yield ChatGenerationChunk(
            message=AIMessageChunk(content=stops.flush(), usage_metadata=usage, chunk_position="last")
        )

    def _arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        temperature = kwargs.get("temperature", self.temperature)
        arguments = {"max_new_tokens": kwargs.get("max_tokens", self.max_tokens), "do_sample": temperature > 0}
        if temperature > 0:
            arguments |= {"temperature": temperature, "top_p": kwargs.get("top_p", self.top_p)}
        return arguments


def load_pipeline_chat_model(folder: Path, *, name: str, **defaults: Any) -> PipelineChatModel:
    """
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
    return PipelineChatModel(llm=llm, model=name, **defaults)


def _usage(prompt: int, completion: int) -> UsageMetadata:
    return UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)
