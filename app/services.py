"""Models, collections, chains, database: built once, closed in reverse; chooses what stands behind each port."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel

from app.database import Database, open_database
from app.jobs import Jobs
from app.keys import Keys
from app.originals import Originals
from app.running import RunningAnswers
from app.settings import Settings
from chains.answer_settings import AnswerSettings
from chains.built_in import BUILT_IN
from chains.confidence import Calibration, shipped_calibration
from chains.ranking import LearnedRanker
from chains.registry import Chain, ChainSpec, Parts, load_chains
from ingest.collections import Collections, CollectionSet, EmbeddingModel
from ingest.embedding import Embedder, EmbedInThreads
from ingest.splitter import SplitterSettings
from ingest.stores.port import CALIBRATION, KnowledgeStore
from models.engine.requests import EngineLoad, NobodyWatches, Observer
from models.errors import CompletionTimeout, EngineFailed, ModelUnavailable, OutOfMemory, QueueFull, WeightsInvalid
from models.manifest import load_manifest
from models.side_by_side import SideBySide, parts
from models.sources import Progress
from models.weights import WeightsStore, no_progress

logger = logging.getLogger(__name__)
BUSY_OR_ABSENT = (QueueFull, CompletionTimeout, OutOfMemory, ModelUnavailable, EngineFailed)
"""For which sentences of the documents are a better answer than none."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a request may need."""

    settings: Settings
    model: BaseChatModel
    embedding: Embeddings
    collections: CollectionSet
    database: Database
    keys: Keys
    specs: Mapping[str, ChainSpec]
    chains: Mapping[str, Chain]
    running: RunningAnswers
    jobs: Jobs
    originals: Originals


@asynccontextmanager
async def open_services(
    settings: Settings, *, progress: Progress = no_progress, observer: Observer | None = None
) -> AsyncIterator[Services]:
    """
    Load everything; the model is loaded in a thread, so that the event loop goes on. The observer is told what it does.

    Raises:
        ModelError, CollectionError, ChainError, DatabaseUnavailable: a part cannot be had.
    """
    specs = await asyncio.to_thread(chain_specs, settings)
    weights = await asyncio.to_thread(lambda: open_weights(settings, progress=progress))
    async with AsyncExitStack() as closing:
        database = await open_database(settings.database)
        closing.push_async_callback(database.close)
        embedding = await asyncio.to_thread(open_embeddings, settings.embedding_model, weights)
        fingerprint = await asyncio.to_thread(embedding_fingerprint, settings.embedding_model, weights)
        model_of = EmbeddingModel(embedding, settings.embedding_model, fingerprint)
        collections = await asyncio.to_thread(_collections, settings, model_of)
        closing.callback(collections.close)
        model = await asyncio.to_thread(open_model, settings, weights, observer)
        closing.push_async_callback(close_model, settings, model)
        parts = Parts(
            model=model,
            collection=collections.open,
            calibration=lambda name: calibration_of(collections.open(name)),
            ranker=await asyncio.to_thread(open_ranker, settings, weights),
            embeddings=embedding,
            answers=answer_settings(settings),
            unavailable=BUSY_OR_ABSENT,
        )
        yield Services(
            settings=settings,
            model=model,
            embedding=embedding,
            collections=collections,
            database=database,
            keys=Keys(database),
            specs=specs,
            chains={name: spec.build(parts) for name, spec in specs.items()},
            running=RunningAnswers(),
            jobs=Jobs(database),
            originals=await asyncio.to_thread(Originals, settings.data_dir),
        )


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


def open_collections(settings: Settings, weights: WeightsStore) -> CollectionSet:
    """
    Raises:
        WeightsError: the embedding model cannot be had.
        StoreUnavailable: the server that holds the collections does not answer.
    """
    name = settings.embedding_model
    return _collections(
        settings, EmbeddingModel(open_embeddings(name, weights), name, embedding_fingerprint(name, weights))
    )


def _collections(settings: Settings, model: EmbeddingModel) -> CollectionSet:
    if settings.vector_store == "faiss":
        return Collections(settings.data_dir / "collections", model, index=settings.faiss_index)
    from ingest.milvus_collections import MilvusCollections
    from ingest.stores.milvus_connection import MilvusConnection

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    uri = settings.milvus_uri or str(settings.data_dir / "milvus.db")
    connection = MilvusConnection(uri, token=settings.milvus_token.get_secret_value())
    return MilvusCollections(connection, model)


