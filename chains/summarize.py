"""Summarizes a text of any length: its parts first, then the summaries of the parts."""

from __future__ import annotations

from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_text_splitters import RecursiveCharacterTextSplitter
from pydantic import BaseModel, ConfigDict, Field, field_validator

from chains.fields import as_field
from chains.language import language_of
from chains.prompts import summarize_prompt
from chains.registry import Chain, ChainSpec, Parts

_PART = 3000
"""Characters that one prompt holds: two thousand tokens or fewer, in either language."""
_MAX_TEXT = 60_000


class Text(BaseModel):
    """What is to be summarized."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=_MAX_TEXT, description="At most 60000 characters")

    @field_validator("text")
    @classmethod
    def _not_blank(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("the text is empty")
        return text.strip()


class Summary(BaseModel):
    """Three to five sentences in the text's language."""

    summary: str


def build(parts: Parts) -> Chain:
    """From {"text"} to {"summary"}; the last step streams."""
    model = parts.model.bind(temperature=0)

    def summarize(text: str) -> Runnable[dict[str, str], str]:
        return summarize_prompt(language_of(text)) | model | StrOutputParser()

    def shortened(value: dict[str, str]) -> dict[str, str]:
        text = value["text"]
        while len(text) > _PART:
            pieces = _split(text)
            text = "\n".join(summarize(text).batch([{"text": piece} for piece in pieces]))[: len(text) // 2]
        return {"text": text}

    def last(value: dict[str, str]) -> Runnable[dict[str, str], str]:
        return summarize(value["text"])

    return RunnableLambda(shortened) | RunnableLambda(last) | as_field("summary")


SPEC = ChainSpec(
    name="summarize",
    input=Text,
    output=Summary,
    build=build,
    answer_key="summary",
    description="Summarizes a text",
)


def _split(text: str) -> list[str]:
    splitter = RecursiveCharacterTextSplitter(
        chunk_size=_PART, chunk_overlap=0, separators=["\n\n", "\n", "。", ". ", ""], keep_separator="end"
    )
    return splitter.split_text(text)
