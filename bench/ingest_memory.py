"""
The peak of memory while much text is ingested: `python -m bench.ingest_memory --megabytes 1000`.

A stand-in makes the vectors, since a real model would take hours for as much; everything else is real. It says what the
process had in use at every tenth of the way, so that growth is seen.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer
from langchain_core.embeddings import Embeddings

from app.cli_terminal import out
from bench.environment import here
from ingest.embedding import EmbedHere
from ingest.origins import Listing
from ingest.pipeline import IngestOptions, ingest
from ingest.stores.faiss import FaissStore

_WORDS = (
    "the",
    "valve",
    "pump",
    "is",
    "changed",
    "when",
    "its",
    "pressure",
    "falls",
    "below",
    "limit",
    "table",
    "gives",
)
_IDEOGRAPHS = "年假报销温度网关证明设备说明书中的阀门在压力低于限值时更换请按照表格操作并记录结果以便复查"


class Cheap(Embeddings):
    """512 dimensions, at random."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        drawn: list[list[float]] = np.random.default_rng(len(texts)).normal(size=(len(texts), 512)).tolist()
        return drawn

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


@dataclass(frozen=True, slots=True)
class Made:
    """A document of a megabyte of text, made when it is read."""

    number: int

    @property
    def key(self) -> str:
        return f"made:{self.number}"

    @property
    def source(self) -> str:
        return f"{self.number}.md"

    @property
    def name(self) -> str:
        return self.source

    def read(self) -> bytes:
        chance = random.Random(self.number)
        lines, size = [f"# Document {self.number}"], 0
        while size < 1_000_000:
            words = [*chance.choices(_WORDS, k=60), "".join(chance.choices(_IDEOGRAPHS, k=60)), str(chance.random())]
            line = " ".join(words)
            size += len(line.encode()) + 2
            lines.append(line)
        return "\n\n".join(lines).encode()


def main(
    megabytes: Annotated[int, typer.Option(min=1, help="Of text")] = 1000,
    folder: Annotated[Path | None, typer.Option(help="Where the collection is made; else a temporary folder")] = None,
) -> None:
    """Peak memory for so much text."""
    machine, process = here(), psutil.Process()
    out.print(f"{machine.cpu}, {machine.cores} cores; larkwise at {machine.commit}", markup=False)
    peak, began = 0, time.monotonic()

    def progress(_: str, done: int, total: int) -> None:
        nonlocal peak
        used = process.memory_info()
        own = used.rss - used.shared  # mapped files can be dropped at any time
        peak = max(peak, own)
        if total and done % max(1, total // 10) == 0:
            out.print(f"{done} MB: {own / 1e6:.0f} MB own, {used.rss / 1e6:.0f} MB with mapped files", markup=False)

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        store = FaissStore(Path(scratch) / "collection", Cheap(), embedding_name="cheap")
        listing = Listing(_documents(megabytes), megabytes, covers=lambda *_: False)
        report = ingest(store, listing, IngestOptions(), EmbedHere(Cheap()), progress=progress)
        size = sum(path.stat().st_size for path in store.folder.iterdir())
    out.print(
        f"{report.chunks_written:,} chunks in {time.monotonic() - began:.0f} s, {size / 1e9:.2f} GB on the disk; "
        f"peak of own memory {peak / 1e6:.0f} MB",
        markup=False,
    )


def _documents(count: int) -> Iterator[Made]:
    return (Made(number) for number in range(count))


if __name__ == "__main__":
    typer.run(main)