def open_embedder(settings: Settings, embeddings: Embeddings) -> Embedder:
    """What embeds documents, in as many threads as the settings say."""
    return EmbedInThreads(embeddings, settings.ingest_threads or os.cpu_count() or 1)


def open_embeddings(name: str, weights: WeightsStore) -> Embeddings:
    """
    `FIRST+LATIN` stands for two models side by side; see `models.side_by_side`.

    Raises:
        WeightsError: it cannot be had, or is no embedding model.
    """
    first, *latin = parts(name)
    every = _open_one(first, weights)
    return SideBySide(every, *_open_latin(latin[0], weights)) if latin else every


def _open_latin(name: str, weights: WeightsStore) -> tuple[Embeddings, int]:
    """The second of two models, and its vectors' dimension; every English text waits for it, so it should be fast."""
    from models.bert_encoder import BertEncoder, is_bert

    folder = weights.ensure(name)
    if is_bert(folder):
        encoder = BertEncoder(folder)
        return encoder, encoder.dimension
    other = _open_one(name, weights)
    return other, len(other.embed_query("a"))


def _open_one(name: str, weights: WeightsStore) -> Embeddings:
    from models.embeddings import EMBEDDED, EmbeddedEncoder, load_sentence_transformer

    entry = weights.manifest.find(name)
    if entry and not entry.is_free:
        logger.warning("the embedding model %s is for %s", name, entry.licence)
    folder = weights.ensure(name)
    return EmbeddedEncoder() if name == EMBEDDED else load_sentence_transformer(folder)


