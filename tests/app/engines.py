"""An engine that does what a test wants."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.factory import create_app
from chains.registry import Parts
from models.chat import LocalChatModel
from models.engine.requests import CompletionRequest, Engine, EngineLoad, Event, Failed, Token
from tests.app import endless
from tests.app.servers import Service, running


class Ticket:
    def cancel(self) -> None:
        """Nothing runs."""


class FailingEngine:
    """Writes some tokens and fails."""

    def __init__(self, error: Exception, *, tokens: int) -> None:
        self.error = error
        self.tokens = tokens
        self.users: list[str] = []

    def submit(self, request: CompletionRequest, on_event: Callable[[Event], None]) -> Ticket:
        self.users.append(request.user)
        for _ in range(self.tokens):
            on_event(Token(request.prompt_ids[-1]))
        on_event(Failed(self.error))
        return Ticket()

    def load(self) -> EngineLoad:
        return EngineLoad(0, 64, 0, 8, 0, 16384, 0)

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing runs."""


@contextmanager
def on_engine(service: Service, model: LocalChatModel, engine: Engine) -> Iterator[str]:
    """The service with another engine, under the model alone and under the chain `endless`."""
    broken = model.model_copy(update={"engine": engine})
    chains = {"endless": endless.SPEC.build(Parts(model=broken, collection=service.services.collections.open))}
    services = dataclasses.replace(service.services, model=broken, chains=chains)
    with running(create_app(services.settings, services=services)) as url:
        yield url
