"""What is to be measured: a YAML file's keys, and what may stand in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, model_validator

LONGEST_NAME = 40
Name: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME, pattern=r"^[^|`\n\r]+$")
]
Count: TypeAlias = Annotated[int, Strict()]
"""`true` is no number, and neither is a text."""
Rate: TypeAlias = Annotated[float, Strict()]
Provider = Literal["local", "hf-pipeline", "openai", "llama-cpp"]
Precision = Literal["none", "int8"]
_BILLION = 10**9


def file_name(name: str) -> str:
    """A variant's, as files are called."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name).lower()


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Prompts(_Part):
    """
    `generated`: a question and text of the example handbook, `tokens` long; `rag`: as retrieval makes prompts, `tokens`
    long as the model reads them; `file`: .jsonl with `prompt` or `messages` in each line, or .txt with a prompt a line.
    """

    kind: Literal["generated", "rag", "file"] = "generated"
    tokens: Count = Field(50, ge=8, le=100_000)
    seed: Count | None = Field(None, ge=0, lt=_BILLION)
    """Where it is not set each run has another: a server that runs on may still know the prompts of the last one."""
    file: Path | None = None
    fresh: bool = True
    """A number before each prompt of a file, so that no cache helps with one that was asked before."""

    @model_validator(mode="after")
    def _file_where_it_is_meant(self) -> Prompts:
        if (self.kind == "file") != (self.file is not None):
            raise ValueError("`file` belongs to `kind: file`, which needs it")
        return self


class Variant(_Part):
    """One way of running the model; the name is what the report calls it."""

    name: Name
    provider: Provider = "local"
    precision: Precision = "none"
    """`none` is 16 bits. Of `openai` it is what the report says, since the server decides."""
    model: str | None = None
    """Where it is not the whole configuration's."""
    settings: dict[str, str | int | float] = Field(default_factory=dict)
    """With `local`: more of larkwise's settings, without their prefix; none that the bench chooses itself."""
    url: str | None = None
    """With `openai`: the server's address; its key is LARKWISE_LLM_API_KEY."""
    pid: Count | None = Field(None, ge=1)
    """With `openai`, and a server on this machine: the process whose CPU and memory are counted."""
    ignore_eos: bool | None = None
    """With `openai`: whether the server is told to answer in full length; where it is not set, it is tried."""
    binary: Path | None = None
    """With `llama-cpp`: llama-server; else the one on PATH."""
    gguf: Path | None = None
    """With `llama-cpp`: the file; else the model's."""

    @model_validator(mode="after")
    def _keys_of_its_provider(self) -> Variant:
        meant = {
            "openai": ("url", "pid", "ignore_eos"),
            "llama-cpp": ("binary", "gguf"),
            "local": ("settings",),
        }
        for provider, keys in meant.items():
            for key in keys:
                if provider != self.provider and getattr(self, key) not in (None, {}):
                    raise ValueError(f"`{key}` belongs to `provider: {provider}`, and this is {self.provider}")
        if self.provider == "openai" and not (self.url or "").startswith(("http://", "https://")):
            raise ValueError("`provider: openai` needs a `url` that begins with http:// or https://")
        _ = urlsplit(self.url or "").port  # raises where there can be none
        if "@" in (self.url or ""):
            raise ValueError("`url` must hold no secret: set LARKWISE_LLM_API_KEY")
        if self.provider in ("hf-pipeline", "llama-cpp") and self.precision != "none":
            raise ValueError(f"{self.provider} has no int8 here: `precision: int8` is for local")
        return self


