"""Every chain by its name: those of larkwise, of other packages, and of the settings."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, TypeAlias

from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from langchain_core.vectorstores import VectorStore
from pydantic import BaseModel, ValidationError

from chains.answer_settings import AnswerSettings
from chains.confidence import Calibration, shipped_calibration
from chains.errors import InvalidChain, InvalidInput, UnknownChain
from chains.ranking import LearnedRanker

ENTRY_POINTS = "larkwise.chains"
Chain: TypeAlias = Runnable[Any, Any]
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a chain may be built of."""

    model: BaseChatModel
    collection: Callable[[str], VectorStore]
    """A collection's vector store, by name; raises where there is none."""
    calibration: Callable[[str], Calibration] = lambda name: shipped_calibration()
    """A collection's own fit of the confidence, or the one that larkwise comes with."""
    ranker: BaseDocumentCompressor = field(default_factory=LearnedRanker)
    embeddings: Embeddings | None = None
    """For comparing a sentence with its sources in meaning too; by words alone where there is none."""
    answers: AnswerSettings = field(default_factory=AnswerSettings)
    unavailable: tuple[type[Exception], ...] = ()
    """What the model raises when it is busy or absent."""


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """
    A chain that can be mounted.

    `build` gets the parts and returns a runnable from a dict of `input`'s fields (and, where the door keeps
    conversations, `history`: a list of `Turn`) to a dict of `output`'s fields, which it may stream in pieces.
    `answer_key` names the field of the output that a person reads.
    """

    name: str
    input: type[BaseModel]
    output: type[BaseModel]
    build: Callable[[Parts], Chain]
    answer_key: str = "answer"
    description: str = ""


def validated(spec: ChainSpec, value: object) -> dict[str, Any]:
    """
    The input of a chain as a dict, with defaults filled in.

    Raises:
        InvalidInput: the message names the fields that are wrong.
    """
    try:
        return spec.input.model_validate(value).model_dump()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'input'}: {e['msg']}" for e in error.errors())
        raise InvalidInput(wrong) from error


def load_chains(built_in: Iterable[ChainSpec], named: Iterable[str] = ()) -> Mapping[str, ChainSpec]:
    """
    The chains of larkwise, of the entry-point group `larkwise.chains`, and those named "module:attribute".

    Raises:
        InvalidChain: one cannot be imported, is no ChainSpec, or has a name that is taken.
    """
    specs: dict[str, ChainSpec] = {}
    found = [*((f"larkwise's {spec.name}", spec) for spec in built_in), *_installed(), *map(_named, named)]
    for origin, spec in found:
        _check(origin, spec)
        if spec.name in specs:
            raise InvalidChain(f"{origin}: there is already a chain called {spec.name!r}; give it another name")
        specs[spec.name] = spec
    return specs


def chain_named(chains: Mapping[str, ChainSpec], name: str) -> ChainSpec:
    """
    Raises:
        UnknownChain: there is none of this name.
    """
    if name not in chains:
        raise UnknownChain(f"there is no chain {name!r}; there are: {', '.join(chains)}")
    return chains[name]


def _installed() -> list[tuple[str, Any]]:
    found = []
    for point in entry_points(group=ENTRY_POINTS):
        origin = f"the chain {point.name} of {point.dist.name if point.dist else 'an installed package'}"
        try:
            found.append((origin, point.load()))
        except (ImportError, AttributeError) as error:
            raise InvalidChain(f"{origin} cannot be imported ({error}): repair or uninstall the package") from error
    return found


def _named(path: str) -> tuple[str, Any]:
    origin = f"LARKWISE_CHAINS names {path!r}"
    module, colon, attribute = path.partition(":")
    if not colon:
        raise InvalidChain(f"{origin}: write MODULE:ATTRIBUTE, for example my_chains.echo:SPEC")
    try:
        return origin, getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InvalidChain(f"{origin}, which cannot be imported ({error}): check the name and PYTHONPATH") from error


def _check(origin: str, spec: Any) -> None:
    if not isinstance(spec, ChainSpec):
        raise InvalidChain(f"{origin}: this is a {type(spec).__name__} and should be a chains.registry.ChainSpec")
    if not _NAME.fullmatch(spec.name):
        raise InvalidChain(f"{origin}: the name {spec.name!r} should be 1 to 32 of a-z, 0-9, '-' and '_'")
