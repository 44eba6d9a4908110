"""larkwise ask and search: the same chain and store as behind the service, in the terminal."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from langchain_core.runnables.utils import AddableDict

from app.cli_terminal import CollectionOption, JsonOption, err, out, print_json, progress_bar
from app.conversations import remembering
from app.services import Services, open_collections, open_ranker, open_services, open_weights
from app.settings import load_settings
from chains import retrieval
from chains.registry import chain_named, validated
from models.chat import CALLER

CLI_CALLER = "cli"
QuestionArgument = Annotated[str, typer.Argument(help="In your own words, Chinese or English")]
SessionOption = Annotated[str | None, typer.Option("--session", help="Keeps a conversation's turns together")]


def ask(
    question: QuestionArgument,
    collection: CollectionOption = "default",
    session: SessionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question from a collection, with its sources."""
    asyncio.run(_ask(question, collection, session, as_json=as_json))


async def _ask(question: str, collection: str, session: str | None, *, as_json: bool) -> None:
    settings = load_settings()
    asked = {"question": question, "collection": collection, "session_id": session}
    from app.services import chain_specs

    spec = chain_named(chain_specs(settings), "rag")
    validated(spec, asked)  # before a model is loaded for nothing
    with err.status("loading the model …"):
        opened = open_services(settings)
        services = await opened.__aenter__()
    try:
        services.collections.open(collection)
        output = await _stream(services, asked, show=not as_json)
    finally:
        await opened.__aexit__(None, None, None)
    if as_json:
        print_json(output)
    else:
        _show_sources(output)


async def _stream(services: Services, asked: dict[str, Any], *, show: bool) -> dict[str, Any]:
    chain = remembering(services.specs["rag"], lambda: services)
    output = AddableDict()
    async for piece in chain.astream(asked, {"configurable": {CALLER: CLI_CALLER}}):
        output = output + AddableDict(piece)
        if show and "answer" in piece:
            out.print(piece["answer"], end="", markup=False)
    if show:
        out.print()
    return {"question": asked["question"], **output}


def _show_sources(output: dict[str, Any]) -> None:
    if output["standalone_question"] != output["question"]:
        out.print(f"  understood as: {output['standalone_question']}", markup=False, style="dim")
    cited = {citation["source_id"] for citation in output["citations"] if citation["supported"]}
    for number, source in enumerate(output["sources"], start=1):
        if source["id"] in cited:
            out.print(f"  [{number}] {place(source['metadata'])}", markup=False, style="cyan")
    out.print(f"  confidence {output['confidence']:.0%}", markup=False, style="dim")


def place(metadata: dict[str, Any]) -> str:
    """Where a source stands, for a person: file, headings, page."""
    parts = [str(metadata.get("source", ""))]
    if metadata.get("headings"):
        parts.append(str(metadata["headings"]))
    if metadata.get("page"):
        parts.append(f"p. {metadata['page']}")
    if metadata.get("sheet"):
        parts.append(str(metadata["sheet"]))
    if metadata.get("slide"):
        parts.append(f"slide {metadata['slide']}")
    return " · ".join(parts)


def search(
    question: QuestionArgument,
    collection: CollectionOption = "default",
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, max=100, help="How many chunks")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Show the chunks that are nearest to a question, without a model."""
    settings = load_settings()
    if not question.strip():
        raise typer.BadParameter("the question is empty")
    with progress_bar() as progress:
        weights = open_weights(settings, progress=progress)
        collections = open_collections(settings, weights)
        ranker = open_ranker(settings, weights)
    store = collections.open(collection)
    found = retrieval.retrieve(store, question, top_k=top_k, fetch_k=max(20, top_k), ranker=ranker)
    sources = [retrieval.as_source(one) for one in found.found]
    if as_json:
        print_json({"question": question, "collection": collection, "results": sources})
        return
    for number, source in enumerate(sources, start=1):
        out.print(f"{number}. {source['score']:.3f}  {place(source['metadata'])}", markup=False, style="cyan")
        out.print(" ".join(source["content"].split())[:200], markup=False)
