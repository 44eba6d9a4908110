"""The chains that larkwise comes with."""

from __future__ import annotations

from chains import chat, rag, summarize
from chains.registry import ChainSpec

BUILT_IN: tuple[ChainSpec, ...] = (rag.SPEC, chat.SPEC, summarize.SPEC)
