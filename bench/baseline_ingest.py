"""
What LangChain's tutorials write, as the baseline of `bench.ingesting`: DirectoryLoader, RecursiveCharacterTextSplitter,
FAISS.from_documents. It runs in a process of its own and prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings

from langchain_core.embeddings import Embeddings

from app.services import open_embeddings, open_weights
from app.settings import load_settings


def main() -> None:
    """The model is loaded before the clock starts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("index")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--float32", action="store_true", help="The default encoders as their packages are published")
    given = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # langchain-community says that it is being sunset
        from langchain_community.document_loaders import DirectoryLoader, TextLoader
        from langchain_community.vectorstores import FAISS
    import torch
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    from ingest.splitter import SEPARATORS

    torch.set_num_threads(given.threads)
    embeddings = _published(given.threads) if given.float32 else _ours()
    embeddings.embed_documents(["warm up"] * 32)
    began, cpu = time.monotonic(), _cpu_s()
    loader = DirectoryLoader(
        given.folder, glob="**/*.md", loader_cls=TextLoader, loader_kwargs={"encoding": "utf-8"}, silent_errors=False
    )
    documents = loader.load()
    splitter = RecursiveCharacterTextSplitter(chunk_size=500, chunk_overlap=50, separators=SEPARATORS)
    chunks = splitter.split_documents(documents)
    store = FAISS.from_documents(chunks, embeddings)
    store.save_local(given.index)
    seconds = time.monotonic() - began
    print(json.dumps({"documents": len(documents), "chunks": len(chunks), "seconds": seconds, "cpu_s": _cpu_s() - cpu}))


def _ours() -> Embeddings:
    settings = load_settings()
    return open_embeddings(settings.embedding_model, open_weights(settings))


def _published(threads: int) -> Embeddings:
    """In float32; the second through langchain-huggingface and sentence-transformers."""
    from models.embeddings import EmbeddedEncoder, load_sentence_transformer
    from models.side_by_side import SideBySide, parts

    settings = load_settings()
    _, second = parts(settings.embedding_model)
    latin = load_sentence_transformer(open_weights(settings).ensure(second))
    return SideBySide(EmbeddedEncoder(threads=threads, allow_bf16=False), latin, len(latin.embed_query("a")))


def _cpu_s() -> float:
    used = os.times()
    return used.user + used.system


if __name__ == "__main__":
    main()
