"""docs/api.md and docs/api.zh-CN.md: complete, and their examples work."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from filelock import FileLock

from app.factory import create_app
from app.ingestion import ingest_paths
from app.settings import Settings
from tests.app.conftest import DOCUMENTS
from tests.app.servers import running, wait_until_ready
from tests.app.test_keys import make_key

DOCS = Path(__file__).parents[2] / "docs"
PAGES = (DOCS / "api.md", DOCS / "api.zh-CN.md")
ROUTE = re.compile(r"(GET|POST|DELETE|PUT) (/\S*)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NODE = shutil.which("node")


@dataclass(frozen=True, slots=True)
class Section:
    """What stands below a heading."""

    heading: str
    text: str

    def blocks(self, language: str) -> list[str]:
        return [code for found, code in BLOCK.findall(self.text) if found == language]


def sections(page: Path) -> list[Section]:
    """One for each heading."""
    parts = re.split(r"^##+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [Section(heading, text) for heading, text in zip(parts[1::2], parts[2::2], strict=True)]


def routes(page: Path) -> list[Section]:
    return [section for section in sections(page) if ROUTE.fullmatch(section.heading)]


def preamble(language: str) -> str:
    (examples,) = (section for section in sections(PAGES[0]) if section.heading == "Examples")
    return examples.blocks(language)[0]


def examples(language: str) -> list[Any]:
    return [pytest.param(section, id=section.heading) for section in routes(PAGES[0]) if section.blocks(language)]


@dataclass(frozen=True, slots=True)
class Example:
    """A service that wants keys."""

    url: str
    key: str
    settings: Settings

    @contextmanager
    def ready_for(self, section: Section) -> Iterator[None]:
        """Only a job that waits can be cancelled."""
        if section.heading != "DELETE /jobs/{job_id}":
            yield
            return
        with FileLock(self.settings.data_dir / "jobs.lock"):
            yield


@pytest.fixture(scope="module")
def example(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """With documents of its own: the examples change them."""
    changes = {"api_keys_required": True, "data_dir": tmp_path_factory.mktemp("examples")}
    mine = settings.model_copy(update=changes)
    folder = tmp_path_factory.mktemp("documents")
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    ingest_paths(mine, [folder], "default")
    key = make_key(mine, "examples")
    with running(create_app(mine)) as url:
        wait_until_ready(url)
        yield Example(url, key, mine)


def run(command: list[str], section: Section, language: str, example: Example) -> str:
    (code,) = section.blocks(language)
    written = (preamble(language) + code).replace("http://localhost:8000", example.url).replace("lw_…", example.key)
    with example.ready_for(section):
        done = subprocess.run([*command, written], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    return done.stdout


@pytest.mark.parametrize("section", examples("bash"))
def test_the_curl_examples_work_and_answer_as_the_page_says(section: Section, example: Example) -> None:
    output = run(["bash", "-euo", "pipefail", "-c"], section, "bash", example)
    assert not output.startswith('{"error":')
    assert "\nevent: error" not in output
    for sample in section.blocks("json"):
        assert set(json.loads(output)) == set(json.loads(sample))


@pytest.mark.parametrize("section", examples("python"))
def test_the_python_examples_work(section: Section, example: Example) -> None:
    run([sys.executable, "-c"], section, "python", example)


@pytest.mark.skipif(NODE is None, reason="no node: the JavaScript examples are not run")
@pytest.mark.parametrize("section", examples("javascript"))
def test_the_javascript_examples_work(section: Section, example: Example) -> None:
    assert NODE
    run([NODE, "--input-type=module", "--no-warnings", "-e"], section, "javascript", example)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_route_is_documented_and_every_documented_route_is_there(page: Path, ingested: Settings) -> None:
    text = page.read_text(encoding="utf-8")
    documented = {f"{method} {path}" for method, path in ROUTE.findall(re.sub(r"[`|（]", " ", text))}
    headings = {section.heading for section in routes(page)}
    there = set(routes_of(create_app(ingested)))
    assert there <= documented | {"GET /static-offline-docs"}
    assert headings <= there


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_route_has_an_example_in_each_language(page: Path) -> None:
    for section in routes(page):
        for language in ("bash", "python", "javascript"):
            assert len(section.blocks(language)) == 1, (section.heading, language)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_status_is_explained(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for status in (400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 503):
        assert f"| {status} |" in text


def test_both_pages_have_the_same_examples() -> None:
    here, there = ([(section.heading, BLOCK.findall(section.text)) for section in routes(page)] for page in PAGES)
    assert here == there


@pytest.mark.parametrize(
    "model",
    ["GenerateRequest", "ChatRequest", "EmbeddingRequest", "StopRequest", "FeedbackRequest", "CollectionRequest"],
)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_parameter_is_in_its_table(page: Path, model: str, ingested: Settings) -> None:
    fields = create_app(ingested).openapi()["components"]["schemas"][model]["properties"]
    text = page.read_text(encoding="utf-8")
    assert [name for name in fields if f"`{name}`" not in text] == []


def routes_of(app: FastAPI) -> Iterable[str]:
    """Each as the pages write it: chains are alike."""
    chains = "|".join(app.state.specs)
    for method, path in _walk(app.routes):
        yield f"{method} " + re.sub(rf"^/({chains})/", "/{chain}/", path).replace(":path}", "}")


def _walk(found: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for route in found:
        if router := getattr(route, "original_router", None):
            yield from _walk(router.routes)
        else:
            for method in getattr(route, "methods", None) or {"GET"}:
                if method not in ("HEAD", "OPTIONS"):
                    yield method, route.path
