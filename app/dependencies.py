"""What routes ask for in their arguments."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request

from app.errors import NotReady
from app.security import caller_of
from app.services import Services


def services_of(app: FastAPI) -> Services:
    """
    Raises:
        NotReady: they are still being opened, or closed already.
    """
    services: Services | None = getattr(app.state, "services", None)
    if services is None:
        raise NotReady("larkwise is still loading its model: try again in a few seconds")
    return services


def _services(request: Request) -> Services:
    return services_of(request.app)


def _editor(caller: Annotated[str, Depends(caller_of)]) -> str:
    """The one place that decides who may change collections: everybody who may ask."""
    return caller


ServicesOf = Annotated[Services, Depends(_services)]
CallerOf = Annotated[str, Depends(caller_of)]
EditorOf = Annotated[str, Depends(_editor)]
"""The caller, who may change what the collections hold."""