class Scenario(_Part):
    """
    One kind of load: `clients` that each wait for their answer before they ask again, or `requests_per_s` that come at
    random times (Poisson), whether earlier ones are answered or not.
    """

    name: Name
    requests: Count = Field(ge=1, le=1_000_000)
    clients: Count | None = Field(None, ge=1, le=10_000)
    requests_per_s: Rate | None = Field(None, ge=0.0001, le=100_000)
    prompt_tokens: Count | None = Field(None, ge=8, le=100_000)
    answer_tokens: Count | None = Field(None, ge=1, le=100_000)

    @model_validator(mode="after")
    def _one_kind(self) -> Scenario:
        if (self.clients is None) == (self.requests_per_s is None):
            raise ValueError("needs either `clients` or `requests_per_s`")
        if self.clients and self.clients > self.requests:
            raise ValueError(f"{self.clients} clients cannot be busy with {self.requests} requests")
        return self


class Choices(_Part):
    """Multiple-choice questions in MMLU's CSV format, or C-Eval's or CMMLU's, in a folder or of a hub's dataset."""

    folder: Path | None = None
    hub: str | None = None
    name: Name | None = None
    limit: Count | None = Field(None, ge=1)
    shots: Count = Field(5, ge=0, le=50)
    """Answered questions before the one that is asked, where the set has such (`dev`)."""

    @model_validator(mode="after")
    def _one_place(self) -> Choices:
        if (self.folder is None) == (self.hub is None):
            raise ValueError("needs either `folder` or `hub`")
        return self

    @property
    def title(self) -> str:
        return self.name or (self.folder.name if self.folder else str(self.hub))


class Accuracy(_Part):
    handbook: bool = True
    handbook_limit: Count | None = Field(None, ge=1)
    choices: tuple[Choices, ...] = ()


class Config(_Part):
    """Everything that a run depends on, beside the machine."""

    model: str | None = None
    """A name from `larkwise models list`, a hub name or a folder; else the settings' own."""
    tokenizer: str | None = None
    """Of which model tokens are counted, where no variant has its weights here."""
    device: Literal["auto", "cpu"] = "auto"
    threads: Count | None = Field(None, ge=1, le=1024)
    loading: Literal["auto", "together", "apart"] = "auto"
    """Whether all variants are in memory at once, or each has its turn alone; `auto` is apart on a GPU."""
    repeats: Count = Field(3, ge=1, le=100)
    warm_up: Count = Field(2, ge=0, le=1000)
    answer_tokens: Count = Field(64, ge=1, le=100_000)
    allowed_errors: Rate = Field(0.01, ge=0, le=1)
    """The share of a variant's requests that may fail before the command itself fails."""
    prompts: Prompts = Prompts()
    variants: tuple[Variant, ...] = Field(min_length=1, max_length=8)
    baseline: str | None = None
    """The variant that the others are compared with; else the first."""
    scenarios: tuple[Scenario, ...] = Field(min_length=1, max_length=20)
    accuracy: Accuracy = Accuracy()

    @model_validator(mode="after")
    def _names_that_fit(self) -> Config:
        sets = ["handbook", *(one.title for one in self.accuracy.choices)]
        scenarios = [one.name for one in self.scenarios]
        for what, names in (("variants", self.names), ("scenarios", scenarios), ("sets of questions", sets)):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"two {what} are called {twice[0]!r}")
        files = [file_name(name) for name in self.names]
        if alike := [name for name, file in zip(self.names, files, strict=True) if files.count(file) > 1]:
            raise ValueError(f"the variants {' and '.join(alike)} would write the same log: name one otherwise")
        if self.baseline is not None and self.baseline not in self.names:
            raise ValueError(f"`baseline` is {self.baseline!r}, and the variants are {', '.join(self.names)}")
        return self

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.variants]

    @property
    def base(self) -> str:
        return self.baseline or self.variants[0].name

    def lengths(self, scenario: Scenario) -> tuple[int, int]:
        """Tokens of a prompt, where they are not a file's, and of an answer."""
        return scenario.prompt_tokens or self.prompts.tokens, scenario.answer_tokens or self.answer_tokens

    def variant(self, name: str) -> Variant:
        return next(one for one in self.variants if one.name == name)

    def scenario(self, name: str) -> Scenario:
        return next(one for one in self.scenarios if one.name == name)
