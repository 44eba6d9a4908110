"""The command line, as a person calls it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from ingest.collections import Collections, EmbeddingModel, any_documents
from ingest.stores.port import Source, StoredDocument
from tests.ingest.fakes import HashEmbeddings


def larkwise(settings: Settings, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "LARKWISE_DATA_DIR": str(settings.data_dir),
        "LARKWISE_CACHE_DIR": str(settings.cache_dir),
        "LARKWISE_LLM_MODEL": settings.llm_model,
        "LARKWISE_LLM_QUANTIZATION": settings.llm_quantization,
        "LARKWISE_LLM_THREADS": "1",
        "LARKWISE_ANSWER_TOKENS": str(settings.answer_tokens),
        "LARKWISE_OFFLINE": "true",
        **more,
    }
    command = [str(Path(sys.executable).parent / "larkwise"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def output_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_ask_answers_with_its_sources_and_keeps_a_session(ingested: Settings) -> None:
    answer = output_of(larkwise(ingested, "ask", "LC-200 的工作温度是多少？", "--session", "s", "--json"))
    assert answer["sources"][0]["metadata"]["source"] == "temperature.md"
    shown = larkwise(ingested, "ask", "那它什么时候断电？", "--session", "s")
    assert shown.returncode == 0
    assert "confidence" in shown.stdout


def test_search_shows_the_nearest_chunks_without_a_model(ingested: Settings) -> None:
    done = larkwise(ingested, "search", "returning a card", "--json", LARKWISE_LLM_MODEL="none")
    assert output_of(done)["results"][0]["metadata"]["source"] == "refunds.md"


def test_ingest_reports_and_fails_where_a_file_failed(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("# Good\n\nText.\n")
    (tmp_path / "bad.md").write_bytes(bytes(range(256)) * 9)
    done = larkwise(settings, "ingest", str(tmp_path), "-c", "mixed", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["added"]) == (1, ["good.md"])
    assert report["failed"][0]["path"] == "bad.md"
    assert "save it as UTF-8" in done.stderr
    assert output_of(larkwise(settings, "collections", "list", "--json"))["collections"][-1]["name"] == "mixed"
    assert larkwise(settings, "collections", "delete", "mixed", "--yes").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ask", ""), "question"),
        (("ask", "x" * 2049), "2048"),
        (("ask", "?", "-c", "nowhere"), "there is no collection 'nowhere'"),
        (("ingest", "/no/such/folder"), "/no/such/folder does not exist"),
        (("search", "?", "-c", "../x"), "cannot name a collection"),
        (("models", "pull", "gpt-9"), "there is no model 'gpt-9'"),
        (("collections", "delete", "nowhere", "--yes"), "nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_no_traceback(
    ingested: Settings, arguments: tuple[str, ...], words: str
) -> None:
    done = larkwise(ingested, *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["nonsense", "sqlite+aiosqlite:////proc/no/x.db", "nosuch://u:geheim@h/db"])
@pytest.mark.parametrize("command", [("ask", "?"), ("serve",)])
def test_a_database_that_cannot_be_opened_is_named_without_its_password(
    ingested: Settings, command: tuple[str, ...], address: str
) -> None:
    done = larkwise(ingested, *command, LARKWISE_DATABASE_URL=address)
    assert done.returncode == 1
    assert "LARKWISE_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert "geheim" not in done.stderr


def test_a_wrong_command_is_a_usage_error(settings: Settings) -> None:
    assert larkwise(settings, "ingest").returncode == 2
    assert larkwise(settings, "fly").returncode == 2


def test_an_unknown_setting_stops_every_command(settings: Settings) -> None:
    done = larkwise(settings, "doctor", LARKWISE_PROT="1")
    assert done.returncode == 1
    assert "LARKWISE_PROT" in done.stderr


def test_another_embedding_model_is_refused_with_what_to_do(ingested: Settings) -> None:
    done = larkwise(ingested, "search", "returns", LARKWISE_EMBEDDING_MODEL="all-minilm-l6-v2")
    assert done.returncode == 1
    assert "LARKWISE_EMBEDDING_MODEL=use-multilingual-v3" in done.stderr


def test_models_are_listed_with_their_licences_and_verified(settings: Settings) -> None:
    rows = {row["name"]: row for row in output_of(larkwise(settings, "models", "list", "--json"))["models"]}
    assert rows["smollm2-135m-instruct"]["state"] == "ready"
    assert "research" in rows["m3e-small"]["licence"]
    assert larkwise(settings, "models", "verify", "smollm2-135m-instruct").returncode == 0


def test_doctor_says_that_everything_is_there(settings: Settings) -> None:
    assert larkwise(settings, "doctor").returncode == 0


def test_a_damaged_collection_is_told_and_hides_no_other(ingested: Settings, tmp_path: Path) -> None:
    shutil.copytree(ingested.data_dir / "collections" / "default", tmp_path / "collections" / "good")
    shutil.copytree(ingested.data_dir / "collections" / "default", tmp_path / "collections" / "bad")
    for index in (tmp_path / "collections" / "bad").glob("segment-*.safetensors"):
        index.write_bytes(b"damaged")
    settings = ingested.model_copy(update={"data_dir": tmp_path})

    doctor = larkwise(settings, "doctor")
    ingest = larkwise(settings, "ingest", __file__, "-c", "bad")

    assert doctor.returncode == ingest.returncode == 1
    assert "'bad' cannot be used" in doctor.stdout
    assert "'bad' cannot be used" in ingest.stderr
    (tmp_path / "collections" / "bad" / "collection.sqlite3").write_bytes(b"no database " * 99)
    listed = larkwise(settings, "collections", "list", "--json")
    assert listed.returncode == 1
    assert [one["name"] for one in json.loads(listed.stdout)["collections"]] == ["good"]
    assert "'bad' cannot be used" in listed.stderr


def test_doctor_names_a_model_that_does_not_exist(settings: Settings) -> None:
    done = larkwise(settings, "doctor", LARKWISE_LLM_MODEL="nope")
    assert done.returncode == 1
    assert "there is no model 'nope'" in done.stderr


def test_the_files_of_a_model_are_listed_with_their_hashes(settings: Settings) -> None:
    done = larkwise(settings, "models", "files", "smollm2-135m-instruct")
    assert "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" in done.stdout
    assert "smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf" in done.stdout


def test_an_ingestion_that_was_killed_at_its_start_does_not_keep_the_example_out(tmp_path: Path) -> None:
    collections = Collections(tmp_path, EmbeddingModel(HashEmbeddings(), "hash"))
    store = collections.create("default")
    assert not any_documents(tmp_path)
    with store.writing() as change:
        change.record.append(StoredDocument("1", "0", "A", (Source("/a.md", "a.md"),)))
    assert any_documents(tmp_path)


def test_a_package_brings_commands_by_an_entry_point(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "extra-1.0.dist-info").mkdir()
    (tmp_path / "extra-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
    (tmp_path / "extra-1.0.dist-info" / "entry_points.txt").write_text(
        "[larkwise.commands]\ngreet = extra.cli:commands\nbroken = nowhere_at_all:commands\n"
    )
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "errors.py").write_text("class Rude(Exception):\n    pass\n")
    (tmp_path / "extra" / "cli.py").write_text(
        "import typer\nfrom extra.errors import Rude\ncommands = typer.Typer()\n\n"
        "@commands.command()\ndef hello(name: str) -> None:\n    print('hello', name)\n\n"
        "@commands.command()\ndef bye() -> None:\n    raise Rude('not yet: stay')\n"
    )
    path = {"PYTHONPATH": str(tmp_path)}
    assert larkwise(settings, "greet", "hello", "anna", **path).stdout == "hello anna\n"
    refused = larkwise(settings, "greet", "bye", **path)
    assert (refused.returncode, refused.stderr) == (1, "larkwise: not yet: stay\n")
    helped = larkwise(settings, "--help", **path)
    assert helped.returncode == 0
    assert {"greet", "broken", "serve"} <= set(helped.stdout.split())
    for arguments in (("broken",), ("broken", "deep", "--option", "1"), ("broken", "--help")):
        done = larkwise(settings, *arguments, **path)
        assert done.returncode == 1
        assert "`larkwise broken` cannot be imported" in done.stderr
        assert "Traceback" not in done.stderr


def test_commands_are_listed_without_waiting_for_torch() -> None:
    listing = (
        "import sys, app.cli, bench.cli, evals.cli; print({'torch', 'transformers', 'lark_oapi'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True).stdout.strip() == "set()"
