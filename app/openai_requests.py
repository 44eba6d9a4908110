"""What clients of OpenAI's interface send, and the messages in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.completions import Completion
from chains.answers import Turn
from models.errors import InvalidRequest

_WITHOUT_EFFECT: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "response_format": ({"type": "text"},),
    "tools": ([],),
    "functions": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "store": (False,),
    "metadata": ({},),
    "modalities": (["text"],),
    "service_tier": ("auto", "default"),
}
"""Fields of OpenAI's that are taken where they ask for nothing; another value is refused, since it would be ignored."""
_HINTS = ("user", "safety_identifier", "prompt_cache_key")
"""Fields of OpenAI's that never change an answer; who asks is known from the key."""


class ContentPart(BaseModel):
    """A part of a message; only text is read."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """A message of the conversation."""

    model_config = ConfigDict(extra="ignore")  # clients send back what we said, `larkwise` and `refusal` with it

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[ContentPart]

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """What a stream holds beside the answer."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool | None = False
    include_obfuscation: bool | None = False


def _as_list(value: object) -> object:
    return [] if value is None else [value] if isinstance(value, str) else value


class ChatRequest(BaseModel):
    """`POST /v1/chat/completions`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"model": "rag", "messages": [{"role": "user", "content": "什么是AI芯片?"}]}},
    )

    model: str = Field(min_length=1, description="An id from /v1/models")
    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1, le=8192)
    max_completion_tokens: int | None = Field(None, ge=1, le=8192)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    stop: Annotated[list[str], BeforeValidator(_as_list), Field(max_length=8)] = Field(default_factory=list)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    n: Literal[1] | None = Field(1, description="Only 1")
    ignore_eos: bool = Field(False, description="For load tests: write max_tokens, whatever the model wants")

    @model_validator(mode="before")
    @classmethod
    def _without_what_asks_for_nothing(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        kept = dict(given)
        for name in (*_HINTS, *_WITHOUT_EFFECT):
            value = kept.pop(name, None)
            if value is not None and name in _WITHOUT_EFFECT and value not in _WITHOUT_EFFECT[name]:
                raise ValueError(f"{name}: larkwise cannot do this; leave it out")
        return kept

    @model_validator(mode="after")
    def _fits_together(self) -> ChatRequest:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options: it is for stream: true")
        if self.messages[-1].role != "user":
            raise ValueError("messages: the last one should be the user's")
        return self

    @property
    def includes_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def asked_by(self, caller: str) -> Completion:
        """As the model takes it."""
        given = {
            "max_tokens": self.max_completion_tokens or self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
        }
        options = {name: value for name, value in given.items() if value is not None}
        messages = [_message(message) for message in self.messages]
        return Completion(messages, caller, self.stop, options, ignore_eos=self.ignore_eos)

    @property
    def question(self) -> str:
        """What a chain is asked: the last message."""
        return self.messages[-1].text

    @property
    def history(self) -> list[Turn]:
        """What was said before it."""
        return _turns(self.messages[:-1])


class EmbeddingRequest(BaseModel):
    """`POST /v1/embeddings`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"model": "use-multilingual-v3+all-minilm-l6-v2", "input": "什么是AI芯片?"}},
    )

    model: str = Field(min_length=1, description="The embedding model of the settings, see /v1/models")
    input: str | list[Annotated[str, Field(min_length=1, max_length=8192)]] = Field(
        description="A text or up to 256 texts of 1 to 8192 characters"
    )
    encoding_format: Literal["float", "base64"] | None = "float"
    user: str | None = Field(None, description="Ignored: who asks is known from the key")

    @property
    def texts(self) -> list[str]:
        """
        Raises:
            InvalidRequest: there are too many, or none.
        """
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not 1 <= len(texts) <= 256 or not all(1 <= len(text) <= 8192 for text in texts):
            raise InvalidRequest("input: 1 to 256 texts of 1 to 8192 characters")
        return texts


def _message(message: ChatMessage) -> BaseMessage:
    kinds: Mapping[str, type[BaseMessage]] = {
        "system": SystemMessage,
        "developer": SystemMessage,
        "user": HumanMessage,
        "assistant": AIMessage,
    }
    return kinds[message.role](message.text)


def _turns(messages: Sequence[ChatMessage]) -> list[Turn]:
    """Questions with the answers that follow them; what the system says is for the model alone."""
    turns: list[Turn] = []
    question = ""
    for message in messages:
        if message.role == "user":
            question = f"{question}\n{message.text}".strip()
        elif message.role == "assistant" and question:
            turns.append({"question": question, "answer": message.text})
            question = ""
    return turns
