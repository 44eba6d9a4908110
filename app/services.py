"""Models, collections, chains, database: built once, closed in reverse; chooses what stands behind each port."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel

from app.database import Database, open_database
from app.settings import Settings
from chains.built_in import BUILT_IN
from chains.registry import Chain, ChainSpec, Parts, load_chains
from ingest.collections import Collections
from ingest.splitter import SplitterSettings
from models.manifest import load_manifest
from models.sources import Progress
from models.weights import WeightsStore, no_progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a request may need."""

    settings: Settings
    model: BaseChatModel
    collections: Collections
    database: Database
    specs: Mapping[str, ChainSpec]
    chains: Mapping[str, Chain]


@asynccontextmanager
async def open_services(settings: Settings, *, progress: Progress = no_progress) -> AsyncIterator[Services]:
    """
    Load everything; the model is loaded in a thread, so that the event loop goes on.

    Raises:
        ModelError, CollectionError, ChainError, DatabaseUnavailable: a part cannot be had.
    """
    specs = await asyncio.to_thread(chain_specs, settings)
    weights = await asyncio.to_thread(lambda: open_weights(settings, progress=progress))
    async with AsyncExitStack() as closing:
        database = await open_database(settings.database)
        closing.push_async_callback(database.close)
        collections = await asyncio.to_thread(open_collections, settings, weights)
        model = await asyncio.to_thread(open_model, settings, weights)
        closing.push_async_callback(asyncio.to_thread, close_model, model)
        parts = Parts(model=model, collection=collections.open)
        chains = {name: spec.build(parts) for name, spec in specs.items()}
        yield Services(settings, model, collections, database, specs, chains)


def chain_specs(settings: Settings) -> Mapping[str, ChainSpec]:
    """
    Every chain that is mounted, by name.

    Raises:
        InvalidChain: one of the settings or of a package cannot be used.
    """
    return load_chains(BUILT_IN, settings.chains)


def open_weights(settings: Settings, *, progress: Progress = no_progress) -> WeightsStore:
    return WeightsStore(
        settings.cache_dir,
        load_manifest(),
        mirror=settings.weights_folder,
        offline=settings.offline,
        progress=progress,
    )


def open_collections(settings: Settings, weights: WeightsStore) -> Collections:
    """
    Raises:
        WeightsError: the embedding model cannot be had.
    """
    embedding = open_embeddings(settings.embedding_model, weights)
    return Collections(settings.data_dir / "collections", embedding, embedding_name=settings.embedding_model)


def open_embeddings(name: str, weights: WeightsStore) -> Embeddings:
    """
    Raises:
        WeightsError: it cannot be had, or is no embedding model.
    """
    from models.embeddings import EMBEDDED, EmbeddedEncoder, load_sentence_transformer

    entry = weights.manifest.find(name)
    if entry and not entry.is_free:
        logger.warning("the embedding model %s is for %s", name, entry.licence)
    folder = weights.ensure(name)
    return EmbeddedEncoder() if name == EMBEDDED else load_sentence_transformer(folder)


def open_model(settings: Settings, weights: WeightsStore) -> BaseChatModel:
    """
    Raises:
        WeightsError: it cannot be had, or is no chat model.
    """
    from models.conversion import ready_model_folder
    from models.loading import load_local_chat_model
    from models.pipeline_chat import load_pipeline_chat_model

    folder: Path = ready_model_folder(weights, settings.llm_model, progress=weights.progress)
    if settings.llm_provider == "hf-pipeline":
        return load_pipeline_chat_model(folder, name=settings.llm_model, max_tokens=settings.answer_tokens)
    return load_local_chat_model(
        folder,
        name=settings.llm_model,
        threads=settings.llm_threads,
        timeout=settings.request_timeout_s,
        max_tokens=settings.answer_tokens,
    )


def close_model(model: BaseChatModel) -> None:
    """Stops what runs on it."""
    from models.chat import LocalChatModel
    from models.loading import close_chat_model

    if isinstance(model, LocalChatModel):
        close_chat_model(model)


def splitter_settings(settings: Settings) -> SplitterSettings:
    return SplitterSettings(settings.chunk_size, settings.chunk_overlap)
