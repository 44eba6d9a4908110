"""Which requests a load is made of: the same for every variant, others in every repeat."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import InvalidConfig, InvalidDataset
from bench.prompts import HANDBOOK, Material, PromptMaker, handbook
from bench.report.config import Config, Scenario
from bench.report.counting import Counter
from bench.targets import Message, Prompt

_NUMBERS = (1_000, 90_000)
"""From here a seed chooses where numbering begins; not higher, since every digit is a token to many models."""
_WARM_UP_TOKENS = 4


class Asking:
    """
    Makes the same requests for the same configuration on every machine.

    A request's label is its place in the load: requests of two variants with the same label and repeat are the same.
    """

    def __init__(self, config: Config, counter: Counter) -> None:
        """
        Raises:
            InvalidDataset: the file of prompts cannot be read, or the handbook is not there.
            InvalidConfig: prompts are to be shorter than they can be.
        """
        self._config = config
        self._counter = counter
        self._seed = config.prompts.seed or 0
        self._first = random.Random(self._seed).randrange(*_NUMBERS)
        self._file = read_prompts(config.prompts.file) if config.prompts.file else []
        self._materials = () if self._file else _materials()
        if config.prompts.kind == "rag":
            self._refuse_too_short()

    def prompts(self, scenario: Scenario, repeat: int) -> list[Prompt]:
        """`repeat` counts from 1."""
        tokens, answer_tokens = self._config.lengths(scenario)
        first = self._numbers_before(scenario, repeat)
        return [
            Prompt(self._messages(first + place, place, tokens), answer_tokens, str(place))
            for place in range(scenario.requests)
        ]

    def arrivals_s(self, scenario: Scenario, repeat: int) -> list[float]:
        """When requests of an open load are due: a Poisson process has exponential times between two."""
        assert scenario.requests_per_s is not None
        chance = random.Random(f"{self._seed} {scenario.name} {repeat}")
        between = (chance.expovariate(scenario.requests_per_s) for _ in range(scenario.requests))
        return list(accumulate(between))

    def warm_up(self) -> list[Prompt]:
        """As long as the first load's prompts; their numbers end where those begin."""
        tokens, _ = self._config.lengths(self._config.scenarios[0])
        return [
            Prompt(self._messages(self._first - 1 - number, number, tokens), _WARM_UP_TOKENS, "warm-up")
            for number in range(self._config.warm_up)
        ]

    def _refuse_too_short(self) -> None:
        questions = sum(len(one.questions) for one in self._materials)
        least = PromptMaker(self._materials, self._counter.messages).rag_tokens_at_least(
            range(self._first, self._first + questions)
        )
        for scenario in self._config.scenarios:
            if (tokens := self._config.lengths(scenario)[0]) < least:
                raise InvalidConfig(
                    f"{scenario.name}: a prompt of `kind: rag` has up to {least} tokens before any passage is in it, "
                    f"and {tokens} are asked for: give it more, or take `kind: generated`"
                )

    def _numbers_before(self, scenario: Scenario, repeat: int) -> int:
        """No two requests of a run have the same number, so no cache of prompts gains from an earlier one."""
        of_repeat = sum(one.requests for one in self._config.scenarios)
        earlier = 0
        for one in self._config.scenarios:
            if one.name == scenario.name:
                break
            earlier += one.requests
        return self._first + (repeat - 1) * of_repeat + earlier

    def _messages(self, number: int, place: int, tokens: int) -> tuple[Message, ...]:
        match self._config.prompts.kind:
            case "file":
                messages = self._file[place % len(self._file)]
                return _fresh(messages, number) if self._config.prompts.fresh else messages
            case "rag":
                maker = PromptMaker(self._materials, self._counter.messages)
                return maker.rag(number, tokens=tokens, answer_tokens=1).messages
            case "generated":
                return (Message("user", self._generated(number, tokens)),)

    def _generated(self, number: int, tokens: int) -> str:
        """A question and what the handbook says, cut to so many tokens of text."""
        material = self._materials[number % len(self._materials)]
        question = material.questions[number % len(material.questions)]
        whole = f"{number}. {question}\n{material.text(number, 8 * tokens)}"
        low, high = 1, len(whole)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._counter.text(whole[:middle]) <= tokens else (low, middle - 1)
        return whole[:low]


class _Line(BaseModel):
    """A line of a .jsonl file."""

    model_config = ConfigDict(extra="ignore")

    prompt: str = ""
    messages: tuple[Message, ...] = ()


def read_prompts(file: Path) -> list[tuple[Message, ...]]:
    """
    .jsonl with `prompt` or `messages` in each line, or any other text with a prompt a line; empty lines are none.

    Raises:
        InvalidDataset: it cannot be read, or holds no prompt.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")  # JSON may hold other ends of lines
    except (OSError, ValueError) as error:
        raise InvalidDataset(f"{file} cannot be read: {error}") from error
    found = list(_parsed(file, lines))
    if not found:
        raise InvalidDataset(f"{file} holds no prompt")
    return found


def _parsed(file: Path, lines: list[str]) -> Iterator[tuple[Message, ...]]:
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        if file.suffix != ".jsonl":
            yield (Message("user", text.strip()),)
            continue
        try:
            line = _Line.model_validate(json.loads(text))
        except (ValueError, ValidationError, RecursionError) as error:
            raise InvalidDataset(f"{file}, line {number}, is no JSON with `prompt` or `messages`: {error}") from error
        if not line.prompt and not line.messages:
            raise InvalidDataset(f"{file}, line {number}, has neither `prompt` nor `messages`")
        yield line.messages or (Message("user", line.prompt),)


def _fresh(messages: tuple[Message, ...], number: int) -> tuple[Message, ...]:
    first, *others = messages
    return Message(first.role, f"{number}. {first.content}"), *others


def _materials() -> tuple[Material, ...]:
    if not (HANDBOOK / "questions.jsonl").exists():
        raise InvalidDataset(
            f"{HANDBOOK} is not there, and prompts are made of it: run in a checkout, or use `prompts: {{kind: file}}`"
        )
    return handbook()
