"""Chunks to vectors, several batches ahead of whoever writes them: here, or in processes of one thread each."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import Protocol, TypeVar

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from threadpoolctl import threadpool_limits

from ingest.documents import embedding_text
from ingest.errors import EmbeddingFailed
from ingest.stores.port import Vectors, unit

T = TypeVar("T")
_TEXTS_A_TASK = 64
_BATCHES_AHEAD = 3


class Embedder(Protocol):
    """Takes batches, and gives each back with its chunks' unit vectors, in the same order."""

    def embed(self, batches: Iterable[tuple[T, Sequence[Document]]]) -> Iterator[tuple[T, Vectors]]:
        """
        Raises:
            EmbeddingFailed: what embeds has died.
        """


class EmbedHere:
    """In this process, one batch after the other."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings

    def embed(self, batches: Iterable[tuple[T, Sequence[Document]]]) -> Iterator[tuple[T, Vectors]]:
        for batch, chunks in batches:
            yield batch, vectors_of(self._embeddings, [embedding_text(chunk) for chunk in chunks])


class EmbedInProcesses:
    """
    In `processes` of their own, each with one thread and its own copy of the model, made by `load`.

    Two threads in one small matrix product wait for each other more than they work; two processes do not. Batches are
    read while others are embedded. They start when there is a second batch: for less, it is not worth their start.
    `load` must be picklable.
    """

    def __init__(self, embeddings: Embeddings, load: Callable[[], Embeddings], processes: int) -> None:
        self._here = EmbedHere(embeddings)
        self._load = load
        self._processes = processes

    def embed(self, batches: Iterable[tuple[T, Sequence[Document]]]) -> Iterator[tuple[T, Vectors]]:
        coming = iter(batches)
        first = list(islice(coming, 2))
        if len(first) < 2 or self._processes < 2:
            yield from self._here.embed(chain(first, coming))
            return
        with ProcessPoolExecutor(
            self._processes, multiprocessing.get_context("spawn"), initializer=_start, initargs=(self._load,)
        ) as pool:
            waiting: deque[tuple[T, _Batch]] = deque()
            try:
                for batch, chunks in chain(first, coming):
                    waiting.append((batch, _Batch.begin(pool, chunks)))
                    if len(waiting) > _BATCHES_AHEAD:
                        yield _finished(*waiting.popleft())
                while waiting:
                    yield _finished(*waiting.popleft())
            except BrokenProcessPool as error:
                raise EmbeddingFailed(
                    "a process that embeds has ended, perhaps for lack of memory: set LARKWISE_INGEST_PROCESSES=1, and "
                    "ingest again to go on where it stopped"
                ) from error
            finally:
                for _, batch_of in waiting:
                    batch_of.cancel()


class _Batch:
    """Its texts are given to the processes by length, so that a task's texts take about the same time."""

    def __init__(self, order: Sequence[int], tasks: Sequence[Future[Vectors]]) -> None:
        self._order = order
        self._tasks = tasks

    @classmethod
    def begin(cls, pool: ProcessPoolExecutor, chunks: Sequence[Document]) -> _Batch:
        texts = [embedding_text(chunk) for chunk in chunks]
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]), reverse=True)
        tasks = [
            pool.submit(_embed, [texts[place] for place in order[start : start + _TEXTS_A_TASK]])
            for start in range(0, len(order), _TEXTS_A_TASK)
        ]
        return cls(order, tasks)

    def result(self) -> Vectors:
        ordered = np.concatenate([task.result() for task in self._tasks])
        vectors = np.empty_like(ordered)
        vectors[self._order] = ordered
        return vectors

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()


def _finished(batch: T, begun: _Batch) -> tuple[T, Vectors]:
    return batch, begun.result()


def vectors_of(embeddings: Embeddings, texts: list[str]) -> Vectors:
    """Unit vectors, (texts, dimension)."""
    return unit(embeddings.embed_documents(texts)) if texts else np.zeros((0, 1), dtype=np.float32)


_model: Embeddings | None = None
"""Of a process of `EmbedInProcesses`; loaded once when it starts."""


def _start(load: Callable[[], Embeddings]) -> None:
    global _model
    threadpool_limits(1)
    _model = load()


def _embed(texts: list[str]) -> Vectors:
    if _model is None:
        raise RuntimeError("the process was not started")
    return vectors_of(_model, texts)
