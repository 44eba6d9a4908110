"""The chain as the project's card draws it, chosen by settings: HuggingFaceEmbeddings, FAISS, HuggingFacePipeline."""

from __future__ import annotations

from pathlib import Path

import httpx
from fastapi import FastAPI
from httpx import ASGITransport

from app.factory import create_app
from app.ingestion import ingest_paths
from app.services import open_services
from app.settings import Settings
from models.pipeline_chat import PipelineChatModel


async def test_it_answers_end_to_end(tmp_path: Path, cache_dir: Path) -> None:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path / "var",
        cache_dir=cache_dir,
        offline=True,
        llm_provider="hf-pipeline",
        answer_tokens=16,
        llm_model="smollm2-135m-instruct",
        embedding_model="all-minilm-l6-v2",
    )
    (tmp_path / "refunds.md").write_text("# Refunds\n\nA card can be returned within 15 days for a full refund.\n")
    ingest_paths(settings, [tmp_path / "refunds.md"], "default")
    async with open_services(settings) as services:
        assert isinstance(services.model, PipelineChatModel)
        app: FastAPI = create_app(settings, services=services)
        app.state.services = services
        async with httpx.AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
            question = {"question": "Within how many days can a card be returned?"}
            answer = await client.post("/rag/invoke", json={"input": question}, timeout=120)
            output = answer.json()["output"]
            assert output["sources"][0]["metadata"]["source"] == "refunds.md"
            assert output["answer"]
            assert (await client.get("/health/ready")).json()["status"] == "ready"
            text = await client.post("/generate", json={"prompt": "Say hello.", "max_tokens": 8}, timeout=120)
            assert text.json()["usage"]["completion_tokens"] > 0
