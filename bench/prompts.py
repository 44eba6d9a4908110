"""Prompts as retrieval makes them: a short system prompt, passages of the example handbook, a question."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from bench.targets import Message, Prompt
from ingest.files import list_files
from ingest.loaders.table import load

HANDBOOK = Path(__file__).parent.parent / "examples" / "handbook"
SYSTEM = {
    "zh": "你是知识库助手。请根据参考资料回答问题。",
    "en": "You answer questions from reference material.",
}
_STRIDE = 7
"""Neighbouring prompts begin in different documents; prime, so that every paragraph has its turn."""

CountTokens: TypeAlias = Callable[[Sequence[Message]], int]


@dataclass(frozen=True, slots=True)
class Material:
    """What prompts are cut from, in one language."""

    language: str
    paragraphs: tuple[str, ...]
    questions: tuple[str, ...]

    def text(self, number: int, characters: int) -> str:
        """At least so many characters, beginning with another paragraph for every number."""
        at, parts, length = number * _STRIDE % len(self.paragraphs), [], 0
        while length < characters:
            parts.append(self.paragraphs[at])
            length += len(self.paragraphs[at]) + 1
            at = (at + 1) % len(self.paragraphs)
        return "\n".join(parts)


def handbook(folder: Path = HANDBOOK) -> tuple[Material, ...]:
    """The example handbook's Chinese and English halves."""
    asked = [json.loads(line) for line in (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    return tuple(
        Material(
            language,
            tuple(_paragraphs(folder / language)),
            tuple(one["question"] for one in asked if one["language"] == language),
        )
        for language in ("zh", "en")
    )


def template_counter(tokenizer: Any) -> CountTokens:
    """Counts what a transformers tokenizer makes of messages, its chat template and all."""

    def count(messages: Sequence[Message]) -> int:
        text = tokenizer.apply_chat_template(
            [{"role": one.role, "content": one.content} for one in messages], tokenize=False, add_generation_prompt=True
        )
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return count


@dataclass(frozen=True, slots=True)
class PromptMaker:
    """
    Makes the same prompt for the same number, on every machine.

    No two numbers' prompts share more than the system prompt: each one's passages begin with its number.
    """

    materials: tuple[Material, ...]
    count: CountTokens

    def rag(self, number: int, *, tokens: int, answer_tokens: int, label: str = "") -> Prompt:
        """`tokens` long, give or take two, as the model reads it."""
        material = self._material(number)
        system = Message("system", SYSTEM[material.language])
        text = material.text(number, 8 * tokens)
        question = material.questions[number % len(material.questions)]

        def messages(characters: int) -> tuple[Message, ...]:
            return system, Message("user", f"{number}. {text[:characters]}\n\n{question}")

        return Prompt(self._cut(messages, tokens, len(text)), answer_tokens, label)

    def rag_tokens_at_least(self, numbers: Iterable[int]) -> int:
        """How long a prompt of `rag` may be with no passage in it: the system prompt, a question, the template."""
        return max(self.count(self.rag(number, tokens=0, answer_tokens=1).messages) for number in numbers)

    def with_common_prefix(
        self, number: int, *, tokens: int, prefix_tokens: int, answer_tokens: int
    ) -> tuple[Prompt, Prompt]:
        """Two prompts of `tokens` tokens whose first `prefix_tokens` are the same; labelled cold and repeated."""
        material = self._material(number)
        above = material.text(number, 8 * prefix_tokens)
        empty = Message("user", "")

        def prefix(characters: int) -> tuple[Message, ...]:
            return Message("system", f"{number}. {above[:characters]}"), empty

        system = self._cut(prefix, prefix_tokens, len(above))[0]
        return (
            self._after(system, material, 2 * number, tokens, answer_tokens, "cold"),
            self._after(system, material, 2 * number + 1, tokens, answer_tokens, "repeated"),
        )

    def _after(
        self, system: Message, material: Material, number: int, tokens: int, answer_tokens: int, label: str
    ) -> Prompt:
        text = material.text(number, 8 * tokens)

        def messages(characters: int) -> tuple[Message, ...]:
            return system, Message("user", f"{number}. {text[:characters]}")

        return Prompt(self._cut(messages, tokens, len(text)), answer_tokens, label)

    def _material(self, number: int) -> Material:
        return self.materials[number % len(self.materials)]

    def _cut(self, messages: Callable[[int], tuple[Message, ...]], tokens: int, longest: int) -> tuple[Message, ...]:
        """The messages with the most characters that are at most `tokens` tokens long."""
        low, high = 0, longest
        while low < high:
            middle = (low + high + 1) // 2
            if self.count(messages(middle)) <= tokens:
                low = middle
            else:
                high = middle - 1
        return messages(low)


def _paragraphs(folder: Path) -> Iterator[str]:
    for file in list_files([folder]).files:
        for section in load(file.path.read_bytes(), file.source):
            for paragraph in section.page_content.split("\n"):
                if len(plain := " ".join(paragraph.split())) >= 20:
                    yield plain
