"""How long a text is in tokens: by a model's tokenizer, or roughly where there is none here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.errors import InvalidConfig
from bench.prompts import template_counter
from bench.targets import Message

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_CHARACTERS_A_TOKEN = 4
_TURN_TOKENS = 5
"""What a chat template puts around a message."""


class Counter(Protocol):
    """Counts tokens."""

    def text(self, text: str) -> int:
        """Of a text by itself."""

    def messages(self, messages: Sequence[Message]) -> int:
        """Of what the model reads: the messages in its chat template."""


@dataclass(frozen=True, slots=True)
class ByTokenizer:
    """`tokenizer` is one of transformers."""

    tokenizer: Any

    def text(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def messages(self, messages: Sequence[Message]) -> int:
        return template_counter(self.tokenizer)(messages)


class Roughly:
    """A token for each Chinese character, and for four others: right by a third, whatever the model."""

    def text(self, text: str) -> int:
        han = len(_HAN.findall(text))
        return han + -(-(len(text) - han) // _CHARACTERS_A_TOKEN)

    def messages(self, messages: Sequence[Message]) -> int:
        return sum(self.text(message.content) + _TURN_TOKENS for message in messages)


def counter_in(folder: Path) -> ByTokenizer:
    """
    The tokenizer of a model's folder.

    Raises:
        InvalidConfig: there is none, or it has no chat template.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        raise InvalidConfig(f"{folder} has no tokenizer that can be loaded ({error})") from error
    if tokenizer.chat_template is None:
        raise InvalidConfig(f"{folder} has no chat template: choose an instruction-tuned model")
    return ByTokenizer(tokenizer)
