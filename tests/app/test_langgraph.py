"""`langgraph dev`: the same chains as graphs, and our application as its http.app, on one set of services."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.settings import Settings
from examples.echo_chain import echo
from tests.app.servers import is_ready
from tests.app.uploading import upload, uploaded

ROOT = Path(__file__).parents[2]
ASKED = {"question": "Within how many days can a card be returned for a full refund?"}


@pytest.fixture(scope="module")
def platform(
    ingested: Settings, tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> Iterator[str]:
    port = unused_tcp_port_factory()
    log = tmp_path_factory.mktemp("langgraph") / "log.txt"
    environment = os.environ | {
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGSMITH_TRACING": "false",
        # relative, as the default is: asking for the working directory would block the platform's event loop
        "LARKWISE_DATA_DIR": os.path.relpath(ingested.data_dir, ROOT),
        "LARKWISE_CACHE_DIR": str(ingested.cache_dir),
        "LARKWISE_LLM_MODEL": ingested.llm_model,
        "LARKWISE_LLM_THREADS": "1",
        "LARKWISE_ANSWER_TOKENS": str(ingested.answer_tokens),
        "LARKWISE_OFFLINE": "true",
    }
    command = [str(Path(sys.executable).parent / "langgraph"), "dev", "--no-browser", "--no-reload"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        try:
            while not (_answers(url) and is_ready(url)):
                assert process.poll() is None, log.read_text()[-3000:]
                time.sleep(0.3)
            yield url
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(ROOT / ".langgraph_api", ignore_errors=True)


def test_a_chain_of_ones_own_is_a_graph_by_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARKWISE_CHAINS", "examples.echo_chain.echo:SPEC")
    graph = echo.graph()
    assert graph.name == "echo"
    assert set(graph.get_output_jsonschema()["properties"]) == {"text", "echo"}


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ok").status_code == 200
    except httpx.TransportError:
        return False


def _run(url: str, graph: str, given: dict[str, Any]) -> dict[str, Any]:
    answer = httpx.post(f"{url}/runs/wait", json={"assistant_id": graph, "input": given}, timeout=120)
    output: dict[str, Any] = answer.json()
    return output


def test_a_graph_answers_as_the_route_does(platform: str) -> None:
    graph = _run(platform, "rag", ASKED)
    route = httpx.post(f"{platform}/rag/invoke", json={"input": ASKED}, timeout=120).json()["output"]
    assert graph["answer"] == route["answer"]
    assert graph["sources"][0]["metadata"]["source"] == "refunds.md"


def test_every_chain_of_langgraph_json_is_a_graph(platform: str) -> None:
    found = httpx.post(f"{platform}/assistants/search", json={}).json()
    assert {assistant["graph_id"] for assistant in found} == {"rag", "chat", "summarize"}
    assert _run(platform, "chat", {"question": "Say hello."})["answer"]


def test_our_application_is_served_beside_it(platform: str) -> None:
    assert httpx.get(f"{platform}/health/ready").json()["status"] == "ready"
    assert httpx.get(f"{platform}/rag/playground/").status_code == 200


def test_uploads_are_taken_without_blocking_the_platform(platform: str) -> None:
    assert uploaded(platform, "platform", {"a.md": "# A\n\nText.\n"})["added"] == ["a.md"]
    assert "no loader" in upload(platform, "platform", {"tool.exe": "MZ"}).json()["error"]["message"]
    assert httpx.delete(f"{platform}/collections/platform").status_code == 200
