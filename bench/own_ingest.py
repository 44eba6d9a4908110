"""Our way, for `bench.ingesting`, in a process of its own; the model is loaded before the clock starts."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from app.ingestion import Ingestion, Wishes
from app.settings import load_settings
from ingest.files import list_files
from models.weights import no_progress


def main() -> None:
    """As `larkwise ingest FOLDER --json`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("data_dir", type=Path)
    given = parser.parse_args()
    ingestion = Ingestion(load_settings(data_dir=given.data_dir), progress=no_progress)
    ingestion.collections.create("default").embeddings.embed_documents(["warm up"] * 32)
    report = ingestion.run(list_files([given.folder]).listing(), "default", Wishes())
    print(json.dumps(dataclasses.asdict(report)))


if __name__ == "__main__":
    main()