def embedding_fingerprint(name: str, weights: WeightsStore) -> str:
    """
    A hash of the weights that a name of `open_embeddings` stands for.

    Raises:
        WeightsError: they cannot be had.
    """
    hashes = [weights.fingerprint(part) for part in parts(name)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def open_ranker(settings: Settings, weights: WeightsStore) -> BaseDocumentCompressor:
    """
    Raises:
        WeightsError: the settings name one that cannot be had.
    """
    if not settings.reranker_model:
        return LearnedRanker()
    from models.reranker import load_cross_encoder

    return load_cross_encoder(weights.ensure(settings.reranker_model))


def calibration_of(store: KnowledgeStore) -> Calibration:
    """The collection's own, where `larkwise eval calibrate` has made one."""
    fitted = store.facts().get(CALIBRATION)
    return Calibration.from_json(fitted) if fitted else shipped_calibration()


def open_model(settings: Settings, weights: WeightsStore, observer: Observer | None = None) -> BaseChatModel:
    """
    The chat model of the settings' provider; whoever opens it closes it with `close_model`.

    It takes long, and imports what the provider needs: call it in a thread.

    Raises:
        WeightsError: it cannot be had, or is no chat model.
    """
    match settings.llm_provider:
        case "local":
            return _open_local(settings, weights, observer or NobodyWatches())
        case "openai":
            return _open_remote(settings)
        case "llama-cpp":
            return _open_llama_cpp(settings, weights)
        case "hf-pipeline":
            return _open_pipeline(settings, weights)
        case "none":
            from models.no_chat import NoChatModel

            return NoChatModel()


async def close_model(settings: Settings, model: Any) -> None:
    """Stops what runs on it."""
    match settings.llm_provider:
        case "local":
            from models.loading import close_chat_model

            await asyncio.to_thread(close_chat_model, model)
        case "openai":
            from models.remote import close_remote_chat_model

            await close_remote_chat_model(model)
        case "llama-cpp":
            from models.llama_cpp import close_llama_cpp_chat_model

            await asyncio.to_thread(close_llama_cpp_chat_model, model)
        case "hf-pipeline":
            from models.pipeline_chat import close_pipeline_chat_model

            await asyncio.to_thread(close_pipeline_chat_model, model)
        case "none":
            pass


def _open_local(settings: Settings, weights: WeightsStore, observer: Observer) -> BaseChatModel:
    from models.engine.scheduler import EngineLimits
    from models.loading import load_local_chat_model

    return load_local_chat_model(
        model_folder(settings, weights),
        name=settings.llm_model,
        threads=settings.llm_threads,
        limits=EngineLimits(
            max_running=settings.llm_max_running,
            max_waiting=settings.llm_max_waiting,
            max_tokens_in_flight=settings.llm_max_tokens_in_flight,
            prefix_cache_bytes=settings.llm_prefix_cache_mb * 2**20,
        ),
        observer=observer,
        queue_timeout=settings.queue_timeout_s,
        first_token_timeout=settings.first_token_timeout_s,
        timeout=settings.request_timeout_s,
        max_tokens=settings.answer_tokens,
    )


def _open_remote(settings: Settings) -> BaseChatModel:
    from models.remote import open_remote_chat_model

    return open_remote_chat_model(
        base_url=settings.llm_base_url,
        api_key=settings.llm_api_key.get_secret_value(),
        model=settings.llm_model,
        queue_timeout=settings.queue_timeout_s,
        first_token_timeout=settings.first_token_timeout_s,
        timeout=settings.request_timeout_s,
        max_tokens=settings.answer_tokens,
    )


def _open_llama_cpp(settings: Settings, weights: WeightsStore) -> BaseChatModel:
    from models.llama_cpp import load_llama_cpp_chat_model

    return load_llama_cpp_chat_model(
        gguf_file(settings.llm_model, weights),
        name=settings.llm_model,
        threads=settings.llm_threads,
        timeout=settings.request_timeout_s,
        max_tokens=settings.answer_tokens,
    )


def _open_pipeline(settings: Settings, weights: WeightsStore) -> BaseChatModel:
    from models.pipeline_chat import load_pipeline_chat_model

    return load_pipeline_chat_model(
        model_folder(settings, weights),
        name=settings.llm_model,
        timeout=settings.request_timeout_s,
        max_tokens=settings.answer_tokens,
    )


def needed_models(settings: Settings) -> list[str]:
    """The models whose files this machine must have."""
    own = [] if settings.llm_provider in ("openai", "none") else [settings.llm_model]
    return [*own, *parts(settings.embedding_model), *filter(None, [settings.reranker_model])]


def prepare(name: str, settings: Settings, weights: WeightsStore) -> Path:
    """
    Fetch a model and bring it into the form in which it is loaded; where that is now.

    Raises:
        WeightsError: it cannot be had.
    """
    from models.conversion import ready_model_folder

    if name != settings.llm_model:
        return ready_model_folder(weights, name, progress=weights.progress)
    return gguf_file(name, weights) if settings.llm_provider == "llama-cpp" else model_folder(settings, weights)


def ready_folder(
    weights: WeightsStore,
    name: str,
    *,
    quantization: Literal["none", "int8"] = "none",
    progress: Progress = no_progress,
) -> Path:
    """`models.conversion.ready_model_folder`, for those who must not wait for torch before they need it."""
    from models.conversion import ready_model_folder

    return ready_model_folder(weights, name, quantization=quantization, progress=progress)


def model_folder(settings: Settings, weights: WeightsStore) -> Path:
    """
    The model's files in the form in which they are loaded.

    Raises:
        WeightsError: they cannot be had, or not be brought into it.
    """
    from models.conversion import ready_model_folder
    from models.loading import is_int8_fast, usable_quantization

    ready = functools.partial(ready_model_folder, weights, settings.llm_model, progress=weights.progress)
    if settings.llm_provider != "local" or settings.llm_quantization == "none":
        return ready(quantization="none")
    if settings.llm_quantization == "int8":
        return ready(quantization=usable_quantization("int8"))
    try:
        return ready(quantization="int8" if is_int8_fast() else "none")
    except WeightsInvalid as error:  # not of a type that can be converted
        logger.info("the model stays as it is: %s", error)
        return ready(quantization="none")


def gguf_file(name: str, weights: WeightsStore) -> Path:
    """
    The GGUF file of a name or path.

    Raises:
        WeightsError: it cannot be had, or there is none.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    folder = weights.ensure(name)
    found = sorted(folder.glob("*.gguf"))
    if not found:
        raise WeightsInvalid(f"{name} has no GGUF file: name one, or choose another LARKWISE_LLM_PROVIDER")
    return found[0]


def engine_load(model: BaseChatModel) -> EngineLoad | None:
    """How busy larkwise's own engine is; None where another one runs the model."""
    from models.chat import LocalChatModel

    return model.load() if isinstance(model, LocalChatModel) else None


def answer_settings(settings: Settings) -> AnswerSettings:
    return AnswerSettings(
        mode=settings.answer_mode, unsupported=settings.unsupported_sentences, diversity=settings.diversity
    )


def splitter_settings(settings: Settings) -> SplitterSettings:
    return SplitterSettings(settings.chunk_size, settings.chunk_overlap)
