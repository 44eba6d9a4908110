"""What must be here before anything is measured: weights in the form that each variant reads, and who is left out."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.services import open_weights, ready_folder
from app.settings import Settings
from bench.errors import EngineNotReady, InvalidDataset
from bench.report.archives import csv_files, fetched
from bench.report.choices import ChoiceQuestion, read_choices
from bench.report.config import Choices, Config, Variant
from bench.report.counting import Counter, Roughly, counter_in
from bench.report.records import Facts, LeftOut, Why
from bench.work import larkwise_work, llama_work
from models.sources import Progress
from models.weights import WeightsStore

ANY_MODEL = "?"
"""Until the server says what its model is called."""
SEES_NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}


@dataclass(frozen=True, slots=True)
class Ready:
    """A variant with the files that it needs; `folder` holds its weights in its own precision."""

    variant: Variant
    facts: Facts
    folder: Path | None = None
    gguf: Path | None = None
    binary: Path | None = None

    @property
    def name(self) -> str:
        return self.variant.name


@dataclass(frozen=True, slots=True)
class ChoiceSet:
    name: str
    questions: tuple[ChoiceQuestion, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    variants: tuple[Ready, ...]
    left_out: tuple[LeftOut, ...]
    counter: Counter
    sets: tuple[ChoiceSet, ...]
    asked: str
    """A digest of the prompts' file and of the sets: the same words are asked where it is the same."""

    def of(self, name: str) -> Ready:
        return next(one for one in self.variants if one.name == name)


class _NotHere(Exception):
    """A variant cannot be measured here."""

    def __init__(self, why: Why, detail: str = "") -> None:
        super().__init__(why)
        self.why: Why = why
        self.detail = detail


def prepare(config: Config, settings: Settings, *, progress: Progress, on_gpu: bool) -> Prepared:
    """
    Fetches and converts weights where they are not here yet.

    Raises:
        EngineNotReady: no variant can be measured here.
        WeightsError: weights cannot be had.
        InvalidConfig: a model has no tokenizer, or no chat template.
        InvalidDataset: a set of questions cannot be read.
    """
    sets = tuple(_set(choices) for choices in config.accuracy.choices)
    weights = open_weights(settings, progress=progress)
    ready, left_out = [], []
    for variant in config.variants:
        try:
            ready.append(_ready(variant, variant.model or config.model, settings, weights, progress, on_gpu))
        except _NotHere as error:
            left_out.append(LeftOut(variant.name, "", error.why, error.detail))
    if not ready:
        raise EngineNotReady(f"nothing can be measured: {'; '.join(f'{one.variant}: {one.why}' for one in left_out)}")
    counter = _counter(config, ready, weights, progress)
    return Prepared(tuple(ready), tuple(left_out), counter, sets, _digest(config, sets))


def _digest(config: Config, sets: Sequence[ChoiceSet]) -> str:
    """
    Raises:
        InvalidDataset: the prompts' file cannot be read.
    """
    found = hashlib.sha256()
    try:
        found.update(config.prompts.file.read_bytes() if config.prompts.file else b"")
    except OSError as error:
        raise InvalidDataset(f"{config.prompts.file} cannot be read: {error}") from error
    for one in sets:
        found.update(json.dumps([one.name, *(question.as_json() for question in one.questions)]).encode())
    return found.hexdigest()


def _set(choices: Choices) -> ChoiceSet:
    files = csv_files(choices.folder or fetched(str(choices.hub)))
    return ChoiceSet(choices.title, tuple(read_choices(files, shots=choices.shots, limit=choices.limit)))


def _ready(
    variant: Variant, model: str | None, settings: Settings, weights: WeightsStore, progress: Progress, on_gpu: bool
) -> Ready:
    match variant.provider:
        case "openai":
            return Ready(variant, _facts(variant, model or ANY_MODEL))
        case "llama-cpp":
            return _llama(variant, model or settings.llm_model, weights)
        case "local" | "hf-pipeline":
            name, int8 = model or settings.llm_model, variant.precision == "int8"
            if int8 and on_gpu:
                raise _NotHere("INT8 on a GPU")
            folder = ready_folder(weights, name, quantization=variant.precision, progress=progress)
            whole = ready_folder(weights, name, progress=progress) if int8 else folder  # whose bytes are counted
            work = larkwise_work(whole, engine=variant.name, int8=int8)
            return Ready(variant, _facts(variant, name, work.step_bytes), folder=folder)


def _llama(variant: Variant, model: str, weights: WeightsStore) -> Ready:
    found = shutil.which("llama-server")
    binary = variant.binary or (Path(found) if found else None)
    if binary is None:
        raise _NotHere("no llama-server")
    gguf = variant.gguf or next(iter(sorted(weights.ensure(model).glob("*.gguf"))), None)
    if gguf is None:
        raise _NotHere("no GGUF", model)
    work = llama_work(gguf, engine=variant.name)
    return Ready(variant, _facts(variant, gguf.stem, work.step_bytes), gguf=gguf, binary=binary)


def _facts(variant: Variant, model: str, step_bytes: int | None = None) -> Facts:
    return Facts(variant.name, variant.provider, variant.precision, model, step_bytes)


def _counter(config: Config, ready: Sequence[Ready], weights: WeightsStore, progress: Progress) -> Counter:
    """Of the model whose tokens are counted; where there is none here, a rough one."""
    if config.tokenizer:
        return counter_in(ready_folder(weights, config.tokenizer, progress=progress))
    folder = next((one.folder for one in ready if one.folder), None)
    return counter_in(folder) if folder else Roughly()
