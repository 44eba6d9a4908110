"""The knowledge base by the command line, as an operator uses it: real processes."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings
from tests.app.test_cli import larkwise, output_of
from tests.app.test_starting import BIN, environment


@pytest.fixture
def empty(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"data_dir": tmp_path / "var"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "leave.md").write_text("# Leave\n\nParental leave is 98 days.\n")
    (documents / "travel.md").write_text("# Travel\n\nTrains are booked second class.\n")
    return documents


def test_a_collection_is_labelled_copied_backed_up_damaged_and_mended(
    empty: Settings, folder: Path, tmp_path: Path
) -> None:
    report = output_of(larkwise(empty, "ingest", str(folder), "-c", "hr", "--label", "permission=hr", "--json"))
    assert sorted(report["added"]) == ["leave.md", "travel.md"]
    listed = output_of(larkwise(empty, "documents", "list", "-c", "hr", "--json"))["documents"]
    assert [(one["source"], one["labels"], one["chunks"]) for one in listed] == [
        ("leave.md", {"permission": "hr"}, 1),
        ("travel.md", {"permission": "hr"}, 1),
    ]
    assert larkwise(empty, "collections", "copy", "hr", "copy").returncode == 0
    assert larkwise(empty, "collections", "backup", "hr", str(tmp_path / "hr.backup")).returncode == 0

    segment = next(iter(sorted((empty.data_dir / "collections" / "hr").glob("segment-*.safetensors"))))
    segment.write_bytes(segment.read_bytes()[:-4] + b"gone")
    broken = larkwise(empty, "collections", "verify", "hr")
    assert (broken.returncode, "is damaged" in broken.stderr) == (1, True)
    assert output_of(larkwise(empty, "collections", "repair", "hr", "--json"))["chunks"] == 2
    assert larkwise(empty, "collections", "verify", "hr").returncode == 0

    assert larkwise(empty, "collections", "delete", "hr", "--yes").returncode == 0
    assert larkwise(empty, "collections", "restore", str(tmp_path / "hr.backup"), "hr").returncode == 0
    facts = output_of(larkwise(empty, "collections", "describe", "hr", "--json"))
    assert (facts["documents"], facts["embedding"], facts["chunk_size"]) == (
        2,
        "use-multilingual-v3+all-minilm-l6-v2",
        500,
    )
    found = output_of(larkwise(empty, "search", "parental leave", "-c", "hr", "--json"))["results"]
    assert found[0]["metadata"]["source"] == "leave.md"


def test_another_model_takes_over_by_one_command(empty: Settings, folder: Path) -> None:
    output_of(larkwise(empty, "ingest", str(folder), "--json"))
    another = {"LARKWISE_EMBEDDING_MODEL": "all-minilm-l6-v2"}
    assert larkwise(empty, "search", "leave", **another).returncode == 1
    assert larkwise(empty, "collections", "reembed", "default", **another).returncode == 0
    found = output_of(larkwise(empty, "search", "parental leave", "--json", **another))["results"]
    assert found[0]["metadata"]["source"] == "leave.md"
    refused = larkwise(empty, "search", "leave")
    assert "LARKWISE_EMBEDDING_MODEL=all-minilm-l6-v2" in refused.stderr


def test_what_is_gone_is_told_pruned_and_shown(empty: Settings, folder: Path) -> None:
    output_of(larkwise(empty, "ingest", str(folder), "--json"))
    (folder / "travel.md").unlink()
    told = larkwise(empty, "ingest", str(folder))
    assert "1 missing" in told.stderr
    assert "`--prune` removes it" in told.stderr
    assert output_of(larkwise(empty, "ingest", str(folder), "--prune", "--json"))["removed"] == ["travel.md"]
    assert "98 days" in larkwise(empty, "documents", "show", "leave.md").stdout
    assert larkwise(empty, "documents", "delete", "leave.md", "--yes").returncode == 0
    assert output_of(larkwise(empty, "documents", "list", "--json"))["documents"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ingest", "x", "--label", "nonsense"), "NAME=VALUE"),
        (("ingest", "x", "--label", "source=y"), "larkwise uses itself"),
        (("ingest", "https://example.com", "--watch"), "only files and folders"),
        (("ingest", "http://user:word@example.com/"), "example.com"),
        (("ingest", "http://169.254.169.254/latest"), "private"),
        (("collections", "restore", __file__, "new"), "no backup"),
        (("documents", "show", "nothing.md"), "nothing.md"),
    ],
)
def test_what_cannot_be_done_is_said(empty: Settings, arguments: tuple[str, ...], words: str) -> None:
    larkwise(empty, "collections", "create", "default")
    done = larkwise(empty, *arguments)
    assert done.returncode in (1, 2)
    assert words in " ".join((done.stderr + done.stdout).replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.fixture
def site() -> Iterator[str]:
    pages = {
        "/": "<title>Start</title><h1>Start</h1><p>Welcome to the handbook.</p><a href='/leave'>leave</a>",
        "/leave": "<title>Leave</title><h1>Leave</h1><p>Parental leave is 98 days.</p>",
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quietly."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_web_page_and_what_it_leads_to_go_in_where_that_is_allowed(empty: Settings, site: str) -> None:
    refused = larkwise(empty, "ingest", site, "--json")
    assert refused.returncode == 1
    assert "private" in json.loads(refused.stdout)["failed"][0]["reason"]
    allowed = {"LARKWISE_CRAWL_ALLOWED_HOSTS": "127.0.0.1"}
    report = output_of(larkwise(empty, "ingest", site, "--depth", "1", "--json", **allowed))
    assert report["added"] == [site, f"{site}leave"]
    assert (
        output_of(larkwise(empty, "ingest", site, "--depth", "1", "--json", **allowed))["unchanged"] == report["added"]
    )
    found = output_of(larkwise(empty, "search", "parental leave", "--json"))["results"]
    assert found[0]["metadata"]["source"] == f"{site}leave"


def test_a_folder_is_followed_until_ctrl_c(empty: Settings, folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as told:
        process = subprocess.Popen(
            [str(BIN / "larkwise"), "ingest", str(folder), "--watch"],
            env=environment(empty),
            stderr=told,
            stdout=subprocess.DEVNULL,
        )
    try:
        wait_for(log, "2 added")
        (folder / "new.md").write_text("# New\n\nA new document.\n")
        wait_for(log, "1 added")
        (folder / "travel.md").unlink()
        wait_for(log, "1 removed")
    finally:
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(30) in (0, 130)
    assert {one["source"] for one in output_of(larkwise(empty, "documents", "list", "--json"))["documents"]} == {
        "leave.md",
        "new.md",
    }


def wait_for(log: Path, words: str) -> None:
    until = time.monotonic() + 90
    while words not in log.read_text():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)
