"""Chunks to vectors, several batches ahead of whoever writes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from ingest.documents import embedding_text
from ingest.stores.port import Vectors, unit

T = TypeVar("T")
_TEXTS_A_TASK = 64
_BATCHES_AHEAD = 3


class Embedder(Protocol):
    """Takes batches, and gives each back with its chunks' unit vectors, in the same order."""

    def embed(self, batches: Iterable[tuple[T, Sequence[Document]]]) -> Iterator[tuple[T, Vectors]]:
        """What the model raises goes through."""


class EmbedHere:
    """In this process, one batch after the other."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings

    def embed(self, batches: Iterable[tuple[T, Sequence[Document]]]) -> Iterator[tuple[T, Vectors]]:
        for batch, chunks in batches:
            yield batch, vectors_of(self._embeddings, [embedding_text(chunk) for chunk in chunks])


class EmbedInThreads:
    """
    Several batches side by side, each in one thread, while the next are read.

    Two threads within one small matrix product wait for each other more than they work; two threads with a product
    each do not, and unlike processes they share the model and start at once.
    """

    def __init__(self, embeddings: Embeddings, threads: int) -> None:
        self._embeddings = embeddings
        self._threads = threads

    def embed(self, batches: Iterable[tuple[T, Sequence[Document]]]) -> Iterator[tuple[T, Vectors]]:
        with ThreadPoolExecutor(self._threads, "embedding", initializer=_use_one_core) as pool:
            waiting: deque[tuple[T, _Batch]] = deque()
            try:
                for batch, chunks in batches:
                    waiting.append((batch, _Batch.begin(pool, self._embeddings, chunks)))
                    if len(waiting) > _BATCHES_AHEAD:
                        yield _finished(*waiting.popleft())
                while waiting:
                    yield _finished(*waiting.popleft())
            finally:
                for _, begun in waiting:
                    begun.cancel()


def _use_one_core() -> None:
    """OpenMP keeps this for each thread."""
    import torch

    torch.set_num_threads(1)


class _Batch:
    """Its texts are given to the threads by length, so that a task's texts take about the same time."""

    def __init__(self, order: Sequence[int], tasks: Sequence[Future[Vectors]]) -> None:
        self._order = order
        self._tasks = tasks

    @classmethod
    def begin(cls, pool: ThreadPoolExecutor, embeddings: Embeddings, chunks: Sequence[Document]) -> _Batch:
        texts = [embedding_text(chunk) for chunk in chunks]
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]), reverse=True)
        tasks = [
            pool.submit(vectors_of, embeddings, [texts[place] for place in order[start : start + _TEXTS_A_TASK]])
            for start in range(0, len(order), _TEXTS_A_TASK)
        ]
        return cls(order, tasks)

    def result(self) -> Vectors:
        if not self._tasks:
            return np.zeros((0, 1), dtype=np.float32)
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
